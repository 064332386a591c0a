"""The hot path bypasses FastAPI: a list is answered without a call into it or into Starlette's routing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from core.settings import load_settings
from events.database import open_database
from events.store import EventStore
from serving.lanes import DealtRoute
from serving.management.parts import management_of
from serving.policy_app import Policy
from serving.routing import Routing

_FRAMEWORKS = ("fastapi", "starlette")


def called(calls: list[tuple[str, str]]) -> list[str]:
    """Which of a framework's functions they are, leaving out those that only make an error's answer."""
    return [name for module, name in calls if module.partition(".")[0] in _FRAMEWORKS]


@contextmanager
def served(folder: Path) -> Iterator[tuple[Policy, ASGIApp]]:
    """A policy server's application, before an empty log."""
    url = f"sqlite:///{folder / 'events.db'}"
    store, engine = EventStore(url), open_database(url)
    routing = Routing(engine, DealtRoute)
    policy = Policy(store, routing, k=10, model_timeout_s=1, deadline_s=1, max_under_way=8)
    yield policy, policy.application(management_of(engine, url, routing, policy, load_settings(), []))
    store.close()
    engine.dispose()


@pytest.mark.parametrize(
    ("method", "path", "bypasses"),
    [("GET", "/choose?user_id=17", True), ("POST", "/update", True), ("GET", "/experiments", False)],
)
def test_no_framework_between_a_request_and_its_answer(tmp_path: Path, method: str, path: str, bypasses: bool) -> None:
    answered = asyncio.Event()
    calls: list[tuple[str, str]] = []

    async def decide(_asked: Any) -> bytes:
        answered.set()
        return b'{"items": []}'

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            calls.append((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))

    async def ask(app: ASGIApp) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.request(method, path)
            sys.setprofile(note)
            try:
                return await client.request(method, path)
            finally:
                sys.setprofile(None)

    with served(tmp_path) as (policy, app):
        # What decides and what records is not what this is about.
        policy._choose = policy._update = decide  # type: ignore[method-assign]
        answer = asyncio.run(ask(app))
    assert answer.status_code == 200
    assert answered.is_set() is bypasses
    met = called(calls)
    if bypasses:
        # One layer, which turns a bug into an answer.
        assert {name.partition(".")[0] for name in met} <= {"ServerErrorMiddleware"}
    else:
        assert len(met) > 20


@pytest.mark.parametrize("path", ["/update", "/feedback", "/experiments"])
def test_a_caller_that_goes_away_in_the_middle_is_no_bug(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "app": None}
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    with served(tmp_path) as (_, app):
        asyncio.run(app(scope, receive, send))
    assert said[0]["status"] == 400
    assert caplog.records == []
