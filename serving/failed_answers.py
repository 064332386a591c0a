"""A challenger rolled back for its answers: how many failed, how many were late, and which settings help.

The event log knows that a session's model server failed; the policy server's log knows how.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from serving.lists import LEFT_ALONE
from serving.model_client import LATE
from serving.rollout_folder import RolloutFolder, RolloutRequest

_MODELS = "which models are slow: docs/MODELS.md"


class FailedAnswers(NamedTuple):
    """Failed calls of a variant's model server.

    Attributes:
        late: Not answered within the time allowed.
        other: Refused, broken off, an error, or no list.
    """

    late: int
    other: int


def failed_answers(log: Path, variant: str) -> FailedAnswers:
    """Count them in a policy server's log.

    Args:
        log: The file; one that is not there tells of none.
        variant: Whose server, e.g. "challenger".
    """
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return FailedAnswers(0, 0)
    # As text and as JSON the line goes on alike.
    marks = (f": {variant} failed: ", f'"{variant} failed: ')
    failed = [line for line in lines if any(mark in line for mark in marks)]
    late = sum(LATE in line for line in failed)
    return FailedAnswers(late, len(failed) - late)


def left_alone(log: Path, variant: str) -> bool:
    """Whether a variant's server failed so often in a row that it was not asked for a while; arguments as above."""
    if not log.exists():
        return False
    return any(
        f": {variant}: " in line and LEFT_ALONE in line for line in log.read_text("utf-8", "replace").splitlines()
    )


def failure_hints(
    folder: RolloutFolder, request: RolloutRequest, reasons: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """What a reader of the verdict can look at and change.

    Args:
        folder: The rollout's.
        request: As kept there.
        reasons: Codes of the decision's reasons.

    Returns:
        Name and text of each hint; empty where the answers had no part in the decision.
    """
    hints = []
    fewer = f"a lower SCREENTEST_CONNECTIONS than {request.connections}"
    if "error_rate" in reasons:
        log = folder.servers / "policy.log"
        found = failed_answers(log, "challenger")
        limit = "the time allowed" if request.model_timeout_s is None else f"{request.model_timeout_s:g} s"
        late = f"{found.late:,} of the challenger's answers took longer than {limit}"
        text = f"{late}, {found.other:,} failed otherwise ({log})"
        if left_alone(log, "challenger"):
            text += "; sessions for which it was not asked, right after several failures, count as failed too"
        if found.late:
            text += f"; against late ones: a longer SCREENTEST_MODEL_TIMEOUT_S, {fewer}; {_MODELS}"
        hints.append(("failed answers", text))
    if "latency" in reasons:
        hints.append(("slow answers", f"what helps: {fewer}; {_MODELS}"))
    return tuple(hints)
