"""A table in JSON: an array of objects, or one object per line.

In an array a row's "line" is its number, counted from 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from pyarrow import json as arrow_json

from loaders.blocks import BLOCK, merged, texts_of
from loaders.delimited import BOM, THREADS_FROM, Table
from loaders.layouts import TableSpec
from loaders.members import Members
from loaders.problems import Problem
from loaders.records import typed_table
from loaders.table_files import HEAD, HEAD_ROWS, TableFile
from loaders.times import TimeUnit

_TYPES = {"int64": pa.int64(), "float32": pa.float64(), "string": pa.string()}
_EXPECTED = "one JSON object per line, or one array of objects"


class JsonFile(TableFile):
    """JSON of either form, told apart by its first character."""

    def __init__(self, members: Members, name: str) -> None:
        super().__init__(members, name)
        head = next(members.blocks(name, HEAD), b"").removeprefix(BOM).lstrip()
        self._is_array = head.startswith(b"[")
        found = self._array()[:HEAD_ROWS] if self._is_array else _objects(head.split(b"\n")[:HEAD_ROWS])
        self._head = [row for row in found if isinstance(row, dict)]
        self.columns = list(dict.fromkeys(column for row in self._head for column in row))

    def holds_integers(self, column: str) -> bool:
        """Whether most of the first rows hold a whole number there."""
        values = [row[column] for row in self._head if row.get(column) is not None]
        numbers = [value for value in values if _is_whole(value)]
        return 2 * len(numbers) > len(values)

    def time_unit(self, column: str) -> TimeUnit:
        """``iso`` for text, else ``s``."""
        return "iso" if any(isinstance(row.get(column), str) for row in self._head) else "s"

    def read(self, spec: TableSpec, finish: Callable[[Table], Table]) -> Table:
        """Every row."""
        if not self._is_array:
            texts = partial(texts_of, self.members, self.name)
            return merged(map(finish, self._tables(spec)), spec, self.file, texts=texts)
        rows = self._array()
        return finish(_table_of(rows, spec, self.file, np.arange(1, len(rows) + 1), self._row_texts))

    def _tables(self, spec: TableSpec) -> Iterator[Table]:
        before = 0
        for block in self.members.blocks(self.name, BLOCK):
            body = block.removeprefix(BOM) if before == 0 else block
            n_lines = body.count(b"\n") + (not body.endswith(b"\n"))
            cells = _fast(body, spec, n_lines)
            if cells is not None:
                yield typed_table(cells, spec, self.file, first_line=before + 1)
            else:
                lines = body.rstrip(b"\r\n").split(b"\n")
                yield _table_of(_objects(lines), spec, self.file, np.arange(before + 1, before + len(lines) + 1))
            before += n_lines

    def _array(self) -> list[Any]:
        try:
            return list(orjson.loads(self.members.read(self.name).removeprefix(BOM)))
        except orjson.JSONDecodeError as error:
            self.fault = f"is no JSON ({error})"
            return []

    def _row_texts(self, lines: npt.NDArray[np.int64]) -> list[str]:
        rows = self._array()
        return [json.dumps(rows[line - 1], ensure_ascii=False) for line in lines.tolist()]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def _fast(block: bytes, spec: TableSpec, n_lines: int) -> pa.Table | None:
    """The cells of a block whose every line is an object with values of the types wanted; None of any other."""
    schema = pa.schema([(column.header, _TYPES[column.type]) for column in spec.read_columns])
    try:
        cells = arrow_json.read_json(
            pa.BufferReader(block),
            read_options=arrow_json.ReadOptions(use_threads=len(block) >= THREADS_FROM),
            parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        return None
    # A blank line is passed over in silence, and every line after it would get another's number.
    return cells if cells.num_rows == n_lines else None


def _objects(lines: Sequence[bytes]) -> list[Any]:
    """What each line holds; its own text where it holds no JSON."""
    rows: list[Any] = []
    for line in lines:
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            rows.append(line.decode(errors="backslashreplace"))
    return rows


def _table_of(
    rows: Sequence[Any],
    spec: TableSpec,
    file: str,
    lines: npt.NDArray[np.int64],
    texts: Callable[[npt.NDArray[np.int64]], list[str]] | None = None,
) -> Table:
    is_object = np.array([isinstance(row, dict) for row in rows], dtype=bool)
    objects = [row for row in rows if isinstance(row, dict)]
    cells = {column.header: _cells([row.get(column.header) for row in objects]) for column in spec.read_columns}
    table = typed_table(pa.table(cells), spec, file, lines=lines[is_object])
    if texts is not None:
        table = replace(table, texts=texts)
    if is_object.all():
        return table
    odd = [repr(row if isinstance(row, str) else json.dumps(row)) for row in rows if not isinstance(row, dict)]
    problem = Problem("not_an_object", file, "{} is no JSON object", _EXPECTED, lines[~is_object], odd)
    return table.without(np.zeros(0, dtype=np.int64), problem)


def _cells(values: list[Any]) -> pa.Array:
    """Values of one type as they are; of several, as text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([value if value is None or isinstance(value, str) else json.dumps(value) for value in values])
