import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from core.errors import ConfigError
from serving.feature_lookup import FeatureLookup
from serving.redis_line import PAUSE_S


class Silent:
    """Takes connections and answers none."""

    def __init__(self) -> None:
        self.connections = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._hold, "127.0.0.1", 0)
        return f"redis://:secret@127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.read()
        writer.close()


def lookup_of(url: str, registry: CollectorRegistry | None = None) -> FeatureLookup:
    return FeatureLookup(url, version="v", n_features=3, timeout_s=0.05, registry=registry or CollectorRegistry())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr("serving.redis_line.time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_one_request_tries_again_at_once_and_then_one_a_pause(
    clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    async def use() -> list[int]:
        silent, asked = Silent(), []
        async with silent as url:
            lookup = lookup_of(url)
            for step, at_once in ((0.0, 1), (0.0, 5), (PAUSE_S / 2, 5), (PAUSE_S / 2, 5)):
                clock.seconds += step
                rows = await asyncio.gather(*(lookup.rows(["u"]) for _ in range(at_once)))
                assert rows == [[None]] * at_once
                asked.append(silent.connections)
        return asked

    assert asyncio.run(use()) == [1, 2, 2, 3]
    said = [record.getMessage() for record in caplog.records if record.name == "serving.redis_line"]
    assert len(said) == 1
    assert "did not answer in time" in said[0]
    assert "secret" not in caplog.text


def test_without_an_address_nothing_is_asked_and_all_is_counted() -> None:
    registry = CollectorRegistry()
    lookup = lookup_of("", registry)
    assert asyncio.run(lookup.rows([])) == []
    assert asyncio.run(lookup.rows([1, "2"])) == [None, None]
    assert asyncio.run(lookup.state()) == "unavailable"
    assert registry.get_sample_value("screentest_feature_lookups_total", {"outcome": "unavailable"}) == 2


def test_an_address_of_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no address of a Redis"):
        lookup_of("http://127.0.0.1:6379")


def test_requests_behind_a_failure_do_not_wait_for_their_own(clock: SimpleNamespace) -> None:
    async def use() -> list[int]:
        silent, asked = Silent(), []
        async with silent as url:
            lookup = lookup_of(url)
            for at_once in (4, 4, 4):
                await asyncio.gather(*(lookup.rows(["u"]) for _ in range(at_once)))
                asked.append(silent.connections)
        return asked

    assert asyncio.run(use()) == [2, 2, 2]


def test_a_slow_redis_holds_up_nobody_for_long() -> None:
    """Each answer comes in time; one behind the other they would take seconds."""
    served = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while await reader.read(4096):
            served += 1
            await asyncio.sleep(0.04)
            writer.write(b"$-1\r\n")

    async def use() -> None:
        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        lookup = lookup_of(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        await lookup.rows(["first"])
        before = served
        assert await asyncio.gather(*(lookup.rows(["u"]) for _ in range(40))) == [[None]] * 40
        assert served - before < 15
        await lookup.close()
        server.close()

    asyncio.run(use())
