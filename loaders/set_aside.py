"""How much of each file was set aside in a quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from loaders.delimited import Table
from loaders.problems import Problem


class SetAside(NamedTuple):
    """One file's lines.

    Attributes:
        file: The file or zip member.
        n_lines: Lines that hold a row, good or bad.
        n_set_aside: The bad ones.
    """

    file: str
    n_lines: int
    n_set_aside: int

    @property
    def share(self) -> float:
        """Share of the lines set aside, 0 … 1; 0 for a file without lines."""
        return self.n_set_aside / self.n_lines if self.n_lines else 0.0


@runtime_checkable
class Quarantining(Protocol):
    """A loader that can set bad lines aside.

    Attributes:
        quarantine: The CSV to set them aside in; None: the first bad line is an error. Given before the data are read.
        problems: What was set aside, known once the data are read.
        set_aside: Likewise, counted by file.
    """

    quarantine: Path | None
    problems: tuple[Problem, ...]
    set_aside: tuple[SetAside, ...]


def count_set_aside(tables: Iterable[Table]) -> tuple[SetAside, ...]:
    """The lines of each table, and how many of them are not among its rows.

    Args:
        tables: Read with their bad lines dropped.
    """
    return tuple(_count(table) for table in tables)


def _count(table: Table) -> SetAside:
    lines = [problem.lines for problem in table.problems if not problem.fatal]
    n_bad = len(np.unique(np.concatenate(lines))) if lines else 0
    return SetAside(table.file, len(table.frame) + n_bad, n_bad)
