"""The arms of a file's experiment as comparisons need them: moments by stratum, quantiles, or the units themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from events.quantile_aggregate import counted_values, rows_below
from events.unit_aggregate import ROWS, SEVERAL_SEGMENTS, ArmCell, ExperimentTable, UnitNumber, arm_cells
from events.unit_values import unit_rows, unit_value_counts
from experiments.analysis import MetricArms
from experiments.inference.adjustment import AdjustmentNote
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate, ratio_estimate
from experiments.inference.fixed_tests import Sample
from experiments.inference.moments import Moments
from experiments.inference.post_stratification import StratificationNote
from experiments.inference.quantiles import clustered_quantile_estimate
from experiments.inference.value_counts import ValueCounts
from experiments.inference.variance_reduction import Reduced, reduced
from experiments.metrics import Metric
from serving.analysis.question import Question

#: ``quantile``: takes none; ``covariate_varies``: between rows of one unit, so that it was hardly known before;
#: ``quantile_strata``: a quantile is not stratified; ``stratum_varies``: between rows of one unit.
ReadingNote = Literal["quantile", "covariate_varies", "quantile_strata", "stratum_varies"]
#: What became of a covariate or of strata.
PrecisionNote = AdjustmentNote | StratificationNote | ReadingNote
#: Of the notes on every variant.
EVERY_VARIANT = "*"
NO_UNITS = Estimate(math.nan, math.nan, 0, "no_units")

#: Place of the metric, variant, segment (empty: all).
_Key = tuple[int, str, str]


class Note(NamedTuple):
    """What became of a covariate, or of strata.

    Attributes:
        metric: Its name.
        variant: Which; ``EVERY_VARIANT`` where it does not depend on it.
        note: See ``PrecisionNote``.
    """

    metric: str
    variant: str
    note: PrecisionNote


class Arms:
    """Per metric, arm and segment: moments by stratum, or the estimate of a quantile, and what tests need beyond."""

    def __init__(self, question: Question, metrics: Sequence[Metric], cells: Sequence[ArmCell]) -> None:
        self.question = question
        self.metrics = metrics
        self.cells = cells
        self.moments: dict[_Key, dict[str, Moments]] = {}
        self.quantiles: dict[_Key, Estimate] = {}
        self.samples: dict[_Key, Sample] = {}

    @classmethod
    def of(cls, table: Any, question: Question, metrics: Sequence[Metric], segment: str | None) -> Arms:
        """Read a table, divided by a segment or not."""
        numbers = [unit_numbers(question, metric) for metric in metrics]
        columns = ExperimentTable(question.unit, question.variant, numbers, segment, question.stratify or None)
        arms = cls(question, metrics, arm_cells(table, columns))
        for place, metric in enumerate(metrics):
            if metric.kind == "quantile":
                for (variant, part), estimate in _quantiles(table, question, metric, segment).items():
                    arms.quantiles[place, variant, part] = estimate
                continue
            for cell in arms.cells:
                if cell.fate == "kept":
                    strata = arms.moments.setdefault((place, cell.variant, cell.segment), {})
                    strata[cell.stratum] = _moments(cell, place)
            for (variant, part), sample in _samples(table, question, place, metric, segment).items():
                arms.samples[place, variant, part] = sample
        return arms

    def estimate(self, place: int, variant: str, segment: str = "") -> Estimate:
        """A metric's value, as it was measured."""
        key, metric = (place, variant, segment), self.metrics[place]
        if key in self.quantiles:
            return self.quantiles[key]
        found = self.whole(place, variant, segment)
        if found is None:
            return NO_UNITS
        if metric.kind == "proportion" and found.n:
            return proportion_estimate(found.n, round(float(found.mean[0]) * found.n))
        return ratio_estimate(found) if metric.kind == "ratio" else mean_estimate(found)

    def whole(self, place: int, variant: str, segment: str = "") -> Moments | None:
        """An arm's moments, its strata together; None where it has none."""
        strata = list(self.moments.get((place, variant, segment), {}).values())
        if not strata:
            return None
        found = strata[0]
        for stratum in strata[1:]:
            found = found.merge(stratum)
        return found

    def reduced(self, place: int, variant: str, control: str, segment: str = "") -> Reduced | None:
        """Both arms with what was known beforehand taken out; None where nothing was, or an arm is not there."""
        metric, question = self.metrics[place], self.question
        one, two = (self.moments.get((place, name, segment)) for name in (variant, control))
        if not one or not two or (metric.covariate is None and not question.stratify):
            return None
        names = sorted({*one, *two})
        size = next(iter(one.values())).size
        return reduced(
            [one.get(name, Moments.empty(size)) for name in names],
            [two.get(name, Moments.empty(size)) for name in names],
            is_ratio=metric.kind == "ratio",
            has_covariate=metric.covariate is not None,
            adjustment=question.adjust,
            stratified=bool(question.stratify),
        )

    def compared(
        self, place: int, variants: Iterable[str], control: str, segment: str = ""
    ) -> tuple[MetricArms, list[Note]]:
        """A metric's arms, ready to be compared, and what became of covariate and strata."""
        metric = self.metrics[place]
        variants = [variant for variant in variants if variant != control]
        notes: list[Note] = []
        adjusted: dict[str, tuple[Estimate, Estimate]] = {}
        reductions: dict[str, float] = {}
        for variant in variants:
            found = self.reduced(place, variant, control, segment)
            if found is None:
                continue
            if found.covariate == "adjusted" or found.strata in ("stratified", "collapsed"):
                adjusted[variant] = found.treatment, found.control
                reductions[variant] = found.variance_reduction
            if found.strata is not None:
                notes.append(Note(metric.name, variant, found.strata))
            if found.covariate not in (None, "adjusted"):
                notes.append(Note(metric.name, variant, found.covariate))
        arms = MetricArms(
            metric,
            {variant: self.estimate(place, variant, segment) for variant in (*variants, control)},
            adjusted,
            reductions,
            test=self.question.test_of(place),
            samples={
                variant: self.samples[place, variant, segment]
                for variant in (*variants, control)
                if (place, variant, segment) in self.samples
            },
            guardrail=self.question.is_guardrail(place),
            margin=self.question.margin_of(place),
        )
        return arms, notes

    def parts(self) -> list[str]:
        """What arms are divided by, in order; empty for units that name none."""
        return sorted({segment for _, _, segment in (*self.moments, *self.quantiles)})

    def segments(self) -> list[str]:
        """Their names in order; units that name none are of no segment."""
        return [segment for segment in self.parts() if segment]

    def notes(self) -> list[Note]:
        """On covariates and strata as they were found in the file."""
        kept = [cell for cell in self.cells if cell.fate == "kept"]
        found: list[Note] = []
        for place, metric in enumerate(self.metrics):
            if metric.kind == "quantile":
                if self.question.covariate:
                    found.append(Note(metric.name, EVERY_VARIANT, "quantile"))
                if self.question.stratify:
                    found.append(Note(metric.name, EVERY_VARIANT, "quantile_strata"))
                continue
            if any(cell.varied[place] for cell in kept):
                found.append(Note(metric.name, EVERY_VARIANT, "covariate_varies"))
            if any(cell.stratum == SEVERAL_SEGMENTS for cell in kept):
                found.append(Note(metric.name, EVERY_VARIANT, "stratum_varies"))
        return found


