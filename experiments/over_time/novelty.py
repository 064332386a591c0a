"""Novelty: whether the effect wears off, or grows, with the days since a unit's first exposure."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError
from experiments.inference.comparison import check_alpha

Shape = Literal["log", "linear"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
#: ``unknown`` where nothing could be tested.
Trend = Literal["fades", "grows", "steady", "unknown"]
#: ``too_few_days``: fewer than three days count, or all are the same; ``no_variance``: the days lie exactly on a line.
NoveltyStatus = Literal["ok", "too_few_days", "no_variance"]


class Novelty(NamedTuple):
    """How the effect goes with time.

    Attributes:
        slope: Change of the effect per unit of x, x = ln(1 + day) or day; NaN unless ``ok`` or ``no_variance``.
        se: Standard error of the slope; NaN unless ``ok``.
        pvalue: Of no slope, two-sided; NaN unless ``ok``.
        first_effect: Effect on the first day, by the fitted line.
        last_effect: On the last day: what is left, where the effect fades.
        trend: ``fades``: the slope is significant and runs against the first day's effect (novelty); ``grows``: it runs
            with it (people learn); ``steady``: no slope was shown, which is no proof that there is none.
        n_days: Days that count.
        status: ``ok``, ``too_few_days`` or ``no_variance``.
    """

    slope: float
    se: float
    pvalue: float
    first_effect: float
    last_effect: float
    trend: Trend
    n_days: int
    status: NoveltyStatus


def novelty(
    days: npt.ArrayLike, effects: npt.ArrayLike, ses: npt.ArrayLike, *, shape: Shape = "log", alpha: float = 0.05
) -> Novelty:
    """Fit the daily effects to a line in x and test its slope.

    Least squares with weights w = 1 / se²: b = Σ w (x - x̄) d / S, S = Σ w (x - x̄)²; var b = φ / S with the scale
    φ = Σ w r² / (k - 2) of the residuals r; b / se is t on k - 2 degrees of freedom (Draper & Smith 1998, Applied
    Regression Analysis, ch. 9.2). The scale is taken from the residuals because days share their units: an error that
    all days have in common moves the line, not its slope, and does not show in φ either.

    Units that come late have few days: compare effects of the same units, or of units that have had all days, or who
    comes when is taken for what time does.

    >>> found = novelty([0, 1, 2, 3, 4], [0.10, 0.07, 0.06, 0.05, 0.05], [0.01] * 5)
    >>> found.trend, round(found.first_effect, 3), round(found.last_effect, 3), found.status
    ('fades', 0.097, 0.045, 'ok')

    Args:
        days: (k,) days since first exposure, >= 0.
        effects: (k,) effect on that day; one that is not finite does not count.
        ses: (k,) its standard error; a day whose error is not above 0 does not count.
        shape: ``log``: x = ln(1 + day), most change at the start; ``linear``: x = day.
        alpha: Level of ``trend``.

    Returns:
        The fit; NaN and ``unknown`` where ``status`` says why.

    Raises:
        ConfigError: shape or alpha is not allowed.
        DataError: Not one effect and error per day, or a day below 0.
    """
    check_alpha(alpha)
    if shape not in SHAPES:
        raise ConfigError(f"shape == {shape!r}, must be one of {', '.join(SHAPES)}")
    day, effect, se = _counting(days, effects, ses)
    n_days = len(day)
    x = np.log1p(day) if shape == "log" else day
    if n_days < 3 or np.ptp(x) == 0:
        return Novelty(math.nan, math.nan, math.nan, math.nan, math.nan, "unknown", n_days, "too_few_days")
    # In units of the smallest error: the scale of the weights cancels, their overflow would not.
    weight = (se.min() / se) ** 2
    centre = float(weight @ x / weight.sum())
    spread = float(weight @ (x - centre) ** 2)
    mean = float(weight @ effect / weight.sum())
    slope = float(weight @ ((x - centre) * (effect - mean)) / spread)
    residual = effect - mean - slope * (x - centre)
    first, last = (mean + slope * (float(end) - centre) for end in (x.min(), x.max()))
    scale = float(weight @ residual**2) / (n_days - 2)
    # Days on a line: what is left is rounding.
    if scale <= (64 * np.finfo(np.float64).eps * float(np.abs(effect).max())) ** 2:
        return Novelty(slope, math.nan, math.nan, first, last, "unknown", n_days, "no_variance")
    slope_se = math.sqrt(scale / spread)
    pvalue = min(1.0, 2 * float(special.stdtr(n_days - 2, -abs(slope / slope_se))))
    trend: Trend = "steady"
    if pvalue < alpha:
        trend = "grows" if slope * first >= 0 else "fades"
    return Novelty(slope, slope_se, pvalue, first, last, trend, n_days, "ok")


def _counting(
    days: npt.ArrayLike, effects: npt.ArrayLike, ses: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    day, effect, se = (np.asarray(values, np.float64) for values in (days, effects, ses))
    if not day.shape == effect.shape == se.shape or day.ndim != 1:
        raise DataError(f"days has shape {day.shape}, effects {effect.shape}, ses {se.shape}; must all be (k,)")
    if not (day >= 0).all():
        raise DataError(f"days holds {day[~(day >= 0)][0]:g}, must be days since first exposure, >= 0")
    counts = np.isfinite(effect) & np.isfinite(se) & (se > 0)
    return day[counts], effect[counts], se[counts]
