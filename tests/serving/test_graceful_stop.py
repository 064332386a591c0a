"""SIGTERM under load: whoever got through is answered, what was acknowledged is on disk, and the exit code is 0."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from events.database import open_database, reading
from events.schema import EXPOSURES, OUTCOMES
from serving.processes import poll
from tests.policy_servers import Policy, policy_server
from tests.switched_models import switched_model

KEPT, NEW = 8, 8


class Load:
    """Clients that go on until nobody lets them in: some keep a connection, some open one for each request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = itertools.count()
        self.seen: Counter[str] = Counter()
        self.exposed: list[str] = []
        self.acknowledged: list[str] = []
        self.enough = asyncio.Event()

    async def run(self, pid: int) -> None:
        clients = [asyncio.create_task(self._client(keep=number < KEPT)) for number in range(KEPT + NEW)]
        await self.enough.wait()
        os.kill(pid, signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*clients), 60)

    async def _client(self, *, keep: bool) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionRefusedError:
                return
            try:
                while await self._session(reader, writer) and keep:
                    pass
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                self.seen[f"lost: {error!r}"] += 1
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A list, and a click if the connection takes another request; whether it takes still another."""
        user = next(self._numbers)
        shown, open_still = await self._ask(reader, writer, f"GET /choose?user_id={user}&k=1", b"")
        self.exposed.append(shown["decision_id"])
        if not open_still:
            return False
        body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
        body["decision_id"] = shown["decision_id"]
        _, open_still = await self._ask(reader, writer, "POST /update", json.dumps(body).encode())
        self.acknowledged.append(shown["decision_id"])
        if len(self.acknowledged) == 150:
            self.enough.set()
        return open_still

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: str, body: bytes
    ) -> tuple[dict[str, str], bool]:
        writer.write(f"{what} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        text = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        self.seen[head.split()[1].decode()] += 1
        return json.loads(text), b"connection: close" not in head


def test_no_request_is_lost_when_the_server_is_told_to_stop(own_policy: Policy) -> None:
    own_policy.route(percent=25)
    process = own_policy.process
    load = Load(process.port)
    asyncio.run(load.run(process.pid))
    assert poll(lambda: not process.alive, 30)
    assert process._process.returncode == 0
    assert set(load.seen) == {"200"}, load.seen
    assert len(load.acknowledged) >= 150
    with reading(open_database(own_policy.url)) as connection:
        exposures = connection.scalars(select(EXPOSURES.c.decision_id)).all()
        outcomes = connection.scalars(select(OUTCOMES.c.decision_id)).all()
    assert sorted(exposures) == sorted(load.exposed)
    assert sorted(outcomes) == sorted(load.acknowledged)


def test_a_request_that_waits_for_its_model_is_answered_and_an_idle_connection_may_send_one_more(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"

    async def run(port: int, pid: int) -> list[tuple[str, bool]]:
        async def ask(reader: asyncio.StreamReader) -> tuple[str, bool]:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            text = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            return json.loads(text).get("degraded", ""), b"connection: close" in head

        request = b"GET /choose?user_id=7&k=1 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        (slow, ask_slow), (idle, ask_idle) = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        model.way = "be_silent"
        ask_slow.write(request)
        await asyncio.to_thread(poll, lambda: model.asked[-1] == "7", 30)
        os.kill(pid, signal.SIGTERM)
        # The port is closed, the connections are not.
        await asyncio.to_thread(poll, lambda: not listening(port), 30)
        ask_idle.write(request)
        return [await ask(slow), await ask(idle)]

    with switched_model("old") as model, policy_server(tmp_path, url, "--model-timeout-s", "1.5") as process:
        policy = Policy.at(process, url, {"popularity": model.url, "ease": model.url})
        policy.route(percent=0)
        assert model.popular.wait(30)
        assert asyncio.run(run(process.port, process.pid)) == [("popular", True), ("popular", True)]
        assert poll(lambda: not process.alive, 30)
        assert process._process.returncode == 0


def listening(port: int) -> bool:
    """Whether a socket of this machine listens there; asked of the kernel, since a connection would be one more."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)
