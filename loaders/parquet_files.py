"""A table in a Parquet file; a row's "line" is its number, counted from 1."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import DataError
from loaders.blocks import merged
from loaders.delimited import Table
from loaders.layouts import TableSpec
from loaders.members import Members
from loaders.records import typed_table
from loaders.table_files import TableFile
from loaders.times import TimeUnit

_ROWS = 2**20


class ParquetFile(TableFile):
    """A Parquet file, read some rows at a time."""

    def __init__(self, members: Members, name: str) -> None:
        super().__init__(members, name)
        with self._opened() as file:
            self._schema = file.schema_arrow
        self.columns = list(self._schema.names)

    def holds_integers(self, column: str) -> bool:
        """Whether its type is one of whole numbers."""
        kind = self._kind(column)
        # pandas makes floats of whole numbers where one is missing.
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

    def time_unit(self, column: str) -> TimeUnit:
        """``us`` for Parquet's own times, ``iso`` for text, else ``s``."""
        kind = self._kind(column)
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return "us"
        return super().time_unit(column)

    def read(self, spec: TableSpec, finish: Callable[[Table], Table]) -> Table:
        """Every row."""
        return merged(map(finish, self._tables(spec)), spec, self.file, texts=self._texts)

    def _tables(self, spec: TableSpec) -> Iterator[Table]:
        headers = [column.header for column in spec.read_columns]
        before = 0
        with self._opened() as file:
            for cells in _batches(file, headers):
                yield typed_table(cells, spec, self.file, first_line=before + 1)
                before += cells.num_rows
            if not before:
                yield typed_table(file.schema_arrow.empty_table().select(headers), spec, self.file)

    def _texts(self, lines: npt.NDArray[np.int64]) -> list[str]:
        texts: list[str] = []
        before = 0
        with self._opened() as file:
            for cells in _batches(file, None):
                here = lines[(lines > before) & (lines <= before + cells.num_rows)] - before - 1
                texts += [json.dumps(row, default=str, ensure_ascii=False) for row in cells.take(here).to_pylist()]
                before += cells.num_rows
        return texts

    def _kind(self, column: str) -> pa.DataType:
        # By place: a name may occur twice, which is for the reader of the columns to refuse.
        kind = self._schema.field(self.columns.index(column)).type
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        with self.members.open(self.name) as raw:
            try:
                with pq.ParquetFile(raw, pre_buffer=False) as file:
                    yield file
            except (pa.ArrowException, OSError) as error:
                raise DataError(
                    "is no readable Parquet file: truncated, damaged, or of another kind; copy or write it again",
                    file=self.file,
                ) from error


def _batches(file: pq.ParquetFile, columns: list[str] | None) -> Iterator[pa.Table]:
    # One thread: a process that used pyarrow's now and then aborts when it ends (apache/arrow#34314).
    for batch in file.iter_batches(_ROWS, columns=columns, use_threads=False):
        yield pa.Table.from_batches([batch])
