import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from serving.access.request_head import ARRIVED
from serving.http_errors import json_object
from serving.load_shed import LoadShed
from serving.punctual import WITHIN, is_too_late


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


async def ask(app: LoadShed, path: str, *, arrived: float | None = None) -> dict[str, Any]:
    """The start of the answer."""
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    if arrived is not None:
        scope[ARRIVED] = arrived

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("what is refused is not read")

    await app(scope, receive, send)
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


def test_whoever_sends_a_body_slowly_takes_nobodys_place() -> None:
    heard: list[Any] = []

    async def reads(_scope: Any, receive: Any, send: Any) -> None:
        heard.append(await json_object(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def use() -> None:
        app = LoadShed(reads, ["/update"], 1, Counter("shed", "Refused.", ["path"], registry=CollectorRegistry()))
        scope = {"type": "http", "method": "POST", "path": "/update", "headers": []}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.extend([message["status"]] if message["type"] == "http.response.start" else [])

        def sender(*messages: Any) -> asyncio.Queue[Any]:
            queue: asyncio.Queue[Any] = asyncio.Queue()
            for message in messages:
                queue.put_nowait(message)
            return queue

        def part(body: bytes, more: bool) -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": more}

        slow = [sender(part(b'{"a":', True)) for _ in range(5)]
        tasks = [asyncio.create_task(app(scope, queue.get, send)) for queue in slow]
        await asyncio.sleep(0)
        await app(scope, sender(part(b'{"b": 1}', False)).get, send)
        assert (heard, sent) == ([{"b": 1}], [200])
        slow[0].put_nowait(part(b" 2}", False))
        for queue in slow[1:]:
            queue.put_nowait({"type": "http.disconnect"})
        await asyncio.gather(*tasks)
        assert heard == [{"b": 1}, {"a": 2}]
        assert sorted(sent) == [200, 200, *[400] * 4], "whoever is gone hears nothing of it"

    asyncio.run(use())


def test_a_request_whose_time_is_over_before_its_turn_is_refused() -> None:
    registry = CollectorRegistry()

    async def use() -> None:
        held, now = Held(), asyncio.get_running_loop().time()
        held.go.set()
        shed = Counter("shed", "Refused.", ["path"], registry=registry)
        app = LoadShed(held, ["/choose"], 2, shed, within_s=2.5)
        assert (await ask(app, "/choose", arrived=now - 3.0))["status"] == 429
        assert (await ask(app, "/choose", arrived=now - 1.0))["status"] == 200
        assert (await ask(app, "/other", arrived=now - 3.0))["status"] == 200

    asyncio.run(use())
    assert registry.get_sample_value("shed_total", {"path": "/choose"}) == 1


@pytest.mark.parametrize(
    ("told", "late"), [("900", True), ("1100", False), ("", False), ("x", False), ("9" * 5000, False), ("-1", False)]
)
def test_a_request_may_say_for_how_long_it_is_of_use(told: str, late: bool) -> None:
    async def use() -> bool:
        arrived = asyncio.get_running_loop().time() - 1.0
        return is_too_late({"headers": [(WITHIN.encode(), told.encode())], ARRIVED: arrived})

    assert asyncio.run(use()) is late
