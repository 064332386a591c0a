"""An analysis over time: by day, week or month, what wears off, odd days, lasting shifts, and earlier experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from events.unit_aggregate import ExperimentTable
from events.unit_days import UnitDays, unit_days
from experiments.analysis import Analysis, compared
from experiments.inference.estimates import mean_estimate, ratio_estimate
from experiments.inference.frequentist import welch
from experiments.metrics import Metric
from experiments.over_time.anomalies import Anomalies
from experiments.over_time.carry_over import CarryOver, PrePeriod, carry_over, pre_period
from experiments.over_time.periods import Period
from experiments.over_time.readings import (
    NoveltyReading,
    PeriodReading,
    Shift,
    UnitsByDay,
    default_period,
    effect_shift,
    new_by_day,
    novelty_reading,
    odd_metric_days,
    odd_traffic_days,
    period_readings,
    split_shift,
)
from serving.analysis.arms import Arms, unit_numbers
from serving.analysis.question import Question

#: Level of the checks of what was before: share of sound experiments that alarm in any of them.
CHECK_ALPHA = 0.01
#: Units that were in no earlier experiment are an arm of it too.
NO_EARLIER = "(none)"


class MetricOverTime(NamedTuple):
    """One metric of one variant against the control.

    Attributes:
        metric: Which.
        variant: Which.
        periods: In order.
        novelty: Whether the effect wears off.
        shift: Whether it shifted for good.
    """

    metric: Metric
    variant: str
    periods: tuple[PeriodReading, ...]
    novelty: NoveltyReading
    shift: Shift


class ArmOverTime(NamedTuple):
    """One arm, the control too.

    Attributes:
        variant: Which.
        metrics: Each metric's odd days.
        traffic: Days on which far fewer units came.
        split: Whether its share of the new units shifted; None where it is to have none, or all.
    """

    variant: str
    metrics: tuple[tuple[Metric, Anomalies], ...]
    traffic: Anomalies
    split: Shift | None


@dataclass(frozen=True)
class OverTime:
    """What is seen over time.

    Attributes:
        period: Of the readings; None where no row says a time.
        rows_without_time: Rows left out here.
        metrics: Metric by metric, variant by variant.
        arms: Arm by arm.
        skipped: Metrics that are not read over time.
    """

    period: Period | None
    rows_without_time: int
    metrics: tuple[MetricOverTime, ...]
    arms: tuple[ArmOverTime, ...]
    skipped: tuple[Metric, ...]


class Earlier(NamedTuple):
    """Whether an earlier experiment shows in a metric of a variant."""

    metric: Metric
    variant: str
    found: CarryOver


class Before(NamedTuple):
    """Whether a variant's units were like the control's before, by a covariate."""

    covariate: str
    variant: str
    found: PrePeriod


def read_days(table: Any, question: Question, metrics: Sequence[Metric]) -> UnitDays:
    """What units bring on each day, of the metrics that can be read over time.

    Raises:
        DataError: The column of times holds none.
    """
    numbers = [unit_numbers(question, metric)[: _size(metric)] for metric in timely(metrics)]
    columns = ExperimentTable(question.unit, question.variant, numbers)
    return unit_days(table, columns, time=question.time, offset_minutes=question.utc_offset)


def over_time(days: UnitDays, question: Question, metrics: Sequence[Metric], analysis: Analysis) -> OverTime:
    """Everything that days tell."""
    read, plan = timely(metrics), analysis.plan
    skipped = tuple(metric for metric in metrics if metric not in read)
    if not len(days.day):
        return OverTime(None, days.rows_without_time, (), (), skipped)
    period = question.every or default_period(days.day)
    treatments = list(dict.fromkeys(finding.variant for finding in analysis.findings))
    arms = {
        (place, variant): _units_by_day(days, place, variant)
        for place in range(len(read))
        for variant in (*treatments, plan.control)
    }
    compare = partial(compared, plan) if plan.method == "sequential" else partial(welch, alpha=plan.alpha)
    checks = max(len(read) * len(treatments), 1)
    charts = checks + len(treatments) + 1
    found = [
        MetricOverTime(
            metric,
            variant,
            period_readings(*pair, metric.kind, period, compare=compare, alpha=plan.alpha),
            novelty_reading(*pair, metric.kind, alpha=plan.alpha / checks),
            effect_shift(*pair, metric.kind, charts=charts),
        )
        for place, metric in enumerate(read)
        for variant in treatments
        for pair in [(arms[place, variant], arms[place, plan.control])]
    ]
    shares = _shares(plan.weights, analysis.units)
    told = tuple(
        ArmOverTime(
            variant,
            tuple((metric, odd_metric_days(arms[place, variant], metric.kind)) for place, metric in enumerate(read)),
            odd_traffic_days(_own(days, variant, days.day)),
            _split(days, variant, shares.get(variant, 0.0), charts),
        )
        for variant in (plan.control, *treatments)
    )
    return OverTime(period, days.rows_without_time, tuple(found), told, skipped)


def earlier(arms: Arms, analysis: Analysis) -> tuple[Earlier, ...]:
    """Whether what units had in an earlier experiment still shows.

    Args:
        arms: Divided by the earlier variant.
        analysis: Of the whole.
    """
    names = arms.parts()
    pairs = [
        (place, metric, variant)
        for place, metric in enumerate(arms.metrics)
        for variant in dict.fromkeys(finding.variant for finding in analysis.findings)
    ]
    return tuple(
        Earlier(
            metric,
            variant,
            carry_over(
                *(
                    {name or NO_EARLIER: arms.estimate(place, arm, name) for name in names}
                    for arm in (variant, analysis.plan.control)
                ),
                alpha=CHECK_ALPHA / len(pairs),
            ),
        )
        for place, metric, variant in pairs
    )


def before(arms: Arms, analysis: Analysis) -> tuple[Before, ...]:
    """Whether the arms were alike before, by the covariate of the first metric that has one."""
    place = next((place for place, metric in enumerate(arms.metrics) if metric.covariate is not None), None)
    if place is None:
        return ()
    metric, control = arms.metrics[place], analysis.plan.control
    first = _size(metric)
    is_ratio = metric.covariate_denominator is not None
    variants = list(dict.fromkeys(finding.variant for finding in analysis.findings))
    estimates = {
        variant: (ratio_estimate if is_ratio else mean_estimate)(moments.column(*range(first, first + 1 + is_ratio)))
        for variant in (*variants, control)
        if (moments := arms.whole(place, variant)) is not None
    }
    return tuple(
        Before(
            arms.question.covariate,
            variant,
            pre_period(estimates[variant], estimates[control], alpha=CHECK_ALPHA / len(variants)),
        )
        for variant in variants
        if variant in estimates and control in estimates
    )


def timely(metrics: Sequence[Metric]) -> list[Metric]:
    """Those that can be read over time."""
    return [metric for metric in metrics if metric.kind != "quantile"]


def _size(metric: Metric) -> int:
    return 2 if metric.kind == "ratio" else 1


def _units_by_day(days: UnitDays, place: int, variant: str) -> UnitsByDay:
    """One arm's rows of a metric, without units that lack a number on any day."""
    numbers = days.numbers[place]
    lacking = np.unique(days.unit[~np.isfinite(numbers).all(axis=1)])
    chosen = _is(days, variant)
    if len(lacking):
        chosen &= ~np.isin(days.unit, lacking)
    return UnitsByDay(days.unit[chosen], days.day[chosen], numbers[chosen])


def _is(days: UnitDays, variant: str) -> Any:
    place = days.variants.index(variant) if variant in days.variants else -1
    return days.variant == place


def _own(days: UnitDays, variant: str, values: Any) -> Any:
    return values[_is(days, variant)]


def _split(days: UnitDays, variant: str, share: float, charts: int) -> Shift | None:
    if not 0 < share < 1:
        return None
    own = new_by_day(_own(days, variant, days.unit), _own(days, variant, days.day))
    return split_shift(own, new_by_day(days.unit, days.day), share, charts=charts)


def _shares(weights: Mapping[str, float] | None, units: Mapping[str, int]) -> dict[str, float]:
    given = weights or dict.fromkeys(units, 1.0)
    whole = sum(given.values())
    return {variant: weight / whole for variant, weight in given.items()}
