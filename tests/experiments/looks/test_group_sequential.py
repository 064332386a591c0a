"""Group-sequential designs against published tables, and the errors they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.inference.comparison import Alternative
from experiments.looks.boundary_crossing import crossing_probabilities
from experiments.looks.group_sequential import (
    Boundary,
    inflation_factor,
    operating,
    planning_drift,
    spending_boundary,
    wang_tsiatis_boundary,
    with_futility,
)
from experiments.looks.spending import Spending

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]
fractions = st.lists(st.floats(0.02, 1), min_size=1, max_size=5).map(
    lambda steps: (np.cumsum(steps) / sum(steps)).tolist()
)
spendings = st.sampled_from([Spending(), Spending("pocock"), Spending("power", 2), Spending("hwang_shih_decani", -4)])
alternatives = st.sampled_from(["two-sided", "greater", "less"])


def error_without_effect(boundary: Boundary) -> float:
    found = crossing_probabilities(boundary.fractions, boundary.lower, boundary.upper)
    shown = {"greater": found.upper, "less": found.lower, "two-sided": found.upper + found.lower}
    return float(shown[boundary.alternative].sum())


def equal(n_looks: int) -> list[float]:
    return [(look + 1) / n_looks for look in range(n_looks)]


def test_reference_case() -> None:
    """O'Brien-Fleming type spending of two-sided .05 at five equal looks."""
    assert spending_boundary(FIVE).upper == pytest.approx([4.8769, 3.357, 2.6803, 2.2898, 2.031], abs=0.0001)


def test_pocock_type_spending() -> None:
    """Lan & DeMets 1983 with one-sided .025, five equal looks."""
    boundary = spending_boundary(FIVE, Spending("pocock"))
    assert boundary.upper == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=0.001)


