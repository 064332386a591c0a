"""``screentest decide`` of an A/B/n test: what its spec and the event log of its sessions come to."""

from __future__ import annotations

import json as json_format
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from core.errors import RolloutError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cli.experiment_analysis import Analysed
    from experiments.figures import Language
    from experiments.spec import ExperimentSpec
    from experiments.spec_metrics import EventMetric


def decide_variants(
    engine: Engine, spec: ExperimentSpec, *, look: int, as_of: int | None, language: Language, json: bool
) -> None:
    """Print the decision.

    Args:
        engine: The event log.
        spec: An A/B/n test, or a bandit with a fixed lane beside it, which is what is analysed.
        look: For method ``group``: which of the looks this is, from 1.
        as_of: The log as it was after so many commits; None: as it is.
        language: Of the sentences.
        json: Print JSON instead.

    Raises:
        RolloutError: No session of the experiment is recorded.
        ConfigError: The spec has nothing to compare.
        EventLogError: The log cannot be read.
    """
    from cli.experiment_report import document
    from cli.experiment_tables import tell
    from events.aggregate import commits_so_far

    commits = commits_so_far(engine) if as_of is None else as_of
    first, *others = [
        _analysed(engine, spec, look=look, as_of=commits, segment=segment)
        for segment in spec.analysis.segments or ("",)
    ]
    found = replace(first.found, segments=tuple(one for part in (first, *others) for one in part.found.segments))
    if json:
        told: dict[str, Any] = {"experiment": spec.name, "sessions": first.sessions, "log_commits": commits}
        typer.echo(json_format.dumps(told | document(found), indent=2, ensure_ascii=False))
        return
    typer.echo(f"{spec.name}: {first.sessions:,} sessions; commits of the log: {commits:,}")
    tell(found, language)


class _Part(NamedTuple):
    found: Analysed
    sessions: int


def _analysed(engine: Engine, spec: ExperimentSpec, *, look: int, as_of: int, segment: str) -> _Part:
    from cli.experiment_analysis import analysed
    from cli.experiment_question import Question
    from events.session_table import UNIT, VARIANT, SessionTable, Worth, write_sessions
    from experiments.spec_traffic import FIXED_LANE

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
