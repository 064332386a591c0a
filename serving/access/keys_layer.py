"""Asks every caller for a key, as far as the rules say so; limits what it may send; writes down what it changed.

A key comes in a header, never in the address, which is logged on its way: ``Authorization: Bearer st_…`` or
``X-API-Key``. A browser cannot set headers of a WebSocket: it offers two protocols, ``screentest`` and the key.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from typing import NamedTuple

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.audit import AuditEntry
from serving.access.audit_trail import AuditTrail
from serving.access.caller import CALLER
from serving.access.key_ring import KeyRing, KnownKey
from serving.access.rules import WEBSOCKET, Rule, rule_for, subject_of
from serving.access.token_bucket import BucketPerAddress
from serving.http_errors import refuse

#: The WebSocket protocol that a browser offers beside its key.
SUBPROTOCOL = "screentest"
#: Who acts where nobody is asked.
ANYONE = "anyone"
#: Failed attempts of an address that are answered with their reason.
_FAILURES_PER_S, _FAILURES_AT_ONCE = 1.0, 20.0
#: Nothing there to be changed; or refused for its number, which is limited to spare the log.
_UNWRITTEN = frozenset({404, 405, 429})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LONGEST = 400
_UNAVAILABLE = b'{"error":"this cannot be answered at the moment; try again"}'


class _Refusal(NamedTuple):
    status: int
    cause: str
    reason: str
    wait_s: float = 0.0


class KeysLayer:
    """Lets those through who may.

    Args:
        app: What answers them.
        ring: The keys; None: nobody is asked for one.
        trail: Of what is changed.
        refused: Counts refused requests by reason.
    """

    def __init__(self, app: ASGIApp, ring: KeyRing | None, trail: AuditTrail, refused: Counter) -> None:
        self._app = app
        self._ring = ring
        self._trail = trail
        self._refused = refused
        self._failures = BucketPerAddress(_FAILURES_PER_S, _FAILURES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, self._closing(send))
            return
        rule = rule_for(scope["method"] if kind == "http" else WEBSOCKET, scope["path"])
        ring = self._ring
        if rule.role is None or (ring is None and not rule.audited):
            await self._app(scope, receive, send)
            return
        key = None if ring is None else ring.find(_token(scope))
        refusal = None if ring is None else self._refusal(scope, rule, key)
        if key is not None and rule.audited:
            # Retraining keeps who asked for it.
            scope[CALLER] = key.name
        if rule.audited and (key is not None or ring is None):
            await self._audited(key, refusal, scope, receive, send)
        elif refusal is not None:
            await self._refuse(refusal, scope, receive, send)
        elif kind == "websocket" and ring is not None and key is not None:
            await self._app(_without_key(scope), receive, _while_live(ring, key, scope, send))
        elif key is not None and key.traffic_only:
            await self._app(scope, receive, _discreet(send))
        else:
            await self._app(scope, receive, send)

    def _closing(self, send: Send) -> Send:
        """Writes what waits before the server ends: a signal may end the process right after."""

        async def send_closed(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self._trail.close)
            await send(message)

        return send_closed

    def _refusal(self, scope: Scope, rule: Rule, key: KnownKey | None) -> _Refusal | None:
        """Why a request may not pass; None: it may."""
        now = time.monotonic()
        if key is None:
            # A good key passes always: whoever shares its address must not lock it out.
            wait = self._failures.take(scope["client"][0] if scope["client"] else "", now)
            if wait:
                return _Refusal(429, "failures", "too many attempts without a valid key; come back later", wait)
            return _Refusal(401, "key", "no valid API key; send one as Authorization: Bearer st_… (SECURITY.md)")
        wait = key.requests.take(now) or (key.changes.take(now) if rule.audited else 0.0)
        if wait:
            return _Refusal(429, "rate", f"key {key.name!r} has used up its rate; come back later", wait)
        if key.rank < rule.rank:
            return _Refusal(403, "role", f"key {key.name!r} is a {key.role}'s; this needs the role {rule.role}")
        if key.traffic_only and not rule.traffic:
            return _Refusal(403, "scope", f"key {key.name!r} is for traffic alone; this needs another one")
        return None

    async def _refuse(self, refusal: _Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        self._refused.labels(refusal.cause).inc()
        headers = {}
        if refusal.status == 401:
            headers["www-authenticate"] = 'Bearer realm="screentest"'
        if refusal.wait_s:
            headers["retry-after"] = str(math.ceil(refusal.wait_s))
        await refuse(refusal.status, refusal.reason, headers)(scope, receive, send)

    async def _audited(
        self, key: KnownKey | None, refusal: _Refusal | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer, and write down what was answered."""
        request_id = _request_id(scope)

        async def send_written(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] not in _UNWRITTEN:
                    self._trail.add(_entry(key, scope, message, request_id))
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", request_id.encode())]}
            await send(message)

        if refusal is None:
            await self._app(scope, receive, send_written)
        else:
            await self._refuse(refusal, scope, receive, send_written)


