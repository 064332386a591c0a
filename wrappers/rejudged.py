"""Figures of a champion from before, judged again on today's data: kept by the registration that judged it."""

from __future__ import annotations

from collections.abc import Mapping

from tracking.client import Tracker
from tracking.runs import find_runs, log_arrays, read_arrays, set_tags
from wrappers.contestants import Contestant
from wrappers.offline import OfflineEvaluation

#: Tag of a registration: the run of the champion whose figures of that day it holds.
REJUDGED = "screentest.rejudged_run"
_FIGURES = "champion/per_user.npz"


def keep_rejudged(tracker: Tracker, registration_run: str, champion: Contestant) -> None:
    """Keep the champion's figures with the registration: its own run holds those of the data it learned from.

    Raises:
        TrackingError: MLflow refused.
    """
    log_arrays(tracker, registration_run, champion.evaluation.arrays(), _FIGURES)
    set_tags(tracker, registration_run, {REJUDGED: champion.run_id})


def find_rejudged(tracker: Tracker, run_id: str, data: Mapping[str, str]) -> OfflineEvaluation | None:
    """A champion's latest figures on the data wanted.

    Args:
        tracker: Where the registrations are.
        run_id: The run that trained the champion.
        data: Parameters that the registration's data must have, e.g. ``data.sha256`` and ``data.split``.

    Returns:
        Its figures; None where no registration judged it on that data.

    Raises:
        TrackingError: MLflow refused.
    """
    for registration in find_runs(tracker, {REJUDGED: run_id}):
        if all(registration.params.get(name) == value for name, value in data.items()):
            return OfflineEvaluation.from_arrays(read_arrays(tracker, registration.run_id, _FIGURES))
    return None
