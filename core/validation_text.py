"""What pydantic found wrong, in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import ValidationError


class Problem(NamedTuple):
    """One value at fault.

    Attributes:
        name: Its place, dotted: ``rollout.steps.0.percent``; empty for the document itself.
        given: What was given.
        message: What is allowed, in pydantic's words.
        kind: pydantic's type of the error, e.g. ``extra_forbidden``.
    """

    name: str
    given: Any
    message: str
    kind: str


def as_equation(problem: Problem) -> str:
    """``k == 0: Input should be greater than or equal to 1``."""
    return f"{problem.name} == {problem.given!r}: {problem.message}"


def in_one_line(error: ValidationError, write: Callable[[Problem], str] = as_equation) -> str:
    """Every problem of a validation, separated by semicolons.

    Args:
        error: What pydantic raised.
        write: How one problem is told.
    """
    found = (
        # A validator's own words stand for themselves.
        Problem(
            ".".join(str(part) for part in item["loc"]),
            item["input"],
            item["msg"].removeprefix("Value error, "),
            item["type"],
        )
        for item in error.errors()
    )
    return "; ".join(write(problem) for problem in found)
