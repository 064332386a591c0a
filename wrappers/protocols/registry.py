"""The protocols there are. To add one: its file, and a line here."""

from __future__ import annotations

from core.plugins import known, resolve
from wrappers.protocols.protocol import Protocol

PROTOCOLS = {
    "ms75": "wrappers.protocols.ms75:MS75",
    "loo99": "wrappers.protocols.loo99:LOO99",
    "full811": "wrappers.protocols.full811:Full811",
    "rating5": "wrappers.protocols.rating5:Rating5",
    "temporal": "wrappers.protocols.temporal:Temporal",
}


def protocol(name: str) -> Protocol:
    """The protocol registered under a name.

    Raises:
        UnknownName: Nobody registered the name.
    """
    return resolve("protocol", name, PROTOCOLS, base=Protocol, where="wrappers/protocols/registry.py")()


def protocol_names() -> list[str]:
    """Every name that :func:`protocol` knows, ascending."""
    return sorted(known("protocol", PROTOCOLS))
