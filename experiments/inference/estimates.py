"""One arm's value of a metric and how sure it is: what every test, interval and posterior is made from."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from core.errors import DataError
from experiments.inference.moments import Moments

#: ``ok``; ``no_units``: an arm is empty; ``too_few_units``: an arm has one unit, its variance is unknown;
#: ``no_variance``: nothing varies, so that nothing can be tested; ``no_overlap``: one arm lies above the other with all
#: of its values, which leaves ranks no interval; ``not_finite``: a value is NaN or infinite;
#: ``undefined_ratio``: the denominators add up to 0; ``burn_in``: too few units yet for a confidence sequence;
#: ``zero_baseline`` (or one so near 0 that nothing finite is relative to it) and ``negative_baseline``: the absolute
#: figures stand, relative ones are NaN. Sentences for people: ``experiments.inference.status_words``.
Status = Literal[
    "ok",
    "no_units",
    "too_few_units",
    "no_variance",
    "no_overlap",
    "not_finite",
    "undefined_ratio",
    "burn_in",
    "zero_baseline",
    "negative_baseline",
]


class Estimate(NamedTuple):
    """One arm's value of a metric.

    Attributes:
        value: The mean, share, ratio or quantile; NaN where it is not defined.
        variance: Squared standard error of the value; NaN where it is not known.
        n: Independent units behind it.
        status: Of ``Status``: ``ok``, ``no_units``, ``too_few_units``, ``not_finite`` or ``undefined_ratio``. An arm
            without variance is ``ok``: only two of them together cannot be compared.
    """

    value: float
    variance: float
    n: int
    status: Status = "ok"


def mean_estimate(moments: Moments) -> Estimate:
    """Mean per unit: x̄, with variance s² / n, s² the sample variance.

    >>> mean_estimate(Moments.from_rows([1.0, 2.0, 3.0]))
    Estimate(value=2.0, variance=0.3333333333333333, n=3, status='ok')

    Args:
        moments: Of one number a unit; further ones are left aside.
    """
    if moments.n == 0:
        return Estimate(math.nan, math.nan, 0, "no_units")
    return _checked(float(moments.mean[0]), float(moments.covariance[0, 0]) / moments.n, moments.n)


def proportion_estimate(n: int, successes: float) -> Estimate:
    """Share of units with a success: p̂, with variance p̂ (1 - p̂) / n.

    >>> proportion_estimate(4, 1)
    Estimate(value=0.25, variance=0.046875, n=4, status='ok')

    Raises:
        DataError: n is negative or successes lie outside 0 … n.
    """
    if n < 0 or not 0 <= successes <= n:
        raise DataError(f"{successes} successes in {n} units; successes must lie in 0 … units")
    if n == 0:
        return Estimate(math.nan, math.nan, 0, "no_units")
    share = successes / n
    return Estimate(share, share * (1 - share) / n, n)


def ratio_estimate(moments: Moments) -> Estimate:
    """Ratio of two sums where the unit of randomisation brings both, e.g. clicks per impression, randomised by user.

    R = m̄ / d̄, with the delta method's variance (s_m² - 2 R s_md + R² s_d²) / (n d̄²) (Deng, Knoblich & Lu 2018, KDD,
    arXiv 1803.06336, eq. 3).

    >>> estimate = ratio_estimate(Moments.from_rows([[1.0, 2.0], [1.0, 4.0], [3.0, 6.0]]))
    >>> round(estimate.value, 4), round(estimate.variance, 4)
    (0.4167, 0.0075)

    Args:
        moments: Of numerator and denominator of each unit, in this order; further numbers are left aside.
    """
    if moments.n == 0:
        return Estimate(math.nan, math.nan, 0, "no_units")
    numerator, denominator = (float(mean) for mean in moments.mean[:2])
    if denominator == 0:
        return Estimate(math.nan, math.nan, moments.n, "undefined_ratio")
    ratio = numerator / denominator
    # Divided twice rather than by the square, which a float may not hold.
    mm, md, dd = (float(moments.covariance[place]) / denominator / denominator for place in ((0, 0), (0, 1), (1, 1)))
    # Rounding may leave the variance of units that all have the same ratio a hair below zero.
    variance = max(mm - 2 * ratio * md + ratio * (ratio * dd), 0.0) if moments.n > 1 else math.nan
    return _checked(ratio, variance / moments.n, moments.n)


def _checked(value: float, variance: float, n: int) -> Estimate:
    if not math.isfinite(value) or (n > 1 and not math.isfinite(variance)):
        return Estimate(value, math.nan, n, "not_finite")
    return Estimate(value, variance, n, "ok" if n > 1 else "too_few_units")
