"""Reading and writing the event database in threads, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_AT_ONCE = 2

Found = TypeVar("Found")


class Desk:
    """Takes blocking work in turns, so that people never take the threads that the hot path needs."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def do(self, work: Callable[[], Found]) -> Found:
        """What the work returns."""
        async with self._turn:
            return await asyncio.to_thread(work)
