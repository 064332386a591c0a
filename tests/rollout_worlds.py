"""A rollout's surroundings in memory, but for its database: what drives a controller from first look to last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ServerError
from events.aggregate import sessions_recorded
from events.database import open_database
from events.records import Exposure, Outcome
from events.rollouts import RolloutRecord, current_route
from events.store import EventStore
from experiments.assignment import bucket, propensity, rollout_variant
from experiments.spec import ExperimentSpec, parse_spec
from serving.controller import RolloutController, begin_rollout
from serving.deployers.base import Deployer, Deployment, Site, Variant

CHAMPION, CHALLENGER = "models:/recommender/1", "models:/recommender/2"


def a_spec(**changes: Any) -> ExperimentSpec:
    document = {
        "name": "popularity-vs-ease",
        "variants": {"champion": CHAMPION, "challenger": CHALLENGER},
        "analysis": {"n_star": 200},
        "stopping": {"look_every": 50, "min_challenger_sessions": 20},
        "rollout": {
            "steps": [{"percent": 10, "sessions": 100}, {"percent": 50, "sessions": 300}],
            "watch_sessions": 80,
        },
    }
    return parse_spec({**document, **changes})


class MemoryDeployer(Deployer):
    """A place where servers start at once: what runs is a set, a URL is the version's."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.dead: set[str] = set()

    def apply(self, stable: str, candidate: str | None = None, percent: int = 0) -> None:
        self._applied = deployment = Deployment(stable, candidate, percent)
        self.dead &= set(deployment.versions)

    def wait(self, timeout_s: float | None = None) -> None:
        self.check()

    def url(self, variant: Variant) -> str:
        uri = None if self.deployment is None else self.deployment.stable
        if variant == "challenger" and self.deployment is not None:
            uri = self.deployment.candidate
        if uri is None:
            raise ServerError(f"no server is deployed for variant {variant!r}")
        return f"http://{uri.rpartition('/')[2]}.test"

    def check(self, *variants: Variant) -> None:
        if self.dead:
            raise ServerError(f"dead: {sorted(self.dead)}")

    def close(self) -> None:
        self._applied = None


@dataclass
class Registry:
    champion: str = "1"
    previous: str | None = None
    challenger: str | None = "2"

    def promote(self, version: str) -> None:
        if version != self.champion:
            self.previous, self.champion = self.champion, version
        self.withdraw(version)

    def withdraw(self, version: str) -> None:
        self.challenger = None if self.challenger == version else self.challenger


@dataclass
class World:
    """One rollout's surroundings, which outlive every controller: database, registry, and simulated users.

    Session i's unit and luck depend on i alone; ``rates`` are the click rates of champion (and control) and challenger.
    """

    url: str
    spec: ExperimentSpec
    rates: dict[str, float]
    latency_ms: float = 20.0
    challenger_latency_ms: float = 20.0
    fails_from: int = 10**9
    #: Sessions in which the champion's server fails; lesser lists stand in, which nobody clicks.
    control_fails: range = range(0)
    registry: Registry = field(default_factory=Registry)

    def __post_init__(self) -> None:
        self.engine = open_database(self.url)
        self.store = EventStore(self.url)

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def refresh(self, experiment: str) -> int:
        route = current_route(self.engine)
        assert route is not None
        assert route.experiment == experiment
        return route.revision

    def drive(self, until: int) -> None:
        route = current_route(self.engine)
        assert route is not None
        known = sessions_recorded(self.engine, self.spec.name)
        acknowledged = []
        for index in range(len(known), until):
            unit = f"unit-{index % 97}"
            place = bucket(self.spec.hash_salt, unit)
            variant = rollout_variant(place, route.percent)
            error = index >= self.fails_from if variant == "challenger" else index in self.control_fails
            exposure = Exposure(
                decision_id=f"d{index}",
                experiment=self.spec.name,
                unit_id=unit,
                user_id=unit,
                session_id=f"s{index}",
                step=route.step_index,
                variant=variant,
                propensity=propensity(variant, route.percent),
                items=[1, 2, 3],
                latency_ms=self.challenger_latency_ms if variant == "challenger" else self.latency_ms,
                error=error,
                ts=float(index),
            )
            acknowledged.append(self.store.record_exposure(exposure))
            rate = self.rates["challenger" if variant == "challenger" and not error else "champion"]
            if error and variant != "challenger":
                rate = 0.0
            if np.random.default_rng((7, index)).random() < rate:
                click = Outcome(unit, variant, "1", 1.0, index + 1.0, decision_id=exposure.decision_id)
                acknowledged.append(self.store.record_outcome(click))
        for future in acknowledged:
            future.result()

    def controller(self, deployer: Deployer) -> RolloutController:
        return RolloutController(self.engine, self.spec.name, deployer=deployer, policy=self, aliases=self.registry)


def go_on(world: World, controller: RolloutController) -> RolloutRecord:
    """Reconcile until the end, with traffic whenever the next look waits for it."""
    while not (reconciled := controller.reconcile()).done:
        if reconciled.waiting_for is not None:
            world.drive(reconciled.waiting_for.stop)
    return reconciled.record


def deployer(tmp_path: Path) -> MemoryDeployer:
    return MemoryDeployer(Site(tmp_path, "sqlite:///unused.db"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(name: str = "events", url: str | None = None, **given: Any) -> World:
        options = {"spec": a_spec(), "rates": {"champion": 0.2, "challenger": 0.8}, **given}
        made.append(World(url or f"sqlite:///{tmp_path}/{name}.db", **options))
        begin_rollout(made[-1].engine, made[-1].spec)
        return made[-1]

    yield make
    for each in made:
        each.close()
