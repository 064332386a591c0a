"""The hot path bypasses FastAPI: a list is answered without a call into it or into Starlette's routing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

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


@pytest.mark.parametrize(("path", "bypasses"), [("/choose?user_id=17", True), ("/experiments", False)])
def test_no_framework_between_a_request_and_its_list(tmp_path: Path, path: str, bypasses: bool) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    store, engine = EventStore(url), open_database(url)
    routing = Routing(engine, DealtRoute)
    policy = Policy(store, routing, k=10, model_timeout_s=1, deadline_s=1, max_under_way=8)
    app = policy.application(management_of(engine, url, routing, policy, load_settings(), []))
    answered = asyncio.Event()
    calls: list[tuple[str, str]] = []

    async def choose(_query: Any) -> bytes:
        answered.set()
        return b'{"items": []}'

    # What decides is not what this is about.
    policy._choose = choose  # type: ignore[method-assign]

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            calls.append((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.get(path)
            sys.setprofile(note)
            try:
                return await client.get(path)
            finally:
                sys.setprofile(None)

    answer = asyncio.run(ask())
    store.close()
    engine.dispose()
    assert answer.status_code == 200
    assert answered.is_set() is bypasses
    met = called(calls)
    if bypasses:
        # One layer, which turns a bug into an answer.
        assert {name.partition(".")[0] for name in met} <= {"ServerErrorMiddleware"}
    else:
        assert len(met) > 20
