"""One policy for each value of a segment, e.g. each country, where new ones start from what all have taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.bandits.base import STATE_VERSION, Policy
from experiments.bandits.registry import restored
from experiments.bandits.rule import Choice, Floats, Integers
from experiments.bandits.statistics import Prior


class PerSegment:
    """A policy of its own for each segment, and one for all together.

    The pooled policy learns every reward. A segment that is met for the first time starts with the pooled mean of each
    arm as its prior, worth ``strength`` rewards, or fewer while fewer are known: partial pooling (Gelman et al. 2013,
    Bayesian Data Analysis, section 5.1), so that a small segment leans on the others and a large one on itself.
    Contextual policies start from the pooled coefficients, ``strength`` the ridge penalty.

    >>> from experiments.bandits.thompson_beta import ThompsonBeta
    >>> policies = PerSegment(ThompsonBeta(["a", "b"]), strength=20)
    >>> policies.update_many("kr", ["a", "b"], [90, 10], counts=[100, 100])
    >>> policies.propensities("fr").round(2).tolist()
    [1.0, 0.0]

    Args:
        template: A policy that has learned nothing yet; it becomes the pooled one, and segments get its arms and
            settings.
        strength: Rewards that the pooled mean is worth to a new segment, >= 0; 0 for nothing: each begins as the
            template did.

    Raises:
        ConfigError: strength out of range.
    """

    def __init__(self, template: Policy, *, strength: float = 10.0) -> None:
        if not 0 <= strength < np.inf:
            raise ConfigError(f"strength == {strength}, must be a number >= 0")
        self.strength = strength
        self.pooled = template
        self._segments: dict[str, Policy] = {}
        self._decided_in: dict[str, str] = {}

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that may be chosen."""
        return self.pooled.arms

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments met so far."""
        return tuple(self._segments)

    def add_arm(self, arm: str, prior: Prior | None = None) -> None:
        """See ``Policy.add_arm``; in every segment."""
        for policy in (self.pooled, *self._segments.values()):
            policy.add_arm(arm, prior)

    def remove_arm(self, arm: str) -> None:
        """See ``Policy.remove_arm``; in every segment."""
        for policy in (self.pooled, *self._segments.values()):
            policy.remove_arm(arm)

    def propensities(
        self,
        segment: str,
        context: npt.ArrayLike | None = None,
        *,
        arms: Sequence[str] | None = None,
        at: float | None = None,
    ) -> Floats:
        """See ``Policy.propensities``; asking does not make a segment known."""
        policy = self._segments[segment] if segment in self._segments else self._fresh()
        return policy.propensities(context, arms=arms, at=at)

    def choose(
        self,
        segment: str,
        context: npt.ArrayLike | None,
        rng: np.random.Generator,
        *,
        arms: Sequence[str] | None = None,
        at: float | None = None,
        decision_id: str | None = None,
    ) -> Choice:
        """See ``Policy.choose``; a decision that is not remembered makes no segment known."""
        if decision_id is None:
            policy = self._segments[segment] if segment in self._segments else self._fresh()
            return policy.choose(context, rng, arms=arms, at=at)
        if decision_id in self._decided_in:
            raise DataError(f"decision {decision_id!r} is open already; give each decision an id of its own")
        choice = self._policy(segment).choose(context, rng, arms=arms, at=at, decision_id=decision_id)
        self._decided_in[decision_id] = segment
        return choice

    def choose_many(
        self,
        segment: str,
        contexts: int | npt.ArrayLike,
        rng: np.random.Generator,
        *,
        arms: Sequence[str] | None = None,
        at: float | None = None,
    ) -> tuple[Integers, Floats]:
        """See ``Policy.choose_many``; decisions of one segment."""
        return self._policy(segment).choose_many(contexts, rng, arms=arms, at=at)

    def update(
        self,
        segment: str,
        arm: str,
        reward: float,
        context: npt.ArrayLike | None = None,
        *,
        at: float | None = None,
    ) -> None:
        """See ``Policy.update``."""
        self._policy(segment).update(arm, reward, context, at=at)
        self.pooled.update(arm, reward, context, at=at)

    def update_decision(self, decision_id: str, reward: float) -> None:
        """See ``Policy.update_decision``; the decision knows its segment."""
        segment = self._decided_in.get(decision_id)
        if segment is None:
            raise DataError(f"decision {decision_id!r} is not open: unknown, rewarded already or expired")
        decision = self._segments[segment].decision(decision_id)
        self._segments[segment].update_decision(decision_id, reward)
        self.pooled.update(decision.arm, reward, decision.context, at=decision.at)
        del self._decided_in[decision_id]

    def update_many(
        self,
        segment: str,
        arms: Sequence[str] | Integers,
        rewards: npt.ArrayLike,
        contexts: npt.ArrayLike | None = None,
        *,
        counts: npt.ArrayLike | None = None,
        sum_squares: npt.ArrayLike | None = None,
        at: npt.ArrayLike | None = None,
    ) -> None:
        """See ``Policy.update_many``; rewards of one segment."""
        for policy in (self._policy(segment), self.pooled):
            policy.update_many(arms, rewards, contexts, counts=counts, sum_squares=sum_squares, at=at)

    def learn_sums(
        self, segment: str, arms: Sequence[str], sums: npt.ArrayLike, *, at: npt.ArrayLike | None = None
    ) -> None:
        """See ``Policy.learn_sums``; rewards of one segment.

        A segment that is met for the first time starts from what all have taught so far: let the pooled policy learn
        everything first (``pooled.learn_sums``), and the outcome does not depend on the order of the segments.
        """
        self._policy(segment).learn_sums(arms, sums, at=at)

    def expire(self, before: float) -> int:
        """See ``Policy.expire``; in every segment."""
        gone = sum(policy.expire(before) for policy in self._segments.values())
        still = {name for policy in self._segments.values() for name in policy.open_decisions}
        self._decided_in = {name: segment for name, segment in self._decided_in.items() if name in still}
        return gone

    def state(self) -> dict[str, Any]:
        """See ``Policy.state``."""
        return {
            "version": STATE_VERSION,
            "policy": "per_segment",
            "strength": self.strength,
            "pooled": self.pooled.state(),
            "segments": {segment: policy.state() for segment, policy in self._segments.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What ``state`` described.

        Raises:
            DataError: It is another policy's, another version's or incomplete.
        """
        if state.get("version") != STATE_VERSION or state.get("policy") != "per_segment":
            raise DataError(
                f"state is of policy {state.get('policy')!r}, version {state.get('version')!r}; "
                f"must be 'per_segment', version {STATE_VERSION}"
            )
        try:
            policies = cls(restored(state["pooled"]), strength=state["strength"])
            policies._segments = {segment: restored(one) for segment, one in state["segments"].items()}
        except KeyError as error:
            raise DataError(f"state of per_segment lacks {error}") from error
        policies._decided_in = {
            name: segment for segment, policy in policies._segments.items() for name in policy.open_decisions
        }
        return policies

    def _policy(self, segment: str) -> Policy:
        if segment not in self._segments:
            self._segments[segment] = self._fresh()
        return self._segments[segment]

    def _fresh(self) -> Policy:
        return self.pooled.fresh(self.pooled.lent_priors(self.strength) if self.strength > 0 else None)
