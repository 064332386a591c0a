"""Epochs that tell how far they are, where they take long enough for somebody to wonder."""

from __future__ import annotations

import time
from collections.abc import Iterator

from core.progress import report

_SECONDS_BETWEEN_REPORTS = 5.0


def reported_epochs(name: str, epochs: int) -> Iterator[int]:
    """0 … epochs - 1, each reported when the caller comes back for the next, at most every few seconds.

    Args:
        name: Whose epochs they are.
        epochs: How many.
    """
    reported = time.monotonic()
    for epoch in range(epochs):
        yield epoch
        if time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            report("epochs", epoch + 1, epochs, f"epochs of {name}")
