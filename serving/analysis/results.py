"""What an A/B/n test or a bandit has come to so far: both lanes, and the analysis of the fixed one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from core.errors import BadInput, RolloutError
from events.aggregate import commits_so_far, count_exposures
from events.experiments import ExperimentRecord
from experiments.spec import parse_spec
from serving.analysis.lanes import lane_document
from serving.analysis.variants import analyse_variants


def experiment_results(engine: Engine, record: ExperimentRecord, *, look: int = 1) -> dict[str, Any]:
    """Both read on the log of one moment, whatever comes in meanwhile.

    Args:
        engine: The event log.
        record: The experiment.
        look: For method ``group``: which of the looks this is, from 1.

    Returns:
        ``lanes`` of ``lane_document``; ``analysis`` as ``screentest decide --json`` prints it, or None with the reason
        in ``no_analysis``: nothing is recorded yet, or the spec leaves nothing to compare.

    Raises:
        EventLogError: The log cannot be read.
    """
    spec, commits = parse_spec(record.spec), commits_so_far(engine)
    analysis, reason = None, ""
    try:
        analysis = analyse_variants(engine, spec, look=look, as_of=commits).as_document()
    except (BadInput, RolloutError) as error:
        reason = str(error)
    return {
        "experiment": record.name,
        "kind": spec.traffic.policy,
        "state": record.state,
        "sessions": count_exposures(engine, record.name, as_of=commits),
        "log_commits": commits,
        "lanes": lane_document(engine, spec, as_of=commits),
        "analysis": analysis,
        "no_analysis": reason,
    }
