"""The route of an A/B/n test or a bandit: its units on two lanes that can be compared at any time.

A unit that takes part is on the fixed lane, where a salted hash gave it a variant for good, or on the bandit lane,
where the bandit draws a variant for each of its sessions. Which lane is a salted hash of its own: both have the same
kind of units, at the same time. Everyone else, and everyone while the experiment is paused, gets the control's list;
those sessions are logged as outside, and never analysed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Engine

from core.errors import ConfigError
from events.experiments import load_experiment
from events.rollouts import Route
from experiments.allocation import allocate
from experiments.assignment import bucket
from experiments.bandits.rule import Choice
from experiments.spec import ExperimentSpec
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE, OUTSIDE, BanditTraffic
from feature_repo.redis_client import TIMEOUT_S
from serving.bandit_lane import BanditLane
from serving.bandit_state import BanditState
from serving.context_features import ContextFeatures
from serving.routing import Assignment, Contestant, MakeRoute, unit_of


class Chooser(Protocol):
    """Draws a variant on the bandit lane."""

    async def choose(self, user_id: str, context: Mapping[str, Any]) -> tuple[Choice, Mapping[str, Any] | None]:
        """A variant with its propensity, and what was looked up to decide beside the context."""

    def learn(self) -> None:
        """Catch up with the log; blocks.

        Raises:
            EventLogError: The log cannot be read; what is known stays.
        """


class DealtRoute:
    """An A/B/n test's, or a bandit's.

    Args:
        route: As the database holds it.
        spec: Its spec.
        chooser: Of the bandit lane; None for an A/B/n test.

    Raises:
        ConfigError: A variant has no server.
    """

    def __init__(self, route: Route, spec: ExperimentSpec, chooser: Chooser | None = None) -> None:
        self.route = route
        self.control = spec.control_variant
        self._spec = spec
        self._chooser = chooser
        self._lane_salt = f"{spec.hash_salt}:lane"
        missing = [name for name in spec.variant_names if name not in route.servers]
        if missing:
            raise ConfigError(f"experiment {spec.name!r}: variant {missing[0]!r} has no server")
        self.contestants = {name: Contestant(**route.servers[name]) for name in spec.variant_names}

    async def assign(self, user_id: str, context: Mapping[str, Any]) -> Assignment:
        """See ``ActiveRoute.assign``; on the fixed lane the same for the same unit."""
        spec = self._spec
        unit_id = unit_of(spec.unit, user_id, context, spec.name)
        if self.route.percent == 0:
            return self._outside(unit_id, self.control)
        dealt = allocate(spec.allocation, unit_id)
        if dealt.variant is None or dealt.reason == "forced":
            return self._outside(unit_id, dealt.variant or self.control)
        if self._chooser is not None and self._on_bandit_lane(unit_id):
            choice, seen = await self._chooser.choose(user_id, context)
            server = self.contestants[choice.arm]
            return Assignment(unit_id, choice.arm, choice.propensity, server, BANDIT_LANE, seen)
        return Assignment(unit_id, dealt.variant, dealt.propensity, self.contestants[dealt.variant], FIXED_LANE)

    def learn(self) -> None:
        """See ``ActiveRoute.learn``."""
        if self._chooser is not None and self.route.percent > 0:
            self._chooser.learn()

    def _on_bandit_lane(self, unit_id: str) -> bool:
        traffic = self._spec.traffic
        return isinstance(traffic, BanditTraffic) and (
            traffic.share == 1 or bucket(self._lane_salt, unit_id) < traffic.share
        )

    def _outside(self, unit_id: str, variant: str) -> Assignment:
        return Assignment(unit_id, variant, 1.0, self.contestants[variant], OUTSIDE)


def dealt_routes(engine: Engine, redis_url: str = "", feature_timeout_s: float = TIMEOUT_S) -> MakeRoute:
    """What makes the routes of A/B/n tests and bandits of an event database.

    Args:
        engine: The event database.
        redis_url: Where bandits share what they know and users' features are; empty: nowhere.
        feature_timeout_s: A Redis that has not answered after this has no features.
    """

    def make(route: Route, spec: ExperimentSpec) -> DealtRoute:
        traffic = spec.traffic
        if not isinstance(traffic, BanditTraffic) or route.percent == 0:
            # Over or paused there is nothing to choose, and perhaps no experiment any more.
            return DealtRoute(route, spec)
        record = load_experiment(engine, spec.name)
        if record is None:
            raise ConfigError(f"experiment {spec.name!r} is routed, but no experiment of that name exists; create it")
        state = BanditState(engine, spec, record.id, redis_url)
        keys = [*(feature.key for feature in traffic.context), *([traffic.segment] if traffic.segment else [])]
        features = None
        if traffic.features_version and redis_url:
            features = ContextFeatures(redis_url, traffic.features_version, keys, timeout_s=feature_timeout_s)
        made = DealtRoute(route, spec, BanditLane(state, features))
        # Whoever is asked first must get what is known already.
        made.learn()
        return made

    return make
