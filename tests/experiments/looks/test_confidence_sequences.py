"""Two arms compared by a confidence sequence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.inference.comparison import Alternative, Comparison
from experiments.inference.estimates import Estimate, Status, mean_estimate, proportion_estimate
from experiments.inference.moments import Moments
from experiments.looks.confidence_sequences import critical_values, sequential_comparison
from experiments.looks.sequential import confidence_sequence, mixture_scale

estimates = st.builds(Estimate, st.floats(0.01, 100), st.floats(1e-6, 10), st.integers(100, 10**9), st.just("ok"))
alternatives = st.sampled_from(["two-sided", "greater", "less"])
REVENUE = (
    mean_estimate(Moments.from_sums(3461, [2422.7], [[134698.29]])),
    mean_estimate(Moments.from_sums(3000, [1396.87], [[52377.9767]])),
)


def test_reference_case() -> None:
    """GrowthBook gbstats 0.8.0: "confidence sequence proportion relative"."""
    found = sequential_comparison(
        proportion_estimate(3461, 2422), proportion_estimate(3000, 1396), n_star=5000, alpha=0.05
    )
    assert (found.rel_ci_lower, found.rel_ci_upper) == pytest.approx((0.4009784966859415, 0.6067482066783576), abs=1e-9)
    assert found.rel_pvalue == pytest.approx(5.174716682839778e-44, rel=1e-6)
    assert (found.status, found.control_n, found.treatment_n) == ("ok", 3000, 3461)


def test_one_sided_reference_cases() -> None:
    """GrowthBook's own cases of its one-sided sequential tests; its p-value is a bisection to 1e-6 of the bound."""
    greater = sequential_comparison(*REVENUE, n_star=5000, alternative="greater")
    assert greater.rel_ci_lower == pytest.approx(-0.42356454602790883, abs=1e-9)
    assert greater.ci_lower == pytest.approx(-0.12656844172804982, abs=1e-9)
    assert greater.ci_upper == greater.rel_ci_upper == math.inf
    assert greater.pvalue == pytest.approx(0.46316491943359384, abs=2e-4)
    less = sequential_comparison(*REVENUE, n_star=5000, alternative="less")
    assert less.rel_ci_upper == pytest.approx(1.4302867177403806, abs=1e-9)
    assert less.ci_upper == pytest.approx(0.5953217750613832, abs=1e-9)
    assert (less.pvalue, less.ci_lower) == (1.0, -math.inf)


@given(estimates, estimates, alternatives, st.floats(0.001, 0.4), st.floats(100, 1e6))
def test_ordered_and_below_alpha_where_zero_is_outside(
    treatment: Estimate, control: Estimate, alternative: Alternative, alpha: float, n_star: float
) -> None:
    found = sequential_comparison(treatment, control, n_star=n_star, alpha=alpha, alternative=alternative)
    for effect, lower, upper, pvalue in (
        (found.effect_size, found.ci_lower, found.ci_upper, found.pvalue),
        (found.rel_effect_size, found.rel_ci_lower, found.rel_ci_upper, found.rel_pvalue),
    ):
        assert lower <= effect <= upper
        assert 0 <= pvalue <= 1
        if not math.isclose(pvalue, alpha, rel_tol=1e-6):
            assert (pvalue < alpha) == (lower > 0 or upper < 0)


@given(estimates, estimates, alternatives)
def test_exchanged_arms_turn_signs(treatment: Estimate, control: Estimate, alternative: Alternative) -> None:
    turned: dict[Alternative, Alternative] = {"two-sided": "two-sided", "greater": "less", "less": "greater"}
    there = sequential_comparison(treatment, control, n_star=5000, alternative=alternative)
    back = sequential_comparison(control, treatment, n_star=5000, alternative=turned[alternative])
    assert (there.effect_size, there.ci_lower, there.ci_upper) == (-back.effect_size, -back.ci_upper, -back.ci_lower)
    assert there.pvalue == back.pvalue