@pytest.mark.parametrize(
    ("n_looks", "pocock", "obrien_fleming"),
    [(1, 1.960, 1.960), (2, 2.178, 1.977), (3, 2.289, 2.004), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_classical_constants(n_looks: int, pocock: float, obrien_fleming: float) -> None:
    """Jennison & Turnbull 2000, tables 2.1 and 2.3, alpha .05."""
    assert wang_tsiatis_boundary(equal(n_looks), 0.5).upper[-1] == pytest.approx(pocock, abs=0.0006)
    classical = wang_tsiatis_boundary(equal(n_looks), 0.0).upper
    assert classical[-1] == pytest.approx(obrien_fleming, abs=0.0006)
    assert classical[0] == pytest.approx(classical[-1] * math.sqrt(n_looks))


@pytest.mark.parametrize(
    ("n_looks", "shape", "power", "factor"),
    [
        (2, 0.5, 0.8, 1.110), (5, 0.5, 0.8, 1.229), (5, 0.5, 0.9, 1.207), (10, 0.5, 0.9, 1.271),
        (2, 0.0, 0.8, 1.008), (5, 0.0, 0.8, 1.028), (5, 0.0, 0.9, 1.026), (10, 0.0, 0.9, 1.037),
    ],
)  # fmt: skip
def test_inflation_factors(n_looks: int, shape: float, power: float, factor: float) -> None:
    """Jennison & Turnbull 2000, tables 2.2 and 2.4, alpha .05."""
    found = inflation_factor(wang_tsiatis_boundary(equal(n_looks), shape), power)
    assert found == pytest.approx(factor, abs=0.0012)


def test_futility_of_the_textbook_design() -> None:
    """Three looks, Hwang-Shih-DeCani -4 and -2, one-sided .025, power .9: the default design of gsDesign."""
    late, soon = Spending("hwang_shih_decani", -4), Spending("hwang_shih_decani", -2)
    boundary = with_futility(spending_boundary(equal(3), late, alpha=0.025, alternative="greater"), soon, power=0.9)
    assert boundary.upper == pytest.approx([3.0107, 2.5465, 1.9992], abs=0.0001)
    assert boundary.futility == pytest.approx([-0.2387, 0.9411, 1.9992], abs=0.0001)
    assert inflation_factor(boundary, 0.9) == pytest.approx(1.0699, abs=0.0001)
    under_effect = operating(boundary, planning_drift(boundary, 0.9))
    assert (under_effect.power, under_effect.futility) == pytest.approx((0.9, 0.1), abs=1e-6)
    without = operating(boundary, 0.0)
    assert without.power < 0.025
    assert without.expected_fraction < under_effect.expected_fraction < 1


@given(fractions, spendings, alternatives, st.floats(0.001, 0.4))
@settings(max_examples=40, deadline=None)
def test_any_fractions_spend_alpha(
    looks: list[float], spending: Spending, alternative: Alternative, alpha: float
) -> None:
    boundary = spending_boundary(looks, spending, alpha=alpha, alternative=alternative)
    assert error_without_effect(boundary) == pytest.approx(alpha, rel=1e-6)
    assert all(lower <= upper for lower, upper in zip(boundary.lower, boundary.upper, strict=True))


@given(fractions, alternatives)
@settings(max_examples=20, deadline=None)
def test_less_is_greater_mirrored(looks: list[float], alternative: Alternative) -> None:
    greater, less = (spending_boundary(looks, alternative=side) for side in ("greater", "less"))
    assert less.lower == tuple(-z for z in greater.upper)
    assert less.critical == greater.critical
    assert planning_drift(less) == pytest.approx(-planning_drift(greater))


@given(fractions, spendings, st.floats(0.5, 0.95))
@settings(max_examples=15, deadline=None)
def test_futility_costs_the_power_it_was_given(looks: list[float], spending: Spending, power: float) -> None:
    boundary = with_futility(spending_boundary(looks, alpha=0.025, alternative="less"), spending, power=power)
    assert error_without_effect(boundary) == pytest.approx(0.025, rel=1e-6)
    found = operating(boundary, planning_drift(boundary, power))
    assert found.power == pytest.approx(power, abs=1e-6)
    assert found.futility == pytest.approx(1 - power, abs=1e-6)
    assert sum(found.stop) == pytest.approx(1)


def test_looks_that_fall_elsewhere_leave_past_boundaries_alone() -> None:
    """Under-running spends the rest at the last look, over-running nothing more; alpha is kept in both."""
    planned = spending_boundary([0.3, 0.6, 1.0])
    short, long = spending_boundary([0.3, 0.6, 0.8]), spending_boundary([0.3, 0.6, 1.3])
    assert planned.upper[:2] == short.upper[:2] == long.upper[:2]
    assert short.upper[2] != planned.upper[2] != long.upper[2]
    for boundary in (planned, short, long):
        assert error_without_effect(boundary) == pytest.approx(0.05, rel=1e-6)
    on_going = spending_boundary([0.3, 0.6], last=False)
    assert on_going.upper == planned.upper[:2]
    assert error_without_effect(on_going) == pytest.approx(2 * Spending().spent(0.6, 0.025), rel=1e-6)
    beyond = spending_boundary([0.5, 1.1, 1.2])
    assert beyond.upper[2] == math.inf, "all was spent at 1.1"
    assert planning_drift(beyond) > 2


def test_a_look_too_early_to_stop_has_no_boundary_and_costs_nothing() -> None:
    boundary = spending_boundary([0.02, 0.5, 1.0])
    assert boundary.upper[0] == math.inf
    assert error_without_effect(boundary) == pytest.approx(0.05, rel=1e-9)
    with pytest.raises(ConfigError, match="no look"):
        planning_drift(spending_boundary([0.02], last=False))


def test_power_and_length_against_simulation() -> None:
    boundary = spending_boundary(FIVE, Spending("pocock"))
    found = operating(boundary, 3.0)
    rng = np.random.default_rng(12)
    sums = np.cumsum(rng.normal(3.0 * 0.2, math.sqrt(0.2), (100_000, 5)), axis=1)
    crossed = np.abs(sums / np.sqrt(FIVE)) >= np.array(boundary.upper)
    ended = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 4)
    assert found.power == pytest.approx(crossed.any(axis=1).mean(), abs=0.006)
    assert found.expected_fraction == pytest.approx(np.array(FIVE)[ended].mean(), abs=0.004)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: spending_boundary([0.5, 0.4]), "must rise"),
        (lambda: spending_boundary([0.5, 1.0], alpha=0.0), "alpha == 0"),
        (lambda: spending_boundary([0.5, 1.0], alternative="up"), "'up'"),  # type: ignore[arg-type]
        (lambda: wang_tsiatis_boundary([0.5, 1.0], 0.7), "shape == 0.7"),
        (lambda: with_futility(spending_boundary([0.5, 1.0])), "two-sided"),
        (lambda: planning_drift(spending_boundary([1.0]), 0.04), "power == 0.04"),
        (
            lambda: with_futility(with_futility(spending_boundary([0.5, 1.0], alternative="greater"))),
            "futility stops already",
        ),
    ],
)
def test_what_is_not_allowed_is_refused(build: object, named: str) -> None:
    assert callable(build)
    with pytest.raises(ConfigError, match=named):
        build()