def unit_numbers(question: Question, metric: Metric) -> list[UnitNumber]:
    """What each unit brings: the metric, then its covariate, which is the same on each of its rows."""
    found = [UnitNumber(metric.column, "any" if metric.kind == "proportion" else question.reduction(metric.column))]
    if metric.kind == "ratio":
        denominator = metric.denominator or ROWS
        found.append(UnitNumber(denominator, question.reduction(denominator)))
    covariates = (metric.covariate, metric.covariate_denominator)
    return found + [UnitNumber(column, "mean") for column in covariates if column is not None]


def _moments(cell: ArmCell, place: int) -> Moments:
    counted = int(cell.counted[place])
    if not counted:
        return Moments.empty(len(cell.means[place]))
    return Moments(counted, cell.means[place], cell.crosses[place])


def _samples(
    table: Any, question: Question, place: int, metric: Metric, segment: str | None
) -> Mapping[tuple[str, str], Sample]:
    """What the metric's test needs beyond estimates."""
    need = question.test_of(place).need
    if need == "estimate":
        return {}
    size = 2 if metric.kind == "ratio" else 1
    columns = ExperimentTable(question.unit, question.variant, [unit_numbers(question, metric)[:size]], segment)
    if need == "counts":
        counted = unit_value_counts(table, columns)
        return {arm: Sample(NO_UNITS, counts=ValueCounts.from_table(*found)) for arm, found in counted.items()}
    return {arm: Sample(NO_UNITS, units=rows) for arm, rows in unit_rows(table, columns).items()}


def _quantiles(table: Any, question: Question, metric: Metric, segment: str | None) -> dict[tuple[str, str], Estimate]:
    columns: dict[str, Any] = {
        "unit": question.unit,
        "variant": question.variant,
        "column": metric.column,
        "segment": segment,
    }
    counted = counted_values(table, **columns)
    tables = {arm: ValueCounts.from_table(*found) for arm, found in counted.items()}
    thresholds = {arm: found.quantile(metric.level) for arm, found in tables.items()}
    if not thresholds:
        return {}
    below = rows_below(table, thresholds, **columns)
    return {arm: clustered_quantile_estimate(tables[arm], Moments(*below[arm]), metric.level) for arm in tables}
