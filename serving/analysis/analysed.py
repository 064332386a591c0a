"""From a file of anyone's experiment to an analysis: what is read, what is left out, what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from events.sessions import with_sessions
from events.unit_aggregate import ArmCell, rows_without_unit
from experiments.analysis import Analysis, AnalysisPlan, analyse, compared_arms
from experiments.inference.segments import SegmentReport, segment_report
from experiments.metrics import Metric
from experiments.verdict import Verdict, verdict
from loaders.experiment_file import open_experiment
from serving.analysis.arms import Arms, Note
from serving.analysis.over_time import Before, Earlier, OverTime, before, earlier, over_time, read_days
from serving.analysis.question import Question

#: Why units, or rows (``no_unit``), are not counted; ``no_segment``: only in no segment.
Reason = Literal["no_unit", "two_variants", "no_variant", "missing_number", "no_segment"]


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


@dataclass(frozen=True)
class Analysed:
    """All that was found.

    Attributes:
        question: What was asked.
        analysis: The figures.
        verdict: What to do.
        excluded: What was not counted.
        segments: By segment; empty where none was asked for.
        notes: On covariates and strata.
        over_time: None where no column of times was named.
        before: Whether the arms were alike before, by the covariate; empty without one.
        earlier: Whether an earlier experiment shows; empty where none was named.
    """

    question: Question
    analysis: Analysis
    verdict: Verdict
    excluded: tuple[Excluded, ...]
    segments: tuple[SegmentedMetric, ...]
    notes: tuple[Note, ...]
    over_time: OverTime | None = None
    before: tuple[Before, ...] = ()
    earlier: tuple[Earlier, ...] = ()


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
    used = {column for metric in question.parsed() for column in metric.columns}
    needed = used - {question.session}
    # Sessions that are made here are in no file.
    names = sorted({*question.named_columns(), *(used - needed)} - ({question.session} if question.idle_gap else set()))
    every = sorted({*names, *needed, *([question.time] if question.time else [])})
    # Read as text, or "007" would be 7 and ids of twenty digits would not be told apart.
    texts = [name for name in names if name not in needed]
    with open_experiment(path, columns=every, numbers=sorted(needed), texts=texts, threads=threads) as table:
        if question.idle_gap:
            table = with_sessions(table, unit=question.unit, time=question.time, idle_gap=question.idle_gap)
        metrics = question.parsed(name for name in needed if table.schema()[name].is_boolean())
        nameless = rows_without_unit(table, question.unit)
        whole = Arms.of(table, question, metrics, None)
        parts = None if question.segment is None else Arms.of(table, question, metrics, question.segment)
        days = read_days(table, question, metrics) if question.time else None
        former = Arms.of(table, replace(question, tests=()), metrics, question.earlier) if question.earlier else None
    units = _units(whole.cells)
    found = [whole.compared(place, units, plan.control) for place in range(len(metrics))]
    analysis = analyse(plan, units, [arms for arms, _ in found])
    guardrails = frozenset(metric.name for place, metric in enumerate(metrics) if question.is_guardrail(place))
    return Analysed(
        question=question,
        analysis=analysis,
        verdict=verdict(analysis, guardrails),
        excluded=_excluded(whole.cells, metrics, nameless, [] if parts is None else parts.cells),
        segments=() if parts is None else _segmented(parts, analysis),
        notes=(*whole.notes(), *(note for _, notes in found for note in notes)),
        over_time=None if days is None else over_time(days, question, metrics, analysis),
        before=before(whole, analysis),
        earlier=() if former is None else earlier(former, analysis),
    )


def _units(cells: Sequence[ArmCell]) -> dict[str, int]:
    """Variant to its units."""
    found: dict[str, int] = {}
    for cell in cells:
        if cell.fate == "kept":
            found[cell.variant] = found.get(cell.variant, 0) + cell.units
    return found


def _segmented(arms: Arms, analysis: Analysis) -> tuple[SegmentedMetric, ...]:
    plan = analysis.plan
    found: list[SegmentedMetric] = []
    for place, metric in enumerate(arms.metrics):
        for variant in dict.fromkeys(finding.variant for finding in analysis.findings):
            pairs = {name: arms.compared(place, [variant], plan.control, name)[0] for name in arms.segments()}
            comparisons = {name: compared_arms(plan, pair, variant) for name, pair in pairs.items()}
            report = segment_report(comparisons, correction=plan.correction)
            found.append(SegmentedMetric(metric, variant, report))
    return tuple(found)


def _excluded(
    cells: Sequence[ArmCell], metrics: Sequence[Metric], nameless: int, parts: Sequence[ArmCell]
) -> tuple[Excluded, ...]:
    found = [Excluded("no_unit", nameless)] if nameless else []
    for fate in ("no_variant", "two_variants"):
        units = sum(cell.units for cell in cells if cell.fate == fate)
        if units:
            found.append(Excluded(fate, units))
    kept = [cell for cell in cells if cell.fate == "kept"]
    for variant in dict.fromkeys(cell.variant for cell in kept):
        own = [cell for cell in kept if cell.variant == variant]
        for place, metric in enumerate(metrics):
            missing = sum(cell.units - int(cell.counted[place]) for cell in own)
            if missing:
                found.append(Excluded("missing_number", missing, variant, metric.name, metric.columns))
    apart = sum(cell.units for cell in parts if cell.fate == "kept" and not cell.segment)
    return (*found, Excluded("no_segment", apart)) if apart else tuple(found)
