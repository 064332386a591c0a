"""The effect of the challenger, stratified by canary step and clustered by unit."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from experiments.inference.clusters import ClusterMoments

Floats = npt.NDArray[np.float64]
EffectStatus = Literal["ok", "no_units", "too_few_units", "no_variance"]


class Effect(NamedTuple):
    """Challenger minus control, and how sure one may be of it.

    Attributes:
        effect_size: Weighted mean over steps of the difference of click rates; challenger_mean - control_mean.
        rel_effect_size: effect_size / control_mean; NaN where the control has no click.
        se: Standard error of effect_size, clustered by unit.
        rel_se: Standard error of rel_effect_size (delta method); NaN where that is.
        control_mean: The control's click rate, weighted over steps as the effect is, 0 … 1.
        challenger_mean: The challenger's, 0 … 1.
        n_effective: Sessions that would tell as much, were they independent and evenly split.
        design_effect: Clustered variance over the variance of independent sessions.
        challenger_sessions: (S,) sessions per step.
        control_sessions: (S,) sessions per step.
        weights: (S,) weight of each step, sum 1; 0 where an arm has no session.
        status: ``ok``; ``no_units``: no step has sessions in both arms, every number is NaN; ``too_few_units``: an
            arm has fewer than two units, and ``no_variance``: nothing varies: means and effects stand, the rest is
            NaN.
    """

    effect_size: float
    rel_effect_size: float
    se: float
    rel_se: float
    control_mean: float
    challenger_mean: float
    n_effective: float
    design_effect: float
    challenger_sessions: Floats
    control_sessions: Floats
    weights: Floats
    status: EffectStatus


class _Arm(NamedTuple):
    mean: float
    variance: float
    iid_variance: float


class _Spread(NamedTuple):
    se: float
    rel_se: float
    design_effect: float
    n_effective: float


def stratified_effect(challenger: ClusterMoments, control: ClusterMoments) -> Effect:
    """Effect of the challenger against its concurrent control, from moments alone.

    With n_as sessions and click rate ȳ_as of arm a in step s, and h_s = 1 / (1/n_ch,s + 1/n_co,s):

    - weights w_s = h_s / Σ h, the precision weights of equal variances; 0 where an arm has no session;
    - effect = Σ_s w_s (ȳ_ch,s - ȳ_co,s). Comparing within steps only keeps a trend over time out of it;
    - a unit's influence on its arm's mean is ψ_u = Σ_s w_s (y_us - ȳ_as n_us) / n_as, summed over its sessions and
      steps before it is squared; V_a = G_a / (G_a - 1) Σ_u ψ_u², G_a the arm's units (Liang & Zeger 1986, Biometrika
      73:13; the same as the delta method of Deng, Knoblich & Lu 2018, KDD, arXiv 1803.06336, for clustered
      randomisation: Deng, Lu & Qin 2021, arXiv 2105.14705). Assignment is sticky: no unit is in both arms, and
      se² = V_ch + V_co;
    - rel_se² = V_ch / μ_co² + V_co μ_ch² / μ_co⁴ (delta method for μ_ch / μ_co - 1, a unit's influence being
      ψ_u / μ_co in the challenger and -ψ_u μ_ch / μ_co² in the control: its mean is in numerator and denominator);
    - design_effect = se² / Σ_s w_s² (s²_ch,s / n_ch,s + s²_co,s / n_co,s), with the sample variance
      s² = ȳ (1 - ȳ) n / (n - 1) of a 0/1 session outcome;
    - n_effective = Σ_s 4 h_s / design_effect: all sessions of evenly split arms, over the design effect.

    The weights are taken as given: they depend on traffic, not on clicks.

    >>> one = ClusterMoments.from_rows([0, 1, 2, 3], [0] * 4, n=[1] * 4, y=[1, 1, 1, 0], n_steps=1)
    >>> two = ClusterMoments.from_rows([0, 1, 2, 3], [0] * 4, n=[1] * 4, y=[1, 0, 1, 0], n_steps=1)
    >>> effect = stratified_effect(challenger=one, control=two)
    >>> effect.effect_size, effect.rel_effect_size, round(effect.se, 4), round(effect.n_effective, 9)
    (0.25, 0.5, 0.3819, 8.0)

    Args:
        challenger: The challenger's moments; y counts sessions with a click, at most one each.
        control: The concurrent control's, over the same steps.

    Raises:
        DataError: The two arms do not have the same number of steps.
    """
    if challenger.n_steps != control.n_steps:
        raise DataError(f"challenger has {challenger.n_steps} steps, control {control.n_steps}; need as many")
    n_challenger, n_control = challenger.sessions, control.sessions
    harmonic = _harmonic(n_challenger, n_control)
    harmonic_sum = float(harmonic.sum())
    if harmonic_sum == 0:
        return _undefined(n_challenger, n_control)
    weights = harmonic / harmonic_sum
    one, two = _arm(challenger, weights), _arm(control, weights)
    effect = one.mean - two.mean
    relative = effect / two.mean if two.mean > 0 else math.nan
    status = _status(one, two, fewest_units=min(challenger.n_clusters, control.n_clusters))
    spread = _spread(one, two, harmonic_sum) if status == "ok" else _Spread(math.nan, math.nan, math.nan, math.nan)
    return Effect(
        effect, relative, spread.se, spread.rel_se, two.mean, one.mean, spread.n_effective, spread.design_effect,
        n_challenger, n_control, weights, status,
    )  # fmt: skip


def _harmonic(n_challenger: Floats, n_control: Floats) -> Floats:
    """(S,) n₁n₂/(n₁+n₂), which is 1/(1/n₁ + 1/n₂), and 0 rather than undefined where one arm is empty."""
    total = n_challenger + n_control
    return n_challenger * n_control / np.where(total > 0, total, 1.0)


def _status(one: _Arm, two: _Arm, *, fewest_units: int) -> EffectStatus:
    if fewest_units < 2:
        return "too_few_units"
    varies = min(one.variance + two.variance, one.iid_variance + two.iid_variance) > 0
    return "ok" if varies else "no_variance"


def _spread(one: _Arm, two: _Arm, harmonic_sum: float) -> _Spread:
    """Standard errors, and what clustering costs; both arms vary."""
    variance = one.variance + two.variance
    rel_se = math.nan
    if two.mean > 0:
        rel_se = math.sqrt(one.variance + two.variance * (one.mean / two.mean) ** 2) / two.mean
    design_effect = variance / (one.iid_variance + two.iid_variance)
    return _Spread(math.sqrt(variance), rel_se, design_effect, 4 * harmonic_sum / design_effect)


def _arm(arm: ClusterMoments, weights: Floats) -> _Arm:
    """Weighted mean of an arm, its clustered variance and the variance were sessions independent."""
    n = np.where(weights > 0, arm.sessions, 1.0)
    share = weights / n
    rate = arm.clicks / n
    influence = np.concatenate([share, -share * rate])
    units = arm.n_clusters
    # Rounding may leave the quadratic form of a constant arm a hair below zero.
    squares = max(float(influence @ arm.cross @ influence), 0.0)
    variance = squares * units / (units - 1) if units > 1 else math.nan
    # One session of a step says nothing of its variance; it is left out as 0.
    iid = share * weights * rate * (1 - rate) * n / np.maximum(n - 1, 1)
    return _Arm(float(weights @ rate), variance, float(iid.sum()))


def _undefined(n_challenger: Floats, n_control: Floats) -> Effect:
    nan = math.nan
    weights = np.zeros(len(n_control))
    return Effect(nan, nan, nan, nan, nan, nan, nan, nan, n_challenger, n_control, weights, "no_units")
