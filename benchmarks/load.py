"""A load generator that costs little itself: prepared requests, one at a time on each keep-alive connection.

A general HTTP client spends more CPU per request than the servers measured here, and would measure itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import psutil


class Measured(NamedTuple):
    """What a server did under load.

    Attributes:
        requests: Requests answered with 200.
        per_second: Requests a second.
        cpu_ms: CPU of the server's process per request, in ms.
        p50_ms: Median time from request to answer.
        p99_ms: 99th percentile of it.
    """

    requests: int
    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


def post(path: str, body: bytes) -> bytes:
    """An HTTP/1.1 POST of JSON as bytes."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def measure(pid: int, port: int, request: Callable[[int], bytes], *, connections: int, seconds: float) -> Measured:
    """Load a local server as fast as it answers.

    Args:
        pid: The server's process, for its CPU time.
        port: Where it listens on 127.0.0.1.
        request: The bytes of the i-th request; called once per request.
        connections: Requests on their way at once.
        seconds: How long.

    Raises:
        RuntimeError: An answer was not 200; the text shows it.
    """
    process = psutil.Process(pid)
    asyncio.run(_load(port, request, connections, 0.5, 1 << 40))
    before, start = sum(process.cpu_times()[:2]), time.perf_counter()
    latencies = sorted(asyncio.run(_load(port, request, connections, seconds, 0)))
    elapsed, cpu = time.perf_counter() - start, sum(process.cpu_times()[:2]) - before
    count = len(latencies)
    return Measured(
        count, count / elapsed, 1e3 * cpu / count, 1e3 * latencies[count // 2], 1e3 * latencies[int(count * 0.99)]
    )


async def _load(
    port: int, request: Callable[[int], bytes], connections: int, seconds: float, first: int
) -> list[float]:
    numbers = iter(range(first, first + (1 << 40)))
    deadline = time.perf_counter() + seconds
    latencies: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < deadline:
            writer.write(request(next(numbers)))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{head.splitlines()[0].decode()}: {body[:300].decode()}")
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return latencies
