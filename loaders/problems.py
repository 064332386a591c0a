"""What is wrong with a data file, in words that name file, line and expectation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError

#: Lines of one kind that are spelled out before "and 12 more".
SHOWN = 5


def _no_lines() -> npt.NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


def missing_words(columns: Sequence[str]) -> str:
    """That columns are missing, to put behind those that are there; empty where none is.

    >>> missing_words(["rating", "timestamp"])
    ': rating and timestamp are missing'
    """
    if not columns:
        return ""
    return f": {' and '.join(columns)} {'is' if len(columns) == 1 else 'are'} missing"


@dataclass(frozen=True, eq=False)
class Problem:
    """One kind of fault in one file, with every line that has it.

    Attributes:
        kind: A word for programs, e.g. "out_of_range", "duplicate", "not_utf8".
        file: The file or zip member.
        what: What is wrong; ``{}`` stands for the line's value.
        expected: What is allowed; empty where ``what`` says so itself.
        lines: (count,) int64, 1-based, ascending, a header counting as line 1; empty where the file as a whole
            is at fault.
        values: (count,) what stands on each line, for ``what``.
        fatal: The file cannot be used; dropping lines mends nothing.
    """

    kind: str
    file: str
    what: str
    expected: str
    lines: npt.NDArray[np.int64] = field(default_factory=_no_lines)
    values: Sequence[Any] | npt.NDArray[Any] = ()
    fatal: bool = False

    @classmethod
    def of(cls, error: DataError) -> Problem:
        """The problem that an error tells of: the data set as a whole cannot be read."""
        return cls("unreadable", error.file or "", error.problem, "", fatal=True)

    @property
    def count(self) -> int:
        """Lines at fault; 1 for the file as a whole."""
        return max(len(self.lines), 1)

    @property
    def first_line(self) -> int | None:
        """The first line at fault, where one is known."""
        return int(self.lines[0]) if len(self.lines) else None

    def reason(self, place: int = 0) -> str:
        """What is wrong on the line at that place of ``lines``, and what was expected."""
        what = self.what.format(_shown(self.values[place])) if len(self.values) else self.what
        return f"{what}; expected {self.expected}" if self.expected else what

    def error(self, others: str = "") -> DataError:
        """The first line at fault as an error; ``others`` says what else there is."""
        return DataError(self.reason() + others, file=self.file, line=self.first_line)

    def texts(self, shown: int = SHOWN) -> Iterator[str]:
        """One text per line at fault, the first ``shown`` of them, then how many more there are."""
        if not len(self.lines):
            yield str(self.error())
            return
        for place, line in enumerate(self.lines[:shown]):
            yield f"{self.file}:{line}: {self.reason(place)}"
        if self.count > shown:
            yield f"{self.file}: {self.count - shown} more lines with this problem ({self.kind})"

    def as_dict(self, shown: int = SHOWN) -> dict[str, Any]:
        """For JSON: kind, file, count, the first lines, and the first line's message."""
        return {
            "kind": self.kind,
            "file": self.file,
            "count": self.count,
            "lines": self.lines[:shown].tolist(),
            "message": self.reason(),
            "expected": self.expected,
        }


def first_error(problems: Sequence[Problem], advice: str) -> DataError:
    """The first problem as an error that also counts the others.

    Args:
        problems: At least one, in the order of the files.
        advice: How to see the others, for the message.
    """
    others = sum(problem.count for problem in problems) - 1
    if not others:
        return problems[0].error()
    return problems[0].error(f" (and {others} more {'problem' if others == 1 else 'problems'}; {advice})")


def _shown(value: Any, longest: int = 60) -> str:
    text = str(value)
    return text if len(text) <= longest else f"{text[:longest]}…"
