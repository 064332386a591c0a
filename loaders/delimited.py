"""Separated text to typed columns, vectorised, with the line number of every row.

A sound file takes one pass of pyarrow. Only a block that pyarrow refuses is read a second time, as text
(``loaders/salvage.py``), to find out which lines are at fault. ``loaders/blocks.py`` reads files of any size block by
block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from loaders.layouts import TableSpec
from loaders.lines import line_texts, row_starts
from loaders.problems import Problem, missing_words

ARROW_TYPES = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.string()}
_PANDAS_TYPES: dict[str, Any] = {"int64": "int64", "float32": "float32", "string": object}
#: Bytes from which several threads read faster than one. A smaller file does without: a process that used pyarrow's
#: threads now and then aborts when it ends (apache/arrow#34314).
THREADS_FROM = 2**23
_NOT_BLANK = re.compile(rb"\S")
#: Byte-order mark that some programs put before UTF-8.
BOM = b"\xef\xbb\xbf"
#: ASCII's own separator between values: no MovieLens text holds it.
_UNIT_SEPARATOR = "\x1f"


def _no_texts(lines: npt.NDArray[np.int64]) -> list[str]:
    return [""] * len(lines)


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a file that can be read, and what is wrong with the others.

    Attributes:
        file: The file or zip member.
        frame: One row per good line, columns named as in ``Column.name``.
        problems: What was found so far.
        lines: (n_rows,) int64 line of each row; None where row i is line ``first_line + i``.
        first_line: Line of the first row.
        texts: Gives the text of lines by their numbers, ascending; a row of a file without lines is a line of JSON.
    """

    file: str
    frame: pd.DataFrame
    problems: tuple[Problem, ...] = ()
    lines: npt.NDArray[np.int64] | None = None
    first_line: int = 1
    texts: Callable[[npt.NDArray[np.int64]], list[str]] = _no_texts

    @property
    def usable(self) -> bool:
        """The file has the expected columns, whatever some of its lines hold."""
        return not any(problem.fatal for problem in self.problems)

    def lines_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(m,) line numbers of the given row positions."""
        return rows + self.first_line if self.lines is None else self.lines[rows]

    def without(self, rows: npt.NDArray[np.int64], *problems: Problem) -> Table:
        """The table without some rows (positions), and the problems they have."""
        keep = np.ones(len(self.frame), dtype=bool)
        keep[rows] = False
        lines = self.lines_of(np.flatnonzero(keep))
        frame = self.frame[keep].reset_index(drop=True)
        return replace(self, frame=frame, lines=lines, problems=(*self.problems, *problems))

    def with_column(self, name: str, values: npt.NDArray[Any]) -> Table:
        """The table with a column put in or replaced; the others are not copied."""
        columns = {column: self.frame[column].to_numpy() for column in self.frame}
        return replace(self, frame=pd.DataFrame({**columns, name: values}, copy=False))


class OddRow(NamedTuple):
    """A row with too many or too few values.

    Attributes:
        number: Its line.
        n_values: How many values it has.
        text: The row as it stands.
    """

    number: int
    n_values: int
    text: str


class DelimitedText:
    """The bytes of a file or of a block of its lines, and how to make pyarrow read them.

    Args:
        body: UTF-8 (or what claims to be), without byte-order mark.
        names: The file's columns in its order.
        spec: How the file should be written.
        lines_before: Lines of the file before this block; the first block holds the header.
        last: No block follows.
    """

    def __init__(
        self, body: bytes, names: list[str], spec: TableSpec, *, lines_before: int = 0, last: bool = True
    ) -> None:
        self.body = body
        self.names = names
        self.spec = spec
        self.lines_before = lines_before
        self.last = last
        self.n_headers = int(spec.header and lines_before == 0)
        self.first_line = lines_before + self.n_headers + 1
        self.recoded = spec.encoding == "utf-8" and not body.isascii()
        """Whether :meth:`as_text` passes bytes on as Latin-1, so that UTF-8 is still to be checked."""
        # Blank lines at the end of a file are no rows.
        self._starts = row_starts(body.rstrip(b"\r\n") if last else body) if spec.quoted else None

    def typed(self) -> pa.Table | None:
        """The read columns in their types; None if any line does not fit."""
        body, names, separator = self.body, self.names, self.spec.separator
        types = {column.header: ARROW_TYPES[column.type] for column in self.spec.read_columns}
        if separator == "::" and self.spec.numeric:
            # With ":" as separator every second column is empty: no copy of the file is needed.
            names = [part for name in names for part in (name, f"after {name}")][:-1]
            types |= {f"after {name}": pa.null() for name in self.names[:-1]}
            separator = ":"
        elif separator == "::":
            body, separator = _single_separator(body)
        try:
            table = self._read(body, separator, names, types, len(body) >= THREADS_FROM, None)
        except pa.ArrowInvalid:
            return None
        table = table.select([column.header for column in self.spec.read_columns])
        return None if any(column.null_count for column in table.columns) else table

    def as_text(self) -> tuple[pa.Table, list[OddRow]]:
        """Every column as text, and the rows with too many or too few values.

        Raises:
            pyarrow.ArrowInvalid: Not even the rows can be told apart.
        """
        # Blank lines at the end of a file are no rows.
        body, separator = self.body.rstrip(b"\r\n") if self.last else self.body, self.spec.separator
        if separator == "::":
            body, separator = _single_separator(body)
        if self.recoded:
            body = body.decode("latin-1").encode()
        odd: list[OddRow] = []

        def note(row: Any) -> Literal["skip"]:
            odd.append(OddRow(row.number, row.actual_columns, row.text.replace(_UNIT_SEPARATOR, "::")))
            return "skip"

        types = dict.fromkeys(self.names, pa.string())
        # Rows are numbered only when one thread reads them.
        table = self._read(body, separator, self.names, types, False, note)
        line_of = self._line_of(self.n_headers + table.num_rows + len(odd))
        return table, [row._replace(number=int(line_of[row.number - 1])) for row in odd]

    def open_quote(self, table: pa.Table, odd: Sequence[OddRow] = ()) -> int | None:
        """The first line with a quoted value that is read and goes on over the next line, or is never closed.

        What is not read may go on: it is no value of ours.
        """
        if not self.spec.quoted:
            return None
        lines = self._line_of(self.n_headers + table.num_rows + len(odd))
        never_closed = [int(lines[-1])] if self._goes_on(len(lines)) and self._starts.open and self.last else []
        broken = np.zeros(table.num_rows, dtype=bool)
        for column in self.spec.read_columns:
            if column.type == "string":
                broken |= pc.match_substring(table[column.header], "\n").to_numpy()
        candidates = [*self.lines(table, odd)[broken][:1].tolist(), *(row.number for row in odd if "\n" in row.text)]
        candidates += never_closed
        return min(candidates, default=None)

    def lines(self, table: pa.Table, odd: Sequence[OddRow]) -> npt.NDArray[np.int64]:
        """(n_rows,) line of each row of the table; the odd rows lie between them."""
        every = self._line_of(self.n_headers + table.num_rows + len(odd))[self.n_headers :]
        return np.setdiff1d(every, [row.number for row in odd], assume_unique=True)

    def is_row_per_line(self, table: pa.Table) -> bool:
        """Whether row i of the table is line ``first_line + i``."""
        return not self._goes_on(self.n_headers + table.num_rows)

    def _line_of(self, n_rows: int) -> npt.NDArray[np.int64]:
        """(n_rows,) line of each row, the header and odd rows among them."""
        lines = self._starts.lines if self._goes_on(n_rows) else np.arange(n_rows)
        return self.lines_before + 1 + lines

    def _goes_on(self, n_rows: int) -> bool:
        """Whether values go on over lines; where quotes stand inside of values, there are more rows than starts."""
        return self._starts is not None and len(self._starts.lines) == n_rows

    def _read(
        self,
        body: bytes,
        separator: str,
        names: list[str],
        types: dict[str, Any],
        threads: bool,
        note: Any,
    ) -> pa.Table:
        return csv.read_csv(
            pa.BufferReader(body),
            read_options=csv.ReadOptions(column_names=names, skip_rows=self.n_headers, use_threads=threads),
            parse_options=csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if self.spec.quoted else False,
                newlines_in_values=self._starts is not None,
                # A blank line passed over in silence would shift the number of every line after it.
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            convert_options=csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[""]),
        )


def parse_table(raw: bytes, spec: TableSpec, file: str, *, last: bool = True) -> Table:
    """Read one file, or its first block of lines.

    Args:
        raw: Its content.
        spec: How it should be written.
        file: Its name, for messages.
        last: No block follows.

    Returns:
        The good rows in file order and every problem; no rows, and a fatal problem, if the file is empty or its
        columns are not as expected.
    """
    body = raw.removeprefix(BOM)
    if _blank_from(body, 0):
        return no_rows(spec, file, Problem("empty_file", file, "is empty", spec.expectation, fatal=True))
    names = header_of(body, spec.separator) if spec.header else spec.headers
    missing = [column.header for column in spec.read_columns if names.count(column.header) != 1]
    if missing:
        return no_rows(spec, file, _wrong_columns(names, spec, file))
    if spec.header and _blank_from(body, len(_first_line(body))):
        return no_rows(spec, file, Problem("empty_file", file, "has a header and no rows", "at least one", fatal=True))
    return replace(parse_rows(body, names, spec, file, last=last), texts=partial(line_texts, raw))


def parse_rows(
    body: bytes, names: list[str], spec: TableSpec, file: str, *, lines_before: int = 0, last: bool = True
) -> Table:
    """Read a block of a file's lines; see :class:`DelimitedText` for the arguments."""
    if spec.encoding == "latin-1" and not body.isascii():
        body = body.decode("latin-1").encode()
    text = DelimitedText(body, names, spec, lines_before=lines_before, last=last)
    table = text.typed()
    if table is None:
        from loaders.salvage import salvage

        return salvage(text, file)
    line = text.open_quote(table)
    if line is not None:
        return no_rows(spec, file, open_quote_problem(line, file))
    columns = {column.name: _numpy(table[column.header]) for column in spec.read_columns}
    lines = None if text.is_row_per_line(table) else text.lines(table, [])
    return Table(file, pd.DataFrame(columns, copy=False), lines=lines, first_line=text.first_line)


