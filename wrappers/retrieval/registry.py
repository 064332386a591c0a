"""Where candidates come from. To add a source: its file, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.plugins import resolve

if TYPE_CHECKING:
    from wrappers.retrieval.source import CandidateSource

SOURCES = {
    "collaborative": "wrappers.retrieval.collaborative:Collaborative",
    "content": "wrappers.retrieval.content:Content",
    "popular": "wrappers.retrieval.popular:Popular",
    "new": "wrappers.retrieval.new:New",
}


def source(name: str) -> type[CandidateSource]:
    """The source registered under a name.

    Raises:
        UnknownName: There is none.
        ConfigError: Its module or class is missing.
    """
    from wrappers.retrieval.source import CandidateSource

    return resolve("candidate source", name, SOURCES, base=CandidateSource, where="wrappers/retrieval/registry.py")
