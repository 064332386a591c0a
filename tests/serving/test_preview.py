"""Lists side by side, for people: over real HTTP, from real model servers, and never recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from events.aggregate import count_exposures
from events.database import open_database
from events.rollouts import Route, current_route, put_route
from serving.lanes import DealtRoute
from serving.preview import Preview
from serving.routing import Routing
from tests.rollout_examples import promoted
from tests.small_stack import SmallStack, small_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStack]:
    """EASE after its promotion, popularity beside it."""
    with small_stack(tmp_path_factory.mktemp("stack"), {"demo": promoted()}) as running:
        yield running


@pytest.fixture(scope="module")
def http(stack: SmallStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.policy_url, trust_env=False, timeout=30) as client:
        yield client


def test_both_lists_with_what_the_catalogue_tells(http: httpx.Client) -> None:
    found = http.get("/preview", params={"user_id": 5, "k": 4}).json()

    assert (found["user_id"], found["k"], found["experiment"], found["percent"]) == ("5", 4, "live", 0)
    champion, rival = found["variants"]
    assert (champion["variant"], champion["model"], champion["version"]) == ("champion", "ease", "2")
    assert (rival["variant"], rival["model"], rival["version"]) == ("challenger", "popularity", "1")
    for arm in (champion, rival):
        assert (len(arm["items"]), arm["error"], arm["cold"], arm["features"]) == (4, None, False, None)
        assert set(arm["items"][0]) == {"item_id", "title", "score", "year", "genres"}
        assert str(arm["items"][0]["year"]) in arm["items"][0]["title"]
    assert champion["items"] != rival["items"]
    chosen = http.get("/choose", params={"user_id": 5, "k": 4}).json()["items"]
    assert [item["item_id"] for item in champion["items"]] == [item["item_id"] for item in chosen]


@pytest.mark.parametrize(("language", "words"), [("en", "Because you rated"), ("ko", "평가하신")])
def test_reasons_in_the_language_asked_for(http: httpx.Client, language: str, words: str) -> None:
    champion, rival = http.get("/preview", params={"user_id": 5, "k": 4, "explain": language}).json()["variants"]
    assert all(words in item["reason"] and 0 < item["confidence"] <= 1 for item in champion["items"])
    assert all(item["reason"] and item["confidence"] == 1 for item in rival["items"])


def test_an_unknown_user_is_said_to_be_unknown(http: httpx.Client) -> None:
    arms = http.get("/preview", params={"user_id": "nobody-has-this-id"}).json()["variants"]
    assert [(arm["cold"], len(arm["items"])) for arm in arms] == [(True, 10), (True, 10)]


def test_nothing_is_recorded(http: httpx.Client, stack: SmallStack) -> None:
    engine = open_database(stack.events_url)
    # Ready means that what was queued before is on disk: another test may just have chosen.
    assert http.get("/readyz").status_code == 200
    before = [count_exposures(engine, name) for name in ("live", "demo")]
    for user_id in range(1, 6):
        assert http.get("/preview", params={"user_id": user_id}).status_code == 200
    # Exposures are written in the order they were queued: once this one is there, an earlier one would be as well.
    assert http.get("/choose", params={"user_id": 1}).status_code == 200
    assert http.get("/readyz").status_code == 200
    assert [count_exposures(engine, name) for name in ("live", "demo")] == [before[0] + 1, before[1]]
    engine.dispose()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "user_id == None, must be"),
        ({"user_id": ""}, "user_id == '', must be"),
        ({"user_id": 1, "k": 0}, "k == '0', must be an integer"),
        ({"user_id": 1, "k": 101}, "k == 101, must be 1 … 100"),
        ({"user_id": 1, "K": 5}, "unknown parameter 'K'; known: user_id, k"),
        ({"user_id": 1, "explain": "fr"}, "explain == 'fr', must be one of en, ko"),
    ],
)
def test_a_request_that_is_none_is_400(http: httpx.Client, query: dict[str, str], reason: str) -> None:
    answer = http.get("/preview", params=query)
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True), answer.text


def test_an_arm_that_is_down_is_marked_and_the_other_one_shown(http: httpx.Client, stack: SmallStack) -> None:
    engine = open_database(stack.events_url)
    route = current_route(engine)
    assert route is not None
    put_route(engine, replace(route, challenger_url="http://127.0.0.1:9"))
    http.post("/routes/refresh")
    try:
        champion, rival = http.get("/preview", params={"user_id": 5}).json()["variants"]
    finally:
        put_route(engine, route)
        http.post("/routes/refresh")
        engine.dispose()
    assert (champion["error"], len(champion["items"])) == (None, 10)
    assert (rival["items"], rival["model"], rival["version"]) == ([], None, "1")
    assert rival["error"].startswith("model server http://127.0.0.1:9 cannot be reached")


def test_the_model_server_tells_of_its_items(http: httpx.Client, stack: SmallStack) -> None:
    engine = open_database(stack.events_url)
    route = current_route(engine)
    engine.dispose()
    assert route is not None
    listed = http.get("/preview", params={"user_id": 5, "k": 3}).json()["variants"][0]["items"]
    with httpx.Client(base_url=route.champion_url, trust_env=False, timeout=30) as server:
        found = server.get("/items", params={"item_id": [*(item["item_id"] for item in listed), "no-such-item"]}).json()
        told = [{name: item[name] for name in ("item_id", "title", "year", "genres")} for item in listed]
        assert found == {"items": told, "model": "ease", "model_version": "2"}
        for query in ({}, {"item_id": ["1"] * 1001}):
            refused = server.get("/items", params=query)
            assert (refused.status_code, "must be 1 … 1000" in refused.json()["error"]) == (400, True)


def test_few_looks_are_under_way_at_once(tmp_path: Path) -> None:
    """More would take the model servers' time from those who are served."""
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    body = b'{"items": [], "model_version": "1"}'

    async def run() -> tuple[int, list[int]]:
        asked, two, go = 0, asyncio.Event(), asyncio.Event()

        async def model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            if (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST /recommend"):
                asked += 1
                if asked == 2:
                    two.set()
                await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(model, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            spec = {"name": "looks", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
            put_route(engine, Route("looks", spec, 0, 0, url, "1"))
            routing = Routing(engine, DealtRoute)
            await routing.refresh()
            app = Starlette(routes=Preview(routing, k=5, model_timeout_s=60).routes())
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://policy") as client:
                looks = [asyncio.create_task(client.get("/preview", params={"user_id": n})) for n in range(6)]
                await two.wait()
                # Connections are taken in their order: whoever asked before this one has been seen.
                assert (await httpx.AsyncClient(trust_env=False).get(url)).status_code == 200
                at_once = asked
                go.set()
                return at_once, [answer.status_code for answer in await asyncio.gather(*looks)]

    at_once, statuses = asyncio.run(run())
    engine.dispose()
    assert at_once == 2
    assert statuses == [200] * 6
