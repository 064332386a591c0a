"""Confidence sequences and always-valid p-values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.looks.sequential import always_valid_pvalue, confidence_sequence, mixture_scale

effects = st.floats(-0.5, 0.5)
errors = st.floats(1e-4, 0.5)
sizes = st.floats(1, 1e6)
alphas = st.floats(0.001, 0.4)


@given(effects, errors, sizes, sizes, alphas)
def test_interval_is_ordered_around_the_effect_and_wider_than_a_fixed_one(
    effect: float, se: float, n: float, n_star: float, alpha: float
) -> None:
    lower, upper = confidence_sequence(effect, se, n, n_star, alpha)
    assert lower < effect < upper
    assert upper - effect == pytest.approx(effect - lower)
    # ln(1/α) 2 se² bounds the half-width below; it exceeds the squared normal quantile at α / 2 for α < 0.4.
    assert upper - effect >= se * math.sqrt(-2 * math.log(alpha)) * (1 - 1e-9)


@given(effects, errors, sizes, sizes, alphas)
def test_pvalue_below_alpha_where_zero_is_outside(
    effect: float, se: float, n: float, n_star: float, alpha: float
) -> None:
    pvalue = always_valid_pvalue(effect, se, n, n_star, alpha)
    lower, upper = confidence_sequence(effect, se, n, n_star, alpha)
    assert 0 <= pvalue <= 1
    if not math.isclose(pvalue, alpha, rel_tol=1e-9):
        assert (pvalue < alpha) == (lower > 0 or upper < 0)


@given(effects, errors, sizes, sizes, alphas)
def test_pvalue_has_no_sign(effect: float, se: float, n: float, n_star: float, alpha: float) -> None:
    assert always_valid_pvalue(effect, se, n, n_star, alpha) == always_valid_pvalue(-effect, se, n, n_star, alpha)


def test_the_sequence_is_tightest_near_n_star() -> None:
    """In units of the fixed-horizon half-width, the width is smallest at n = n*."""
    sizes = np.geomspace(100, 1e6, 400)
    widths = [confidence_sequence(0.0, 1.0, n, n_star=18_000, alpha=0.05).upper for n in sizes]
    assert 18_000 / 1.1 < sizes[int(np.argmin(widths))] < 18_000 * 1.1


@pytest.mark.parametrize(
    ("effect", "se", "n"),
    [(math.nan, 1.0, 10.0), (0.0, math.nan, 10.0), (0.0, 0.0, 10.0), (0.0, 1.0, 0.0), (0.0, 1.0, math.nan)],
)
def test_nothing_known_is_not_a_number(effect: float, se: float, n: float) -> None:
    lower, upper = confidence_sequence(effect, se, n, 1000, 0.05)
    assert math.isnan(lower)
    assert math.isnan(upper)
    assert math.isnan(always_valid_pvalue(effect, se, n, 1000, 0.05))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match="alpha"):
        mixture_scale(1000, alpha)


@pytest.mark.parametrize("n_star", [0.0, -5.0, math.inf, math.nan])
def test_n_star_out_of_range_is_refused(n_star: float) -> None:
    with pytest.raises(ConfigError, match="n_star"):
        mixture_scale(n_star, 0.05)


def two_streams(rng: np.random.Generator, p: float, q: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Difference of two arms' running rates and its standard error after 1 … n observations each."""
    seen = np.arange(1, n + 1)
    control, challenger = (np.cumsum(rng.random(n) < rate) / seen for rate in (p, q))
    se = np.sqrt((control * (1 - control) + challenger * (1 - challenger)) / seen)
    return challenger - control, se


def test_coverage_holds_over_all_looks_together() -> None:
    """A/A, looks from 100 to 10,000 an arm at every tenth: the truth leaves the sequence in 6.5 % of runs at most.

    The fixed-horizon interval leaves it in far more.
    """
    rng = np.random.default_rng(7)
    n_runs, left, left_fixed = 400, 0, 0
    looks = np.arange(100, 10_001, 10)
    for _ in range(n_runs):
        effect, se = two_streams(rng, 0.10, 0.10, 10_000)
        effect, se = effect[looks - 1], se[looks - 1]
        left_fixed += bool((np.abs(effect) > 1.96 * se).any())
        # The sequence is wider than the fixed interval: where that holds the truth, nothing needs computing.
        suspect = np.flatnonzero(np.abs(effect) > 1.96 * se)
        left += any(
            always_valid_pvalue(effect[place], se[place], 2 * looks[place], n_star=5000, alpha=0.05) < 0.05
            for place in suspect.tolist()
        )
    assert left / n_runs <= 0.065
    assert left_fixed / n_runs > 0.25


@pytest.mark.parametrize(("delta", "power"), [(0.0125, 0.44), (0.015, 0.66), (0.02, 0.88)])
def test_power(delta: float, power: float) -> None:
    """Control 10 %, 10,000 an arm, 30 looks."""
    rng = np.random.default_rng(8)
    n_runs, found = 1000, 0
    looks = np.linspace(10_000 / 30, 10_000, 30).astype(int)
    for _ in range(n_runs):
        # Clicks between looks are binomial; no need to draw every session.
        control, challenger = (
            np.cumsum(rng.binomial(np.diff(looks, prepend=0), rate)) / looks for rate in (0.1, 0.1 + delta)
        )
        se = np.sqrt((control * (1 - control) + challenger * (1 - challenger)) / looks)
        found += any(
            confidence_sequence(float(d), float(s), 2.0 * n, n_star=10_000, alpha=0.05).lower > 0
            for d, s, n in zip(challenger - control, se, looks.tolist(), strict=True)
        )
    assert found / n_runs >= power
