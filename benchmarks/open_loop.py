"""Load that does not wait: requests leave at their appointed times, whatever became of those before.

A client that waits for one answer before it asks again spares a server just when it is slow, and never sees the queue
that real users would stand in.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Self

import numpy as np

#: Requests without an answer at once; one more counts as failed, as at a proxy with so many connections.
_MAX_OPEN = 512
_PATIENCE_S = 10.0
#: Stands for a status where there was no answer.
FAILED = 0


class Seen(NamedTuple):
    """What became of the requests.

    Attributes:
        statuses: How many were answered with each HTTP status; ``FAILED`` counts those without an answer.
        seconds: From the first request to the last answer.
        answered_ms: From sending to the whole answer, of each request answered with 200.
        late_ms: How late each request left: where it is more than a few ms, this machine is too busy to tell a slow
            server from a slow client.
    """

    statuses: Counter[int]
    seconds: float
    answered_ms: list[float]
    late_ms: list[float]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Several loads as one."""
        return cls(
            sum((part.statuses for part in parts), Counter()),
            sum(part.seconds for part in parts),
            [one for part in parts for one in part.answered_ms],
            [one for part in parts for one in part.late_ms],
        )

    @property
    def errors(self) -> int:
        """Requests not answered with 200."""
        return self.statuses.total() - self.statuses[200]

    def answered_within(self, percent: float) -> float:
        """Percentile of ``answered_ms``; NaN without any."""
        return float(np.percentile(self.answered_ms, percent)) if self.answered_ms else float("nan")


async def drive(send: Callable[[int], Awaitable[int]], *, rate: float, seconds: float) -> Seen:
    """Send ``rate`` requests a second.

    Args:
        send: Sends the i-th request, waits for the whole answer and tells its status; an OSError counts as failed.
        rate: Requests a second, evenly spaced, > 0.
        seconds: How long, > 0.
    """
    count, open_now = int(rate * seconds), 0
    statuses: Counter[int] = Counter()
    answered_ms: list[float] = []
    late_ms: list[float] = []

    async def one(number: int) -> None:
        nonlocal open_now
        start = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status = await send(number)
        except OSError:
            status = FAILED
        if status == 200:
            answered_ms.append(1000 * (time.perf_counter() - start))
        statuses[status] += 1
        open_now -= 1

    start = time.perf_counter()
    async with asyncio.TaskGroup() as under_way:
        for number in range(count):
            due = start + number / rate
            # At least one turn of the loop for each request, so that answers are read even when all is late.
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            late_ms.append(1000 * (time.perf_counter() - due))
            if open_now < _MAX_OPEN:
                open_now += 1
                under_way.create_task(one(number))
            else:
                statuses[FAILED] += 1
    return Seen(statuses, time.perf_counter() - start, answered_ms, late_ms)
