"""How a message shows a value that somebody sent."""

from __future__ import annotations

from typing import Any

_LONGEST = 80


def shown(value: Any) -> str:
    """The value's ``repr``, cut to 80 characters: a request may hold megabytes.

    >>> shown(["x"] * 100)[-12:]
    "', 'x', '..."
    """
    try:
        text = repr(value)
    except RecursionError:
        # JSON may be nested more deeply than Python's own repr can follow.
        return f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
