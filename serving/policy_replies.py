"""What was answered to requests that carry the caller's own key, so that one sent again gets the same answer.

A list computed anew could differ from the one in the event log (another route, another model, the fallback), and a
click on it would be refused. Kept in memory only: a caller tries again within seconds, and a look-up in the database
for each new key would cost more than the rest of the request.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from core.errors import BadInput

MAX_REPLIES = 10_000
MAX_BYTES = 32 << 20


class Reply(NamedTuple):
    """What a request with a key came to.

    Attributes:
        user_id: Who asked.
        body: The JSON answered; empty if no list could be given, which may be tried again.
        path: Where it asked.
    """

    user_id: str
    body: bytes
    path: str = "/choose"


class Replies:
    """The latest replies by key; the oldest go first. For one thread.

    Args:
        max_replies: The most that are kept.
        max_bytes: The most that their bodies take together.
    """

    def __init__(self, max_replies: int = MAX_REPLIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_replies = max_replies
        self._max_bytes = max_bytes
        self._bytes = 0
        self._replies: OrderedDict[str, Reply] = OrderedDict()

    def find(self, decision_id: str, user_id: str, path: str = "/choose") -> Reply | None:
        """The reply to this key; None if it is new, or too old to be remembered.

        Raises:
            BadInput: The key was another user's, or another path's, whose answers look different.
        """
        found = self._replies.get(decision_id)
        if found is not None and found.user_id != user_id:
            raise BadInput(f"decision_id {decision_id!r} was used for another user; send a new one for each request")
        if found is not None and found.path != path:
            raise BadInput(f"decision_id {decision_id!r} was used at {found.path}; send a new one for each request")
        return found

    def keep(self, decision_id: str, reply: Reply) -> Reply:
        """Remember a reply, unless a list was answered to this key already.

        Returns:
            The one that stands: of two requests on their way at once, the first that was recorded.
        """
        found = self._replies.get(decision_id)
        if found is not None and found.body:
            return found
        self._replies[decision_id] = reply
        self._bytes += len(reply.body)
        while len(self._replies) > self._max_replies or self._bytes > self._max_bytes:
            _, oldest = self._replies.popitem(last=False)
            self._bytes -= len(oldest.body)
        return reply

    def forget(self, decision_id: str) -> None:
        """Let a key be new again: what was answered to it is not in the log."""
        found = self._replies.pop(decision_id, None)
        self._bytes -= 0 if found is None else len(found.body)
