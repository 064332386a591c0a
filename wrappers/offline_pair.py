"""Challenger against champion offline, user by user: what there was to foretell a rollout by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from core.errors import TrackingError
from evaluation.paired import on_same_users, paired_bootstrap
from evaluation.ranking import METRICS
from experiments.foretelling import Missing, OfflineDifference, OfflineEvidence
from tracking.client import Tracker
from tracking.registry import ModelVersion
from tracking.runs import PER_USER, read_arrays, read_run
from wrappers.offline import OfflineEvaluation
from wrappers.rejudged import find_rejudged

#: Seed of the resampling: the same figures give the same intervals.
_SEED = 0
#: Resamples beyond the two ends of an interval, 20 in each tail, as at the gate.
_RESAMPLES_IN_TAILS = 40


class Judged(NamedTuple):
    """A version's figures on the data wanted, or why there are none.

    Attributes:
        evaluation: Its figures; None where ``missing`` tells why.
        missing: Why; None where there are figures.
    """

    evaluation: OfflineEvaluation | None
    missing: Missing | None


def judged_on(tracker: Tracker, version: ModelVersion, data: Mapping[str, str]) -> Judged:
    """Every user's figures of a version: of its own run, or of the registration that judged it on this data.

    Args:
        tracker: MLflow.
        version: The version.
        data: What the run's parameters must say of its data, e.g. ``data.sha256`` and ``data.split``.
    """
    if not version.run_id:
        return Judged(None, "no_figures")
    try:
        recorded = read_run(tracker, version.run_id).params
        if all(recorded.get(name) == value for name, value in data.items()):
            return Judged(OfflineEvaluation.from_arrays(read_arrays(tracker, version.run_id, PER_USER)), None)
        found = find_rejudged(tracker, version.run_id, data)
    except (TrackingError, KeyError, ValueError, BadZipFile):
        # Kept by another version of this program, or not at all: a report that says so is better than none.
        return Judged(None, "no_figures")
    return Judged(found, None if found else "other_data")


def offline_pair(
    tracker: Tracker, champion: ModelVersion, challenger: ModelVersion, data: Mapping[str, str], *, alpha: float = 0.05
) -> OfflineEvidence:
    """Challenger minus champion in every metric, with intervals over the users that both were judged on.

    The metrics share ``alpha`` (Bonferroni), as candidates do at the gate (evaluation/gate.py).

    Args:
        tracker: MLflow.
        champion: The rollout's control.
        challenger: Its challenger.
        data: What the runs' parameters must say of their data.
        alpha: Two-sided, over all metrics together.

    Returns:
        The differences; none, with the reason, where one of the two has no figures that can be compared.
    """
    names = [f"{version.model} v{version.version}" for version in (champion, challenger)]
    both = [judged_on(tracker, version, data) for version in (champion, challenger)]
    for name, (_, missing) in zip(names, both, strict=True):
        if missing is not None:
            return OfflineEvidence((), alpha, missing=missing, missing_of=name)
    before, after = (evaluation for evaluation, _ in both if evaluation is not None)
    if before.config != after.config:
        return OfflineEvidence((), alpha, missing="judged_otherwise", missing_of=names[1])
    if not len(np.intersect1d(before.user_ids, after.user_ids)):
        return OfflineEvidence((), alpha, missing="no_common_users", missing_of=names[1])
    rows = [_difference(metric, before, after, alpha / len(METRICS)) for metric in METRICS]
    return OfflineEvidence((*rows, _coverage(before, after)), alpha, n_tested=len(METRICS))


def _difference(
    metric: str, champion: OfflineEvaluation, challenger: OfflineEvaluation, alpha: float
) -> OfflineDifference:
    before, after = on_same_users(
        champion.user_ids, champion.per_user[metric], challenger.user_ids, challenger.per_user[metric]
    )
    compared = paired_bootstrap(
        after, before, alpha=alpha, n_resamples=max(2000, round(_RESAMPLES_IN_TAILS / alpha)), seed=_SEED
    )
    both = ~np.isnan(before - after)
    return OfflineDifference(
        metric=f"{metric}@{champion.config.k}",
        champion=_mean(before[both]),
        challenger=_mean(after[both]),
        effect_size=compared.effect_size,
        ci_lower=compared.ci_lower,
        ci_upper=compared.ci_upper,
        n_users=compared.n_users,
    )


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _coverage(champion: OfflineEvaluation, challenger: OfflineEvaluation) -> OfflineDifference:
    """One figure per model: nothing to resample, so no interval."""
    nan = float("nan")
    return OfflineDifference(
        metric=f"coverage@{champion.config.k}",
        champion=champion.coverage,
        challenger=challenger.coverage,
        effect_size=challenger.coverage - champion.coverage,
        ci_lower=nan,
        ci_upper=nan,
        n_users=len(np.intersect1d(champion.user_ids, challenger.user_ids)),
    )
