"""Asking a model server for a list, over kept connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson

from core.errors import ServerError
from serving.lean_http import LeanHttp
from serving.punctual import WITHIN
from serving.routing import Contestant

#: What the error says of a server that took too long; the policy server's log is searched for it.
LATE = "did not answer within"


class Listing(NamedTuple):
    """A recommended list.

    Attributes:
        items: ``{"item_id", "title", "score"}`` each, best first; may be empty. With ``reason`` and ``confidence``
            where an explanation was asked for.
        item_ids: Their ids, in that order.
        features: What the model knew of the user, e.g. ``store`` or ``default``; None from a model without features.
        cold: The model knows nothing of the user and gave popularity order.
        text: The server's whole answer, as it came; empty for a list that none gave.
        model: Name of the model that made it; empty where the server does not tell.
        version: Its version.
    """

    items: list[dict[str, Any]]
    item_ids: list[int | str]
    features: str | None = None
    cold: bool = False
    text: bytes = b""
    model: str = ""
    version: str = ""


class Catalogue(NamedTuple):
    """What a server's model tells about items.

    Attributes:
        model: The model's registered name, e.g. "ease".
        details: By item id, ``{"title", "year", "genres"}``; items that the model does not know are missing.
    """

    model: str
    details: dict[int | str, dict[str, Any]]


class ModelClient:
    """Calls the lean route of model servers. Make it inside the event loop that uses it; ``close`` it.

    Args:
        timeout_s: A server that has not answered completely after this counts as failed.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = LeanHttp()

    async def recommend(
        self,
        server: Contestant,
        user_id: str,
        k: int,
        explain: str | None = None,
        exclude_items: Sequence[int | str] = (),
        *,
        timeout_s: float | None = None,
    ) -> Listing:
        """The server's list for a user.

        Args:
            server: Whom to ask; its answer must carry the version expected of it.
            user_id: Anyone; unknown users get popularity order.
            k: 1 … 1000.
            explain: Language of a reason for each item, e.g. "en"; None: no reasons.
            exclude_items: What must not be in it.
            timeout_s: Counts as failed after this; None: after this client's own.

        Raises:
            ServerError: No answer in time, no connection, or an answer that is no list of that version.
        """
        asked: dict[str, Any] = {"user_id": user_id, "k": k}
        if explain is not None:
            asked["explain"] = explain
        if exclude_items:
            asked["exclude_items"] = exclude_items
        body = orjson.dumps(asked)
        answer, text = await self._document(
            server, "/recommend", body, self._timeout_s if timeout_s is None else timeout_s
        )
        return _listing(server, answer, text)

    async def items(self, server: Contestant, item_ids: Sequence[int | str]) -> Catalogue:
        """What a server's model tells about items.

        Args:
            server: Whom to ask; its answer must carry the version expected of it.
            item_ids: 1 … 1000 of them.

        Raises:
            ServerError: No answer in time, no connection, or an answer that is not what was asked for.
        """
        query = urlencode([("item_id", str(item_id)) for item_id in item_ids])
        answer, _ = await self._document(server, f"/items?{query}", None, self._timeout_s)
        try:
            _check_version(server, answer["model_version"])
            details = {
                item["item_id"]: {name: item[name] for name in ("title", "year", "genres")} for item in answer["items"]
            }
            return Catalogue(answer["model"], details)
        except (KeyError, TypeError) as error:
            raise ServerError(f"model server {server.url} answered something else than items") from error

    async def _document(self, server: Contestant, path: str, body: bytes | None, timeout_s: float) -> tuple[Any, bytes]:
        """The answer to a GET, or to a POST of a body, which must be 200 with JSON; parsed, and as it came."""
        # So that the server does not work on it once nobody waits any more.
        within = {WITHIN: str(int(1000 * timeout_s))}
        try:
            status, text = await self._http.send(server.url, path, body, timeout_s=timeout_s, headers=within)
        except TimeoutError as error:
            raise ServerError(f"model server {server.url} {LATE} {timeout_s:.3g} s") from error
        except OSError as error:
            raise ServerError(f"model server {server.url} cannot be reached: {error}") from error
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ServerError(f"model server {server.url} answered HTTP {status} without JSON") from error
        if status != 200:
            raise ServerError(f"model server {server.url} answered HTTP {status}: {str(answer)[:200]}")
        return answer, text

    async def ready(self, server: Contestant) -> None:
        """Return if the server says that it is ready.

        Raises:
            ServerError: It does not.
        """
        try:
            status, _ = await self._http.send(server.url, "/readyz", timeout_s=self._timeout_s)
        except OSError as error:
            raise ServerError(f"model server {server.url} is not ready: {error!r}") from error
        if status != 200:
            raise ServerError(f"model server {server.url} is not ready: HTTP {status}")

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _listing(server: Contestant, answer: Any, text: bytes) -> Listing:
    try:
        items, version, features = answer["items"], answer["model_version"], answer.get("features")
        item_ids = [item["item_id"] for item in items]
    except (KeyError, TypeError) as error:
        raise ServerError(f"model server {server.url} answered something else than a list") from error
    _check_version(server, version)
    cold, model = bool(answer.get("cold", False)), str(answer.get("model", ""))
    return Listing(items, item_ids, features, cold, text, model, version)


def _check_version(server: Contestant, version: str) -> None:
    if version != server.version:
        # A port may have gone to another process: what it answers must not be counted for this version.
        raise ServerError(f"model server {server.url} answers as version {version!r}, routed is {server.version!r}")
