"""An A/B/n test from draft to stopped: who is asked for what, and what becomes of the route."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from core.errors import ConfigError, RolloutError, ServerError
from events import experiments
from events.database import open_database
from events.experiments import load_experiment
from events.rollouts import RolloutRecord, Route, create_rollout, current_route, write_route
from experiments.spec import parse_spec
from serving import experiment_lifecycle
from serving.experiment_lifecycle import change, create, pause, start, stop
from serving.lanes import DealtRoute
from serving.standing_route import ServedVersion
from tests.real_postgres import RealPostgres
from tests.versioned_servers import VERSIONS, spec_document, three_servers, version_server

TIMEOUT_S = 2.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with three_servers() as found:
        yield found


def variants_of(engine: Engine, users: int = 300) -> set[str]:
    """Whom the route in force gives its users."""
    route = current_route(engine)
    assert route is not None
    active = DealtRoute(route, parse_spec(route.spec))

    async def dealt() -> set[str]:
        return {(await active.assign(f"u{user}", {})).variant for user in range(users)}

    return asyncio.run(dealt())


def test_from_draft_to_stopped(engine: Engine, urls: dict[str, str]) -> None:
    draft = create(engine, spec_document())
    assert (draft.state, draft.servers, current_route(engine)) == ("draft", {}, None)

    running = start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)
    route = current_route(engine)
    assert route is not None
    assert running.state == "running"
    assert (
        route.servers == running.servers == {name: {"url": urls[name], "version": VERSIONS[name]} for name in VERSIONS}
    )
    assert (route.percent, route.step_index, route.champion_url, route.champion_version) == (100, 0, urls["plain"], "1")
    assert variants_of(engine) == set(VERSIONS)

    assert pause(engine, "three-lists").state == "paused"
    assert variants_of(engine) == {"plain"}
    resumed = start(engine, "three-lists", {}, timeout_s=TIMEOUT_S)
    assert (resumed.state, resumed.started_at) == ("running", running.started_at)
    assert variants_of(engine) == set(VERSIONS)

    stopped = stop(engine, "three-lists")
    assert stopped.stopped_at is not None
    assert variants_of(engine) == {"plain"}
    with pytest.raises(RolloutError, match="is stopped, must be draft or paused to be started"):
        start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)


def test_a_server_moved_while_it_was_paused(engine: Engine, urls: dict[str, str]) -> None:
    create(engine, spec_document())
    start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)
    pause(engine, "three-lists")
    with version_server(VERSIONS["bold"]) as moved:
        record = start(engine, "three-lists", {"bold": moved}, timeout_s=TIMEOUT_S)
    assert record.servers["bold"] == {"url": moved, "version": "3"}
    assert record.servers["fresh"]["url"] == urls["fresh"]


def test_a_server_must_serve_what_the_spec_pins(engine: Engine, urls: dict[str, str]) -> None:
    create(engine, spec_document())
    crossed = {**urls, "fresh": urls["bold"]}
    with pytest.raises(ConfigError, match=r"variant 'fresh' is models:/recommender/2, but http://\S+ serves version 3"):
        start(engine, "three-lists", crossed, timeout_s=TIMEOUT_S)
    with pytest.raises(ServerError, match="cannot be reached"):
        start(engine, "three-lists", {**urls, "bold": "http://127.0.0.1:1"}, timeout_s=TIMEOUT_S)
    with pytest.raises(ConfigError, match="give its address"):
        start(engine, "three-lists", {**urls, "bold": "bold:8080"}, timeout_s=TIMEOUT_S)
    missing = {name: url for name, url in urls.items() if name != "bold"}
    with pytest.raises(ConfigError, match="variant 'bold' of 'three-lists' has no server"):
        start(engine, "three-lists", missing, timeout_s=TIMEOUT_S)
    with pytest.raises(ConfigError, match="unknown variant 'loud' of 'three-lists'; it has: plain, bold, fresh"):
        start(engine, "three-lists", {**urls, "loud": urls["bold"]}, timeout_s=TIMEOUT_S)
    record = load_experiment(engine, "three-lists")
    assert record is not None
    assert (record.state, current_route(engine)) == ("draft", None), "nothing was changed"


def test_only_tests_and_bandits_are_created(engine: Engine) -> None:
    rollout = {"name": "r", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
    with pytest.raises(ConfigError, match="is rollout, whose canary runs by itself"):
        create(engine, rollout)
    with pytest.raises(ConfigError, match="experiment spec: "):
        create(engine, ["no", "spec"])
    bandit = spec_document("learning", traffic={"policy": "bandit"})
    assert create(engine, bandit).spec["traffic"]["policy"] == "bandit"
    with pytest.raises(RolloutError, match="'learning' exists already"):
        create(engine, bandit)


def test_a_draft_may_be_changed_and_keeps_its_name(engine: Engine, urls: dict[str, str]) -> None:
    create(engine, spec_document())
    changed = change(engine, "three-lists", spec_document(control="bold"))
    assert changed.spec["control"] == "bold"
    with pytest.raises(ConfigError, match="an experiment keeps its name"):
        change(engine, "three-lists", spec_document("four-lists"))
    start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)
    with pytest.raises(RolloutError, match="is running, must be draft"):
        change(engine, "three-lists", spec_document())


def test_one_has_the_traffic_at_a_time(engine: Engine, urls: dict[str, str]) -> None:
    for name in ("one", "other"):
        create(engine, spec_document(name))
    start(engine, "one", urls, timeout_s=TIMEOUT_S)
    with pytest.raises(RolloutError, match="experiment 'one' is running and has the traffic"):
        start(engine, "other", urls, timeout_s=TIMEOUT_S)
    stop(engine, "other")
    route = current_route(engine)
    assert route is not None
    assert (route.experiment, route.percent) == ("one", 100), "stopping a draft leaves the traffic alone"
    stop(engine, "one")
    create_rollout(engine, RolloutRecord("canary", {}, "running", "models:/r/1", "1", "models:/r/2", "2"))
    create(engine, spec_document("third"))
    with pytest.raises(RolloutError, match="rollout 'canary' is under way"):
        start(engine, "third", urls, timeout_s=TIMEOUT_S)


def test_a_draft_that_is_changed_while_its_servers_are_asked_does_not_start_as_it_was(
    engine: Engine, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(engine, spec_document())
    ask = experiment_lifecycle.ask_what_is_served

    def meanwhile(*asked: Any) -> ServedVersion:
        change(engine, "three-lists", spec_document(control="bold"))
        return ask(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(experiment_lifecycle, "ask_what_is_served", meanwhile)
        with pytest.raises(RolloutError, match="was changed this very moment"):
            start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)
    assert current_route(engine) is None
    start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)
    route, record = current_route(engine), load_experiment(engine, "three-lists")
    assert route is not None
    assert record is not None
    assert route.spec == record.spec


def test_of_a_rollout_and_an_experiment_that_begin_at_once_one_does(
    postgres: RealPostgres, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite a transaction is alone anyway."""
    engine = open_database(postgres.new_log())
    create(engine, spec_document())
    canary = RolloutRecord("canary", {}, "pending", "models:/r/1", "1", "models:/r/2", "2")
    with ThreadPoolExecutor(1) as threads:
        begun: list[Future[RolloutRecord]] = []

        def meanwhile(connection: Connection, route: Route) -> Route:
            # The experiment has seen that no rollout is under way.
            begun.append(threads.submit(create_rollout, engine, canary))
            wait(begun, timeout=0.3)
            return write_route(connection, route)

        with monkeypatch.context() as patched:
            patched.setattr(experiments, "write_route", meanwhile)
            start(engine, "three-lists", urls, timeout_s=TIMEOUT_S)
        with pytest.raises(RolloutError, match="is running and has the traffic"):
            begun[0].result(30)
    engine.dispose()
