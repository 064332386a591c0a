"""The Bayesian reading beside the sequential one: chance to win and expected loss."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from core.errors import ConfigError, DataError
from experiments.looks.sequential import Interval

_SQRT_2 = math.sqrt(2)
_SQRT_2PI = math.sqrt(2 * math.pi)


class Posterior(NamedTuple):
    """What is believed of the effect once it has been seen.

    Attributes:
        chance_to_win: Posterior probability that the challenger is better, 0 … 1.
        expected_loss: What choosing the challenger loses on average where it is the worse one, >= 0.
        expected_loss_control: What keeping the control loses on average where it is the worse one, >= 0.
        credible: Central credible interval of the effect; NaN where the reading has none.
    """

    chance_to_win: float
    expected_loss: float
    expected_loss_control: float
    credible: Interval


def gaussian_posterior(effect: float, se: float, alpha: float = 0.05) -> Posterior:
    """Posterior of an effect under a flat prior: normal around the estimate δ̂ with the standard error σ.

    With z = δ̂ / σ: chance to win Φ(z); expected loss of the challenger E[max(0, -δ)] = σ φ(z) - δ̂ Φ(-z), of the
    control E[max(0, δ)] = σ φ(z) + δ̂ Φ(z) (partial expectations of a normal). A flat prior does not shrink: read it
    at a look fixed beforehand, not as a stopping rule.

    >>> posterior = gaussian_posterior(0.02, 0.01)
    >>> round(posterior.chance_to_win, 4), round(posterior.expected_loss, 6)
    (0.9772, 8.5e-05)

    Args:
        effect: Estimate, absolute or relative; the losses come in its unit.
        se: Its standard error, > 0.
        alpha: The credible interval holds 1 - alpha of the posterior.

    Returns:
        The posterior; all NaN where effect or se is NaN or se is not above 0.

    Raises:
        ConfigError: alpha is not in (0, 1).
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha == {alpha}, must be above 0 and below 1")
    if not se > 0 or math.isnan(effect):
        return Posterior(math.nan, math.nan, math.nan, Interval(math.nan, math.nan))
    z = effect / se
    density = se * math.exp(-0.5 * z * z) / _SQRT_2PI
    wins, loses = 0.5 * math.erfc(-z / _SQRT_2), 0.5 * math.erfc(z / _SQRT_2)
    half_width = -float(special.ndtri(alpha / 2)) * se
    return Posterior(
        chance_to_win=wins,
        # Far in a tail the two terms cancel to rounding noise around 0.
        expected_loss=max(density - effect * loses, 0.0),
        expected_loss_control=max(density + effect * wins, 0.0),
        credible=Interval(effect - half_width, effect + half_width),
    )


def beta_binomial_posterior(
    successes: int, n: int, control_successes: int, control_n: int, *, prior: tuple[int, int] = (1, 1)
) -> Posterior:
    """Exact posterior comparison of two success rates with independent beta priors. For independent sessions only.

    With the posteriors Beta(a, b) of the challenger and Beta(c, d) of the control, B the beta function:
    P(challenger > control) = Σ_{i<a} B(c + i, b + d) / ((b + i) B(1 + i, b) B(c, d)) for whole a (Miller 2015, Formulas
    for Bayesian A/B Testing, "binary outcomes"), and E[max(0, X - Y)] = E[X] P(X' > Y) - E[Y] P(X > Y'), X' and Y' with
    one success more (Stucchio 2014, Easy Evaluation of Decision Rules in Bayesian A/B Testing).

    >>> posterior = beta_binomial_posterior(560, 5000, 500, 5000)
    >>> round(posterior.chance_to_win, 6), round(posterior.expected_loss, 8)
    (0.974328, 5.997e-05)

    Args:
        successes: The challenger's successes, 0 … n.
        n: The challenger's trials, >= 0.
        control_successes: The control's successes.
        control_n: The control's trials.
        prior: Both arms' beta prior (a, b), whole numbers >= 1.

    Returns:
        The comparison in the unit of a rate; ``credible`` is NaN: the difference of two betas has none in closed form.
        Without trials it is the prior's.

    Raises:
        DataError: Successes outside 0 … n.
        ConfigError: A prior that is no whole number >= 1.
    """
    for name, hits, trials in (("challenger", successes, n), ("control", control_successes, control_n)):
        if not 0 <= hits <= trials:
            raise DataError(f"{name} has {hits} successes in {trials} trials; successes must lie in 0 … trials")
    if min(prior) < 1 or any(part != int(part) for part in prior):
        raise ConfigError(f"prior == {prior}, must be two whole numbers >= 1")
    a, b = successes + prior[0], n - successes + prior[1]
    c, d = control_successes + prior[0], control_n - control_successes + prior[1]
    mean, control_mean = a / (a + b), c / (c + d)
    gain = mean * _chance_above(a + 1, b, c, d) - control_mean * _chance_above(a, b, c + 1, d)
    loss = control_mean * _chance_above(c + 1, d, a, b) - mean * _chance_above(c, d, a + 1, b)
    return Posterior(_chance_above(a, b, c, d), max(loss, 0.0), max(gain, 0.0), Interval(math.nan, math.nan))


def _chance_above(a: int, b: int, c: int, d: int) -> float:
    """P(X > Y) for X ~ Beta(a, b), Y ~ Beta(c, d), summed over the shorter of the two closed forms."""
    if c < a:
        return 1.0 - _chance_above(c, d, a, b)
    i = np.arange(a)
    log_terms = special.betaln(c + i, b + d) - np.log(b + i) - special.betaln(1 + i, b) - special.betaln(c, d)
    return min(float(np.exp(log_terms).sum()), 1.0)
