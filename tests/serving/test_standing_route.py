"""Everyone to the champion: what a route without a rollout needs to know, and when it is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadInput, ConfigError, RolloutError, ServerError
from events.database import open_database
from events.experiments import create_experiment, halt_experiment, put_standing_route
from events.rollouts import RolloutRecord, create_rollout, current_route, put_route, save_rollout
from experiments.spec import parse_spec
from serving.live_stack import route_everyone
from serving.model_source import UNREGISTERED
from serving.routing import Assignment, RolloutRoute
from serving.standing_route import ServedVersion, ask_what_is_served, everyone_to_the_champion, route_to_keep
from tests.live_experiments import live_spec, started
from tests.policy_servers import answer_with, server_that

CHAMPION = ServedVersion("http://127.0.0.1:1", "models:/recommender/3", "3")
RIVAL = ServedVersion("http://127.0.0.1:2", "models:/recommender/4", "4")


@pytest.mark.parametrize("rival", [None, RIVAL])
def test_everyone_gets_the_champion_and_the_rival_is_known(rival: ServedVersion | None) -> None:
    route = everyone_to_the_champion("live", CHAMPION, rival)
    active = RolloutRoute(route, parse_spec(route.spec))

    async def assign() -> list[Assignment]:
        return [await active.assign(str(user), {}) for user in range(200)]

    assert {(one.variant, one.server.url) for one in asyncio.run(assign())} == {("champion", CHAMPION.url)}
    assert active.contestants.keys() == ({"champion", "challenger"} if rival else {"champion"})


def test_it_is_refused_while_a_rollout_is_under_way(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    route = everyone_to_the_champion("live", CHAMPION, None)
    record = create_rollout(engine, RolloutRecord("ease", {}, "running", CHAMPION.uri, "3", RIVAL.uri, "4"))
    with pytest.raises(RolloutError, match="'ease' is under way"):
        put_standing_route(engine, route)
    assert current_route(engine) is None
    save_rollout(engine, replace(record, state="done"))
    assert put_standing_route(engine, route) == current_route(engine)
    engine.dispose()


def test_it_is_refused_while_an_experiment_runs_and_under_the_name_of_one(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    spec = live_spec({"policy": "fixed"})
    started(engine, spec)
    before = current_route(engine)
    with pytest.raises(RolloutError, match="is running and has the traffic"):
        put_standing_route(engine, everyone_to_the_champion("live", CHAMPION, None))
    # A stack that comes up takes nobody away from it.
    route_everyone(engine, everyone_to_the_champion("live", CHAMPION, None))
    assert current_route(engine) == before
    halt_experiment(engine, spec.name, "stopped", None)
    with pytest.raises(RolloutError, match=f"experiment '{spec.name}' exists; log sessions without one"):
        put_standing_route(engine, everyone_to_the_champion(spec.name, CHAMPION, None))
    route_everyone(engine, everyone_to_the_champion("live", CHAMPION, None))
    route = current_route(engine)
    assert route is not None
    assert (route.experiment, route.champion_url) == ("live", CHAMPION.url)
    # Its sessions would be the experiment's.
    with pytest.raises(RolloutError, match="sessions are logged as 'live' already"):
        create_experiment(engine, "live", {})


def test_a_stack_that_comes_up_again_sends_nobody_back(tmp_path: Path) -> None:
    """The champion's server still serves version 3; 4 was promoted, and answers or does not."""
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    assert route_to_keep(engine, CHAMPION, 5) is None, "nothing is routed"
    with server_that(answer_with("200 OK", '{"model_version": "4"}')) as url:
        promoted = put_route(engine, everyone_to_the_champion("first", RIVAL._replace(url=url), None))
        assert route_to_keep(engine, CHAMPION, 5) == promoted
        assert route_to_keep(engine, RIVAL, 5) is None, "restarted, it serves what was promoted"
    assert route_to_keep(engine, CHAMPION, 5) is None, "nobody answers there any more"
    with server_that(answer_with("200 OK", '{"model_version": "5"}')) as url:
        put_route(engine, everyone_to_the_champion("first", RIVAL._replace(url=url), None))
        assert route_to_keep(engine, CHAMPION, 5) is None, "another version answers there"
    record = create_rollout(engine, RolloutRecord("ease", {}, "running", CHAMPION.uri, "3", RIVAL.uri, "4"))
    assert route_to_keep(engine, CHAMPION, 5) == current_route(engine), "a rollout routes by itself"
    save_rollout(engine, replace(record, state="done"))
    assert route_to_keep(engine, CHAMPION, 5) is None
    engine.dispose()


def test_the_server_says_itself_which_version_it_serves() -> None:
    with server_that(answer_with("200 OK", '{"ready": true, "model": "r", "model_version": "7"}')) as url:
        found = ask_what_is_served(url + "/", "recommender", 5)
    assert found == ServedVersion(url, "models:/recommender/7", "7")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (("503 Service Unavailable", "{}"), ServerError, "not ready: HTTP 503"),
        (("200 OK", "{}"), ServerError, "no model server"),
        (("200 OK", "[1]"), ServerError, "no model server"),
        (("200 OK", "<html>"), ServerError, "no model server"),
        (("200 OK", f'{{"model_version": "{UNREGISTERED}"}}'), ConfigError, "serves a folder"),
    ],
)
def test_what_is_no_ready_server_of_a_registered_version_is_refused(
    answer: tuple[str, str], error: type[Exception], said: str
) -> None:
    with server_that(answer_with(*answer)) as url, pytest.raises(error, match=said):
        ask_what_is_served(url, "recommender", 5)


@pytest.mark.parametrize(
    "url",
    [
        *("http://", "http://?x", "ftp://model", "file:///etc/passwd", "http://model:99999", "http://model/?a=b"),
        *("http://model/#a", "http://shop:hunter2@model:80", "http://model\r\nx: y", "http://mod\u00e8le"),
    ],
)
def test_an_address_is_a_server_and_nothing_else(url: str) -> None:
    with pytest.raises(ConfigError, match="give its address") as refused:
        ask_what_is_served(url, "recommender", 1)
    assert "hunter2" not in str(refused.value)


def test_a_server_that_sends_on_to_another_is_not_followed() -> None:
    with server_that(answer_with("200 OK", '{"model_version": "3"}')) as other:
        moved = f"302 Found\r\nlocation: {other}/readyz"
        with server_that(answer_with(moved, "{}")) as url, pytest.raises(ServerError, match="not ready: HTTP 302"):
            ask_what_is_served(url, "recommender", 5)


def test_an_address_that_is_none_and_a_server_that_is_down_are_told() -> None:
    with pytest.raises(BadInput, match="give its address"):
        ask_what_is_served("recommender:8080", "recommender", 1)
    with pytest.raises(ServerError, match=r"cannot be reached: \[Errno \d+\] Connection refused; start it"):
        ask_what_is_served("http://127.0.0.1:1", "recommender", 1)
