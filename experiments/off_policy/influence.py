"""Means, standard errors and intervals from what each row adds to an estimate."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from experiments.off_policy.logged_bandit import Floats, LoggedBandit


class TInterval(NamedTuple):
    """A t interval and the p-value that goes with it.

    Attributes:
        ci_lower: Lower end; NaN where se is not above 0.
        ci_upper: Upper end; NaN likewise.
        pvalue: Two-sided, of 0; NaN likewise.
    """

    ci_lower: float
    ci_upper: float
    pvalue: float


def clustered_se(influence: Floats, log: LoggedBandit) -> float:
    """Standard error of an estimate whose error is about the mean of its rows' influences.

    se² = U / (U - 1) Σ_u (Σ_{i in u} φ_i)² / n² over the U units: rows of one unit may depend on each other
    (Liang & Zeger 1986, Biometrika 73:13, with the usual correction for few units). With a unit a row it is s² / n.

    >>> log = LoggedBandit(np.zeros(4, int), np.zeros(4), np.ones(4), unit=np.array(["a", "a", "b", "b"]))
    >>> round(clustered_se(np.array([1.0, 1.0, -1.0, -1.0]), log), 4)
    1.0

    Args:
        influence: (n,) with mean 0.
        log: Whose units they are.

    Returns:
        The standard error; NaN with fewer than two units, and where an influence is NaN.
    """
    n_units = log.n_units
    if n_units < 2:
        return math.nan
    sums = influence if log.unit is None else np.bincount(log.unit, weights=influence, minlength=n_units)
    # As shares of the largest: its square may overflow.
    largest = float(np.abs(sums).max())
    if not (largest > 0 and math.isfinite(largest)):
        return largest
    shares = sums / largest
    return largest * math.sqrt(n_units / (n_units - 1) * float(shares @ shares)) / log.n


def mean_and_se(values: Floats, log: LoggedBandit) -> tuple[float, float]:
    """Mean of (n,) values and its clustered standard error."""
    mean = float(values.mean())
    return mean, clustered_se(values - mean, log)


def t_interval(value: float, se: float, n_units: int, alpha: float) -> TInterval:
    """Student's interval: value ± t se, t the 1 - alpha / 2 quantile on n_units - 1 degrees of freedom.

    >>> [round(figure, 4) for figure in t_interval(0.02, 0.01, 1001, 0.05)]
    [0.0004, 0.0396, 0.0458]
    """
    if not (se > 0 and math.isfinite(se) and math.isfinite(value)):
        return TInterval(math.nan, math.nan, math.nan)
    width = -float(special.stdtrit(n_units - 1, alpha / 2)) * se
    return TInterval(value - width, value + width, 2 * float(special.stdtr(n_units - 1, -abs(value / se))))
