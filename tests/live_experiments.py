"""A/B/n tests and bandits in an event database, started on servers of one's own, and sessions written into its log."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import Engine

from events.experiments import ExperimentRecord, create_experiment, start_experiment
from events.records import Exposure, Outcome
from events.rollouts import Route
from events.store import EventStore
from experiments.spec import ExperimentSpec, parse_spec
from experiments.spec_traffic import BANDIT_LANE
from serving.model_source import UNREGISTERED

VARIANTS = ("bold", "fresh", "plain")
_NUMBERS = itertools.count()


def live_spec(traffic: Mapping[str, Any], **more: Any) -> ExperimentSpec:
    variants = {name: f"models:/r/{number}" for number, name in enumerate(VARIANTS, 1)}
    document = {"name": f"live-{next(_NUMBERS)}", "control": "plain", "variants": variants, "traffic": dict(traffic)}
    return parse_spec({**document, **more})


def started(engine: Engine, spec: ExperimentSpec, urls: Mapping[str, str] | None = None) -> ExperimentRecord:
    """The experiment, running; without ``urls`` on servers that are not there."""
    servers = {
        name: {"url": (urls or {}).get(name, "http://127.0.0.1:9"), "version": UNREGISTERED} for name in VARIANTS
    }
    create_experiment(engine, spec.name, spec.document())
    return start_experiment(engine, spec.name, servers, route_of(spec, servers))


def route_of(spec: ExperimentSpec, servers: Mapping[str, Mapping[str, str]], percent: int = 100) -> Route:
    control = servers[spec.control_variant]
    return Route(spec.name, spec.document(), percent, 0, control["url"], control["version"], servers=servers)


@contextmanager
def event_store(url: str) -> Iterator[EventStore]:
    store = EventStore(url)
    try:
        yield store
    finally:
        store.close()


def write_sessions(store: EventStore, spec: ExperimentSpec, n: int, seed: int, *, late: bool = False) -> None:
    """Sessions of the bandit's lane, half of them clicked; ``late``: in another commit than the session."""
    rng = np.random.default_rng(seed)
    clicks = []
    for number in range(n):
        decision, variant = f"{spec.name}-{seed}-{number}", VARIANTS[rng.integers(3)]
        context = {"hour": float(rng.uniform(0, 24)), "country": ("kr", "fr")[rng.integers(2)]}
        ts = 1.8e9 + float(rng.uniform(0, 1e5))
        shown = Exposure(
            decision, spec.name, f"u{number}", f"u{number}", BANDIT_LANE, variant, 0.3, [7], ts, context=context
        )
        store.record_exposure(shown)
        if rng.random() < 0.5:
            clicks.append(Outcome(f"u{number}", variant, "7", 1.0, ts + 9, decision_id=decision))
    if late:
        store.probe().result(30)
    for click in clicks:
        store.record_outcome(click)
    store.probe().result(30)
