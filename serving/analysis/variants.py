"""What an A/B/n test, or the fixed lane beside a bandit, comes to: from its spec and the event log alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import Engine

from core.errors import RolloutError
from events.aggregate import commits_so_far
from events.session_table import UNIT, VARIANT, SessionTable, Worth, write_sessions
from experiments.spec import ExperimentSpec
from experiments.spec_metrics import EventMetric
from experiments.spec_traffic import FIXED_LANE
from serving.analysis.analysed import Analysed, analysed
from serving.analysis.question import Question
from serving.analysis.report import document


class VariantAnalysis(NamedTuple):
    """An analysis and what it rests on.

    Attributes:
        experiment: The spec's name.
        sessions: Sessions of the fixed lane, testers left out.
        log_commits: The log was read as it was after so many commits.
        found: The figures and the verdict.
    """

    experiment: str
    sessions: int
    log_commits: int
    found: Analysed

    def as_document(self) -> dict[str, Any]:
        """What ``screentest decide --json`` prints."""
        told = {"experiment": self.experiment, "sessions": self.sessions, "log_commits": self.log_commits}
        return told | document(self.found)


def analyse_variants(
    engine: Engine, spec: ExperimentSpec, *, look: int = 1, as_of: int | None = None
) -> VariantAnalysis:
    """Analyse the sessions that the fixed split dealt.

    Args:
        engine: The event log.
        spec: An A/B/n test, or a bandit with a fixed lane beside it.
        look: For method ``group``: which of the looks this is, from 1.
        as_of: The log as it was after so many commits; None: as it is.

    Raises:
        RolloutError: No session of the experiment is recorded.
        ConfigError: The spec has nothing to compare.
        DataError: The sessions are of other variants than the spec's.
        EventLogError: The log cannot be read.
    """
    commits = commits_so_far(engine) if as_of is None else as_of
    first, *others = [
        _part(engine, spec, look=look, as_of=commits, segment=segment) for segment in spec.analysis.segments or ("",)
    ]
    found = replace(first.found, segments=tuple(one for part in (first, *others) for one in part.found.segments))
    return VariantAnalysis(spec.name, first.sessions, commits, found)


class _Part(NamedTuple):
    found: Analysed
    sessions: int


def _part(engine: Engine, spec: ExperimentSpec, *, look: int, as_of: int, segment: str) -> _Part:
    # Before the log is read: a spec that has nothing to compare is refused at once.
    plan, analysis, metrics = spec.plan(look), spec.analysis, spec.metrics
    table = SessionTable(
        worths=[Worth(metric.name, metric.event, metric.value) for metric in metrics.every],
        texts=[segment] if segment else [],
        numbers=[analysis.covariate] if analysis.covariate else [],
        steps=[FIXED_LANE],
        without_units=spec.allocation.forced,
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sessions.parquet"
        sessions = write_sessions(engine, spec.name, file, table, as_of=as_of)
        if not sessions:
            raise RolloutError(f"no session of {spec.name!r} is recorded in this event log")
        most = spec.stopping.max_sessions
        question = Question(
            unit=UNIT,
            variant=VARIANT,
            metrics=tuple(_written(metric) for metric in metrics.every),
            segment=segment or None,
            guardrails=tuple(_written(metric) for metric in metrics.guardrails.metrics),
            covariate=analysis.covariate,
            lower_is_better=tuple(_written(metric) for metric in metrics.every if metric.lower_is_better),
            margins=tuple(
                f"{_written(metric)}={metric.margin}" for metric in metrics.guardrails.metrics if metric.margin
            ),
        )
        found = analysed(file, question, replace(plan, last_look=most is not None and sessions >= most), threads=1)
        return _Part(_named(found, segment), sessions)


def _named(found: Analysed, segment: str) -> Analysed:
    """With the segments called ``device=phone``: there may be those of other columns beside them."""
    named = []
    for one in found.segments:
        rows = tuple(row._replace(segment=f"{segment}={row.segment}") for row in one.report.segments)
        named.append(replace(one, report=one.report._replace(segments=rows)))
    return replace(found, segments=tuple(named))


def _written(metric: EventMetric) -> str:
    """The metric as ``Question`` reads it; the column has its name."""
    level = f":{metric.level:g}" if metric.kind == "quantile" else ""
    return f"{metric.name}:{metric.kind}{level}"
