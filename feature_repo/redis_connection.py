"""Commands over redis-py's event-loop connections without a task and several timers for each.

redis-py guards a send with ``asyncio.wait_for``, which makes a task of it: a sixth of a whole GET. A timer suffices.
"""

from __future__ import annotations

import asyncio
from typing import Any

import redis
from redis.asyncio import Connection
from redis.asyncio.connection import AbstractConnection


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


async def ask(connection: AbstractConnection, *command: str | bytes | int) -> Any:
    """What Redis answers to one command; ``socket_timeout`` is for sending and reading together.

    Half of the CPU of a client's ``get``, which takes two locks and passes retries and statistics.

    Args:
        connection: Nobody else may use it meanwhile. Opened if it is not; given up by whatever fails.
        command: E.g. ``GET``, and its arguments.

    Raises:
        redis.RedisError: See ``redis_client.refusals``.
    """
    if not connection.is_connected:
        await connection.connect()  # type: ignore[no-untyped-call]
    limit = connection.socket_timeout
    connection.socket_timeout = None
    try:
        async with asyncio.timeout(limit):
            await connection.send_command(*command)
            return await connection.read_response()
    except TimeoutError as error:
        raise redis.TimeoutError("Timeout reading from socket") from error
    finally:
        connection.socket_timeout = limit
