"""Which variant a request gets: the routing row in force, kept in memory, and the salted hash."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Engine

from core.errors import BadInput, ConfigError, RolloutError, ServerError
from events.rollouts import Route, current_route
from experiments.assignment import RolloutVariant, bucket, propensity, rollout_variant
from experiments.spec import parse_spec


class Contestant(NamedTuple):
    """A model server and the version it must answer with."""

    url: str
    version: str


class Assignment(NamedTuple):
    """Who gets what.

    Attributes:
        unit_id: What was assigned.
        variant: champion, control or challenger; what HTTP calls the arm.
        propensity: Probability of the variant, 0 … 1.
        server: Where its list comes from; champion and control share one.
    """

    unit_id: str
    variant: RolloutVariant
    propensity: float
    server: Contestant


class ActiveRoute:
    """A route made ready for assignment.

    Args:
        route: As the database holds it.

    Raises:
        ConfigError: Its spec or its percentage is not allowed.
    """

    def __init__(self, route: Route) -> None:
        spec = parse_spec(dict(route.spec))
        # Refuses an impossible percentage here, not at the first request.
        propensity("champion", route.percent)
        self.route = route
        self.champion = Contestant(route.champion_url, route.champion_version)
        self._challenger = Contestant(route.challenger_url or "", route.challenger_version or "")
        self._salt = spec.hash_salt
        self._unit = spec.unit

    @property
    def contestants(self) -> dict[str, Contestant]:
        """Variant to server, the champion first; the challenger only where it has a server."""
        both = {"champion": self.champion, "challenger": self._challenger}
        return {variant: server for variant, server in both.items() if server.url}

    def assign(self, user_id: str, context: Mapping[str, Any]) -> Assignment:
        """The variant of a request, the same for the same unit as long as the route stands.

        Args:
            user_id: The user; the unit, unless the spec names another.
            context: Holds the spec's unit, where that is not ``user_id``.

        Raises:
            BadInput: The context lacks the unit.
        """
        unit_id = user_id if self._unit == "user_id" else self._unit_of(context)
        variant = rollout_variant(bucket(self._salt, unit_id), self.route.percent)
        server = self._challenger if variant == "challenger" else self.champion
        return Assignment(unit_id, variant, propensity(variant, self.route.percent), server)

    def _unit_of(self, context: Mapping[str, Any]) -> str:
        value = context.get(self._unit)
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise BadInput(
                f"context[{self._unit!r}] == {value!r}: experiment {self.route.experiment!r} assigns by it; "
                "send a text or an integer"
            )
        return str(value)


class Routing:
    """The route in force, as far as this process knows.

    Args:
        engine: The event database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._active: ActiveRoute | None = None

    @property
    def active(self) -> ActiveRoute:
        """The route in force.

        Raises:
            ServerError: There is none.
        """
        if self._active is None:
            raise ServerError("no experiment is routed; start a rollout, or put a route into the event database")
        return self._active

    async def refresh(self) -> None:
        """Read the routing row again.

        Raises:
            EventLogError: The database cannot be read; the former route stays.
            RolloutError: The row in the database cannot be used.
        """
        route = await asyncio.to_thread(current_route, self._engine)
        known = 0 if self._active is None else self._active.route.revision
        # Two refreshes may overtake each other: never go back.
        if route is None or route.revision <= known:
            return
        try:
            self._active = ActiveRoute(route)
        except ConfigError as error:
            raise RolloutError(f"route revision {route.revision} is not used: {error}") from error
