"""MovieLens ratings from a folder or zip on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from core.errors import DataError
from core.interactions import Interactions
from loaders.base import BaseLoader, SplitRule
from loaders.layouts import locate
from loaders.members import open_members
from loaders.movielens import Reading, read_movielens
from loaders.problems import Problem, first_error
from loaders.quarantine import write_quarantine
from loaders.set_aside import SetAside, count_set_aside


class LocalDataLoader(BaseLoader):
    """Reads any MovieLens layout of ``loaders/layouts.py``, checked line by line.

    Args:
        path: A folder or zip; ``~`` is understood.
        split: How to divide train and test.
        quarantine: A CSV to set bad lines aside in (file, line, reason, text), so that the others can be used.
            None: the first bad line is an error. A file without its columns, or with no good line, always is.
    """

    def __init__(self, path: str | Path, *, split: SplitRule | None = None, quarantine: Path | None = None) -> None:
        super().__init__(split=split or SplitRule())
        self.path = Path(path).expanduser()
        self.quarantine = quarantine
        self.problems: tuple[Problem, ...] = ()
        """What is wrong, and set aside if there is a quarantine; known once the data are read."""
        self.n_quarantined = 0
        """Lines set aside."""
        self.set_aside: tuple[SetAside, ...] = ()
        """Likewise, by file."""

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
        """The loader of a path; seed and columns have no use here."""
        return cls(source, split=split)

    @property
    def source(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def layout(self) -> str:
        """E.g. "ml-1m"."""
        return locate(open_members(self.path)).layout.name

    def read(self) -> Interactions:
        """Read and check everything.

        Raises:
            DataError: The path is missing, is no MovieLens layout or is damaged; or a line is bad and there is
                no quarantine. The message counts the other problems.
        """
        reading = self.inspect(drop=self.quarantine is not None)
        self.problems = reading.problems
        if self.quarantine is not None:
            self.n_quarantined = write_quarantine(self.quarantine, reading.tables)
            self.set_aside = count_set_aside(reading.tables)
        usable(reading, self.path, dropped=self.quarantine is not None)
        return reading.interactions

    def inspect(self, *, drop: bool) -> Reading:
        """What there is and what is wrong with it; see :func:`inspect`."""
        return inspect(self.path, drop=drop)


def inspect(path: str | Path, *, drop: bool = False) -> Reading:
    """Read a folder or zip and report what is wrong with it, without raising for bad lines.

    Args:
        path: A folder or zip.
        drop: The caller goes on without the bad lines; see ``read_movielens``.

    Raises:
        DataError: The path is missing, is no MovieLens layout or is damaged.
    """
    return read_movielens(open_members(Path(path).expanduser()), drop=drop)


def usable(reading: Reading, path: str | Path, *, dropped: bool) -> None:
    """Refuse what cannot be used.

    Args:
        reading: What was found.
        path: Where, for messages.
        dropped: Bad lines have been set aside.

    Raises:
        DataError: A line is bad and was not set aside, a file lacks its columns, or no rating is left.
    """
    fatal = [problem for problem in reading.problems if problem.fatal]
    in_the_way = fatal or ([] if dropped else reading.problems)
    if in_the_way:
        raise first_error(in_the_way, f"`screentest data check {path}` lists them")
    if not len(reading.interactions):
        raise DataError("no rating is left after the bad lines were set aside; expected at least one", file=str(path))


def validate(path: str | Path) -> list[Problem]:
    """Everything that is wrong with a folder or zip, each kind once per file with all its lines.

    Returns:
        The problems by file; empty if there are none. A path that is missing, damaged or of no known layout is
        a problem like any other.
    """
    try:
        return list(inspect(path).problems)
    except DataError as error:
        return [Problem.of(error)]
