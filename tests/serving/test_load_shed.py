import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from serving.load_shed import LoadShed


class Held:
    """An application that answers nobody before it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go.wait()
        if scope.get("path") == "/broken":
            raise RuntimeError("as applications do")
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})


async def ask(app: LoadShed, path: str) -> dict[str, Any]:
    """The start of the answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("what is refused is not read")

    await app({"type": "http", "path": path}, receive, send)
    return sent[0]


def test_what_is_beyond_the_limit_is_refused_until_there_is_room() -> None:
    registry = CollectorRegistry()

    async def use() -> None:
        held = Held()
        app = LoadShed(held, ["/choose", "/update"], 2, Counter("shed", "Refused.", ["path"], registry=registry))
        under_way = [asyncio.create_task(ask(app, path)) for path in ("/choose", "/update")]
        await asyncio.sleep(0)
        refused = await ask(app, "/choose")
        assert (refused["status"], dict(refused["headers"])[b"retry-after"]) == (429, b"1")
        other = asyncio.create_task(ask(app, "/metrics"))
        held.go.set()
        assert [answer["status"] for answer in await asyncio.gather(*under_way, other)] == [200, 200, 200]
        assert (await ask(app, "/choose"))["status"] == 200

    asyncio.run(use())
    assert registry.get_sample_value("shed_total", {"path": "/choose"}) == 1


def test_a_request_that_fails_gives_its_place_back() -> None:
    async def use() -> None:
        held = Held()
        held.go.set()
        app = LoadShed(held, ["/broken"], 1, Counter("shed", "Refused.", ["path"], registry=CollectorRegistry()))
        for _ in range(2):
            with pytest.raises(RuntimeError, match="as applications do"):
                await ask(app, "/broken")

    asyncio.run(use())
