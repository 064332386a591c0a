"""How a message shows a value that somebody sent, or why a server was not reached."""

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


def cause_of(error: BaseException) -> str:
    """What lies at the bottom of an error of an HTTP client, which wraps it in several of its own, in one line.

    >>> try:
    ...     try:
    ...         raise ConnectionRefusedError(111, "Connection refused")
    ...     except OSError:
    ...         raise ValueError("HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded")
    ... except ValueError as error:
    ...     print(cause_of(error))
    [Errno 111] Connection refused
    """
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(str(error).split())
