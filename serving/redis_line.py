"""One connection to a Redis that nobody has to wait for: it is left in peace for a while after it failed.

After a failure one request tries again, and the others go without until it knows: a moment in which this process itself
was held up costs no more than that. If it fails too, nobody asks Redis for ``PAUSE_S``; then again one tries.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from core.errors import FeatureStoreError
from feature_repo.redis_client import address, connect_async, refusals
from feature_repo.redis_connection import ask

PAUSE_S = 1.0
#: How many time-outs a turn is waited for: a process that is busy itself must not take Redis for slow.
TURN = 4

_log = logging.getLogger(__name__)


class RedisLine:
    """A connection, used in turns: a pool would spend half of a look-up's CPU on taking one and giving it back.

    Args:
        url: ``redis://…``; empty: there is no Redis.
        timeout_s: A Redis that has not answered after this has failed, > 0; ``TURN`` times as long for a turn.
        meanwhile: What is done without it, for the log.

    Raises:
        ConfigError: The URL is no address of a Redis.
    """

    def __init__(self, url: str, *, timeout_s: float, meanwhile: str) -> None:
        self._url = url
        self._connection = connect_async(url, timeout_s=timeout_s).connection_pool.make_connection() if url else None
        self._turn = asyncio.Lock()
        self._timeout_s = timeout_s
        self._meanwhile = meanwhile
        self._failing = False
        self._told = False
        self._closed_until = 0.0

    async def ask(self, *command: str | bytes | int) -> Any:
        """What Redis answers to a command, e.g. ``GET`` and a key.

        Raises:
            FeatureStoreError: There is none, it failed, it failed lately and is left in peace, or it is so slow that
                the time was over before this command's turn came.
        """
        if self._connection is None:
            raise FeatureStoreError("there is no Redis")
        wanted_until = time.monotonic() + TURN * self._timeout_s if self._turn.locked() else None
        async with self._turn:
            if wanted_until is not None and time.monotonic() > wanted_until:
                # Each in time and one after another, those in front took it all.
                raise FeatureStoreError("Redis is slow, and had others to answer first")
            # Those that waited behind a failure do not wait for their own.
            if self._failing and time.monotonic() < self._closed_until:
                raise FeatureStoreError("Redis is not asked, because it failed just now")
            tries_again = self._failing
            try:
                with refusals(self._url):
                    answer = await ask(self._connection, *command)
            except FeatureStoreError as error:
                self._note_failure(error, tries_again)
                raise
        if self._told:
            _log.warning("Redis at %s answers again", address(self._url))
        self._failing = self._told = False
        return answer

    async def close(self) -> None:
        """Close the connection; the next command opens a new one."""
        if self._connection is not None:
            await self._connection.disconnect()

    def _note_failure(self, error: FeatureStoreError, tried_again: bool) -> None:
        self._failing = True
        if not tried_again:
            return
        self._closed_until = time.monotonic() + PAUSE_S
        if not self._told:
            _log.warning("%s; %s meanwhile", error, self._meanwhile)
        self._told = True
