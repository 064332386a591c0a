"""Two arms compared by a confidence sequence: figures that hold at every look, however often one looks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.inference.comparison import (
    Alternative,
    Comparison,
    Difference,
    check_alpha,
    check_alternative,
    difference,
)
from experiments.inference.estimates import Estimate, Status
from experiments.looks.sequential import always_valid_pvalue, confidence_sequence, mixture_scale

Floats = npt.NDArray[np.float64]
#: Units an arm must have before its asymptotic sequence is read.
BURN_IN = 100
#: What burn-in does not hide: such an arm has no value at all.
_NO_VALUE: tuple[Status, ...] = ("no_units", "not_finite", "undefined_ratio")


def sequential_comparison(
    treatment: Estimate,
    control: Estimate,
    *,
    n_star: float,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    burn_in: int = BURN_IN,
) -> Comparison:
    """Treatment against control by the asymptotic confidence sequence, to be read after every unit if one likes.

    Two-sided: ``experiments.looks.sequential`` at N = n_t + n_c. One-sided: effect - se √N √(2 (N ρ² + 1) / (N ρ)² ·
    ln(1 + √(N ρ² + 1) / (2 α))) is a lower bound at every N at once with probability 1 - α (Waudby-Smith, Arbour,
    Sinha, Kennedy & Ramdas 2024, Annals of Statistics, arXiv 2103.06476v7, eq. 134), with ρ of eq. 161 at 2 α. The
    p-value is the smallest level at which 0 leaves the sequence with ρ held: p = √(N ρ² + 1) / (2 (e^x - 1)) with
    x = N ρ² z² / (2 (N ρ² + 1)) and z = effect / se in the direction asked for; 1 where z is not above 0.

    The sequence is asymptotic in the smaller arm: before both arms have ``burn_in`` units the guarantee is not to be
    had, and nothing can be decided. Relative figures take the same sequence with their own standard error.

    >>> from experiments.inference.estimates import proportion_estimate
    >>> found = sequential_comparison(proportion_estimate(3461, 2422), proportion_estimate(3000, 1396), n_star=5000)
    >>> round(found.rel_ci_lower, 4), round(found.rel_ci_upper, 4), f"{found.rel_pvalue:.3g}"
    (0.401, 0.6067, '5.17e-44')

    Args:
        treatment: The treatment's value.
        control: The control's.
        n_star: N at which the sequence is to be tightest, fixed before the first look, > 0.
        alpha: Error over all looks together; below 0.5 for a one-sided alternative.
        alternative: What is to be shown of treatment - control.
        burn_in: Units an arm needs, >= 0.

    Returns:
        The comparison; ``statistic`` and ``df`` are NaN. With ``status`` "burn_in" the effects and their standard
        errors stand and everything that would decide is NaN.

    Raises:
        ConfigError: n_star, alpha, alternative or burn_in is not allowed.
    """
    _check(n_star, alpha, alternative)
    if not burn_in >= 0:
        raise ConfigError(f"burn_in == {burn_in}, must be a number of units >= 0")
    found = difference(treatment, control)
    n = treatment.n + control.n
    status = found.status
    if status not in _NO_VALUE and min(treatment.n, control.n) < burn_in:
        status = "burn_in"
    sequence = _Sequence(math.nan if status == "burn_in" else float(n), n_star, alpha, alternative)
    return sequence.comparison(treatment, control, found, status)


def critical_values(
    n: npt.ArrayLike, *, n_star: float, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Floats:
    """The sequence's half-width in standard errors: the z at which 0 leaves it. What a fixed test has as 1.96.

    >>> critical_values([1000.0, 5000.0, 25000.0], n_star=5000).round(3).tolist()
    [3.364, 3.035, 3.153]

    Args:
        n: Observations of both arms together, any shape, > 0.
        n_star: As in ``sequential_comparison``.
        alpha: As there.
        alternative: As there; "greater" and "less" have the same.

    Returns:
        In the shape of ``n``; NaN where it is not above 0.

    Raises:
        ConfigError: n_star, alpha or alternative is not allowed.
    """
    _check(n_star, alpha, alternative)
    two_sided = alternative == "two-sided"
    seen = np.asarray(n, np.float64)
    information = np.where(seen > 0, seen, np.nan) * mixture_scale(n_star, alpha if two_sided else 2 * alpha) ** 2
    root = np.sqrt(information + 1)
    level = np.log(root / alpha) if two_sided else np.log1p(root / (2 * alpha))
    return np.asarray(root * np.sqrt(2 * level / information), np.float64)


class _Read(NamedTuple):
    lower: float
    upper: float
    pvalue: float


class _Sequence(NamedTuple):
    """The sequence at one N, NaN while it may not be read."""

    n: float
    n_star: float
    alpha: float
    alternative: Alternative

    def comparison(self, treatment: Estimate, control: Estimate, found: Difference, status: Status) -> Comparison:
        absolute = self.read(found.effect_size, found.se)
        relative = self.read(found.rel_effect_size, found.rel_se)
        return Comparison(
            effect_size=found.effect_size,
            se=found.se,
            ci_lower=absolute.lower,
            ci_upper=absolute.upper,
            pvalue=absolute.pvalue,
            rel_effect_size=found.rel_effect_size,
            rel_se=found.rel_se,
            rel_ci_lower=relative.lower,
            rel_ci_upper=relative.upper,
            rel_pvalue=relative.pvalue,
            control_value=control.value,
            treatment_value=treatment.value,
            control_n=control.n,
            treatment_n=treatment.n,
            statistic=math.nan,
            df=math.nan,
            status=status,
        )

    def read(self, effect: float, se: float) -> _Read:
        if not (se > 0 and self.n > 0) or math.isnan(effect):
            return _Read(math.nan, math.nan, math.nan)
        if self.alternative == "two-sided":
            lower, upper = confidence_sequence(effect, se, self.n, self.n_star, self.alpha)
            return _Read(lower, upper, always_valid_pvalue(effect, se, self.n, self.n_star, self.alpha))
        width = se * float(critical_values(self.n, n_star=self.n_star, alpha=self.alpha, alternative=self.alternative))
        if self.alternative == "greater":
            return _Read(effect - width, math.inf, self._one_sided_pvalue(effect / se))
        return _Read(-math.inf, effect + width, self._one_sided_pvalue(-effect / se))

    def _one_sided_pvalue(self, z: float) -> float:
        information = self.n * mixture_scale(self.n_star, 2 * self.alpha) ** 2
        grown = information + 1
        exponent = information * z * z / (2 * grown)
        if z <= 0 or exponent == 0:
            return 1.0
        # ln(e^x - 1) without overflow.
        log_p = 0.5 * math.log(grown) - math.log(2) - exponent - math.log(-math.expm1(-exponent))
        return math.exp(min(log_p, 0.0))


def _check(n_star: float, alpha: float, alternative: Alternative) -> None:
    check_alpha(alpha)
    check_alternative(alternative)
    if alternative != "two-sided" and alpha >= 0.5:
        raise ConfigError(f"alpha == {alpha}, must be below 0.5 for a one-sided sequence")
    mixture_scale(n_star, alpha)