@given(estimates, estimates, alternatives, st.floats(0.001, 1000))
def test_unit_of_the_metric_does_not_matter(
    treatment: Estimate, control: Estimate, alternative: Alternative, unit: float
) -> None:
    scaled = [Estimate(arm.value * unit, arm.variance * unit**2, arm.n) for arm in (treatment, control)]
    plain = sequential_comparison(treatment, control, n_star=5000, alternative=alternative)
    found = sequential_comparison(*scaled, n_star=5000, alternative=alternative)
    assert found.pvalue == pytest.approx(plain.pvalue, rel=1e-6)
    assert found.rel_ci_lower == pytest.approx(plain.rel_ci_lower, rel=1e-6, abs=1e-9)


@given(st.floats(1, 1e9), st.floats(1, 1e9), st.floats(0.001, 0.4))
def test_critical_values_are_the_sequence_in_standard_errors(n: float, n_star: float, alpha: float) -> None:
    upper = confidence_sequence(0.0, 1.0, n, n_star, alpha).upper
    assert critical_values(n, n_star=n_star, alpha=alpha) == pytest.approx(upper)
    information = n * mixture_scale(n_star, 2 * alpha) ** 2
    squared = 2 * (information + 1) / information * math.log(1 + math.sqrt(information + 1) / (2 * alpha))
    for alternative in ("greater", "less"):
        one_sided = critical_values([n, n], n_star=n_star, alpha=alpha, alternative=alternative)
        assert one_sided == pytest.approx([math.sqrt(squared)] * 2)


def test_critical_values_without_observations_are_not_numbers() -> None:
    assert np.isnan(critical_values([0.0, -1.0, math.nan], n_star=100)).all()


def decided(found: Comparison) -> list[float]:
    return [found.ci_lower, found.ci_upper, found.pvalue, found.rel_ci_lower, found.rel_ci_upper, found.rel_pvalue]


@pytest.mark.parametrize("units", [(99, 5000), (5000, 99)])
def test_nothing_is_decided_in_burn_in(units: tuple[int, int]) -> None:
    treatment, control = proportion_estimate(units[0], units[0] - 10), proportion_estimate(units[1], 10)
    found = sequential_comparison(treatment, control, n_star=5000, burn_in=100)
    assert found.status == "burn_in"
    assert all(math.isnan(figure) for figure in decided(found))
    assert found.effect_size == treatment.value - control.value
    assert found.se > 0
    later = sequential_comparison(treatment, control, n_star=5000, burn_in=99)
    assert later.status == "ok"
    assert not any(math.isnan(figure) for figure in decided(later))


@pytest.mark.parametrize(
    ("treatment", "control", "status"),
    [
        (Estimate(math.nan, math.nan, 0, "no_units"), Estimate(0.1, 0.01, 500), "no_units"),
        (Estimate(math.inf, math.nan, 500, "not_finite"), Estimate(0.1, 0.01, 500), "not_finite"),
        (Estimate(math.nan, math.nan, 9, "undefined_ratio"), Estimate(0.1, 0.01, 500), "undefined_ratio"),
        (Estimate(1.0, math.nan, 1, "too_few_units"), Estimate(0.1, 0.01, 500), "burn_in"),
        (Estimate(0.1, 0.0, 500), Estimate(0.1, 0.0, 500), "no_variance"),
    ],
)
def test_degenerate_arms_have_a_status_and_no_figures(treatment: Estimate, control: Estimate, status: Status) -> None:
    found = sequential_comparison(treatment, control, n_star=5000)
    assert found.status == status
    assert all(math.isnan(figure) for figure in decided(found))


@pytest.mark.parametrize(("value", "status"), [(0.0, "zero_baseline"), (-1.0, "negative_baseline")])
def test_without_a_baseline_only_absolute_figures_stand(value: float, status: Status) -> None:
    found = sequential_comparison(Estimate(0.3, 0.01, 500), Estimate(value, 0.01, 500), n_star=5000)
    assert found.status == status
    assert math.isnan(found.rel_pvalue)
    assert found.ci_lower < found.effect_size < found.ci_upper


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n_star": 0}, "n_star == 0"),
        ({"alpha": 1.2}, "alpha == 1.2"),
        ({"alpha": 0.5, "alternative": "greater"}, "one-sided"),
        ({"alternative": "larger"}, "larger"),
        ({"burn_in": -1}, "burn_in == -1"),
    ],
)
def test_what_is_not_allowed_is_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        sequential_comparison(*REVENUE, **{"n_star": 5000, **options})  # type: ignore[arg-type]
