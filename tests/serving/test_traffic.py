"""Simulated users over real HTTP, against a policy server that does as each test says."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web

from core.errors import ServerError
from events.aggregate import RecordedSession
from experiments.click_model import CHANNELS, DEVICES, ClickModel, visitor_id
from serving import traffic
from serving.traffic import Traffic
from tests.small_click_world import small_world, some_lists

ARMS = ("champion", "control", "challenger")


class PolicyServer:
    """Answers like the policy server, in a thread of its own; what a request meets first is the test's ``trouble``."""

    def __init__(self, world: ClickModel) -> None:
        self.world = world
        self.lists = some_lists(world, 1000)
        self.exposures: dict[str, dict[str, Any]] = {}
        self.outcomes: list[dict[str, Any]] = []
        self.peers: set[tuple[str, int]] = set()
        self.trouble: Callable[[web.Request], web.Response | None] = lambda _: None
        self.answer: Callable[[dict[str, Any]], Any] = lambda answer: answer
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    def shown(self, number: int) -> tuple[str, list[int]]:
        """Arm and item indexes of a session."""
        return ARMS[number % 3], self.lists[number].tolist()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.add_routes([web.get("/choose", self._choose), web.post("/update", self._update)])
        runner = web.AppRunner(application)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        host, port = runner.addresses[0]
        self.url = f"http://{host}:{port}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _choose(self, request: web.Request) -> web.Response:
        self.peers.add(request.transport.get_extra_info("peername"))
        if (trouble := self.trouble(request)) is not None:
            return trouble
        context = orjson.loads(request.query["context"])
        arm, items = self.shown(int(context["session_id"].removeprefix("s")))
        self.exposures[context["session_id"]] = {"user_id": request.query["user_id"], **context}
        document = {
            "arm": arm,
            "items": [{"item_id": int(self.world.items.ids[item]), "title": "", "score": 1.0} for item in items],
            "decision_id": f"d-{context['session_id']}",
            "experiment": "test",
            "step": 1,
        }
        return web.json_response(self.answer(document))

    async def _update(self, request: web.Request) -> web.Response:
        if (trouble := self.trouble(request)) is not None:
            return trouble
        outcome = await request.json()
        self.outcomes.append(outcome)
        return web.json_response({"status": "accepted", "decision_id": outcome["decision_id"]})


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    made = PolicyServer(small_world())
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "_BACKOFF_S", (0.0, 0.0, 0.0))


def expected_clicks(server: PolicyServer, first: int, last: int, multiplier: float = 1.0) -> Counter[tuple[str, int]]:
    """(decision_id, item_id) of every click that sessions first … last - 1 make, drawn in bulk."""
    sessions = server.world.sessions(first, last)
    shown = [server.shown(number) for number in range(first, last)]
    factor = np.array([multiplier if arm == "challenger" else 1.0 for arm, _ in shown])
    clicked = server.world.clicks(sessions, np.array([items for _, items in shown]), factor)
    return Counter(
        (f"d-s{first + row}", int(server.world.items.ids[shown[row][1][place]]))
        for row, place in zip(*np.nonzero(clicked), strict=True)
    )


def received(server: PolicyServer) -> Counter[tuple[str, int]]:
    return Counter((outcome["decision_id"], outcome["item_id"]) for outcome in server.outcomes)


def test_every_session_asks_once_and_reports_its_clicks(server: PolicyServer) -> None:
    with Traffic(server.url, server.world, connections=8) as users:
        summary = users.drive(100, 300)
    assert set(server.exposures) == {f"s{number}" for number in range(100, 300)}
    assert received(server) == expected_clicks(server, 100, 300)
    assert summary.sessions == 200
    assert summary.clicked == len({decision_id for decision_id, _ in received(server)}) > 10
    assert (summary.resumed, summary.errors, summary.degraded, summary.empty) == (0, 0, 0, 0)
    assert 0 < summary.latency_p50_ms <= summary.latency_p95_ms


