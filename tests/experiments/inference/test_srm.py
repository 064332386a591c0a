"""Sample ratio mismatch, at one look and at any number."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError, DataError
from experiments.inference.srm import SampleRatio, fixed_srm, sequential_srm


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0.1, 5)), min_size=2, max_size=5))
def test_fixed_parity_with_scipy(arms: list[tuple[int, float]]) -> None:
    counts, weights = [count for count, _ in arms], [weight for _, weight in arms]
    expected = np.asarray(weights) / sum(weights) * sum(counts)
    assert fixed_srm(counts, weights).pvalue == pytest.approx(stats.chisquare(counts, expected).pvalue, abs=1e-9)


def test_sequential_exact_value() -> None:
    """Ten units, all in one of two equal arms, uniform mixture: the odds are ∫ θ¹⁰ dθ / 2⁻¹⁰ = 1024 / 11."""
    assert sequential_srm([10, 0], [1, 1], prior_units=2).pvalue == pytest.approx(11 / 1024)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_sequential_is_a_symmetric_probability(one: int, two: int) -> None:
    there, back = sequential_srm([one, two], [0.5, 0.5]), sequential_srm([two, one], [0.5, 0.5])
    if one + two == 0:
        assert math.isnan(there.pvalue)
        assert there.status == "no_units"
    else:
        assert 0 <= there.pvalue <= 1
        assert there.pvalue == pytest.approx(back.pvalue, rel=1e-6)


@pytest.mark.parametrize("test", [fixed_srm, sequential_srm])
def test_units_in_an_arm_without_weight_are_reported(test: Callable[..., SampleRatio]) -> None:
    result = test([1000, 1010, 7], [0.5, 0.5, 0])
    assert (result.status, result.stray) == ("stray_units", 7)
    assert result.pvalue == test([1000, 1010], [1, 1]).pvalue


@pytest.mark.parametrize("test", [fixed_srm, sequential_srm])
@pytest.mark.parametrize(
    ("counts", "weights", "alarm"),
    [
        ([1000, 1010], [1, 1], False),
        ([1000, 1400], [1, 1], True),
        ([1000, 1010, 1], [1, 1, 0], True),
        ([0, 0, 1], [1, 1, 0], True),
        ([0, 0], [1, 1], False),
        ([50], [1], False),
        ([10**9, 10**9], [1, 1], False),
    ],
)
def test_alarm(test: Callable[..., SampleRatio], counts: list[int], weights: list[float], alarm: bool) -> None:
    assert test(counts, weights).alarm() is alarm


@pytest.mark.parametrize("test", [fixed_srm, sequential_srm])
@pytest.mark.parametrize(
    ("counts", "weights", "error"),
    [
        ([1, 2], [0.5], DataError),
        ([-1, 2], [0.5, 0.5], DataError),
        ([1, 2], [0, 0], ConfigError),
        ([1, 2], [-1, 2], ConfigError),
        ([1, 2], [math.nan, 1], ConfigError),
        ([1, 2], [math.inf, 1], ConfigError),
    ],
)
def test_bad_input_is_refused_not_repaired(
    test: Callable[..., SampleRatio], counts: list[int], weights: list[float], error: type[Exception]
) -> None:
    with pytest.raises(error):
        test(counts, weights)


def first_arm_counts(rng: np.random.Generator, n_runs: int, share: float, looks: np.ndarray) -> np.ndarray:
    """(n_runs, n_looks) units of the first of two arms at each look."""
    return np.cumsum(rng.binomial(np.diff(looks, prepend=0), share, (n_runs, len(looks))), axis=1)


def smallest_pvalues(counts: np.ndarray, looks: np.ndarray, test: Callable[..., SampleRatio]) -> list[float]:
    return [
        min(test([one, n - one], [0.5, 0.5]).pvalue for one, n in zip(run, looks.tolist(), strict=True))
        for run in counts.tolist()
    ]


def test_sequential_false_alarms_over_100_looks() -> None:
    rng = np.random.default_rng(9)
    n_runs, looks = 1500, np.arange(20, 2001, 20)
    counts = first_arm_counts(rng, n_runs, 0.5, looks)
    alarms = np.mean(np.array(smallest_pvalues(counts, looks, sequential_srm)) < 0.05)
    assert alarms <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)
    fixed = np.mean(np.array(smallest_pvalues(counts[:200], looks, fixed_srm)) < 0.05)
    assert fixed > 0.2, "the fixed test read at every look is the negative control"


def test_sequential_finds_a_lost_tenth() -> None:
    """The challenger loses every tenth unit: found at the strict level within 15,000 units, nine times in ten."""
    rng = np.random.default_rng(10)
    looks = np.arange(500, 15_001, 500)
    counts = first_arm_counts(rng, 200, 0.9 / 1.9, looks)
    assert np.mean(np.array(smallest_pvalues(counts, looks, sequential_srm)) < 0.001) > 0.9
