"""An A/B/n test or a bandit, from its spec to the traffic and back: what the command line and the HTTP API both do.

A variant's server is asked which version it serves before anyone is sent to it, and must name the one that the spec
pins. What becomes of the traffic is one transaction with the experiment's state (events/experiments.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from sqlalchemy import Engine

from core.errors import ConfigError, RolloutError
from events.experiments import (
    ExperimentRecord,
    Servers,
    change_spec,
    create_experiment,
    halt_experiment,
    load_experiment,
    start_experiment,
)
from events.rollouts import Route
from experiments.spec import ExperimentSpec, parse_spec
from experiments.spec_traffic import RolloutTraffic
from serving.standing_route import ask_what_is_served

#: Servers asked at once.
_AT_ONCE = 8


def create(engine: Engine, document: Any) -> ExperimentRecord:
    """Keep an experiment as a draft.

    Args:
        engine: The event database.
        document: Its spec, as parsed YAML or JSON.

    Raises:
        ConfigError: It is no spec, or a rollout's, which has a command of its own.
        RolloutError: There is an experiment, or a rollout, of that name.
        EventLogError: The database refused.
    """
    spec = dealt_spec(document)
    return create_experiment(engine, spec.name, spec.document())


def change(engine: Engine, name: str, document: Any) -> ExperimentRecord:
    """Give a draft another spec, under the name it has.

    Raises:
        ConfigError: It is no spec, a rollout's, or of another name.
        RolloutError: There is no such experiment, or it has started.
        EventLogError: The database refused.
    """
    spec = dealt_spec(document)
    if spec.name != name:
        raise ConfigError(f"name == {spec.name!r}, must be {name!r}: an experiment keeps its name; create another one")
    return change_spec(engine, name, spec.document())


def start(engine: Engine, name: str, urls: Mapping[str, str], *, timeout_s: float) -> ExperimentRecord:
    """Give it the traffic, for the first time or again after a pause.

    Args:
        engine: The event database.
        name: A draft, or a paused experiment.
        urls: Variant to its model server's address, ``http://host:port``; a paused one keeps the servers it had for
            the variants that are not named.
        timeout_s: A model server that has not answered after this is down.

    Returns:
        The experiment, now running; its route is in force as soon as the policy server has read it.

    Raises:
        ConfigError: A variant is unknown, has no server, or its server serves another version than the spec pins.
        ServerError: A server is down, not ready, or no model server.
        RolloutError: There is no such experiment, it runs or is over, it was changed meanwhile, another one runs, or a
            rollout is under way.
        EventLogError: The database refused.
    """
    record = known(engine, name)
    spec = parse_spec(record.spec)
    addresses = {variant: server["url"] for variant, server in record.servers.items()} | dict(urls)
    for variant in addresses:
        if variant not in spec.variants:
            raise ConfigError(f"unknown variant {variant!r} of {name!r}; it has: {', '.join(spec.variant_names)}")
    missing = [variant for variant in spec.variant_names if variant not in addresses]
    if missing:
        raise ConfigError(
            f"variant {missing[0]!r} of {name!r} has no server; name the address of one that serves "
            f"{spec.variants[missing[0]]}"
        )
    if record.state not in ("draft", "paused"):
        # Nobody is asked for nothing; whoever is quicker is refused by the transaction.
        raise RolloutError(f"experiment {name!r} is {record.state}, must be draft or paused to be started")
    servers = _asked(spec, addresses, timeout_s)
    route = dealt_route(spec, servers, percent=100)
    return start_experiment(engine, name, servers, route, unchanged_since=record.updated_at)


def pause(engine: Engine, name: str) -> ExperimentRecord:
    """Everyone gets the control's list until it is started again; those sessions are not analysed.

    Raises:
        RolloutError: There is no such experiment, or it is not running.
        EventLogError: The database refused.
    """
    return _halted(engine, name, "paused")


def stop(engine: Engine, name: str) -> ExperimentRecord:
    """End it for good; everyone gets the control's list until something else is routed.

    Raises:
        RolloutError: There is no such experiment, or it is over.
        EventLogError: The database refused.
    """
    return _halted(engine, name, "stopped")


def known(engine: Engine, name: str) -> ExperimentRecord:
    """The experiment of that name.

    Raises:
        RolloutError: There is none.
        EventLogError: The database cannot be read.
    """
    record = load_experiment(engine, name)
    if record is None:
        raise RolloutError(f"experiment {name!r} does not exist; create it first")
    return record


def dealt_spec(document: Any) -> ExperimentSpec:
    """The spec of an A/B/n test or a bandit.

    Raises:
        ConfigError: It is none.
    """
    spec = parse_spec(document)
    if isinstance(spec.traffic, RolloutTraffic):
        raise ConfigError(
            f"traffic.policy of {spec.name!r} is rollout, whose canary runs by itself (screentest demo, pipeline "
            "ab-rollout); set it to fixed or bandit"
        )
    return spec


def dealt_route(spec: ExperimentSpec, servers: Servers, *, percent: int) -> Route:
    """The route that deals its units out, or with ``percent`` 0 sends everyone to the control."""
    control = servers[spec.control_variant]
    return Route(
        experiment=spec.name,
        spec=spec.document(),
        percent=percent,
        step_index=0,
        champion_url=control["url"],
        champion_version=control["version"],
        servers=servers,
    )


def _halted(engine: Engine, name: str, state: Literal["paused", "stopped"]) -> ExperimentRecord:
    record = known(engine, name)
    return halt_experiment(engine, name, state, _control_for_all(record), unchanged_since=record.updated_at)


def _control_for_all(record: ExperimentRecord) -> Route | None:
    if not record.servers:
        # It never had the traffic.
        return None
    return dealt_route(parse_spec(record.spec), record.servers, percent=0)


def _asked(spec: ExperimentSpec, addresses: Mapping[str, str], timeout_s: float) -> dict[str, dict[str, str]]:
    """Every variant's server, once it has said that it serves what the spec pins."""

    def served(variant: str) -> dict[str, str]:
        pinned = spec.variants[variant]
        model_name, _, version = pinned.removeprefix("models:/").rpartition("/")
        found = ask_what_is_served(addresses[variant], model_name, timeout_s)
        if found.version != version:
            raise ConfigError(
                f"variant {variant!r} is {pinned}, but {found.url} serves version {found.version}; name the address of "
                f"a server of version {version}, or pin another version in the spec"
            )
        return {"url": found.url, "version": found.version}

    # One after another, a hundred servers that are slow would take minutes.
    with ThreadPoolExecutor(min(_AT_ONCE, len(spec.variants))) as pool:
        asked = {variant: pool.submit(served, variant) for variant in spec.variant_names}
        try:
            return {variant: future.result() for variant, future in asked.items()}
        finally:
            # After the first that failed nobody else need be asked.
            for future in asked.values():
                future.cancel()
