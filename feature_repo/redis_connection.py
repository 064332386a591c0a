"""A connection of redis-py's event-loop client that does not start a task for every command it sends.

redis-py guards a send with ``asyncio.wait_for``, which makes a task of it: a sixth of a whole GET. A timer suffices.
"""

from __future__ import annotations

import asyncio

import redis
from redis.asyncio import Connection


class TimerConnection(Connection):
    """Waits as long as ``socket_timeout`` says, and then gives the connection up, as its base does."""

    async def send_packed_command(self, command, check_health=True) -> None:  # type: ignore[no-untyped-def]
        """Send; a connection that must be opened first is opened, and timed, by the base."""
        limit = self.socket_timeout
        if limit is None or not self.is_connected:
            await super().send_packed_command(command, check_health)
            return
        self.socket_timeout = None
        try:
            async with asyncio.timeout(limit):
                await super().send_packed_command(command, check_health)
        except TimeoutError as error:
            raise redis.TimeoutError("Timeout writing to socket") from error
        finally:
            self.socket_timeout = limit
