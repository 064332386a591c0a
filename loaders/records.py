"""Columns that carry types of their own (Parquet, JSON) as the columns we want, checked row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from loaders.delimited import Table
from loaders.layouts import Column, TableSpec
from loaders.problems import Problem
from loaders.salvage import MISFITS, typed_cells

_ValuesAndFits = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]
_LARGEST_INT64 = 2**63 - 1
#: Whole numbers up to here are exact as floats.
_LARGEST_EXACT = 2.0**53


def typed_table(
    cells: pa.Table, spec: TableSpec, file: str, *, first_line: int = 1, lines: npt.NDArray[np.int64] | None = None
) -> Table:
    """The rows whose values are of the types wanted, and a problem for each column that has others.

    Args:
        cells: The read columns of the spec, under their headers, of any type.
        spec: The columns wanted. Text that is missing is empty text; a list of texts is joined by ``|``.
        file: The file, for messages.
        first_line: Line (or row, counted from 1) of the first; the others follow one by one,
        lines: unless (n_rows,) lines are given.
    """
    unbroken = lines is None
    lines = np.arange(first_line, first_line + cells.num_rows) if lines is None else lines
    good = np.ones(cells.num_rows, dtype=bool)
    columns: dict[str, npt.NDArray[Any]] = {}
    problems = []
    for column in spec.read_columns:
        array = _plain(cells[column.header].combine_chunks())
        values, fits = _VALUES[column.type](array, column)
        columns[column.name] = values
        good &= fits
        if not fits.all():
            kind, expected = _MISFITS[column.type]
            shown = [repr(value) for value in array.filter(pa.array(~fits)).to_pylist()]
            problems.append(Problem(kind, file, f"{column.header} is {{}}", expected, lines[~fits], shown))
    if good.all():
        frame = pd.DataFrame(columns, copy=False)
        return Table(file, frame, lines=None if unbroken else lines, first_line=first_line)
    frame = pd.DataFrame({name: values[good] for name, values in columns.items()}, copy=False)
    return Table(file, frame, tuple(problems), lines[good])


def _plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("us"))
    return array


def _integers(array: pa.Array, column: Column) -> _ValuesAndFits:
    if _is_text(array.type):
        return typed_cells(pc.fill_null(array.cast(pa.string()), ""), column)
    if pa.types.is_timestamp(array.type):
        return _numbers(pc.cast(array, pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64()), array, np.int64)
    if pa.types.is_uint64(array.type):
        fits = pc.less_equal(array, _LARGEST_INT64)
        return _numbers(pc.if_else(fits, array, None).cast(pa.int64()), array, np.int64)
    if pa.types.is_integer(array.type):
        return _numbers(array.cast(pa.int64()), array, np.int64)
    if pa.types.is_floating(array.type):
        numbers = array.to_numpy(zero_copy_only=False).astype(np.float64)
        fits = (np.abs(numbers) <= _LARGEST_EXACT) & (numbers == np.floor(numbers))
        return np.where(fits, numbers, 0).astype(np.int64), fits
    return np.zeros(len(array), np.int64), np.zeros(len(array), dtype=bool)


def _floats(array: pa.Array, column: Column) -> _ValuesAndFits:
    if _is_text(array.type):
        return typed_cells(pc.fill_null(array.cast(pa.string()), ""), column)
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        return _numbers(pc.cast(array, pa.float32(), safe=False), array, np.float32)
    return np.zeros(len(array), np.float32), np.zeros(len(array), dtype=bool)


def _texts(array: pa.Array, column: Column) -> _ValuesAndFits:
    fits = np.ones(len(array), dtype=bool)
    try:
        if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            array = _joined(array)
        texts = pc.fill_null(array.cast(pa.string()), "")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.full(len(array), "", dtype=object), ~fits
    return texts.to_pandas().to_numpy(), fits


def _joined(lists: pa.Array) -> pa.Array:
    """The texts of each list with ``|`` between them; what is missing among them is left out."""
    texts = lists.cast(pa.list_(pa.string()))
    if texts.flatten().null_count:
        rows = [row and [text for text in row if text is not None] for row in texts.to_pylist()]
        texts = pa.array(rows, texts.type)
    return pc.binary_join(texts, "|")


def _numbers(array: pa.Array, given: pa.Array, dtype: Any) -> _ValuesAndFits:
    fits = pc.is_valid(array).to_numpy(zero_copy_only=False)
    return pc.fill_null(array, 0).to_numpy(zero_copy_only=False).astype(dtype), fits


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


#: Bytes that are no UTF-8 are no text either.
_MISFITS = {**MISFITS, "string": ("not_text", "text, or a list of texts")}
_VALUES = {"int64": _integers, "float32": _floats, "string": _texts}
