"""CUSUM: notices a lasting shift of a series, with a stated average number of looks until it does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from core.errors import ConfigError, DataError

Floats = npt.NDArray[np.float64]
#: ``not_finite``: the series holds NaN or an infinite value; nothing is computed.
CusumStatus = Literal["ok", "no_values", "not_finite"]
#: Beyond it the run length is told as infinite: the linear system that gives it has no more correct digits to offer.
LONGEST_RUN = 1e9
#: Widest decision interval whose run length is computed.
HIGHEST = 100.0
#: States at least, and their greatest width in standard deviations: run lengths are then right to 0.3 %, for h <= 5 to
#: 0.01 %.
_STATES = 200
_WIDEST = 0.1


@dataclass(frozen=True, eq=False)
class Cusum:
    """The chart.

    Attributes:
        upper: (n,) S⁺, the evidence of a rise.
        lower: (n,) S⁻, the evidence of a fall.
        alarm: Place of the first value at which one of them exceeds h; -1: none does.
        side: ``rise``, ``fall``, or ``none``.
        change: Where the shift seems to have begun: the first value after that side last was 0; -1 without alarm.
        status: ``ok``, ``no_values`` or ``not_finite``.
    """

    upper: Floats
    lower: Floats
    alarm: int
    side: Literal["rise", "fall", "none"]
    change: int
    status: CusumStatus


def cusum(z: npt.ArrayLike, *, k: float = 0.5, h: float = 5.0, two_sided: bool = True) -> Cusum:
    """Tabular CUSUM of standardised values.

    S⁺_t = max(0, S⁺_{t-1} + z_t - k), S⁻_t = max(0, S⁻_{t-1} - z_t - k), both from 0; alarm where one exceeds h (Page
    1954, Biometrika 41:100; Montgomery 2013, Introduction to Statistical Quality Control, eq. 9.2-9.3). How often it
    alarms at nothing: ``average_run_length``.

    >>> chart = cusum([0.0, 0.5, 3.0, 2.0, 2.5], h=4.0)
    >>> chart.upper.tolist(), chart.alarm, chart.side, chart.change
    ([0.0, 0.0, 2.5, 4.0, 6.0], 4, 'rise', 2)

    Args:
        z: (n,) values minus their mean in peace, over their standard deviation in peace, in order of time.
        k: Allowance, >= 0: half the shift to be found, in standard deviations.
        h: Decision interval, > 0, in standard deviations.
        two_sided: Whether a fall alarms too; S⁻ is computed anyway.

    Raises:
        ConfigError: k or h is not allowed.
        DataError: z is no row.
    """
    _check(k, h)
    values = np.asarray(z, np.float64)
    if values.ndim != 1:
        raise DataError(f"z has shape {values.shape}, must be (n,)")
    if len(values) == 0 or not np.isfinite(values).all():
        unknown = np.full(len(values), np.nan)
        return Cusum(unknown, unknown, -1, "none", -1, "not_finite" if len(values) else "no_values")
    upper, lower = _reflected(values - k), _reflected(-values - k)
    exceeds = upper > h
    if two_sided:
        exceeds |= lower > h
    if not exceeds.any():
        return Cusum(upper, lower, -1, "none", -1, "ok")
    alarm = int(exceeds.argmax())
    rises = bool(upper[alarm] > h)
    side = upper if rises else lower
    quiet = np.flatnonzero(side[:alarm] == 0)
    return Cusum(upper, lower, alarm, "rise" if rises else "fall", int(quiet[-1]) + 1 if len(quiet) else 0, "ok")


def average_run_length(*, k: float = 0.5, h: float = 5.0, shift: float = 0.0, two_sided: bool = True) -> float:
    """Average number of values until the alarm, for independent normal ones, from the start at 0.

    Brook & Evans 1972, Biometrika 59:539, section 2: [0, h] is cut into states, R holds the chances to go from one to
    another, and the run lengths are (I - R)⁻¹ 1. Two sides: 1 / ARL = 1 / ARL⁺ + 1 / ARL⁻ (Van Dobben de Bruyn 1968).

    >>> round(average_run_length(h=4)), round(average_run_length(h=5)), round(average_run_length(h=5, shift=1), 1)
    (168, 465, 10.4)

    Args:
        k: Allowance, >= 0.
        h: Decision interval, above 0, at most ``HIGHEST``.
        shift: Mean of the values, in standard deviations; 0 gives how long peace lasts between false alarms.
        two_sided: Of both sides; else of S⁺ alone.

    Returns:
        Values until the alarm; ``inf`` where it takes more than ``LONGEST_RUN``.

    Raises:
        ConfigError: k, h or shift is not allowed.
    """
    _check_shift(k, h, shift)
    return _together([_one_sided(k, h, side) for side in ((shift, -shift) if two_sided else (shift,))])


def siegmund_run_length(*, k: float = 0.5, h: float = 5.0, shift: float = 0.0, two_sided: bool = True) -> float:
    """Siegmund's closed approximation of ``average_run_length``; arguments and errors are the same.

    One side: (exp(-2 Δ b) + 2 Δ b - 1) / (2 Δ²), Δ = shift - k, b = h + 1.166; b² for Δ = 0 (Siegmund 1985, Sequential
    Analysis, eq. 2.58; Montgomery 2013, eq. 9.6).

    >>> round(siegmund_run_length(h=5, two_sided=False), 1)
    938.2
    """
    _check_shift(k, h, shift)
    return _together([_siegmund(side - k, h + 1.166) for side in ((shift, -shift) if two_sided else (shift,))])


def decision_interval(run_length: float, *, k: float = 0.5, two_sided: bool = True) -> float:
    """The h whose average run length in peace is ``run_length``: how to have a false alarm as seldom as one likes.

    >>> round(decision_interval(370.0), 2)
    4.77

    Args:
        run_length: Values between false alarms, 10 … 1,000,000.
        k: Allowance, 0.1 … 2.
        two_sided: As ``average_run_length``.

    Raises:
        ConfigError: run_length or k is not allowed, or k alone alarms more seldom.
    """
    if not 10 <= run_length <= 1e6:
        raise ConfigError(f"run_length == {run_length}, must be 10 … 1,000,000 values between false alarms")
    if not 0.1 <= k <= 2:
        raise ConfigError(f"k == {k}, must be 0.1 … 2 standard deviations")

    def excess(h: float) -> float:
        # In peace both sides are alike: two of them alarm twice as often as one.
        return math.log(_one_sided(k, h, 0.0) / (run_length * (2 if two_sided else 1)))

    low, high = 1e-3, 1.0
    if excess(low) > 0:
        raise ConfigError(
            f"k == {k} alone alarms more seldom than every {run_length} values; lower k, or ask for a longer run"
        )
    while excess(high) < 0:
        low, high = high, high * 1.5
    while math.isinf(excess(high)):
        high = (low + high) / 2
    return float(optimize.brentq(excess, low, high, xtol=1e-9))


def _reflected(steps: Floats) -> Floats:
    """S_t = max(0, S_{t-1} + step_t): the path of sums less its lowest point so far, or less 0."""
    path = np.cumsum(steps)
    return np.asarray(path - np.minimum(np.minimum.accumulate(path), 0.0), np.float64)


def _one_sided(k: float, h: float, shift: float) -> float:
    n_states = max(_STATES, math.ceil(h / _WIDEST))
    # States 1 … n - 1 lie around i w; state 0, half as wide, holds S = 0 as well.
    width = 2 * h / (2 * n_states - 1)
    middle = np.arange(n_states) * width
    reach = special.ndtr(middle + width / 2 - middle[:, np.newaxis] + k - shift)
    chances = np.diff(reach, axis=1, prepend=0.0)
    try:
        run_length = float(np.linalg.solve(np.eye(n_states) - chances, np.ones(n_states))[0])
    except np.linalg.LinAlgError:
        # Singular: no chance at all, to all the digits there are, of leaving [0, h].
        return math.inf
    return run_length if 1 <= run_length <= LONGEST_RUN else math.inf


def _siegmund(drift: float, height: float) -> float:
    exponent = -2 * drift * height
    if abs(exponent) < 1e-5:
        return height**2
    return math.inf if exponent > 700 else (math.expm1(exponent) - exponent) / (2 * drift**2)


def _together(run_lengths: list[float]) -> float:
    hazard = sum(1 / run_length for run_length in run_lengths)
    return 1 / hazard if hazard > 0 else math.inf


def _check_shift(k: float, h: float, shift: float) -> None:
    _check(k, h)
    if h > HIGHEST:
        raise ConfigError(f"h == {h}, must be at most {HIGHEST:g} for its run length to be known, usually 4 or 5")
    if not math.isfinite(shift):
        raise ConfigError(f"shift == {shift}, must be a number of standard deviations")


def _check(k: float, h: float) -> None:
    if not 0 <= k < math.inf:
        raise ConfigError(f"k == {k}, must be >= 0, usually half the shift to be found")
    if not 0 < h < math.inf:
        raise ConfigError(f"h == {h}, must be above 0, usually 4 or 5")
