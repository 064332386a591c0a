"""From a file of anyone's experiment to an analysis: what is read, what is left out, what is compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cli.experiment_question import Question
from events.quantile_aggregate import counted_values, rows_below
from events.unit_aggregate import ROWS, ArmCell, ExperimentTable, UnitNumber, arm_cells, rows_without_unit
from experiments.analysis import Analysis, AnalysisPlan, MetricArms, analyse, compared
from experiments.inference.adjustment import Adjusted, AdjustmentNote
from experiments.inference.cuped import cuped_means, cuped_ratios
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate, ratio_estimate
from experiments.inference.moments import Moments
from experiments.inference.quantiles import clustered_quantile_estimate
from experiments.inference.segments import SegmentReport, compare_segments
from experiments.inference.value_counts import ValueCounts
from experiments.metrics import Metric
from experiments.verdict import Verdict, verdict
from loaders.experiment_file import open_experiment

#: Why units, or rows (``no_unit``), are not counted; ``no_segment``: only in no segment.
Reason = Literal["no_unit", "two_variants", "no_variant", "missing_number", "no_segment"]
#: ``quantile``: takes none; ``covariate_varies``: between rows of one unit, so that it was hardly known before.
CovariateNote = AdjustmentNote | Literal["quantile", "covariate_varies"]
#: Of the notes on every variant.
EVERY_VARIANT = "*"


@dataclass(frozen=True)
class Excluded:
    """Units, or rows, that are not counted.

    Attributes:
        reason: See ``Reason``.
        units: How many.
        variant: Of which; empty where of none.
        metric: Of which; empty where of all.
        columns: Of which a number is missing; empty where of none.
    """

    reason: Reason
    units: int
    variant: str = ""
    metric: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SegmentedMetric:
    """One metric of one variant by segment."""

    metric: Metric
    variant: str
    report: SegmentReport


class Note(NamedTuple):
    """What became of a covariate where it was not simply used.

    Attributes:
        metric: Its name.
        variant: Which; ``EVERY_VARIANT`` where it does not depend on it.
        note: See ``CovariateNote``.
    """

    metric: str
    variant: str
    note: CovariateNote


@dataclass(frozen=True)
class Analysed:
    """All that was found.

    Attributes:
        analysis: The figures.
        verdict: What to do.
        excluded: What was not counted.
        segments: By segment; empty where none was asked for.
        notes: On covariates.
    """

    analysis: Analysis
    verdict: Verdict
    excluded: tuple[Excluded, ...]
    segments: tuple[SegmentedMetric, ...]
    notes: tuple[Note, ...]


def analysed(path: Path, question: Question, plan: AnalysisPlan, *, threads: int | None = None) -> Analysed:
    """Read a file and analyse it.

    Args:
        path: The file or folder.
        question: What is asked.
        plan: What was decided beforehand.
        threads: Of the aggregation; 1 for figures that come out to the last bit each time.

    Raises:
        DataError: The file, a column or a value is not what it should be, or there is nothing to compare.
        ConfigError: A metric or the plan is not allowed.
    """
    needed = {column for metric in question.parsed() for column in metric.columns}
    names = [question.unit, question.variant, *([question.segment] if question.segment else [])]
    # Read as text, or "007" would be 7 and ids of twenty digits would not be told apart.
    texts = [name for name in names if name not in needed]
    with open_experiment(
        path, columns=sorted({*names, *needed}), numbers=sorted(needed), texts=texts, threads=threads
    ) as table:
        metrics = question.parsed(name for name in needed if table.schema()[name].is_boolean())
        nameless = rows_without_unit(table, question.unit)
        whole = _Arms.of(table, question, metrics, None)
        parts = None if question.segment is None else _Arms.of(table, question, metrics, question.segment)
    units = {cell.variant: cell.units for cell in whole.cells if cell.fate == "kept"}
    arms, notes = _metric_arms(metrics, whole, units, plan.control)
    analysis = analyse(plan, units, arms)
    guardrails = frozenset(
        metric.name for metric, text in zip(metrics, question.metrics, strict=True) if text in question.guardrails
    )
    if question.covariate:
        notes = _covariate_notes(metrics, whole.cells) + notes
    return Analysed(
        analysis=analysis,
        verdict=verdict(analysis, guardrails),
        excluded=_excluded(whole.cells, metrics, nameless, [] if parts is None else parts.cells),
        segments=() if parts is None else _segmented(metrics, parts, analysis),
        notes=tuple(notes),
    )


class _Arms:
    """Per metric, arm and segment: moments, or the estimate of a quantile."""

    def __init__(self, cells: Sequence[ArmCell], found: Mapping[tuple[int, str, str], Moments | Estimate]) -> None:
        self.cells = cells
        self.found = found

    @classmethod
    def of(cls, table: Any, question: Question, metrics: Sequence[Metric], segment: str | None) -> _Arms:
        numbers = [_numbers(metric) for metric in metrics]
        cells = arm_cells(table, ExperimentTable(question.unit, question.variant, numbers, segment))
        found: dict[tuple[int, str, str], Moments | Estimate] = {}
        for place, metric in enumerate(metrics):
            if metric.kind == "quantile":
                for (variant, part), estimate in _quantiles(table, question, metric, segment).items():
                    found[place, variant, part] = estimate
                continue
            for cell in cells:
                if cell.fate == "kept":
                    found[place, cell.variant, cell.segment] = _moments(cell, place)
        return cls(cells, found)

    def estimate(self, place: int, metric: Metric, variant: str, segment: str = "") -> Estimate:
        """The metric's value, without its covariate."""
        found = self.found.get((place, variant, segment))
        if found is None:
            return Estimate(math.nan, math.nan, 0, "no_units")
        if isinstance(found, Estimate):
            return found
        if metric.kind == "proportion" and found.n:
            return proportion_estimate(found.n, round(float(found.mean[0]) * found.n))
        return ratio_estimate(found) if metric.kind == "ratio" else mean_estimate(found)

    def adjusted(self, place: int, metric: Metric, variant: str, control: str, segment: str = "") -> Adjusted | None:
        """Both arms with the covariate's share taken out, or why it was not; None where there is no covariate."""
        one, two = (self.found.get((place, name, segment)) for name in (variant, control))
        if metric.covariate is None or not isinstance(one, Moments) or not isinstance(two, Moments):
            return None
        return (cuped_ratios if metric.kind == "ratio" else cuped_means)(one, two)

    def pair(self, place: int, metric: Metric, variant: str, control: str, segment: str) -> tuple[Estimate, Estimate]:
        """The (treatment, control) estimates to compare within a segment."""
        found = self.adjusted(place, metric, variant, control, segment)
        if found is not None and found.note == "adjusted":
            return found.treatment, found.control
        return self.estimate(place, metric, variant, segment), self.estimate(place, metric, control, segment)

    def segments(self) -> list[str]:
        """Their names in order; units that name none are of no segment."""
        return sorted({segment for _, _, segment in self.found if segment})


