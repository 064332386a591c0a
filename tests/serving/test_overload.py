"""A policy server with more requests than it can answer: it says so at once instead of queueing them."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from events.database import open_database
from events.rollouts import Route, put_route
from serving.policy_process import PolicyProcess
from serving.policy_server import MAX_UNDER_WAY

START_S = 60
EXTRA = 6


async def overload(policy_url: str, go: asyncio.Event) -> list[tuple[int, str, str]]:
    """Status, Retry-After and body of each answer; the model answers nobody before ``go``."""

    async def choose(session: aiohttp.ClientSession, number: int) -> tuple[int, str, str]:
        async with session.get(f"{policy_url}/choose", params={"user_id": number}) as answer:
            return answer.status, answer.headers.get("retry-after", ""), await answer.text()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asked = [asyncio.create_task(choose(session, number)) for number in range(MAX_UNDER_WAY + EXTRA)]
        done = set()
        while len(done) < EXTRA:
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        async with session.get(f"{policy_url}/metrics") as answer:
            assert f'screentest_shed_total{{path="/choose"}} {float(EXTRA)}' in await answer.text()
        go.set()
        return await asyncio.gather(*asked)


def test_what_is_too_much_is_refused_and_the_rest_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_MODEL_TIMEOUT_S", "120")
    body = b'{"items": [], "model_version": "1"}'

    async def run() -> list[tuple[int, str, str]]:
        go = asyncio.Event()

        async def model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(model, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            spec = {"name": "overload", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
            events = f"sqlite:///{tmp_path / 'events.db'}"
            engine = open_database(events)
            put_route(engine, Route("overload", spec, 0, 0, url, "1"))
            engine.dispose()
            policy = PolicyProcess(events, tmp_path)
            try:
                await asyncio.to_thread(policy.wait_alive, START_S)
                return await overload(policy.url, go)
            finally:
                policy.stop()

    answers = asyncio.run(run())
    refused = [(after, text) for status, after, text in answers if status == 429]
    assert len(refused) == EXTRA
    assert all(after == "1" and "try again" in text for after, text in refused)
    assert [status for status, _, _ in answers].count(200) == MAX_UNDER_WAY
