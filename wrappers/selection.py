"""Who becomes champion and challenger: the gate's rule, or the pair that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ConfigError
from evaluation.gate import GateResult, gate
from evaluation.ranking import METRICS
from wrappers.contestants import Contestant

#: What may be planted in a rollout. All but ``none`` bring their own challenger (wrappers/planting.py).
PLANTS = ("none", "aa", "uplift", "damage", "shuffle")
#: Whose list ``shuffle`` shuffles.
SHUFFLED_CHAMPION = "ease"
#: Becomes champion where there is none yet: the baseline that everything must beat.
FIRST_CHAMPION = "popularity"
_REFITTED = (
    "{} learned from other data or another split, so its figures are of the same model and hyperparameters trained on "
    "today's train part (the registered version is unchanged)"
)


@dataclass(frozen=True)
class Rule:
    """How the contestants are told apart.

    Attributes:
        metric: One of ``evaluation.ranking.METRICS``.
        threshold: Mean of the metric that a challenger must reach.
        pair: ``a,b`` makes a champion and b challenger whatever the gate says; empty: the gate decides.
        plant: One of ``PLANTS``; but for ``none``, no contestant becomes challenger.
        seed: Of the paired bootstrap, and of a planted shuffle.

    Raises:
        ConfigError: A value is not allowed.
    """

    metric: str = "ndcg"
    threshold: float = 0.01
    pair: str = ""
    plant: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigError(f"gate_metric == {self.metric!r}, must be one of {', '.join(METRICS)}")
        if self.plant not in PLANTS:
            raise ConfigError(f"plant == {self.plant!r}, must be one of {', '.join(PLANTS)}")
        if self.pair and len(set(self.pair_names)) != 2:
            raise ConfigError(f"pair == {self.pair!r}, must name two different models, e.g. 'popularity,ease'")

    @property
    def pair_names(self) -> list[str]:
        """Champion and challenger as named by the user; empty where the gate decides."""
        return [name.strip() for name in self.pair.split(",")] if self.pair else []

    @property
    def keeps_champion(self) -> bool:
        """Whether the registry's champion stays champion, where there is one."""
        return not self.pair and self.plant != "shuffle"


@dataclass(frozen=True)
class Selection:
    """What came of it.

    Attributes:
        champion: The reigning champion or a contestant.
        challenger: A contestant; None where none passed, and where one is to be planted yet.
        verdict: What the gate says of every contestant but champion and negative controls. With a named pair or a
            plant it is reported only.
        reason: Why these two, in a sentence.
    """

    champion: Contestant
    challenger: Contestant | None
    verdict: GateResult
    reason: str


def select(contestants: Sequence[Contestant], reigning: Contestant | None, rule: Rule) -> Selection:
    """Name the champion and, where one is worthy, the challenger.

    The champion is the first of the named pair, else the reigning one, else ``FIRST_CHAMPION``; with the plant
    ``shuffle`` it is ``SHUFFLED_CHAMPION``. The challenger is the second of the named pair, else the best that passes
    the gate (``evaluation.gate``).

    Args:
        contestants: The newly trained models.
        reigning: The registry's champion, judged on the same users; None where there is none, or the rule needs none.
        rule: Metric, threshold, pair.

    Raises:
        ConfigError: A model of the pair was not trained, or there is no champion to begin with.
    """
    champion = _champion(contestants, reigning, rule)
    judged = {one.name: one for one in contestants if one.run_id != champion.run_id and not one.is_negative_control}
    verdict = gate(
        {name: one.evaluation.per_user[rule.metric] for name, one in judged.items()},
        champion.evaluation.per_user[rule.metric],
        rule.threshold,
        metric=f"{rule.metric}@{champion.evaluation.config.k}",
        champion_name=champion.name,
        # Enough for about 20 resamples in each tail, however many share alpha.
        n_resamples=max(2000, 800 * len(judged)),
        seed=rule.seed,
    )
    gate_said = f"{verdict.reason}; {_REFITTED.format(champion.name)}" if champion.refitted else verdict.reason
    if rule.plant != "none":
        said = f"{rule.plant} is planted: the challenger is made from the champion; the gate said: {gate_said}"
        return Selection(champion, None, verdict, said)
    if rule.pair:
        said = f"the pair {rule.pair} was named; the gate said: {gate_said}"
        return Selection(champion, _trained(contestants, rule.pair_names[1]), verdict, said)
    return Selection(champion, None if verdict.winner is None else judged[verdict.winner], verdict, gate_said)


def _champion(contestants: Sequence[Contestant], reigning: Contestant | None, rule: Rule) -> Contestant:
    if rule.plant == "shuffle":
        return _trained(contestants, SHUFFLED_CHAMPION)
    if rule.pair:
        return _trained(contestants, rule.pair_names[0])
    if reigning is not None:
        return reigning
    if all(one.model != FIRST_CHAMPION for one in contestants):
        raise ConfigError(
            f"there is no champion yet and {FIRST_CHAMPION} was not trained to be the first; "
            f"add {FIRST_CHAMPION} to the models, or name the pair (MODELS=champion,challenger)"
        )
    return _trained(contestants, FIRST_CHAMPION)


def _trained(contestants: Sequence[Contestant], name: str) -> Contestant:
    """The one contestant of that model, or of that name where several are of one model."""
    found = [one for one in contestants if name in (one.model, one.name)]
    if len(found) != 1:
        names = ", ".join(one.name for one in contestants)
        what = "was not trained" if not found else f"was trained {len(found)} times"
        raise ConfigError(f"model {name!r} {what}; trained: {names}")
    return found[0]