def _numpy(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_string(column.type):
        # Equal texts become one Python object.
        return column.to_pandas(use_threads=False).to_numpy()
    values = column.to_numpy()
    # A column of one chunk is a view of what pyarrow read.
    return values if values.flags.writeable else values.copy()


def open_quote_problem(line: int, file: str) -> Problem:
    """No release has values over several lines: what follows an open quote is no value but lost lines."""
    what, expected = "a quote opens and its value goes on over the next line", "every quote closed on its line"
    return Problem("open_quote", file, what, expected, lines=np.array([line]), fatal=True)


def no_rows(spec: TableSpec, file: str, *problems: Problem) -> Table:
    """A table of the right columns without a row."""
    columns = {column.name: pd.Series(dtype=_PANDAS_TYPES[column.type]) for column in spec.read_columns}
    return Table(file, pd.DataFrame(columns), problems)


def _first_line(body: bytes) -> bytes:
    end = body.find(b"\n")
    return body if end < 0 else body[:end]


def _blank_from(body: bytes, start: int) -> bool:
    # Unlike strip, a search copies nothing.
    return _NOT_BLANK.search(body, start) is None


def header_of(body: bytes, separator: str) -> list[str]:
    """The column names that the first line lists."""
    line = _first_line(body).decode(errors="backslashreplace").strip("\r")
    return [name.strip().strip('"') for name in line.split(separator)]


def _wrong_columns(names: list[str], spec: TableSpec, file: str) -> Problem:
    wanted = [column.header for column in spec.read_columns]
    absent = [header for header in wanted if header not in names]
    # Where all are absent the line is no header, or that of another kind of file.
    said = missing_words(absent) if len(absent) < len(wanted) else ""
    return Problem(
        "wrong_columns",
        file,
        f"the header is {{}}{said}",
        f"each of these columns once: {', '.join(wanted)}",
        lines=np.array([1]),
        values=[repr(spec.separator.join(names))],
        fatal=True,
    )


def _single_separator(body: bytes) -> tuple[bytes, str]:
    return body.replace(b"::", _UNIT_SEPARATOR.encode()), _UNIT_SEPARATOR
