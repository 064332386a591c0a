"""What to believe of a lift once a prior belief has met two estimates: the Gaussian model, with priors on the lift."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from core.errors import ConfigError
from experiments.bayes.bayesian import gaussian_posterior
from experiments.inference.comparison import check_alpha, difference
from experiments.inference.estimates import Estimate, Status

#: ``relative``: lift = treatment / control - 1; ``absolute``: lift = treatment - control.
LiftKind = Literal["relative", "absolute"]
LIFT_KINDS: tuple[LiftKind, ...] = ("relative", "absolute")


class NormalPrior(NamedTuple):
    """What is believed of a lift before the experiment: normal.

    Attributes:
        mean: The lift expected, in the lift's own unit: .02 is 2 % of a relative one.
        sd: How far it may be off, > 0; inf is the flat prior, which leaves the data as they are.
    """

    mean: float = 0.0
    sd: float = math.inf

    def scaled(self, control_value: float) -> NormalPrior:
        """A prior on the relative lift told in the metric's unit, for an absolute comparison.

        >>> NormalPrior(0.02, 0.1).scaled(50.0)
        NormalPrior(mean=1.0, sd=5.0)
        """
        return NormalPrior(self.mean * control_value, self.sd * abs(control_value))


FLAT = NormalPrior()


class BayesianComparison(NamedTuple):
    """What is believed of treatment against control.

    Attributes:
        effect_size: Posterior mean of the lift, treatment against control, in the unit of ``kind``.
        ci_lower: Lower end of the central credible interval of the lift.
        ci_upper: Upper end.
        chance_to_win: Posterior probability that the treatment is better, 0 … 1.
        expected_loss_treatment: What choosing the treatment loses on average where it is worse, >= 0, unit of the lift.
        expected_loss_control: What keeping the control loses on average where that is worse, >= 0.
        kind: ``relative`` or ``absolute``.
        status: ``ok``, or why every figure is NaN.
    """

    effect_size: float
    ci_lower: float
    ci_upper: float
    chance_to_win: float
    expected_loss_treatment: float
    expected_loss_control: float
    kind: LiftKind
    status: Status

    @property
    def risk(self) -> float:
        """Expected loss of the arm that looks better: what deciding now costs on average."""
        return min(self.expected_loss_treatment, self.expected_loss_control)


def bayesian_comparison(
    treatment: Estimate,
    control: Estimate,
    *,
    prior: NormalPrior = FLAT,
    difference: LiftKind = "relative",
    alpha: float = 0.05,
    lower_is_better: bool = False,
) -> BayesianComparison:
    """Posterior of the lift of two independent estimates under a normal prior on it.

    With the estimated lift δ̂, its standard error σ (delta method where relative) and the prior N(m, s²), the posterior
    is normal with precision 1/s² + 1/σ² and mean (m / s² + δ̂ / σ²) / (1/s² + 1/σ²) (Gelman et al. 2013, Bayesian Data
    Analysis, eq. 2.10; Deng 2015, Objective Bayesian two sample hypothesis testing, WWW, for the lift as the
    parameter); its chance to win and losses are those of ``gaussian_posterior``. With a flat prior the interval is the
    z test's.

    Under a flat prior this reading is for one look: who stops the first time that the chance to win is high claims too
    much (``bayesian_stopping``). The prior that experiments are really drawn from cures that, no other does.

    >>> posterior = bayesian_comparison(Estimate(0.51, 0.002499, 100), Estimate(0.49, 0.002499, 100))
    >>> round(posterior.chance_to_win, 6), round(posterior.ci_lower, 4), round(posterior.ci_upper, 4)
    (0.609181, -0.2478, 0.3294)
    >>> sceptic = NormalPrior(0.0, 0.05)
    >>> shrunk = bayesian_comparison(Estimate(0.51, 0.002499, 100), Estimate(0.49, 0.002499, 100), prior=sceptic)
    >>> round(shrunk.effect_size, 4)
    0.0042

    Args:
        treatment: The treatment's value.
        control: The control's.
        prior: On the lift that ``difference`` asks for; ``NormalPrior.scaled`` turns a relative one into an absolute
            one.
        difference: The lift: ``relative`` or ``absolute``.
        alpha: The credible interval holds 1 - alpha of the posterior.
        lower_is_better: The treatment wins where the lift is below 0. Lift and interval keep their sign.

    Returns:
        The posterior; all NaN where ``status`` is not ``ok``: without data on both arms it would only repeat the prior.

    Raises:
        ConfigError: alpha, difference or prior is not allowed.
    """
    check_alpha(alpha)
    _check_prior(prior)
    effect, se, status = _lift(treatment, control, difference)
    if status != "ok":
        nothing = math.nan
        return BayesianComparison(nothing, nothing, nothing, nothing, nothing, nothing, difference, status)
    # The data's share of the precision; written so that neither a flat prior nor a tiny error overflows.
    share = 1.0 if math.isinf(prior.sd) else 1 / (1 + (se / prior.sd) ** 2)
    mean = share * effect + (1 - share) * prior.mean
    posterior = gaussian_posterior(mean, se * math.sqrt(share), alpha)
    chance, loss, loss_control = posterior.chance_to_win, posterior.expected_loss, posterior.expected_loss_control
    if lower_is_better:
        # Φ(-z) rather than 1 - Φ(z), which would round a small chance to 0.
        chance = gaussian_posterior(-mean, se * math.sqrt(share), alpha).chance_to_win
        loss, loss_control = loss_control, loss
    lower, upper = posterior.credible
    return BayesianComparison(mean, lower, upper, chance, loss, loss_control, difference, "ok")


def _check_prior(prior: NormalPrior) -> None:
    if not math.isfinite(prior.mean):
        raise ConfigError(f"prior.mean == {prior.mean}, must be finite")
    if not prior.sd > 0:
        raise ConfigError(f"prior.sd == {prior.sd}, must be above 0; inf is the flat prior")


def _lift(treatment: Estimate, control: Estimate, kind: LiftKind) -> tuple[float, float, Status]:
    if kind not in LIFT_KINDS:
        raise ConfigError(f"difference == {kind!r}, must be one of {', '.join(LIFT_KINDS)}")
    found = difference(treatment, control)
    if kind == "relative":
        return found.rel_effect_size, found.rel_se, _usable(found.rel_effect_size, found.rel_se, found.status)
    # The absolute lift needs no baseline.
    return found.effect_size, found.se, _usable(found.effect_size, found.se, "ok" if found.se > 0 else found.status)


def _usable(effect: float, se: float, status: Status) -> Status:
    """A baseline that is all but 0 may still overflow."""
    return "not_finite" if status == "ok" and not math.isfinite(effect + se) else status
