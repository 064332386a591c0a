"""Who may challenge the champion: over a threshold AND better than the champion beyond chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.paired import PairedComparison, paired_bootstrap


@dataclass(frozen=True)
class CandidateVerdict:
    """One candidate at the gate.

    Attributes:
        name: The candidate's name.
        mean: Mean of the metric over the users that have a value; NaN where none has.
        n_users: Users that have a value.
        passes_threshold: mean >= threshold.
        comparison: Candidate minus champion on the same users; None where there is no champion.
        beats_champion: The comparison's interval lies above 0; True where there is no champion.
        passes: Both.
        reason: Why, in a sentence.
    """

    name: str
    mean: float
    n_users: int
    passes_threshold: bool
    comparison: PairedComparison | None
    beats_champion: bool
    passes: bool
    reason: str


@dataclass(frozen=True)
class GateResult:
    """What the gate decided.

    Attributes:
        metric: The metric judged, e.g. "ndcg@10".
        champion: The champion's name; None where there is none yet.
        champion_mean: Its mean over its users; NaN where there is no champion.
        threshold: What a candidate's mean must reach.
        alpha: Chance that any candidate no better than the champion beats it, over all candidates together.
        alpha_each: alpha divided by the number of comparisons (Bonferroni): the level of each interval.
        candidates: Every candidate, in the order given.
        winner: The passing candidate with the highest mean (the first of equals); None where none passes.
        reason: The decision in a sentence.
    """

    metric: str
    champion: str | None
    champion_mean: float
    threshold: float
    alpha: float
    alpha_each: float
    candidates: tuple[CandidateVerdict, ...]
    winner: str | None
    reason: str


def gate(
    candidates: Mapping[str, npt.NDArray[np.float64]],
    champion: npt.NDArray[np.float64] | None,
    threshold: float,
    *,
    metric: str = "ndcg@10",
    champion_name: str = "champion",
    alpha: float = 0.05,
    n_resamples: int = 2000,
    seed: int = 0,
) -> GateResult:
    """Judge every candidate and pick the best that passes.

    A candidate passes when its mean reaches the threshold and the paired bootstrap interval of its difference from
    the champion lies wholly above 0. Several candidates are several chances to win by luck, so each interval has
    the level ``alpha / number of candidates`` (Bonferroni): the chance that any candidate that is no better passes
    stays below alpha / 2 (an interval's upper tail is no win). Without a champion the threshold alone decides.

    Args:
        candidates: Name to (n_users,) metric per user; NaN = no value. The champion itself is no candidate.
        champion: (n_users,) the champion's, row by row the same users; None where there is no champion yet.
        threshold: Least mean that passes.
        metric: Name of the metric, for the reasons.
        champion_name: Name of the champion, for the reasons.
        alpha: Two-sided, over all candidates together.
        n_resamples: Resamples, at least 2 * number of candidates / alpha.
        seed: Of the resampling.

    Raises:
        ValueError: A candidate's shape is not the champion's, alpha is not in (0, 1), or there are too few
            resamples for alpha and the number of candidates.
    """
    alpha_each = alpha / max(1, len(candidates))
    verdicts = []
    for name, values in candidates.items():
        comparison = None
        if champion is not None:
            comparison = paired_bootstrap(values, champion, n_resamples=n_resamples, alpha=alpha_each, seed=seed)
        verdicts.append(_verdict(name, values, comparison, threshold, metric, champion_name))
    passing = [verdict for verdict in verdicts if verdict.passes]
    best = max(passing, key=lambda verdict: verdict.mean, default=None)
    return GateResult(
        metric=metric,
        champion=None if champion is None else champion_name,
        champion_mean=float("nan") if champion is None else _mean(champion)[0],
        threshold=threshold,
        alpha=alpha,
        alpha_each=alpha_each,
        candidates=tuple(verdicts),
        winner=None if best is None else best.name,
        reason=_decision(verdicts, best),
    )


def _verdict(
    name: str,
    values: npt.NDArray[np.float64],
    comparison: PairedComparison | None,
    threshold: float,
    metric: str,
    champion_name: str,
) -> CandidateVerdict:
    mean, n_users = _mean(values)
    passes_threshold = mean >= threshold
    beats_champion = comparison is None or comparison.ci_lower > 0
    reasons = [_threshold_reason(mean, n_users, threshold, metric), _champion_reason(comparison, champion_name)]
    return CandidateVerdict(
        name=name,
        mean=mean,
        n_users=n_users,
        passes_threshold=passes_threshold,
        comparison=comparison,
        beats_champion=beats_champion,
        passes=passes_threshold and beats_champion,
        reason="; ".join(reasons),
    )


def _mean(values: npt.NDArray[np.float64]) -> tuple[float, int]:
    """Mean over the users that have a value, and how many have."""
    known = values[~np.isnan(values)]
    return (float(known.mean()) if len(known) else float("nan")), len(known)


def _threshold_reason(mean: float, n_users: int, threshold: float, metric: str) -> str:
    if n_users == 0:
        return f"no user has a value of {metric}"
    if mean >= threshold:
        return f"{metric} {mean:.4f} reaches the threshold {threshold:g}"
    return f"{metric} {mean:.4f} is below the threshold {threshold:g}"


def _champion_reason(comparison: PairedComparison | None, champion_name: str) -> str:
    if comparison is None:
        return "no champion to beat yet"
    if comparison.status == "no_units":
        return f"shares no user with {champion_name}"
    if comparison.status == "no_variance":
        return f"differs from {champion_name} by {comparison.effect_size:+.4f} for every user: no interval can be made"
    found = (
        f"{comparison.effect_size:+.4f} against {champion_name} "
        f"[{comparison.ci_lower:+.4f}, {comparison.ci_upper:+.4f}] over {comparison.n_users} users"
    )
    if comparison.ci_lower > 0:
        return f"better: {found}"
    return f"worse: {found}" if comparison.ci_upper < 0 else f"not proven better: {found}"


def _decision(verdicts: list[CandidateVerdict], best: CandidateVerdict | None) -> str:
    if not verdicts:
        return "there was no candidate"
    if best is not None:
        return f"{best.name} passes: {best.reason}"
    return "no candidate passes: " + " | ".join(f"{verdict.name}: {verdict.reason}" for verdict in verdicts)
