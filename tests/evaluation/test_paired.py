from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation import bootstrap
from evaluation.bootstrap import bootstrap_means
from evaluation.paired import on_same_users, paired_bootstrap


def _pair(seed: int, n: int, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Skewed per-user values with many zeros and many ties, as ranking metrics have them."""
    rng = np.random.default_rng(seed)
    baseline = rng.beta(0.6, 2.5, n) * (rng.random(n) < 0.6)
    difference = rng.exponential(0.1, n) - 0.1 + effect
    return baseline + difference * (rng.random(n) < 0.7), baseline


def test_the_effect_is_the_mean_difference_and_lies_in_the_interval() -> None:
    candidate, baseline = _pair(1, 400, effect=0.03)
    found = paired_bootstrap(candidate, baseline, seed=0)
    assert found.effect_size == pytest.approx((candidate - baseline).mean())
    assert found.ci_lower < found.effect_size < found.ci_upper
    assert (found.n_users, found.status) == (400, "ok")


def test_large_samples_agree_with_the_paired_t_test() -> None:
    candidate, baseline = _pair(2, 2000, effect=0.005)
    found = paired_bootstrap(candidate, baseline, seed=0, n_resamples=20_000)
    theirs = stats.ttest_rel(candidate, baseline)
    interval = theirs.confidence_interval(0.95)
    width = interval.high - interval.low
    assert found.ci_lower == pytest.approx(interval.low, abs=0.03 * width)
    assert found.ci_upper == pytest.approx(interval.high, abs=0.03 * width)
    assert found.pvalue == pytest.approx(theirs.pvalue, abs=0.02)


def test_agrees_with_scipys_percentile_bootstrap() -> None:
    candidate, baseline = _pair(3, 60, effect=0.02)
    ours = paired_bootstrap(candidate, baseline, seed=0, n_resamples=20_000)
    theirs = stats.bootstrap(
        (candidate - baseline,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.ci_lower == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.ci_upper == pytest.approx(theirs.high, abs=0.03 * width)


def test_users_without_a_value_in_either_are_left_out() -> None:
    candidate, baseline = _pair(4, 200, effect=0.03)
    holed_candidate, holed_baseline = candidate.copy(), baseline.copy()
    holed_candidate[:30], holed_baseline[20:50] = np.nan, np.nan
    holed = paired_bootstrap(holed_candidate, holed_baseline, seed=0)
    assert holed == paired_bootstrap(candidate[50:], baseline[50:], seed=0)
    assert holed.n_users == 150


def test_pairing_counts() -> None:
    # A tiny but constant-sign gain that an unpaired comparison of such spread-out users could not see.
    rng = np.random.default_rng(5)
    baseline = rng.random(100)
    candidate = baseline + rng.uniform(0.001, 0.003, 100)
    assert paired_bootstrap(candidate, baseline, seed=0).ci_lower > 0
    assert stats.ttest_ind(candidate, baseline).pvalue > 0.9


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    candidate, baseline = _pair(6, 100)
    assert paired_bootstrap(candidate, baseline, seed=1) == paired_bootstrap(candidate, baseline, seed=1)
    assert paired_bootstrap(candidate, baseline, seed=1) != paired_bootstrap(candidate, baseline, seed=2)


def test_no_user_in_common() -> None:
    nan = float("nan")
    for candidate, baseline in (([], []), ([nan, 1.0], [1.0, nan])):
        found = paired_bootstrap(np.array(candidate), np.array(baseline), seed=0)
        assert (found.n_users, found.status) == (0, "no_units")
        assert all(math.isnan(value) for value in found[:4])


@pytest.mark.parametrize("candidate", [[0.3], [0.5, 0.3], [0.4, 0.2]])
def test_no_variance(candidate: list[float]) -> None:
    baseline = np.array([0.2, 0.0][: len(candidate)]) if len(candidate) == 1 else np.array([0.4, 0.2])
    found = paired_bootstrap(np.array(candidate), baseline, seed=0)
    assert found.status == "no_variance"
    assert found.effect_size == pytest.approx(np.mean(np.array(candidate) - baseline))
    assert math.isnan(found.ci_lower)
    assert math.isnan(found.ci_upper)
    assert math.isnan(found.pvalue)


def test_what_cannot_be_compared_is_refused() -> None:
    two, three = np.array([0.0, 1.0]), np.array([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"candidate.shape == \(2,\)"):
        paired_bootstrap(two, three, seed=0)
    with pytest.raises(ValueError, match=r"alpha == 1\.2, must be between 0 and 1"):
        paired_bootstrap(two, two, alpha=1.2, seed=0)
    with pytest.raises(ValueError, match="n_resamples == 100, must be >= 200"):
        paired_bootstrap(two, two, n_resamples=100, alpha=0.01, seed=0)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(0, 2**32 - 1))
def test_swapping_the_models_mirrors_the_answer(differences: list[float], seed: int) -> None:
    difference = np.array(differences)
    zero = np.zeros_like(difference)
    there, back = (
        paired_bootstrap(a, b, seed=seed, n_resamples=200) for a, b in ((difference, zero), (zero, difference))
    )
    assert there.status == back.status
    np.testing.assert_allclose(there.effect_size, -back.effect_size, atol=1e-12)
    np.testing.assert_allclose([there.ci_lower, there.ci_upper], [-back.ci_upper, -back.ci_lower], atol=1e-9)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    # 400 samples of 150 skewed users; the bound is three binomial standard errors below 95 %.
    truth, n_samples = 0.02, 400
    covered, false_wins = 0, 0
    for sample in range(n_samples):
        candidate, baseline = _pair(10_000 + sample, 150, effect=truth)
        found = paired_bootstrap(candidate, baseline, seed=sample, n_resamples=500)
        covered += found.ci_lower <= 0.7 * truth <= found.ci_upper
        nothing = paired_bootstrap(*_pair(50_000 + sample, 150), seed=sample, n_resamples=500)
        false_wins += nothing.ci_lower > 0
    assert covered / n_samples >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / n_samples)
    assert false_wins / n_samples <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / n_samples)


def test_blocks_do_not_overlap_or_leave_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((50, 2))
    monkeypatch.setattr(bootstrap, "_BLOCK", 50 * 7)
    means = bootstrap_means(values, n_resamples=100, seed=0)
    assert means.shape == (100, 2)
    assert len(np.unique(means[:, 0])) == 100
    assert (means > values.min(axis=0)).all()
    assert (means < values.max(axis=0)).all()


def test_columns_share_their_draws() -> None:
    values = np.random.default_rng(0).random((50, 1))
    means = bootstrap_means(np.hstack([values, 2 * values]), n_resamples=100, seed=0)
    np.testing.assert_allclose(means[:, 1], 2 * means[:, 0])


def test_models_judged_on_different_users_are_brought_together() -> None:
    here, there = on_same_users(
        np.array([3, 1, 2]), np.array([0.3, 0.1, 0.2]), np.array([2, 9, 3]), np.array([[2.0], [9.0], [3.0]])
    )
    assert here.tolist() == [0.2, 0.3]
    assert there.tolist() == [[2.0], [3.0]]
    nobody, _ = on_same_users(np.array(["a"]), np.array([1.0]), np.array(["b"]), np.array([1.0]))
    assert nobody.tolist() == []
