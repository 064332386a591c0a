"""The effect by segment, so that nobody fishes: corrected p-values, and a test of whether segments differ at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError
from experiments.inference.comparison import Comparison
from experiments.inference.estimates import Estimate
from experiments.inference.frequentist import welch
from experiments.inference.multiplicity import Correction, corrected

Scale = Literal["absolute", "relative"]
SCALES: tuple[Scale, ...] = get_args(Scale)

#: ``too_few_groups``: fewer than two of them can be compared.
HeterogeneityStatus = Literal["ok", "too_few_groups"]

NO_UNITS = Estimate(math.nan, math.nan, 0, "no_units")


class Heterogeneity(NamedTuple):
    """Whether effects differ by more than their errors let expect.

    Attributes:
        statistic: Cochran's Q, >= 0; NaN unless ``ok``.
        df: Its degrees of freedom, effects - 1.
        pvalue: Of one effect everywhere, 0 … 1.
        i_squared: Share of the effects' spread that error does not explain, 0 … 1.
        pooled_effect: Mean of the effects, weighted by 1 / se².
        pooled_se: Its standard error.
        status: ``ok`` or ``too_few_groups``.
    """

    statistic: float
    df: int
    pvalue: float
    i_squared: float
    pooled_effect: float
    pooled_se: float
    status: HeterogeneityStatus


class SegmentComparison(NamedTuple):
    """One segment.

    Attributes:
        segment: Its value, e.g. "mobile".
        comparison: Treatment against control within it; its interval is not corrected.
        pvalue_adjusted: Corrected for the number of segments; NaN where there was no test.
    """

    segment: str
    comparison: Comparison
    pvalue_adjusted: float


class SegmentReport(NamedTuple):
    """All segments.

    Attributes:
        segments: In the order of the control's, then those that only the treatment has.
        heterogeneity: Read it first: unless its p-value is small, the segments' differences are what chance makes.
    """

    segments: tuple[SegmentComparison, ...]
    heterogeneity: Heterogeneity


def compare_segments(
    treatment: Mapping[str, Estimate],
    control: Mapping[str, Estimate],
    *,
    compare: Callable[[Estimate, Estimate], Comparison] = welch,
    correction: Correction = "holm",
    scale: Scale = "absolute",
) -> SegmentReport:
    """Compare treatment and control within each segment, corrected for the number of segments.

    A segment must be known before the unit is exposed (country, device at sign-up), never a result of the treatment.

    >>> report = compare_segments(
    ...     {"old": Estimate(0.2, 1e-4, 900), "new": Estimate(0.1, 1e-4, 900)},
    ...     {"old": Estimate(0.1, 1e-4, 900), "new": Estimate(0.1, 1e-4, 900)},
    ... )
    >>> [(found.segment, round(found.pvalue_adjusted, 3)) for found in report.segments]
    [('old', 0.0), ('new', 1.0)]
    >>> round(report.heterogeneity.statistic, 2)
    25.0

    Args:
        treatment: The treatment's value of the metric by segment.
        control: The control's. A segment that one arm lacks has the status ``no_units``.
        compare: Of treatment and control: Welch's two-sided test at .05, or another way to compare, which must be
            one that may be looked at again where the experiment is.
        correction: ``holm`` or ``bonferroni`` (no false find with probability 1 - alpha), ``bh`` (share of false ones
            among the finds), or ``none``.
        scale: Whether absolute or relative effects are tested, for themselves and against each other.

    Returns:
        The report; without segments an empty one, its heterogeneity ``too_few_groups``.

    Raises:
        ConfigError: correction or scale is not allowed.
    """
    names = list(dict.fromkeys([*control, *treatment]))
    found = {name: compare(treatment.get(name, NO_UNITS), control.get(name, NO_UNITS)) for name in names}
    return segment_report(found, correction=correction, scale=scale)


def segment_report(
    comparisons: Mapping[str, Comparison], *, correction: Correction = "holm", scale: Scale = "absolute"
) -> SegmentReport:
    """Comparisons within segments, however they were made, corrected for their number and tested against each other.

    Args:
        comparisons: Segment to treatment against control within it.
        correction: See ``compare_segments``.
        scale: See there.

    Raises:
        ConfigError: correction or scale is not allowed.
    """
    if scale not in SCALES:
        raise ConfigError(f"scale == {scale!r}, must be one of {', '.join(SCALES)}")
    found = list(comparisons.values())
    relative = scale == "relative"
    adjusted = corrected([one.rel_pvalue if relative else one.pvalue for one in found], correction).tolist()
    return SegmentReport(
        tuple(SegmentComparison(*parts) for parts in zip(comparisons, found, adjusted, strict=True)),
        cochran_q(
            [one.rel_effect_size if relative else one.effect_size for one in found],
            [one.rel_se if relative else one.se for one in found],
        ),
    )


def cochran_q(effects: npt.ArrayLike, ses: npt.ArrayLike) -> Heterogeneity:
    """Cochran's test of whether independent effects are one and the same.

    With w = 1 / se² and the pooled effect d̄ = Σ w d / Σ w: Q = Σ w (d - d̄)² is chi-squared on k - 1 degrees of freedom
    if all effects are equal (Cochran 1954, Biometrics 10:101), I² = max(0, (Q - df) / Q) (Higgins & Thompson 2002,
    Statistics in Medicine 21:1539, eq. 10). The standard errors count as known: with fewer than some 30 units an arm
    the test finds too much.

    >>> found = cochran_q([0.1, 0.3], [0.1, 0.1])
    >>> round(found.statistic, 3), round(found.pvalue, 4), round(found.pooled_effect, 3)
    (2.0, 0.1573, 0.2)

    Args:
        effects: (k,) effects; those that are not finite do not count.
        ses: (k,) their standard errors; effects whose error is not above 0 do not count.

    Returns:
        The test; NaN with the status ``too_few_groups`` where fewer than two effects count.

    Raises:
        DataError: Not one standard error per effect.
    """
    effect, se = np.asarray(effects, np.float64), np.asarray(ses, np.float64)
    if effect.shape != se.shape or effect.ndim != 1:
        raise DataError(f"effects has shape {effect.shape}, ses {se.shape}; must both be (k,)")
    counts = np.isfinite(effect) & np.isfinite(se) & (se > 0)
    effect, se = effect[counts], se[counts]
    df = len(effect) - 1
    if df < 1:
        return Heterogeneity(math.nan, 0, math.nan, math.nan, math.nan, math.nan, "too_few_groups")
    # In units of the smallest error: squares of tiny ones would overflow.
    unit = float(se.min())
    weight = (unit / se) ** 2
    pooled = float(weight @ effect / weight.sum())
    statistic = float((((effect - pooled) / se) ** 2).sum())
    return Heterogeneity(
        statistic=statistic,
        df=df,
        pvalue=float(special.chdtrc(df, statistic)),
        i_squared=max(0.0, 1 - df / statistic) if statistic > 0 else 0.0,
        pooled_effect=pooled,
        pooled_se=unit / math.sqrt(float(weight.sum())),
        status="ok",
    )