def test_a_session_says_who_comes_and_what_was_clicked(server: PolicyServer) -> None:
    with Traffic(server.url + "/", server.world) as users:
        users.drive(0, 60)
    sessions = server.world.sessions(0, 60)
    for row in range(60):
        assert server.exposures[f"s{row}"] == {
            "user_id": str(server.world.users.ids[sessions.parent[row]]),
            "session_id": f"s{row}",
            "visitor_id": visitor_id(sessions.visitor[row]),
            "channel": CHANNELS[sessions.channel[row]],
            "device": DEVICES[sessions.device[row]],
            "time": round(float(sessions.timestamp[row]), 3),
        }
    for outcome in server.outcomes:
        number = int(outcome["decision_id"].removeprefix("d-s"))
        arm, items = server.shown(number)
        assert outcome["arm"] == arm
        assert outcome["user_id"] == server.world.users.ids[sessions.parent[number]]
        assert outcome["meta"]["session_id"] == f"s{number}"
        assert outcome["item_id"] == server.world.items.ids[items[outcome["meta"]["position"] - 1]]
        assert (outcome["kind"], outcome["reward"]) == ("click", 1.0)


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_clicks_do_not_depend_on_how_many_sessions_overlap(server: PolicyServer, connections: int) -> None:
    with Traffic(server.url, server.world, connections=connections, multiplier=1.15) as users:
        users.drive(0, 90)
        users.drive(90, 150)
    assert received(server) == expected_clicks(server, 0, 150, multiplier=1.15)
    assert len(server.peers) <= connections


@pytest.mark.parametrize("multiplier", [0.0, 0.9, 1e9])
def test_a_planted_effect_is_the_challenger_s_alone(server: PolicyServer, multiplier: float) -> None:
    with Traffic(server.url, server.world, multiplier=multiplier) as users:
        users.drive(0, 150)
    assert received(server) == expected_clicks(server, 0, 150, multiplier)
    by_arm = Counter(outcome["arm"] for outcome in server.outcomes)
    assert by_arm["champion"] > 0
    assert (by_arm["challenger"] == 0) == (multiplier == 0.0)


def test_what_passes_by_itself_is_tried_again(server: PolicyServer) -> None:
    seen: Counter[str] = Counter()

    def stumble(request: web.Request) -> web.Response | None:
        seen[request.method] += 1
        if seen[request.method] % 5 == 1:
            return web.json_response({"error": "the event log is busy"}, status=503)
        if seen[request.method] % 5 == 2:
            request.transport.abort()
        return None

    server.trouble = stumble
    with Traffic(server.url, server.world, connections=1) as users:
        summary = users.drive(0, 60)
    assert set(received(server)) == set(expected_clicks(server, 0, 60))
    assert summary.errors > 10
    assert summary.sessions == 60


def test_a_server_that_stays_unwilling_is_named_with_its_reason(server: PolicyServer) -> None:
    server.trouble = lambda _: web.json_response({"error": "the champion does not answer"}, status=503)
    with (
        Traffic(server.url, server.world) as users,
        pytest.raises(
            ServerError, match=rf"{server.url}: GET /choose .* failed 4 times.*503.*champion does not answer"
        ),
    ):
        users.drive(0, 50)


def test_a_request_sent_again_keeps_its_key(server: PolicyServer) -> None:
    keys: list[str] = []

    def refuse_once(request: web.Request) -> web.Response | None:
        if request.path == "/choose":
            keys.append(request.query["decision_id"])
            if len(keys) % 2:
                return web.json_response({"error": "the event log is busy"}, status=503)
        return None

    server.trouble = refuse_once
    with Traffic(server.url, server.world, connections=1) as users:
        users.drive(0, 5)

    assert keys[::2] == keys[1::2]
    assert len(set(keys)) == 5


def test_a_refusal_is_not_repeated(server: PolicyServer) -> None:
    asked: list[str] = []

    def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"error": "context is no JSON"}, status=400)

    server.trouble = refuse
    with (
        Traffic(server.url, server.world, connections=1) as users,
        pytest.raises(ServerError, match=r"GET /choose for session s0 was refused: HTTP 400.*context is no JSON"),
    ):
        users.drive(0, 5)
    assert asked == ["/choose"]


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        # Bound but not listening: nobody else gets the port, and connections are refused.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Traffic(url, small_world()) as users, pytest.raises(ServerError, match=rf"{url}: GET /choose .* failed"):
            users.drive(0, 3)