def _moments(cell: ArmCell, place: int) -> Moments:
    counted = int(cell.counted[place])
    return (
        Moments(counted, cell.means[place], cell.crosses[place]) if counted else Moments.empty(len(cell.means[place]))
    )


def _numbers(metric: Metric) -> list[UnitNumber]:
    """What each unit brings: the metric, then its covariate, which is the same on each of its rows."""
    found = [UnitNumber(metric.column, "any" if metric.kind == "proportion" else "sum")]
    if metric.kind == "ratio":
        found.append(UnitNumber(metric.denominator or ROWS))
    covariates = (metric.covariate, metric.covariate_denominator)
    return found + [UnitNumber(column, "mean") for column in covariates if column is not None]


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


def _metric_arms(
    metrics: Sequence[Metric], arms: _Arms, units: Mapping[str, int], control: str
) -> tuple[list[MetricArms], list[Note]]:
    found: list[MetricArms] = []
    notes: list[Note] = []
    for place, metric in enumerate(metrics):
        estimates = {variant: arms.estimate(place, metric, variant) for variant in units}
        adjusted: dict[str, tuple[Estimate, Estimate]] = {}
        reductions: dict[str, float] = {}
        for variant in units:
            if variant == control:
                continue
            cuped = arms.adjusted(place, metric, variant, control)
            if cuped is not None and cuped.note == "adjusted":
                adjusted[variant] = cuped.treatment, cuped.control
                reductions[variant] = cuped.variance_reduction
            elif cuped is not None:
                notes.append(Note(metric.name, variant, cuped.note))
        found.append(MetricArms(metric, estimates, adjusted, reductions))
    return found, notes


def _covariate_notes(metrics: Sequence[Metric], cells: Sequence[ArmCell]) -> list[Note]:
    found: list[Note] = []
    for place, metric in enumerate(metrics):
        if metric.kind == "quantile":
            found.append(Note(metric.name, EVERY_VARIANT, "quantile"))
        elif any(cell.varied[place] for cell in cells if cell.fate == "kept"):
            found.append(Note(metric.name, EVERY_VARIANT, "covariate_varies"))
    return found


def _segmented(metrics: Sequence[Metric], arms: _Arms, analysis: Analysis) -> tuple[SegmentedMetric, ...]:
    plan = analysis.plan
    found: list[SegmentedMetric] = []
    for place, metric in enumerate(metrics):
        for variant in dict.fromkeys(finding.variant for finding in analysis.findings):
            pairs = {name: arms.pair(place, metric, variant, plan.control, name) for name in arms.segments()}
            report = compare_segments(
                {name: treatment for name, (treatment, _) in pairs.items()},
                {name: control for name, (_, control) in pairs.items()},
                compare=partial(compared, plan),
                correction=plan.correction,
            )
            found.append(SegmentedMetric(metric, variant, report))
    return tuple(found)


def _excluded(
    cells: Sequence[ArmCell], metrics: Sequence[Metric], nameless: int, parts: Sequence[ArmCell]
) -> tuple[Excluded, ...]:
    found = [Excluded("no_unit", nameless)] if nameless else []
    for cell in cells:
        if cell.fate != "kept":
            found.append(Excluded(cell.fate, cell.units))
            continue
        for place, metric in enumerate(metrics):
            missing = cell.units - int(cell.counted[place])
            if missing:
                found.append(Excluded("missing_number", missing, cell.variant, metric.name, metric.columns))
    apart = sum(cell.units for cell in parts if cell.fate == "kept" and not cell.segment)
    return (*found, Excluded("no_segment", apart)) if apart else tuple(found)