def _token(scope: Scope) -> bytes:
    """The key that a caller sent; empty where it sent none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.partition(b" ")
            return token.strip() if kind.lower() == b"bearer" else b""
        if name == b"x-api-key":
            return value
    if scope["type"] == "websocket" and SUBPROTOCOL in scope["subprotocols"]:
        return next((offer for offer in scope["subprotocols"] if offer.startswith("st_")), "").encode()
    return b""


def _without_key(scope: Scope) -> Scope:
    """The scope without the protocol that is a key: it is no protocol, and nobody's business any more."""
    return {**scope, "subprotocols": [offer for offer in scope["subprotocols"] if not offer.startswith("st_")]}


def _while_live(ring: KeyRing, key: KnownKey, scope: Scope, send: Send) -> Send:
    """Sends on a WebSocket as long as its key is taken, and closes it then."""

    async def send_while_live(message: Message) -> None:
        if message["type"] == "websocket.accept" and SUBPROTOCOL in scope["subprotocols"]:
            # A browser that offered protocols gives up where none is chosen.
            message = {**message, "subprotocol": message.get("subprotocol") or SUBPROTOCOL}
        elif message["type"] == "websocket.send" and not ring.is_live(key):
            await send({"type": "websocket.close", "code": 1008, "reason": "the key is no longer valid"})
            # What Starlette takes for a caller who is gone.
            raise ConnectionAbortedError("the key is no longer valid")
        await send(message)

    return send_while_live


def _discreet(send: Send) -> Send:
    """Sends a 503 without its reason, which names servers and databases: a key for traffic is soon a stranger's."""
    hidden = False

    async def send_discreetly(message: Message) -> None:
        nonlocal hidden
        if message["type"] == "http.response.start" and message["status"] == 503:
            hidden = True
            others = [header for header in message["headers"] if header[0] != b"content-length"]
            message = {**message, "headers": [*others, (b"content-length", b"%d" % len(_UNAVAILABLE))]}
        elif hidden and message["type"] == "http.response.body":
            message = {**message, "body": b"" if message.get("more_body") else _UNAVAILABLE}
        await send(message)

    return send_discreetly


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex


def _entry(key: KnownKey | None, scope: Scope, answer: Message, request_id: str) -> AuditEntry:
    # As it was sent: percent signs and all, so nothing that a terminal would obey.
    path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
    subject = subject_of(scope["path"])
    if not subject:
        made = next((value for name, value in answer.get("headers", ()) if name == b"location"), b"").decode("latin-1")
        subject = subject_of(made)
    return AuditEntry(
        ts=time.time(),
        who=ANYONE if key is None else key.name,
        role="" if key is None else key.role,
        method=scope["method"],
        path=_printable(path),
        subject=_printable(subject),
        status=answer["status"],
        request_id=request_id,
    )


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[:_LONGEST])
