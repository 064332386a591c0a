"""Web pages of others: closed to them, but for the origins that are allowed by name.

A browser sends a page's requests to any address, this machine's own among them, and says which page it was in
``Origin``. One that is neither ours nor allowed is refused before anything happens; no answer ever allows the page to
read it. Where nobody is asked for a key a name is checked as well: a page may point its own name at this machine.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from prometheus_client import Counter
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_errors import refuse

_METHODS = "GET, POST, PUT, PATCH, DELETE"
_HEADERS = "authorization, content-type, x-api-key, x-request-id"
_MAX_AGE_S = 600


class Origins:
    """Refuses requests of web pages from elsewhere.

    Args:
        app: What answers the others.
        allowed: Origins that may, as browsers say them: ``https://shop.example``.
        local_names_only: Take only requests whose ``Host`` is a name or address of this machine.
        refused: Counts refused requests by reason.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str], *, local_names_only: bool, refused: Counter) -> None:
        self._app = app
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._local_names_only = local_names_only
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        origin = host = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
        if self._local_names_only and host is not None and not is_local(host):
            self._refused.labels("host").inc()
            reason = "this server answers to names of this machine alone, e.g. 127.0.0.1, since it asks for no key"
            await refuse(421, reason)(scope, receive, send)
            return
        if origin is None:
            await self._app(scope, receive, send)
            return
        if origin in self._allowed:
            await self._answer_allowed(origin, scope, receive, send)
        elif _is_same(origin, host) and not _is_preflight(scope):
            await self._app(scope, receive, send)
        else:
            self._refused.labels("origin").inc()
            reason = "web pages of other origins may not use this server; the setting cors_origins allows one by name"
            await refuse(403, reason)(scope, receive, send)

    async def _answer_allowed(self, origin: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        if _is_preflight(scope):
            told = {
                "access-control-allow-methods": _METHODS,
                "access-control-allow-headers": _HEADERS,
                "access-control-max-age": str(_MAX_AGE_S),
            }
            response = Response(status_code=204, headers=told)
            response.raw_headers += headers
            await response(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        await self._app(scope, receive, send_allowed)


#: Remembered: nearly all requests name one of a few.
_LOCAL: dict[bytes, bool] = {}
_MOST_REMEMBERED = 64


def is_local(host: bytes) -> bool:
    """Whether a ``Host`` header names this machine: ``localhost:8080``, ``127.0.0.1``, ``[::1]:8080``."""
    known = _LOCAL.get(host)
    if known is None:
        known = is_loopback(_name(host))
        if len(_LOCAL) < _MOST_REMEMBERED:
            _LOCAL[host] = known
    return known


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own, which no other machine reaches."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: bytes) -> str:
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:
        return ""


def _is_same(origin: bytes, host: bytes | None) -> bool:
    """Whether a page came from the server that is asked; what is before it may have spoken TLS."""
    return host is not None and origin.lower().partition(b"://")[2] == host.lower()


def _is_preflight(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "OPTIONS"
