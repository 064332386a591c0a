"""Which variant a request gets: the routing row in force, kept in memory, and the salted hash.

A rollout's route is here; that of an A/B/n test or a bandit in ``lanes.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from sqlalchemy import Engine

from core.errors import BadInput, RolloutError, ServerError
from events.rollouts import Route, current_route
from experiments.assignment import bucket, propensity, rollout_variant
from experiments.spec import ExperimentSpec, parse_spec
from experiments.spec_traffic import RolloutTraffic
from serving.request_fields import id_text


class Contestant(NamedTuple):
    """A model server and the version it must answer with."""

    url: str
    version: str


class Assignment(NamedTuple):
    """Who gets what.

    Attributes:
        unit_id: What was assigned.
        variant: In a rollout champion, control or challenger, else one of the spec's; what HTTP calls the arm.
        propensity: Probability of the variant, 0 … 1.
        server: Where its list comes from; champion and control share one.
        step: Of the canary, or the lane of an A/B/n test or bandit (experiments/spec_traffic.py).
        context: What was looked up beside the request's context to decide, and must be kept with it; None for nothing.
    """

    unit_id: str
    variant: str
    propensity: float
    server: Contestant
    step: int
    context: Mapping[str, Any] | None = None


class ActiveRoute(Protocol):
    """A route made ready for assignment."""

    @property
    def route(self) -> Route:
        """As the database holds it."""

    @property
    def control(self) -> str:
        """The variant whose list stands in for any other's."""

    @property
    def contestants(self) -> Mapping[str, Contestant]:
        """Variant to server, the control first; only variants with a server of their own."""

    async def assign(self, user_id: str, context: Mapping[str, Any]) -> Assignment:
        """The variant of a request.

        Args:
            user_id: The user; the unit, unless the spec names another.
            context: Holds the spec's unit, where that is not ``user_id``.

        Raises:
            BadInput: The context lacks the unit.
        """

    def learn(self) -> None:
        """Take in what the event log has got since; blocks.

        Raises:
            EventLogError: The log cannot be read; what is known stays.
        """


class RolloutRoute:
    """A canary's route, or everyone to the champion.

    Args:
        route: As the database holds it.
        spec: Its spec.

    Raises:
        ConfigError: Its percentage is not allowed.
    """

    control = "champion"

    def __init__(self, route: Route, spec: ExperimentSpec) -> None:
        # Refuses an impossible percentage here, not at the first request.
        propensity("champion", route.percent)
        self.route = route
        self._champion = Contestant(route.champion_url, route.champion_version)
        self._challenger = Contestant(route.challenger_url or "", route.challenger_version or "")
        both = {"champion": self._champion, "challenger": self._challenger}
        self.contestants = {variant: server for variant, server in both.items() if server.url}
        self._salt = spec.hash_salt
        self._unit = spec.unit

    async def assign(self, user_id: str, context: Mapping[str, Any]) -> Assignment:
        """See ``ActiveRoute.assign``; the same for the same unit as long as the route stands."""
        unit_id = unit_of(self._unit, user_id, context, self.route.experiment)
        variant = rollout_variant(bucket(self._salt, unit_id), self.route.percent)
        server = self._challenger if variant == "challenger" else self._champion
        return Assignment(unit_id, variant, propensity(variant, self.route.percent), server, self.route.step_index)

    def learn(self) -> None:
        """Nothing: a canary's shares are the controller's."""


def unit_of(unit: str, user_id: str, context: Mapping[str, Any], experiment: str) -> str:
    """What is assigned of a request.

    Args:
        unit: As the spec says: ``user_id``, or a key of the context.
        user_id: The request's.
        context: The request's.
        experiment: For the message.

    Raises:
        BadInput: The context lacks the unit, or what it holds is no id.
    """
    if unit == "user_id":
        return user_id
    try:
        return id_text(context.get(unit), f"context[{unit!r}]")
    except BadInput as error:
        raise BadInput(f"{error}: experiment {experiment!r} assigns by it") from error


#: From a route and its spec to one that is ready.
MakeRoute: TypeAlias = Callable[[Route, ExperimentSpec], ActiveRoute]


class Routing:
    """The route in force, as far as this process knows.

    Args:
        engine: The event database.
        dealt: Makes the routes of A/B/n tests and bandits.
    """

    def __init__(self, engine: Engine, dealt: MakeRoute) -> None:
        self._engine = engine
        self._dealt = dealt
        self._active: ActiveRoute | None = None

    @property
    def active(self) -> ActiveRoute:
        """The route in force.

        Raises:
            ServerError: There is none.
        """
        if self._active is None:
            raise ServerError(
                "no experiment is routed; start one or a rollout, or send everyone to one model server: "
                "screentest rollout route (docs/DEPLOYMENT.md)"
            )
        return self._active

    async def refresh(self) -> None:
        """Read the routing row again.

        Raises:
            EventLogError: The database cannot be read; the former route stays.
            RolloutError: The row in the database cannot be used.
        """
        made = await asyncio.to_thread(self._read)
        # Two refreshes may overtake each other: never go back.
        if made is not None and made.route.revision > self._revision:
            self._active = made

    async def learn(self) -> None:
        """Let the route in force take in what the event log has got since.

        Raises:
            EventLogError: The log cannot be read; what is known stays.
        """
        if self._active is not None:
            await asyncio.to_thread(self._active.learn)

    @property
    def _revision(self) -> int:
        return 0 if self._active is None else self._active.route.revision

    def _read(self) -> ActiveRoute | None:
        """The route in the database, ready; None where it is the one in force, or older."""
        route = current_route(self._engine)
        if route is None or route.revision <= self._revision:
            return None
        try:
            spec = parse_spec(dict(route.spec))
            return RolloutRoute(route, spec) if isinstance(spec.traffic, RolloutTraffic) else self._dealt(route, spec)
        except BadInput as error:
            raise RolloutError(f"route revision {route.revision} is not used: {error}") from error
