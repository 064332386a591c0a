"""Which offline metric foretold what visitors did: each metric's difference beside the effect in the rollout."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import Any, Literal

from experiments.result import LookResult, RolloutResult
from experiments.words import Comparison, compare, final_look

#: Plants whose challenger is the champion's own model: what differs is done by the simulated visitors.
SAME_MODEL_PLANTS = ("aa", "uplift", "damage")
_ROUNDING = 1e-12

Missing = Literal["no_figures", "other_data", "judged_otherwise", "no_common_users"]
Verdict = Literal[
    "foretold",
    "opposite",
    "nothing",
    "leaned_same",
    "leaned_other",
    "leaned_neither",
    "equal",
    "untested",
    "no_outcome",
]


@dataclass(frozen=True)
class OfflineDifference:
    """One offline metric of both models, on the same held-out ratings.

    Attributes:
        metric: Its name with the length of the list, e.g. ``ndcg@10``.
        champion: The champion's mean over the users, 0 … 1; NaN where there is no user.
        challenger: The challenger's.
        effect_size: challenger - champion.
        ci_lower: Lower end of the paired interval of effect_size; NaN where there is none: a metric that is one
            figure per model (coverage), or a difference that is the same for every user.
        ci_upper: Upper end of it.
        n_users: Users that both means are over.
    """

    metric: str
    champion: float
    challenger: float
    effect_size: float
    ci_lower: float
    ci_upper: float
    n_users: int


@dataclass(frozen=True)
class OfflineEvidence:
    """What was known offline of the two models before they met visitors.

    Attributes:
        differences: Challenger against champion, metric by metric; empty where they cannot be compared.
        alpha: Chance that any interval misses a true difference, over all of them together.
        n_tested: Metrics that have an interval per user, each of level ``alpha / n_tested`` (Bonferroni).
        missing: Why there are no differences; None where there are.
        missing_of: The model it is about, e.g. ``ease v2``.
    """

    differences: tuple[OfflineDifference, ...]
    alpha: float = 0.05
    n_tested: int = 1
    missing: Missing | None = None
    missing_of: str = ""


@dataclass(frozen=True)
class Foretold:
    """An offline metric beside the online outcome.

    Attributes:
        difference: What it said.
        verdict: ``foretold``: its interval lies on the side of zero that the online interval lies on. ``opposite``: on
            the other side. ``nothing``: its interval holds zero. ``leaned_same``, ``leaned_other``,
            ``leaned_neither``: nothing was decided online; whether its sign is that of the online effect. ``equal``:
            no difference for anybody. ``untested``: a difference without an interval. ``no_outcome``: there is no
            online effect to foretell.
    """

    difference: OfflineDifference
    verdict: Verdict

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        flat = {**asdict(self.difference), "verdict": self.verdict}
        return {name: None if isinstance(value, float) and isnan(value) else value for name, value in flat.items()}


def foretell(evidence: OfflineEvidence, result: RolloutResult) -> tuple[Foretold, ...]:
    """Hold every offline metric against the interval of the rollout's last look.

    Whoever won online is told by the interval alone (``words.compare``), not by the decision: a challenger rolled
    back for its errors may have won.

    Args:
        evidence: What the held-out ratings said.
        result: The rollout, finished or running.

    Returns:
        One row per metric in the evidence's order; empty where it has none.
    """
    look = final_look(result)
    outcome: Comparison = "unknown" if result.decision == "invalid" else compare(look)
    return tuple(Foretold(one, _verdict(one, look, outcome)) for one in evidence.differences)


def nothing_to_foretell(evidence: OfflineEvidence, result: RolloutResult) -> bool:
    """Whether champion and challenger are one model by plan, or nobody's list was any better or worse offline."""
    rows = evidence.differences
    return result.plant in SAME_MODEL_PLANTS or (bool(rows) and all(_is_equal(one) for one in rows))


def _verdict(difference: OfflineDifference, look: LookResult, outcome: Comparison) -> Verdict:
    if outcome == "unknown":
        return "no_outcome"
    if isnan(difference.effect_size):
        return "untested"
    if _is_equal(difference):
        return "equal"
    if outcome == "undecided":
        lean = difference.effect_size * look.effect_size
        return "leaned_same" if lean > 0 else "leaned_other" if lean < 0 else "leaned_neither"
    if not _has_interval(difference):
        return "untested"
    if difference.ci_lower <= 0 <= difference.ci_upper:
        return "nothing"
    return "foretold" if (difference.ci_lower > 0) == (outcome == "won") else "opposite"


def _is_equal(difference: OfflineDifference) -> bool:
    """No difference at all; one that is 0 on average only has an interval around it."""
    return not _has_interval(difference) and abs(difference.effect_size) <= _ROUNDING


def _has_interval(difference: OfflineDifference) -> bool:
    return isfinite(difference.ci_lower) and isfinite(difference.ci_upper)
