"""A file that does not fit its layout: which lines are at fault, and what the others hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from loaders.delimited import ARROW_TYPES, DelimitedText, OddRow, Table, no_rows, open_quote_problem
from loaders.layouts import Column, TableSpec
from loaders.problems import Problem

#: Text that becomes the type without loss, if it is no whole number beyond 64 bits.
_PATTERNS = {
    "int64": r"^\s*-?[0-9]{1,19}\s*$",
    "float32": r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$",
}
_LARGEST_INT64 = str(2**63 - 1)
MISFITS = {
    "int64": ("not_an_integer", "an integer"),
    "float32": ("not_a_number", "a number"),
    "string": ("not_utf8", "UTF-8 text (convert the file, e.g. iconv -f latin1 -t utf8)"),
}


def salvage(text: DelimitedText, file: str) -> Table:
    """The good rows, and every line that has too many or too few values or one of the wrong type.

    Args:
        text: What ``DelimitedText.typed`` refused.
        file: Its name, for messages.
    """
    try:
        table, odd = text.as_text()
    except pa.ArrowInvalid as error:
        what = f"cannot be told apart into lines ({str(error).partition(chr(10))[0]})"
        return no_rows(text.spec, file, Problem("unreadable", file, what, text.spec.expectation, fatal=True))
    open_quote = text.open_quote(table, odd)
    if open_quote is not None:
        return no_rows(text.spec, file, open_quote_problem(open_quote, file))
    lines = text.lines(table, odd)
    problems = [_odd_rows(odd, text.spec, file)] if odd else []
    blank = np.logical_and.reduce([pc.equal(column, "").to_numpy() for column in table.columns])
    if blank.any():
        problems.append(Problem("blank_line", file, "the line is blank", text.spec.expectation, lines[blank]))
    good = ~blank
    columns: dict[str, npt.NDArray[Any]] = {}
    for column in text.spec.read_columns:
        cells = table[column.header].combine_chunks()
        values, fits = _utf8(cells) if column.type == "string" and text.recoded else typed_cells(cells, column)
        columns[column.name] = values
        misfit = ~fits & ~blank
        if misfit.any():
            problems.append(_misfits(column, cells.filter(pa.array(misfit)), lines[misfit], file))
        good &= fits
    frame = pd.DataFrame({name: values[good] for name, values in columns.items()}, copy=False)
    return Table(file, frame, tuple(problems), lines[good], text.first_line)


def typed_cells(cells: pa.Array, column: Column) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Values of the column's type, 0 where a cell holds none, and where one does."""
    if column.type == "string":
        return cells.to_numpy(zero_copy_only=False), np.ones(len(cells), dtype=bool)
    fits = pc.match_substring_regex(cells, _PATTERNS[column.type])
    if column.type == "int64":
        fits = pc.and_(fits, _fit_64_bits(cells))
    digits = pc.ascii_ltrim(pc.utf8_trim_whitespace(pc.if_else(fits, cells, "0")), "+")
    values = digits.cast(ARROW_TYPES[column.type]).to_numpy(zero_copy_only=False)
    return values, fits.to_numpy(zero_copy_only=False)


def _fit_64_bits(cells: pa.Array) -> pa.Array:
    """Whether whole numbers of up to 19 digits do: digits of one length are in the order of their numbers."""
    digits = pc.ascii_ltrim(pc.utf8_trim_whitespace(cells), "-")
    return pc.or_(pc.less(pc.utf8_length(digits), len(_LARGEST_INT64)), pc.less_equal(digits, _LARGEST_INT64))


def _utf8(cells: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """The text of cells that were passed on as Latin-1, and where their bytes are UTF-8."""
    values = np.empty(len(cells), dtype=object)
    fits = np.ones(len(cells), dtype=bool)
    for row, cell in enumerate(cells.to_pylist()):
        try:
            values[row] = cell.encode("latin-1").decode()
        except UnicodeDecodeError:
            fits[row] = False
    return values, fits


def _misfits(column: Column, cells: pa.Array, lines: npt.NDArray[np.int64], file: str) -> Problem:
    kind, expected = MISFITS[column.type]
    if kind == "not_utf8":
        what = f"{column.header} is not UTF-8: {{}}"
        values = [cell.encode("latin-1").decode(errors="backslashreplace") for cell in cells.to_pylist()]
    else:
        what = f"{column.header} is {{}}"
        values = [repr(cell) for cell in cells.to_pylist()]
    return Problem(kind, file, what, expected, lines, values)


def _odd_rows(odd: list[OddRow], spec: TableSpec, file: str) -> Problem:
    lines = np.array([row.number for row in odd], dtype=np.int64)
    values = [f"{row.text!r} has {row.n_values} {'value' if row.n_values == 1 else 'values'}" for row in odd]
    return Problem("column_count", file, "{}", spec.expectation, lines, values)
