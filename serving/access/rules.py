"""What each route of the policy server asks of a caller: the one table of it.

A path that is not in it is for admins, so a new route is closed until it has a line here; a test holds the table
against the routes of the application.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from events.api_keys import ROLES, Role

#: Stands for an HTTP method where the caller opens a WebSocket.
WEBSOCKET = "WEBSOCKET"
_READS = ("GET", WEBSOCKET)


class Rule(NamedTuple):
    """What a request needs.

    Attributes:
        role: The least role; None: nobody is asked.
        traffic: Lists and what became of them: all that a key for traffic alone may do.
        audited: Whether it is written down who did it.
    """

    role: Role | None
    traffic: bool
    audited: bool

    @property
    def rank(self) -> int:
        """Of the role among ``ROLES``; -1: nobody is asked."""
        return -1 if self.role is None else ROLES.index(self.role)


#: (who, methods, paths); who is ``open``, ``traffic`` (operators, and keys for traffic alone), or the least role.
_TABLE: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("open", ("GET",), ("/healthz", "/readyz", "/metrics")),
    # The same for everyone, and in this repository; a browser that opens it has no header to send.
    ("open", ("GET",), ("/docs", "/openapi.json")),
    ("traffic", ("GET",), ("/choose",)),
    ("traffic", ("POST",), ("/update", "/recommendations", "/feedback")),
    ("viewer", ("GET",), ("/routes", "/preview", "/model/status", "/model/retrain", "/model/retrain/{id}")),
    ("viewer", ("GET",), ("/experiments", "/experiments/{name}", "/experiments/{name}/{part}")),
    ("viewer", (WEBSOCKET,), ("/ws/experiments/{name}",)),
    ("operator", ("POST",), ("/routes/refresh", "/model/retrain")),
    ("operator", ("POST",), ("/experiments/{name}/start", "/experiments/{name}/pause", "/experiments/{name}/stop")),
    ("admin", ("POST",), ("/experiments",)),
    ("admin", ("PUT", "PATCH", "DELETE"), ("/experiments/{name}",)),
)


def _rule(who: str, method: str) -> Rule:
    if who == "open":
        return Rule(None, traffic=False, audited=False)
    if who == "traffic":
        return Rule("operator", traffic=True, audited=False)
    role = next(role for role in ROLES if role == who)
    return Rule(role, traffic=False, audited=method not in _READS)


#: Of what is not in the table.
UNLISTED = Rule("admin", traffic=False, audited=True)
UNLISTED_READ = UNLISTED._replace(audited=False)
#: By method and path, for the paths without a variable part.
_EXACT = {
    (method, path): _rule(who, method)
    for who, methods, paths in _TABLE
    for method in methods
    for path in paths
    if "{" not in path
}
_PATTERNS = [
    (method, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))), _rule(who, method))
    for who, methods, paths in _TABLE
    for method in methods
    for path in paths
    if "{" in path
]


def rule_for(method: str, path: str) -> Rule:
    """What a request needs.

    Args:
        method: HTTP's, or ``WEBSOCKET``. HEAD is GET.
        path: As the application matches it, so with percent signs decoded.
    """
    if method == "HEAD":
        method = "GET"
    found = _EXACT.get((method, path))
    if found is not None:
        return found
    for its_method, pattern, rule in _PATTERNS:
        # Not match(): that takes a line break after the last sign for the end.
        if its_method == method and pattern.fullmatch(path):
            return rule
    return UNLISTED_READ if method in _READS else UNLISTED


def subject_of(path: str) -> str:
    """The experiment that a path names; empty where it names none."""
    for _, pattern, _ in _PATTERNS:
        found = pattern.fullmatch(path)
        if found and "name" in pattern.groupindex:
            return found["name"]
    return ""
