"""Drawing a variant on the bandit lane."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.bandit_sums import HOUR_S
from experiments.bandits.per_segment import PerSegment
from experiments.bandits.rule import Choice
from serving.bandit_state import BanditState
from serving.context_features import ContextFeatures


class BanditLane:
    """Chooses by what the log has taught.

    Args:
        state: What is known.
        features: Where the features of a user are that the spec's context names; None: only the request's counts.
    """

    def __init__(self, state: BanditState, features: ContextFeatures | None = None) -> None:
        self._state = state
        self._features = features
        self._rng = np.random.default_rng()

    async def choose(self, user_id: str, context: Mapping[str, Any]) -> tuple[Choice, Mapping[str, Any] | None]:
        """A variant with its probability, and the user's features that decided beside the context."""
        looked_up = await self._features.of(user_id, context) if self._features else None
        seen = {**looked_up, **context} if looked_up else context
        policy, sums, now = self._state.policy, self._state.known.sums, time.time() / HOUR_S
        vector = sums.vector(seen)
        if isinstance(policy, PerSegment):
            return policy.choose(sums.segment(seen), vector, self._rng, at=now), looked_up
        return policy.choose(vector, self._rng, at=now), looked_up

    def learn(self) -> None:
        """Catch up with the log; blocks.

        Raises:
            EventLogError: The log cannot be read; what is known stays.
        """
        self._state.catch_up()