def test_traffic_goes_on_after_an_error(server: PolicyServer) -> None:
    with Traffic(server.url, server.world) as users:
        server.trouble = lambda _: web.Response(status=500)
        with pytest.raises(ServerError, match="HTTP 500"):
            users.drive(0, 50)
        server.trouble = lambda _: None
        assert users.drive(0, 50).sessions == 50
    assert received(server) == expected_clicks(server, 0, 50)


def test_a_server_that_does_not_answer_in_time_is_named(server: PolicyServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Traffic(url, small_world(), timeout_s=0.05) as users,
            pytest.raises(ServerError, match=r"no answer within 0\.05 s"),
        ):
            users.drive(0, 1)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _: {"arm": "control"}, r"something else than arm, items, decision_id and step \(KeyError\('items'\)\)"),
        (lambda _: ["nothing"], "something else than arm, items, decision_id and step"),
        (lambda document: {**document, "items": [{"item_id": 17}]}, "the item 17, which is not in the ratings"),
    ],
)
def test_nonsense_is_refused(server: PolicyServer, answer: Callable[[Any], Any], message: str) -> None:
    server.answer = answer
    with Traffic(server.url, server.world) as users, pytest.raises(ServerError, match=message):
        users.drive(0, 3)


def test_an_answer_that_is_no_json_is_refused(server: PolicyServer) -> None:
    server.trouble = lambda _: web.Response(text="<html>")
    with Traffic(server.url, server.world) as users, pytest.raises(ServerError, match=r"answered without JSON.*<html>"):
        users.drive(0, 3)


def test_degraded_and_empty_lists_are_counted_and_never_clicked_by_themselves(server: PolicyServer) -> None:
    server.answer = lambda document: {**document, "items": [], "degraded": document["decision_id"].endswith("7")}
    with Traffic(server.url, server.world, multiplier=1e9) as users:
        summary = users.drive(0, 100)
    assert (summary.degraded, summary.empty, summary.clicked) == (10, 100, 0)
    assert server.outcomes == []


def test_a_list_that_could_not_be_recorded_is_asked_for_again(server: PolicyServer) -> None:
    unrecorded = iter([True, True])
    server.answer = lambda document: {**document, **({"decision_id": None} if next(unrecorded, False) else {})}
    with Traffic(server.url, server.world) as users:
        summary = users.drive(0, 20)
    assert (summary.sessions, summary.errors) == (20, 2)
    assert received(server) == expected_clicks(server, 0, 20)


def test_recorded_sessions_only_send_their_clicks_again(server: PolicyServer) -> None:
    recorded = {}
    for number in range(0, 100, 2):
        arm, items = server.shown(number)
        ids = server.world.items.ids[items].tolist()
        recorded[f"s{number}"] = RecordedSession(f"d-s{number}", arm, ids, step=1, clicked=False)
    with Traffic(server.url, server.world, multiplier=0.9) as users:
        summary = users.drive(0, 100, recorded=recorded)
    assert set(server.exposures) == {f"s{number}" for number in range(1, 100, 2)}
    assert received(server) == expected_clicks(server, 0, 100, multiplier=0.9)
    assert (summary.sessions, summary.resumed) == (100, 50)


def test_progress_reaches_the_end(server: PolicyServer) -> None:
    seen: list[int] = []
    with Traffic(server.url, server.world) as users:
        users.drive(0, 250, progress=seen.append)
    assert seen == [100, 200, 250]


def test_no_sessions_are_no_work(server: PolicyServer) -> None:
    with Traffic(server.url, server.world) as users:
        summary = users.drive(10, 10)
    assert summary.sessions == 0
    assert np.isnan(summary.latency_p50_ms)
    assert server.exposures == {}
