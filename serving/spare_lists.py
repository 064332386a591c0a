"""Lists for when no model server gives one: the user's own last one, or a popular one. In memory, of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any, NamedTuple

import orjson

from serving.model_client import Listing
from serving.routing import Contestant

MAX_USERS = 20_000
MAX_BYTES = 32 << 20
#: Age at which a popular list is fetched again.
REFRESH_S = 60.0
_OF_A_REASON = ("reason", "confidence")


class _Kept(NamedTuple):
    """As the model server sent it: it is parsed if it is ever needed, which is seldom."""

    server: Contestant
    text: bytes
    explain: str | None


class RememberedLists:
    """The last list of each user; the one asked for longest ago goes first. For one thread.

    Args:
        max_users: The most that are kept.
        max_bytes: The most that their texts take together.
    """

    def __init__(self, max_users: int = MAX_USERS, max_bytes: int = MAX_BYTES) -> None:
        self._max_users = max_users
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, user_id: str, server: Contestant, text: bytes, explain: str | None = None) -> None:
        """Remember a list in place of the user's former one.

        Args:
            user_id: Whose.
            server: Whose answer it is.
            text: The answer, JSON with ``items``.
            explain: Language of its reasons; None: it has none.
        """
        former = self._kept.pop(user_id, None)
        self._bytes += len(text) - (0 if former is None else len(former.text))
        self._kept[user_id] = _Kept(server, text, explain)
        while len(self._kept) > self._max_users or self._bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.text)

    def find(self, user_id: str, servers: Collection[Contestant], explain: str | None = None) -> list[dict[str, Any]]:
        """The items of the user's list, best first; empty where there is none by one of these servers.

        Args:
            user_id: Whose.
            servers: Who may have made it: that of a variant which was withdrawn must not come back.
            explain: Language of the reasons that are asked for; where the list has others, it is given without.
        """
        kept = self._kept.get(user_id)
        if kept is None or kept.server not in servers:
            return []
        items: list[dict[str, Any]] = orjson.loads(kept.text)["items"]
        if kept.explain == explain:
            return items
        return [{name: item[name] for name in item if name not in _OF_A_REASON} for item in items]


class PopularList:
    """What somebody whom no model knows is shown. The one that is here stays until there is another.

    Attributes:
        items: Best first; empty before the first.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._server: Contestant | None = None
        self._made_at = 0.0

    def stale(self, server: Contestant, now: float) -> bool:
        """Whether a server's list should be had: another's, or an old one, is here.

        Args:
            server: Whose list it should be.
            now: Seconds of a clock that never goes back.
        """
        return server != self._server or now - self._made_at > REFRESH_S

    def keep(self, server: Contestant, items: list[dict[str, Any]], now: float) -> None:
        """Put a server's list in the place of the former; arguments as of ``stale``. An empty one stays away."""
        if items:
            self.items, self._server, self._made_at = items, server, now


def spare(items: list[dict[str, Any]], k: int) -> Listing | None:
    """A list of at most k of these items; None where there are none."""
    shown = items[:k]
    return Listing(shown, [item["item_id"] for item in shown]) if shown else None
