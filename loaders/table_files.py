"""A table in a file of any kind: which columns it has, and its rows in the types wanted."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath

from loaders.blocks import read_delimited
from loaders.delimited import BOM, Table, header_of
from loaders.layouts import TableSpec
from loaders.members import Members
from loaders.times import TimeUnit

#: Bytes and rows at the start of a file from which the kind of a column is told.
HEAD, HEAD_ROWS = 2**18, 1_000
_SEPARATORS = (",", ";", "\t", "|")


class TableFile(ABC):
    """One member that holds a table.

    Args:
        members: Where it lies.
        name: The member.

    Attributes:
        columns: What it calls its columns; empty if it cannot be read at all.
        fault: Why it cannot, where that is known.

    Raises:
        DataError: It cannot be opened.
    """

    columns: list[str]
    fault: str = ""

    def __init__(self, members: Members, name: str) -> None:
        self.members = members
        self.name = name
        self.file = f"{members.path}/{name}"

    @abstractmethod
    def holds_integers(self, column: str) -> bool:
        """Whether most of the first rows hold a whole number there: a blank or an error is a bad row, no other kind."""

    def time_unit(self, column: str) -> TimeUnit:
        """``iso`` for text, ``us`` for times, else ``s``, whatever its numbers mean."""
        return "s" if self.holds_integers(column) else "iso"

    def spec(self, spec: TableSpec) -> TableSpec:
        """How this file writes the columns of a spec."""
        return spec

    @abstractmethod
    def read(self, spec: TableSpec, finish: Callable[[Table], Table]) -> Table:
        """Every row.

        Args:
            spec: The columns wanted; all of them are among ``columns``.
            finish: What is to be done with the rows of every part before they are joined.

        Raises:
            DataError: The file cannot be read.
        """


class CsvFile(TableFile):
    """Separated text with a header; separated by whichever of comma, semicolon, tab and bar its header holds most."""

    def __init__(self, members: Members, name: str) -> None:
        super().__init__(members, name)
        head = next(members.blocks(name, HEAD), b"").removeprefix(BOM)
        first = head.partition(b"\n")[0].decode(errors="backslashreplace")
        self._separator = max(_SEPARATORS, key=first.count)
        self.columns = header_of(head, self._separator) if head.strip() else []
        self._head = _rows(head, self._separator)[1:]

    def holds_integers(self, column: str) -> bool:
        """Whether most of the first rows hold a whole number there."""
        place = self.columns.index(column)
        values = [row[place].strip() for row in self._head if len(row) > place]
        numbers = [value for value in values if value.removeprefix("-").isdecimal()]
        return 2 * len(numbers) > len(values)

    def spec(self, spec: TableSpec) -> TableSpec:
        """How this file writes the columns of a spec."""
        return replace(spec, file=PurePosixPath(self.name).name, separator=self._separator, header=True, quoted=True)

    def read(self, spec: TableSpec, finish: Callable[[Table], Table]) -> Table:
        """Every row, checked line by line."""
        return read_delimited(self.members, self.name, spec, finish=finish)


def _rows(head: bytes, separator: str) -> list[list[str]]:
    """The values of the first lines, as far as they can be told apart; the last may have been cut."""
    lines = io.StringIO(head[: head.rfind(b"\n") + 1 or None].decode(errors="replace"), newline="")
    rows: list[list[str]] = []
    try:
        for row in islice(csv.reader(lines, delimiter=separator), HEAD_ROWS):
            rows.append(row)
    except csv.Error:
        pass
    return rows
