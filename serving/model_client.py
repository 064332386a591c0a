"""Asking a model server for a list, over pooled connections."""

from __future__ import annotations

from typing import Any, NamedTuple

import aiohttp
import orjson

from core.errors import ServerError
from serving.routing import Contestant

_JSON = {"content-type": "application/json"}


class Listing(NamedTuple):
    """A recommended list.

    Attributes:
        items: ``{"item_id", "title", "score"}`` each, best first; may be empty.
        item_ids: Their ids, in that order.
    """

    items: list[dict[str, Any]]
    item_ids: list[int | str]


class ModelClient:
    """Calls the lean route of model servers. Make it inside the event loop that uses it; ``close`` it.

    Args:
        timeout_s: A server that has not answered completely after this counts as failed.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            # The number of callers is bounded by the policy server's own connections.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def recommend(self, server: Contestant, user_id: str, k: int) -> Listing:
        """The server's list for a user.

        Args:
            server: Whom to ask; its answer must carry the version expected of it.
            user_id: Anyone; unknown users get popularity order.
            k: 1 … 1000.

        Raises:
            ServerError: No answer in time, no connection, or an answer that is no list of that version.
        """
        body = orjson.dumps({"user_id": user_id, "k": k})
        try:
            async with self._session.post(f"{server.url}/recommend", data=body, headers=_JSON) as response:
                status, text = response.status, await response.read()
        except TimeoutError as error:
            raise ServerError(f"model server {server.url} did not answer within {self._timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise ServerError(f"model server {server.url} cannot be reached: {error}") from error
        return _listing(server, status, text)

    async def ready(self, server: Contestant) -> None:
        """Return if the server says that it is ready.

        Raises:
            ServerError: It does not.
        """
        try:
            async with self._session.get(f"{server.url}/readyz") as response:
                status = response.status
        except (TimeoutError, aiohttp.ClientError) as error:
            raise ServerError(f"model server {server.url} is not ready: {error!r}") from error
        if status != 200:
            raise ServerError(f"model server {server.url} is not ready: HTTP {status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _listing(server: Contestant, status: int, text: bytes) -> Listing:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ServerError(f"model server {server.url} answered HTTP {status} without JSON") from error
    if status != 200:
        raise ServerError(f"model server {server.url} answered HTTP {status}: {str(answer)[:200]}")
    try:
        items, version = answer["items"], answer["model_version"]
        item_ids = [item["item_id"] for item in items]
    except (KeyError, TypeError) as error:
        raise ServerError(f"model server {server.url} answered something else than a list") from error
    if version != server.version:
        # A port may have gone to another process: what it answers must not be counted for this version.
        raise ServerError(f"model server {server.url} answers as version {version!r}, routed is {server.version!r}")
    return Listing(items, item_ids)
