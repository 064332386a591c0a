"""Puts the layers of access control around the policy server's application."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import Engine
from starlette.types import ASGIApp

from core.settings import Settings
from serving.access.audit_trail import AuditTrail
from serving.access.input_limits import InputLimits
from serving.access.key_ring import KeyRing
from serving.access.keys_layer import KeysLayer
from serving.access.origins import Origins, is_loopback

_log = logging.getLogger(__name__)


def asks_for_keys(access: str, address: str) -> bool:
    """Whether a server at an address asks for keys, by the setting ``access``."""
    return access == "keys" or (access == "" and not is_loopback(address))


@contextmanager
def guarded(
    app: ASGIApp, engine: Engine, settings: Settings, address: str, registry: CollectorRegistry
) -> Iterator[ASGIApp]:
    """The application behind its layers; what they have to write is written at the end of the block.

    Args:
        app: The policy server's.
        engine: The event database.
        settings: ``access`` and ``cors_origins`` count.
        address: That the server is bound to.
        registry: Gets the counters.

    Raises:
        EventLogError: The keys cannot be read.
    """
    refused = Counter(
        "screentest_refused",
        "Requests refused before any route: key, failures, rate, role, scope, origin, host.",
        ["reason"],
        registry=registry,
    )
    lost = Counter("screentest_lost_audit_entries", "Entries that the audit log failed to keep.", registry=registry)
    keys = asks_for_keys(settings.access, address)
    with ExitStack() as stack:
        ring = None
        if keys:
            ring = KeyRing(engine)
            ring.start()
            stack.callback(ring.close)
            if not len(ring):
                _log.warning("nobody has an API key for this server yet; `screentest keys create` makes one")
        elif not is_loopback(address):
            _log.warning("access is open, and this server listens on %s: whoever reaches it may do anything", address)
        trail = AuditTrail(engine, lost)
        stack.callback(trail.close)
        local = not keys and is_loopback(address)
        inner = KeysLayer(app, ring, trail, refused)
        yield InputLimits(Origins(inner, settings.cors_origins, local_names_only=local, refused=refused))
