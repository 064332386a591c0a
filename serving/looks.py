"""One look: from the event log to the decision, and to what the reader sees of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from events.aggregate import SessionRows, commits_so_far, count_exposures, health, session_rows
from events.rollouts import load_looks
from experiments.decision import Decision, LookData, decide, decide_watch, look_result
from experiments.inference.clusters import ClusterMoments
from experiments.metric_looks import MetricArms
from experiments.result import LookResult, StepResult
from experiments.spec import ExperimentSpec
from serving.result_documents import look_of

WATCH_PERCENT = 100


def take_look(
    engine: Engine, spec: ExperimentSpec, *, number: int, step_index: int, sessions: int, as_of: int | None = None
) -> tuple[Decision, LookResult]:
    """Decide on everything recorded so far in the canary's steps.

    Args:
        engine: The event log.
        spec: The experiment.
        number: 1-based number of this look.
        step_index: 0-based canary step in force.
        sessions: Sessions recorded so far, all variants counted.
        as_of: Decide on the log as it was after so many commits; None: as it is now.

    Raises:
        EventLogError: The log cannot be read.
    """
    n_steps = len(spec.rollout.steps)
    # The same rows for every figure, whatever comes in while they are read, and for whoever decides it again.
    as_of = commits_so_far(engine) if as_of is None else as_of
    rows = session_rows(engine, spec.name, as_of=as_of)
    challenger, control = (_moments(rows, variant, n_steps) for variant in ("challenger", "control"))
    server = health(engine, spec.name, "challenger", before_step=n_steps, as_of=as_of)
    look = LookData(
        step_index=step_index,
        sessions=sessions,
        challenger=challenger,
        control=control,
        challenger_units=challenger.n_clusters,
        control_units=control.n_clusters,
        challenger_sessions=server.sessions,
        errors=server.errors,
        empty=server.empty,
        latency_p95_ms=server.latency_p95_ms,
        control_errors=health(engine, spec.name, "control", before_step=n_steps, as_of=as_of).errors,
        metrics=_metric_arms(engine, spec, n_steps, as_of),
    )
    decision = decide(spec, look)
    result = look_result(
        decision,
        number=number,
        step_percent=spec.rollout.steps[step_index].percent,
        sessions=sessions,
        challenger_sessions=server.sessions,
    )
    return decision, replace(result, log_commits=as_of)


def take_watch_look(
    engine: Engine, spec: ExperimentSpec, *, number: int, sessions: int, is_last: bool, as_of: int | None = None
) -> tuple[Decision, LookResult]:
    """Judge the guardrails of the watch at 100 %; before its last look, ``continue`` unless one is broken.

    Arguments: as of ``take_look``.

    Raises:
        EventLogError: The log cannot be read.
    """
    as_of = commits_so_far(engine) if as_of is None else as_of
    watch = health(engine, spec.name, "challenger", since_step=len(spec.rollout.steps), as_of=as_of)
    decision = decide_watch(spec, watch.sessions, watch.errors, watch.empty, watch.latency_p95_ms)
    if decision.kind == "promote" and not is_last:
        decision = replace(decision, kind="continue")
    result = look_result(
        decision,
        number=number,
        step_percent=WATCH_PERCENT,
        sessions=sessions,
        challenger_sessions=health(engine, spec.name, "challenger", as_of=as_of).sessions,
    )
    return decision, replace(result, log_commits=as_of)


def looks_taken(engine: Engine, experiment: str) -> tuple[LookResult, ...]:
    """Every look of a rollout, in order; empty before the first.

    Raises:
        EventLogError: The database cannot be read.
    """
    return tuple(look_of(document) for document in load_looks(engine, experiment))


def step_results(engine: Engine, spec: ExperimentSpec, looks: Sequence[LookResult]) -> tuple[StepResult, ...]:
    """What each step that had a look saw, on its own sessions only.

    Args:
        engine: The event log.
        spec: The experiment.
        looks: All looks so far.

    Raises:
        EventLogError: The log cannot be read.
    """
    rows = session_rows(engine, spec.name)
    percents = [step.percent for step in spec.rollout.steps] + [WATCH_PERCENT]
    results = []
    for index, percent in enumerate(percents):
        own = [look for look in looks if look.step_percent == percent]
        if own:
            challenger, control = (_of_step(rows, variant, index) for variant in ("challenger", "control"))
            results.append(
                StepResult(
                    percent=percent,
                    sessions=count_exposures(engine, spec.name, step=index),
                    looks=len(own),
                    challenger_sessions=challenger[0],
                    control_sessions=control[0],
                    challenger_mean=_rate(*challenger),
                    control_mean=_rate(*control),
                    decision=own[-1].decision,
                )
            )
    return tuple(results)


def distinct_units(engine: Engine, spec: ExperimentSpec) -> int:
    """Units that were challenger or control in one of the canary's steps.

    Raises:
        EventLogError: The log cannot be read.
    """
    rows = session_rows(engine, spec.name)
    return len(np.unique(rows.unit_id[rows.step < len(spec.rollout.steps)]))


def _metric_arms(engine: Engine, spec: ExperimentSpec, n_steps: int, as_of: int) -> dict[str, MetricArms]:
    """The spec's other metrics; one reading of the log for each kind of event."""
    found: dict[str, MetricArms] = {}
    rows: dict[str, SessionRows] = {}
    for metric in spec.metrics.every[1:]:
        if metric.event not in rows:
            rows[metric.event] = session_rows(engine, spec.name, event=metric.event, as_of=as_of)
        own = rows[metric.event]
        found[metric.name] = MetricArms(_moments(own, "challenger", n_steps), _moments(own, "control", n_steps))
    return found


def _moments(rows: SessionRows, variant: str, n_steps: int) -> ClusterMoments:
    own = (rows.variant == variant) & (rows.step < n_steps)
    _, unit_index = np.unique(rows.unit_id[own], return_inverse=True)
    return ClusterMoments.from_rows(unit_index, rows.step[own], rows.sessions[own], rows.clicked[own], n_steps)


def _of_step(rows: SessionRows, variant: str, step: int) -> tuple[int, int]:
    """Sessions and clicked sessions of a variant in one step."""
    own = (rows.variant == variant) & (rows.step == step)
    return int(rows.sessions[own].sum()), int(rows.clicked[own].sum())


def _rate(sessions: int, clicked: int) -> float:
    return clicked / sessions if sessions else math.nan
