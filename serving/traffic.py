"""Simulated users over HTTP: each session asks the policy server for a list, and reports what is clicked in it.

A session is one ``GET /choose`` and a ``POST /update`` per click. What a session does depends on (seed, session
number) and on the list it is shown, never on timing: sessions may overlap, be repeated, or be finished by another
process after this one was killed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import aiohttp
import numpy as np
import orjson
from pydantic import SecretStr
from yarl import URL

from core.api_key import NO_KEY, authorization
from core.errors import ServerError
from core.ids import UNKNOWN
from events.aggregate import RecordedSession
from experiments.click_model import CHANNELS, DEVICES, ClickModel, Sessions, visitor_id

#: The key of the request's context that holds the unit: a spec for simulated users says ``unit: visitor_id``.
UNIT = "visitor_id"

#: Waits before a request is sent again; after the last one it is given up.
_BACKOFF_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_TRANSIENT = frozenset({429, 502, 503, 504})
_JSON = {"content-type": "application/json"}
_PROGRESS_EVERY = 100


class TrafficSummary(NamedTuple):
    """What a run of sessions came to.

    Attributes:
        sessions: Sessions driven, resumed ones included.
        resumed: Those that had their list already; only their clicks were sent (again).
        clicked: Sessions with at least one click.
        errors: Requests that failed at first and were sent again.
        degraded: Lists that the policy server marked as not the assigned variant's, because that one failed.
        empty: Empty lists.
        latency_p50_ms: Median time of ``/choose`` as the client sees it, retries included; NaN without any.
        latency_p95_ms: 95th percentile of it.
        seconds: Wall-clock time.
    """

    sessions: int
    resumed: int
    clicked: int
    errors: int
    degraded: int
    empty: int
    latency_p50_ms: float
    latency_p95_ms: float
    seconds: float


@dataclass
class _Tally:
    """What is counted while sessions run."""

    done: int = 0
    resumed: int = 0
    clicked: int = 0
    errors: int = 0
    degraded: int = 0
    empty: int = 0
    latencies_ms: list[float] = field(default_factory=list)


class Traffic:
    """Simulated users on one policy server; a context manager that keeps its connections between runs.

    It runs an event loop of its own while it drives, so it cannot be used inside a running one.

    Args:
        base_url: The policy server, e.g. ``http://127.0.0.1:8080``.
        world: The simulated users.
        connections: Sessions at a time, >= 1. More than 32 buys latency, not throughput.
        multiplier: A planted effect: what the session click probability of the arm ``challenger`` is multiplied by.
        timeout_s: A request without an answer after this is sent again.
        api_key: For a policy server that asks for one; empty: none is sent.
    """

    def __init__(
        self,
        base_url: str,
        world: ClickModel,
        *,
        connections: int = 24,
        multiplier: float = 1.0,
        timeout_s: float = 10.0,
        api_key: SecretStr = NO_KEY,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._update_url = URL(f"{self._base_url}/update")
        self._world = world
        self._user_ids = [quote(str(user_id), safe="") for user_id in world.users.ids.tolist()]
        self._connections = connections
        self._multiplier = multiplier
        self._timeout_s = timeout_s
        self._headers = authorization(api_key)
        # A request sent again carries its first key, so that it is recorded once.
        self._key = uuid.uuid4().hex
        self._runner = asyncio.Runner()
        self._http: aiohttp.ClientSession

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._runner.run(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.run(self._http.close())
        self._runner.__exit__(kind, error, traceback)

    def drive(
        self,
        first: int,
        last: int,
        *,
        recorded: Mapping[str, RecordedSession] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> TrafficSummary:
        """Run sessions first … last - 1; return when each has its list and each click is acknowledged.

        The exposures of the last lists may still be on their way to disk: the event log's count says when all are.

        Args:
            first: Number of the first session, >= 0.
            last: One past the number of the last; ``last <= first`` runs none.
            recorded: Sessions that already have their list, by ``session_id`` (``s17``): they ask for none, their
                clicks are sent again (an outcome counts once however often it is sent). Failed ones ask again.
            progress: Called with the number of sessions done, now and then and at the end.

        Raises:
            ServerError: The policy server stayed unreachable or unwilling, refused a request, or answered nonsense.
        """
        return self._runner.run(self._drive(first, last, recorded or {}, progress))

    async def _open(self) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("user-agent", "accept-encoding"),
            headers=self._headers,
        )

    async def _drive(
        self,
        first: int,
        last: int,
        recorded: Mapping[str, RecordedSession],
        progress: Callable[[int], None] | None,
    ) -> TrafficSummary:
        start = time.perf_counter()
        sessions = self._world.sessions(first, last)
        tally = _Tally()
        rows = iter(range(len(sessions)))
        workers = [
            asyncio.create_task(self._work(rows, sessions, recorded, tally, progress))
            for _ in range(min(self._connections, len(sessions)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if progress is not None:
            progress(tally.done)
        return _summary(tally, time.perf_counter() - start)

    async def _work(
        self,
        rows: Iterator[int],
        sessions: Sessions,
        recorded: Mapping[str, RecordedSession],
        tally: _Tally,
        progress: Callable[[int], None] | None,
    ) -> None:
        """Run sessions, one after another, until none is left."""
        for row in rows:
            session = sessions.one(row)
            session_id = f"s{sessions.number[row]}"
            shown = recorded.get(session_id)
            if shown is None or shown.failed:
                # A failed session asked for under its own key again is the same session.
                key = f"{self._key}-{session_id}" if shown is None else shown.decision_id
                shown = await self._choose(session, session_id, key, tally)
            else:
                tally.resumed += 1
            await self._click(session, session_id, shown, tally)
            tally.done += 1
            if progress is not None and tally.done % _PROGRESS_EVERY == 0:
                progress(tally.done)

    async def _choose(self, session: Sessions, session_id: str, key: str, tally: _Tally) -> RecordedSession:
        context = {
            "session_id": session_id,
            UNIT: visitor_id(int(session.visitor[0])),
            "channel": CHANNELS[session.channel[0]],
            "device": DEVICES[session.device[0]],
            "time": round(float(session.timestamp[0]), 3),
        }
        query = (
            f"user_id={self._user_ids[session.parent[0]]}&decision_id={quote(key, safe='')}"
            f"&context={quote(orjson.dumps(context), safe='')}"
        )
        start = time.perf_counter()
        answer = await self._send("GET", URL(f"{self._base_url}/choose?{query}", encoded=True), session_id, tally)
        tally.latencies_ms.append(1000 * (time.perf_counter() - start))
        try:
            items = [item["item_id"] for item in answer["items"]]
            shown = RecordedSession(answer["decision_id"], answer["arm"], items, answer["step"], clicked=False)
        except (KeyError, TypeError) as error:
            raise ServerError(
                f"policy server {self._base_url} answered session {session_id} with something else than "
                f"arm, items, decision_id and step ({error!r})"
            ) from error
        tally.degraded += bool(answer.get("degraded"))
        tally.empty += not items
        return shown

    async def _click(self, session: Sessions, session_id: str, shown: RecordedSession, tally: _Tally) -> None:
        """Draw the session's clicks and report each."""
        items = self._world.items.index_of(shown.items)
        if (items == UNKNOWN).any():
            stranger = shown.items[int((items == UNKNOWN).argmax())]
            raise ServerError(
                f"policy server {self._base_url} showed session {session_id} the item {stranger!r}, which is not in "
                "the ratings the simulated users come from; serve models trained on the same data"
            )
        multiplier = self._multiplier if shown.arm == "challenger" else 1.0
        clicked = np.flatnonzero(self._world.clicks(session, items[None], multiplier)[0]).tolist()
        tally.clicked += bool(clicked)
        for position in clicked:
            outcome = {
                "user_id": self._world.users.ids[session.parent[0]].item(),
                "arm": shown.arm,
                "item_id": shown.items[position],
                "reward": 1.0,
                "ts": time.time(),
                "meta": {"session_id": session_id, "position": position + 1},
                "decision_id": shown.decision_id,
                "kind": "click",
            }
            await self._send("POST", self._update_url, session_id, tally, orjson.dumps(outcome))

    async def _send(self, method: str, url: URL, session_id: str, tally: _Tally, body: bytes | None = None) -> Any:
        """The answer's JSON; what may pass by itself is tried again, a list that counts for nobody too.

        Raises:
            ServerError: It did not pass, was refused for good, or the answer is no JSON.
        """
        what = f"policy server {self._base_url}: {method} {url.path} for session {session_id}"
        problem = ""
        for wait in (*_BACKOFF_S, None):
            try:
                async with self._http.request(method, url, data=body, headers=_JSON if body else None) as response:
                    status, text = response.status, await response.read()
            except TimeoutError:
                problem = f"no answer within {self._timeout_s:g} s"
            except aiohttp.ClientError as error:
                problem = str(error) or type(error).__name__
            else:
                if status == 200:
                    answer = _parsed(text, what)
                    if not isinstance(answer, dict) or answer.get("decision_id", "") is not None:
                        return answer
                    problem = "the list could not be recorded, the event log is down"
                else:
                    problem = f"HTTP {status} {text[:300].decode(errors='replace')}"
                    if status not in _TRANSIENT:
                        raise ServerError(f"{what} was refused: {problem}")
            if wait is not None:
                tally.errors += 1
                await asyncio.sleep(wait)
        raise ServerError(f"{what} failed {len(_BACKOFF_S) + 1} times, last: {problem}; see the server's log")


def _parsed(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ServerError(f"{what} was answered without JSON: {text[:80]!r}") from error


def _summary(tally: _Tally, seconds: float) -> TrafficSummary:
    p50, p95 = np.percentile(tally.latencies_ms, [50, 95]).tolist() if tally.latencies_ms else (float("nan"),) * 2
    return TrafficSummary(
        sessions=tally.done,
        resumed=tally.resumed,
        clicked=tally.clicked,
        errors=tally.errors,
        degraded=tally.degraded,
        empty=tally.empty,
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        seconds=seconds,
    )
