"""Files of any size, read block by block: at no time does more than a block lie in memory beside the values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from loaders.delimited import BOM, Table, header_of, no_rows, parse_rows, parse_table
from loaders.layouts import TableSpec
from loaders.lines import line_texts_in_blocks
from loaders.members import Members
from loaders.problems import Problem

#: Bytes of a block: large enough for pyarrow's threads, small beside the values of a file that needs several.
BLOCK = 2**25
_GROWTH = 1.25


def _as_it_is(table: Table) -> Table:
    return table


def read_delimited(
    members: Members, name: str, spec: TableSpec, *, finish: Callable[[Table], Table] = _as_it_is
) -> Table:
    """Read a file of separated text.

    Args:
        members: Where it lies.
        name: The member.
        spec: How it should be written.
        finish: What is to be done with the rows of every block before they are joined.

    Returns:
        What ``parse_table`` returns for its whole content.

    Raises:
        DataError: It cannot be read.
    """
    file = f"{members.path}/{name}"
    blocks = members.blocks(name, BLOCK)
    first, second = next(blocks, b""), next(blocks, b"")
    if not second:
        return finish(parse_table(first, spec, file))
    tables = map(finish, _tables(first, chain([second], blocks), spec, file))
    return merged(tables, spec, file, texts=partial(texts_of, members, name))


def texts_of(members: Members, name: str, lines: npt.NDArray[np.int64]) -> list[str]:
    """The text of some lines (ascending numbers) of a member, which is read again for it."""
    return line_texts_in_blocks(members.blocks(name, BLOCK), lines)


def _tables(first: bytes, others: Iterator[bytes], spec: TableSpec, file: str) -> Iterator[Table]:
    """A table for each block."""
    names = header_of(first.removeprefix(BOM), spec.separator) if spec.header else spec.headers
    lines_before, block = 0, first
    while block:
        # What cannot be cut here is read in one piece.
        following = b"".join(others) if _cuts_a_quote(block, spec) else next(others, b"")
        last = not following or following.isspace() or _cuts_a_quote(block, spec)
        if last:
            block, following = b"".join([block, following, *others]), b""
        if lines_before == 0:
            table = parse_table(block, spec, file, last=last)
        else:
            table = parse_rows(block, names, spec, file, lines_before=lines_before, last=last)
        yield table
        if not table.usable:
            return
        lines_before += block.count(b"\n")
        block = following


def _cuts_a_quote(block: bytes, spec: TableSpec) -> bool:
    """A quote is open at the end of the block: its value goes on in the next."""
    return spec.quoted and block.count(b'"') % 2 == 1


def merged(
    tables: Iterable[Table],
    spec: TableSpec,
    file: str,
    *,
    texts: Callable[[npt.NDArray[np.int64]], list[str]],
) -> Table:
    """One table of the rows of several, in order.

    Args:
        tables: Parts of one file, at least one; each is let go of once it is taken in.
        spec: The columns of every part.
        file: Its name, for messages.
        texts: ``Table.texts`` of the whole.

    Returns:
        The rows of all, and their problems, those of one kind together; no rows if a part cannot be used.
    """
    columns = {column.name: _Growing() for column in spec.read_columns}
    rows: list[_Rows] = []
    problems: list[Problem] = []
    for table in tables:
        problems += table.problems
        if not table.usable:
            return no_rows(spec, file, *(problem for problem in problems if problem.fatal))
        rows.append(_Rows(table.first_line, table.lines, len(table.frame)))
        for name, column in columns.items():
            column.add(table.frame[name].to_numpy())
    # What pyarrow keeps for the next block.
    pa.default_memory_pool().release_unused()
    frame = pd.DataFrame({name: column.values() for name, column in columns.items()}, copy=False)
    return Table(file, frame, tuple(_joined(problems)), _lines(rows), rows[0].first_line, texts)


class _Growing:
    """A column to which parts are added; it never lies in memory twice, as joining the parts at the end would make it.

    The operating system gives a large array more room where it lies, or moves its pages without copying them.
    """

    def __init__(self) -> None:
        self._array: npt.NDArray[Any] = np.empty(0)
        self._count = 0

    def add(self, part: npt.NDArray[Any]) -> None:
        count = self._count + len(part)
        if self._count == 0:
            self._array = part.copy()
        elif count > len(self._array):
            self._array.resize(max(count, int(_GROWTH * len(self._array))), refcheck=False)
        self._array[self._count : count] = part
        self._count = count

    def values(self) -> npt.NDArray[Any]:
        self._array.resize(self._count, refcheck=False)
        return self._array


class _Rows(NamedTuple):
    """Where the rows of a part stand; see ``Table``."""

    first_line: int
    lines: npt.NDArray[np.int64] | None
    n_rows: int


def _lines(rows: Sequence[_Rows]) -> npt.NDArray[np.int64] | None:
    if all(part.lines is None for part in rows):
        return None
    return np.concatenate(
        [np.arange(first, first + n_rows) if lines is None else lines for first, lines, n_rows in rows]
    )


def _joined(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems that differ in their lines only become one."""
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.kind, problem.what, problem.expected), []).append(problem)
    for same in alike.values():
        lines = np.concatenate([problem.lines for problem in same])
        yield replace(same[0], lines=lines, values=[value for problem in same for value in problem.values])
