"""A process beside the policy server for what would hold up its lists: analyses of the event log, and MLflow.

Both import hundreds of megabytes and compute for seconds; in the server's own process each would take the interpreter
from the requests under way. The process is started with the first question, answers one after another, lives at a lower
priority, and ends when nobody asks for a while or when the server is gone (clerk.py is its other end).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

from core.errors import BadInput, RolloutError, ServerError
from core.settings import child_environment

#: The imports of a clerk on a busy machine.
START_S = 60.0
#: Of one line; an analysis of many variants, metrics and segments has a few hundred kilobytes.
_LONGEST_ANSWER = 64 << 20
_END_S = 5.0
#: A clerk that has not answered for so long is ended. Whoever asked has given up before: on a busy machine the answer
#: that took too long is there for whoever asks again, where a clerk begun anew would be as late as the last one.
STUCK_S = 180.0
#: Different questions to one clerk at once, the one that is answered included.
MOST_WAITING = 16

_log = logging.getLogger(__name__)


class _Question(NamedTuple):
    """One that is under way.

    Attributes:
        put: Set when the clerk has it, or when there will be none.
        task: Its answer.
    """

    put: asyncio.Event
    task: asyncio.Task[Any]


class BackOffice:
    """Asks one kind of clerk. Make it anywhere; use and ``close`` it in one event loop.

    Args:
        role: Of the clerk: ``results``, ``registry`` or ``arguments``.
        environment: What it gets beside this process's own, the event log's URL among it: everybody on the machine may
            read command lines.
    """

    def __init__(self, role: str, environment: Mapping[str, str]) -> None:
        self._role = role
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._under_way: dict[bytes, _Question] = {}

    async def ask(self, question: Mapping[str, Any], timeout_s: float) -> Any:
        """The clerk's answer; the same question asked again meanwhile waits for the same answer.

        Args:
            question: Plain JSON values.
            timeout_s: How long to wait for an answer from when it is put to the clerk, who goes on working on it: who
                asks the same again gets it.

        Raises:
            BadInput: As the clerk says.
            RolloutError: As the clerk says.
            ServerError: The clerk failed, or took too long, or too many wait for it.
        """
        line = orjson.dumps(question, option=orjson.OPT_SORT_KEYS) + b"\n"
        asked = self._under_way.get(line)
        if asked is None:
            if len(self._under_way) >= MOST_WAITING:
                raise ServerError(f"{self._role}: {MOST_WAITING} questions wait already; try again later")
            put = asyncio.Event()
            asked = self._under_way[line] = _Question(put, asyncio.create_task(self._answer(line, put)))
            asked.task.add_done_callback(lambda done: self._forget(line, done))
        await asked.put.wait()
        try:
            async with asyncio.timeout(timeout_s):
                # Whoever gives up must not take the answer from the others.
                return await asyncio.shield(asked.task)
        except TimeoutError as error:
            raise ServerError(f"{self._role}: no answer within {timeout_s:g} s; try again later") from error

    async def close(self) -> None:
        """End the clerk, whatever it is doing."""
        for asked in [*self._under_way.values()]:
            asked.task.cancel()
        await self._end()

    def _forget(self, line: bytes, done: asyncio.Task[Any]) -> None:
        del self._under_way[line]
        if not done.cancelled():
            # Looked at, though everybody who asked has given up.
            done.exception()

    async def _answer(self, line: bytes, put: asyncio.Event) -> Any:
        try:
            async with self._turn:
                told = await self._told(line, put)
        finally:
            put.set()
        if "answer" in told:
            return told["answer"]
        kinds = {"bad_input": BadInput, "conflict": RolloutError}
        raise kinds.get(told["kind"], ServerError)(told["error"])

    async def _told(self, line: bytes, put: asyncio.Event) -> dict[str, Any]:
        try:
            for _ in range(2):
                process = await self._started()
                put.set()
                async with asyncio.timeout(STUCK_S):
                    text = await _exchange(process, line)
                if text:
                    return dict(orjson.loads(text))
                # It went home for want of work just as it was asked; a new one is asked once.
                await self._end()
        except TimeoutError as error:
            await self._end()
            raise ServerError(f"{self._role}: no answer for {STUCK_S:g} s; its process was ended") from error
        except (OSError, orjson.JSONDecodeError) as error:
            await self._end()
            raise ServerError(
                f"{self._role}: its process failed ({error!r}); the reason is in the server's log"
            ) from error
        except asyncio.CancelledError:
            # Half an answer may be in the pipe.
            await self._end()
            raise
        raise ServerError(f"{self._role}: its process ended without an answer; the reason is in the server's log")

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "serving.management.clerk", self._role),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(self._environment),
            limit=_LONGEST_ANSWER,
            # Ctrl-C reaches the server, which ends it in order.
            start_new_session=True,
        )
        async with asyncio.timeout(START_S):
            # It says so once it has imported what it needs.
            await _line_of(self._process)
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_S)


async def _exchange(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    """What it answers to a line; empty where it is gone."""
    if process.stdin is None:
        raise BrokenPipeError("the clerk has no ears")
    with suppress(ConnectionError):
        process.stdin.write(line)
        await process.stdin.drain()
    return await _line_of(process)


async def _line_of(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise BrokenPipeError("the clerk has no voice")
    try:
        return await process.stdout.readline()
    except ValueError as error:
        raise OSError(f"its answer is longer than {_LONGEST_ANSWER:,} bytes") from error
