"""Gaussian posteriors of a lift under a prior on it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.bayes.bayesian import gaussian_posterior
from experiments.bayes.bayesian_lift import FLAT, BayesianComparison, NormalPrior, bayesian_comparison
from experiments.inference.comparison import difference
from experiments.inference.estimates import Estimate, Status, proportion_estimate
from experiments.inference.frequentist import z_test

CONTROL, TREATMENT = proportion_estimate(100, 49), proportion_estimate(100, 51)
estimates = st.builds(Estimate, st.floats(0.1, 10), st.floats(1e-6, 1), st.integers(2, 10_000), st.just("ok"))
priors = st.one_of(st.just(FLAT), st.builds(NormalPrior, st.floats(-0.5, 0.5), st.floats(0.01, 10)))


def test_the_published_case() -> None:
    """GrowthBook gbstats 0.8.0: flat prior, proportions, relative."""
    found = bayesian_comparison(TREATMENT, CONTROL)
    assert found.chance_to_win == pytest.approx(0.6091813095808981, abs=1e-6)
    assert (found.ci_lower, found.ci_upper) == pytest.approx((-0.24779335974122607, 0.3294260128024506), abs=1e-6)
    assert found.expected_loss_control == pytest.approx(0.0813958491551631, abs=1e-6)
    assert found.expected_loss_treatment == pytest.approx(0.04057952262455082, abs=1e-6)
    assert found.risk == found.expected_loss_treatment
    assert (found.kind, found.status) == ("relative", "ok")


def test_prior_and_data_are_weighed_by_their_precision() -> None:
    treatment, control = Estimate(12.0, 0.5, 100), Estimate(10.0, 0.5, 100)
    found = bayesian_comparison(treatment, control, prior=NormalPrior(0.5, 2.0), difference="absolute")
    # Data 2 ± 1, prior .5 ± 2: precisions 1 and 1/4.
    mean, sd = (2 * 1 + 0.5 * 0.25) / 1.25, math.sqrt(1 / 1.25)
    expected = gaussian_posterior(mean, sd)
    assert found.effect_size == pytest.approx(mean)
    assert (found.ci_lower, found.ci_upper) == pytest.approx(expected.credible)
    assert found.chance_to_win == pytest.approx(expected.chance_to_win)
    assert found.expected_loss_treatment == pytest.approx(expected.expected_loss)


def test_a_prior_on_the_relative_lift_serves_the_absolute_one() -> None:
    treatment, control = Estimate(50.5, 0.02, 900), Estimate(50.0, 0.0, 900)
    prior = NormalPrior(0.02, 0.01)
    relative = bayesian_comparison(treatment, control, prior=prior)
    absolute = bayesian_comparison(treatment, control, prior=prior.scaled(50.0), difference="absolute")
    # Without variance in the control the two scales differ by 50 exactly.
    assert absolute.effect_size == pytest.approx(50 * relative.effect_size)
    assert absolute.chance_to_win == pytest.approx(relative.chance_to_win)


@given(estimates, estimates, st.floats(0.01, 0.5), st.sampled_from(["relative", "absolute"]))
def test_a_flat_prior_gives_the_interval_of_the_z_test(
    treatment: Estimate, control: Estimate, alpha: float, kind: str
) -> None:
    found = bayesian_comparison(treatment, control, difference=kind, alpha=alpha)  # type: ignore[arg-type]
    tested = z_test(treatment, control, alpha=alpha)
    ends = (tested.ci_lower, tested.ci_upper) if kind == "absolute" else (tested.rel_ci_lower, tested.rel_ci_upper)
    assert (found.ci_lower, found.ci_upper) == pytest.approx(ends, rel=1e-9, abs=1e-12)


@given(estimates, estimates, priors, st.booleans())
def test_readings_are_consistent(
    treatment: Estimate, control: Estimate, prior: NormalPrior, lower_is_better: bool
) -> None:
    found = bayesian_comparison(treatment, control, prior=prior, lower_is_better=lower_is_better)
    assert 0 <= found.chance_to_win <= 1
    assert found.ci_lower <= found.effect_size <= found.ci_upper
    assert min(found.expected_loss_treatment, found.expected_loss_control) >= 0
    gain = found.expected_loss_control - found.expected_loss_treatment
    assert gain == pytest.approx(-found.effect_size if lower_is_better else found.effect_size, abs=1e-9)


@given(estimates, estimates, priors)
def test_lower_is_better_turns_the_judgement_not_the_lift(
    treatment: Estimate, control: Estimate, prior: NormalPrior
) -> None:
    up = bayesian_comparison(treatment, control, prior=prior)
    down = bayesian_comparison(treatment, control, prior=prior, lower_is_better=True)
    assert down.chance_to_win == pytest.approx(1 - up.chance_to_win, abs=1e-12)
    assert down.expected_loss_treatment == up.expected_loss_control
    assert down[:3] == up[:3]


@given(estimates, estimates)
def test_arms_swapped_turn_the_sign(treatment: Estimate, control: Estimate) -> None:
    there = bayesian_comparison(treatment, control, difference="absolute")
    back = bayesian_comparison(control, treatment, difference="absolute")
    assert there.effect_size == pytest.approx(-back.effect_size, abs=1e-12)
    assert there.ci_lower == pytest.approx(-back.ci_upper, abs=1e-12)
    assert there.expected_loss_treatment == pytest.approx(back.expected_loss_control, abs=1e-12)


@given(estimates, estimates, priors, st.floats(1e-3, 1e3))
def test_the_metrics_unit_does_not_matter_to_the_relative_lift(
    treatment: Estimate, control: Estimate, prior: NormalPrior, unit: float
) -> None:
    scaled = [Estimate(one.value * unit, one.variance * unit**2, one.n) for one in (treatment, control)]
    found, other = bayesian_comparison(treatment, control, prior=prior), bayesian_comparison(*scaled, prior=prior)
    assert found[:6] == pytest.approx(other[:6], rel=1e-6, abs=1e-9)


def test_a_strong_prior_wins_over_weak_data_and_the_reverse() -> None:
    treatment, control = Estimate(1.3, 0.01, 50), Estimate(1.0, 0.01, 50)
    lift = difference(treatment, control).rel_effect_size
    certain = bayesian_comparison(treatment, control, prior=NormalPrior(-0.1, 1e-9))
    vague = bayesian_comparison(treatment, control, prior=NormalPrior(-0.1, 1e9))
    assert certain.effect_size == pytest.approx(-0.1, abs=1e-6)
    assert certain.chance_to_win == pytest.approx(0, abs=1e-12)
    assert vague.effect_size == pytest.approx(lift, abs=1e-9)


@pytest.mark.parametrize(
    ("treatment", "control", "status"),
    [
        (Estimate(math.nan, math.nan, 0, "no_units"), CONTROL, "no_units"),
        (TREATMENT, Estimate(1.0, math.nan, 1, "too_few_units"), "too_few_units"),
        (Estimate(1.0, 0.0, 9), Estimate(1.0, 0.0, 9), "no_variance"),
        (TREATMENT, Estimate(0.0, 0.1, 9), "zero_baseline"),
        (TREATMENT, Estimate(-1.0, 0.1, 9), "negative_baseline"),
        (Estimate(math.inf, 0.1, 9), CONTROL, "not_finite"),
        (Estimate(1e300, 1.0, 9), Estimate(1e-300, 1.0, 9), "zero_baseline"),
    ],
)
def test_degenerate_arms_have_a_status_and_no_figures(treatment: Estimate, control: Estimate, status: Status) -> None:
    found = bayesian_comparison(treatment, control, prior=NormalPrior(0, 0.1))
    assert found.status == status
    assert all(math.isnan(figure) for figure in found[:6])
    assert math.isnan(found.risk)


def test_an_absolute_lift_needs_no_baseline() -> None:
    found = bayesian_comparison(Estimate(0.5, 0.1, 9), Estimate(-1.0, 0.1, 9), difference="absolute")
    assert found.status == "ok"
    assert found.effect_size == 1.5


def test_a_billion_units() -> None:
    found = bayesian_comparison(proportion_estimate(10**9, 501_000_000), proportion_estimate(10**9, 500_000_000))
    assert isinstance(found, BayesianComparison)
    assert found.effect_size == pytest.approx(0.002)
    assert found.expected_loss_treatment >= 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alpha": 1.2}, "alpha == 1.2"),
        ({"difference": "ratio"}, "difference == 'ratio', must be one of relative, absolute"),
        ({"prior": NormalPrior(0, 0)}, "prior.sd == 0"),
        ({"prior": NormalPrior(math.nan, 1)}, "prior.mean == nan"),
    ],
)
def test_what_is_not_allowed_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bayesian_comparison(TREATMENT, CONTROL, **changed)  # type: ignore[arg-type]
