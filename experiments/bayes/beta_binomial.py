"""Two success rates under beta priors of any size, with the credible interval of their difference: by quadrature."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from core.errors import ConfigError, DataError
from experiments.bayes.bayesian_lift import BayesianComparison
from experiments.bayes.best_arm import beta_best_arm
from experiments.bayes.quadrature import MIN_SHAPE, Floats, beta_panels, gauss_legendre, logit_beta_density
from experiments.inference.comparison import check_alpha


class BetaPrior(NamedTuple):
    """What is believed of a success rate beforehand.

    Attributes:
        a: Successes that the belief is worth: any real number >= ``quadrature.MIN_SHAPE``.
        b: Failures, likewise. (1, 1) is uniform, (.5, .5) Jeffreys's.
    """

    a: float = 1.0
    b: float = 1.0


UNIFORM = BetaPrior()


def beta_binomial_comparison(
    successes: int,
    n: int,
    control_successes: int,
    control_n: int,
    *,
    prior: BetaPrior = UNIFORM,
    control_prior: BetaPrior | None = None,
    alpha: float = 0.05,
    lower_is_better: bool = False,
) -> BayesianComparison:
    """Posterior of the difference of two success rates X (treatment) and Y (control) with independent beta priors.

    X ~ Beta(a + successes, b + failures), Y likewise. Chance to win P(X > Y), losses E[max(0, Y - X)] and
    E[max(0, X - Y)] by the quadrature of ``beta_best_arm``; the credible interval inverts
    P(X - Y <= d) = ∫ f_Y(y) F_X(y + d) dy. ``bayesian.beta_binomial_posterior`` has the closed form for whole-number
    priors.

    >>> posterior = beta_binomial_comparison(560, 5000, 500, 5000)
    >>> round(posterior.chance_to_win, 6), round(posterior.expected_loss_treatment, 8)
    (0.974328, 5.997e-05)
    >>> round(posterior.ci_lower, 5), round(posterior.ci_upper, 5)
    (-7e-05, 0.02407)

    Args:
        successes: The treatment's successes, 0 … n.
        n: The treatment's independent trials, >= 0.
        control_successes: The control's successes.
        control_n: The control's trials.
        prior: Of the treatment's rate.
        control_prior: Of the control's; the same where None.
        alpha: The credible interval holds 1 - alpha of the posterior.
        lower_is_better: The treatment wins where its rate is lower. Effect and interval keep their sign.

    Returns:
        The comparison, ``absolute``; effect_size is the mean of X - Y. Without trials in an arm: ``no_units``, NaN.

    Raises:
        DataError: Successes outside 0 … n.
        ConfigError: alpha or a prior is not allowed.
    """
    check_alpha(alpha)
    other = prior if control_prior is None else control_prior
    _check("treatment", successes, n, prior)
    _check("control", control_successes, control_n, other)
    if n == 0 or control_n == 0:
        return BayesianComparison(nan, nan, nan, nan, nan, nan, "absolute", "no_units")
    a = np.array([prior.a + successes, other.a + control_successes], np.float64)
    b = np.array([prior.b + n - successes, other.b + control_n - control_successes], np.float64)
    best = beta_best_arm(a, b, lower_is_better=lower_is_better)
    return BayesianComparison(
        effect_size=float(a[0] / (a[0] + b[0]) - a[1] / (a[1] + b[1])),
        ci_lower=_difference_quantile(alpha / 2, a, b),
        ci_upper=_difference_quantile(1 - alpha / 2, a, b),
        chance_to_win=float(best.p_best[0]),
        expected_loss_treatment=float(best.expected_loss[0]),
        expected_loss_control=float(best.expected_loss[1]),
        kind="absolute",
        status="ok",
    )


def _check(arm: str, successes: int, n: int, prior: BetaPrior) -> None:
    if not 0 <= successes <= n:
        raise DataError(f"{arm} has {successes} successes in {n} trials; successes must lie in 0 … trials")
    if not (MIN_SHAPE <= prior.a < np.inf and MIN_SHAPE <= prior.b < np.inf):
        raise ConfigError(f"prior == {tuple(prior)}, must be two finite numbers >= {MIN_SHAPE}")


def _difference_quantile(probability: float, a: Floats, b: Floats) -> float:
    """Smallest d with P(X - Y <= d) >= probability."""
    panels = beta_panels(a, b)
    own_ends, other_ends = special.expit(panels[0]), panels[1]

    def excess(d: float) -> float:
        # Panels end where either distribution has a step: X's, moved by d, on the control's logit line.
        moved = own_ends - d
        inside = moved[(moved > 0) & (moved < 1)]
        t, weights = gauss_legendre(np.concatenate([other_ends, special.logit(inside)]))
        below = special.betainc(a[0], b[0], np.clip(special.expit(t) + d, 0, 1))
        return float((logit_beta_density(t, a[1:], b[1:], weights)[0] * below) @ weights) - probability

    return float(optimize.brentq(excess, -1.0, 1.0, xtol=1e-12))
