"""The paired randomisation test, against counting by hand and by its error rate; models pairwise."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from evaluation.paired import paired_bootstrap
from evaluation.pairwise import pairwise_differences
from evaluation.randomisation import randomisation_test, sign_flip_pvalues

NAN = float("nan")


def by_hand(difference: np.ndarray) -> float:
    """Every sign pattern, one after another."""
    observed = abs(difference.sum())
    patterns = list(product((-1, 1), repeat=len(difference)))
    return sum(abs(np.dot(signs, difference)) >= observed - 1e-12 for signs in patterns) / len(patterns)


@pytest.mark.parametrize("seed", range(5))
def test_few_users_are_counted_exactly(seed: int) -> None:
    difference = np.round(np.random.default_rng(seed).normal(0.3, 1, 9), 1)
    found = randomisation_test(difference, np.zeros(9), seed=0)
    assert found.exact
    assert found.pvalue == pytest.approx(by_hand(difference))
    assert found.effect_size == pytest.approx(difference.mean())


def test_many_users_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.15, 1, 150), rng.normal(0, 1, 150)
    found = randomisation_test(one, other, seed=1)
    expected = permutation_test(
        (one, other),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=9_999,
        vectorized=True,
        random_state=2,
    )
    assert not found.exact
    # Two estimates of one probability from 9,999 draws each.
    assert found.pvalue == pytest.approx(expected.pvalue, abs=5 * np.sqrt(0.5 * 0.25 / 9_999))


def test_equally_good_models_differ_as_often_as_alpha_says() -> None:
    # A hundred comparisons at a time over the same users.
    rng = np.random.default_rng(3)
    pvalues = np.concatenate(
        [
            sign_flip_pvalues(
                rng.exponential(size=(30, 100)) * rng.choice([-1, 1], (30, 100)), n_permutations=999, seed=s
            )
            for s in range(10)
        ]
    )
    assert abs(np.mean(pvalues <= 0.05) - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / len(pvalues))


def test_a_real_difference_is_found_and_no_pvalue_is_zero() -> None:
    rng = np.random.default_rng(4)
    found = randomisation_test(rng.normal(1, 0.5, 100), np.zeros(100), n_permutations=999, seed=0)
    assert found.pvalue == 1 / 1000


def test_nothing_to_compare_and_nothing_that_differs() -> None:
    nobody = randomisation_test(np.array([NAN, 1.0]), np.array([1.0, NAN]), seed=0)
    assert (nobody.status, nobody.n_users) == ("no_units", 0)
    assert np.isnan(nobody.pvalue)
    assert np.isnan(nobody.effect_size)
    same = randomisation_test(np.array([0.5, NAN, 0.7]), np.array([0.5, 0.1, 0.7]), seed=0)
    assert (same.pvalue, same.effect_size, same.n_users) == (1.0, 0.0, 2)


def test_the_same_seed_gives_the_same_pvalue() -> None:
    one, other = np.random.default_rng(5).random((2, 60))
    first, second, another = (randomisation_test(one, other, seed=seed).pvalue for seed in (0, 0, 1))
    assert first == second != another


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one row like"):
        randomisation_test(np.zeros(3), np.zeros(4), seed=0)
    with pytest.raises(ValueError, match="n_permutations == 0"):
        randomisation_test(np.zeros(3), np.zeros(3), n_permutations=0, seed=0)


def test_pairs_are_what_the_tests_of_two_models_say() -> None:
    rng = np.random.default_rng(6)
    values = {"a": rng.random(80), "b": rng.random(80) + 0.1, "c": rng.random(80)}
    values["a"][7] = NAN
    kept = ~np.isnan(values["a"])
    found = pairwise_differences(values, seed=0)
    assert [(one.candidate, one.baseline) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    for one in found:
        first, second = values[one.candidate][kept], values[one.baseline][kept]
        alone, interval = randomisation_test(first, second, seed=0), paired_bootstrap(first, second, seed=0)
        assert one.pvalue == alone.pvalue
        assert one.n_users == 79
        assert (one.ci_lower, one.ci_upper) == pytest.approx((interval.ci_lower, interval.ci_upper))


def test_pairs_where_nothing_can_be_said() -> None:
    assert pairwise_differences({"a": np.ones(3)}, seed=0) == []
    [fixed] = pairwise_differences({"a": np.ones(3), "b": np.zeros(3)}, seed=0)
    assert (fixed.status, fixed.effect_size, fixed.pvalue) == ("no_variance", 1.0, 0.25)
    assert np.isnan(fixed.ci_lower)
    [nobody] = pairwise_differences({"a": np.full(3, NAN), "b": np.zeros(3)}, seed=0)
    assert (nobody.status, nobody.n_users) == ("no_units", 0)
