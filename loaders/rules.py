"""What the values of a MovieLens table must obey, once they have their types."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

from loaders.delimited import Table
from loaders.layouts import TableSpec
from loaders.problems import Problem

#: The largest unsigned 32-bit number, in the year 2106; milliseconds since 1970 have been larger since 1970.
LATEST_TIMESTAMP = 2**32 - 1
HIGHEST_RATING = 5

_POSITIVE_RATING = pa.Check.in_range(
    0,
    HIGHEST_RATING,
    include_min=False,
    ignore_na=False,
    name="out_of_range",
    error=f"a number above 0 and up to {HIGHEST_RATING}",
)
_SECONDS = pa.Check.in_range(
    0, LATEST_TIMESTAMP, name="bad_timestamp", error="seconds since 1970 (UTC), neither negative nor milliseconds"
)
_FLAG = pa.Check.isin([0, 1], name="bad_flag", error="0 or 1")
_CHECKS = {"rating": _POSITIVE_RATING, "timestamp": _SECONDS}


def check_values(table: Table, spec: TableSpec) -> Table:
    """The rows whose values are in range; a problem for each column that has others."""
    headers = {column.name: column.header for column in spec.read_columns}
    checks = {name: check for name in headers if (check := _check(name)) is not None}
    schema = pa.DataFrameSchema({name: pa.Column(checks=check, nullable=True) for name, check in checks.items()})
    try:
        schema.validate(table.frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases.groupby("column", sort=False)
        at_fault = [(name, checks[name], np.sort(cases["index"].to_numpy(np.int64))) for name, cases in failures]
        problems = [
            Problem(
                str(check.name),
                table.file,
                f"{headers[name]} is {{}}",
                str(check.error),
                table.lines_of(rows),
                table.frame[name].to_numpy()[rows],
            )
            for name, check, rows in at_fault
        ]
        return table.without(np.concatenate([rows for _, _, rows in at_fault]), *problems)
    return table


def check_distinct(table: Table, keys: dict[str, str], expected: str) -> Table:
    """The rows whose key is new; a problem if there are others.

    Args:
        table: Where to look.
        keys: One or two integer columns that together may occur once, and what to call each.
        expected: The rule in words.
    """
    columns = [table.frame[name].to_numpy(np.int64) for name in keys]
    again = _repeats(columns)
    if not len(again.rows):
        return table
    first_lines = table.lines_of(again.first)
    values = [
        f"{' and '.join(f'{word} {value}' for word, value in zip(keys.values(), row, strict=True))} "
        f"again (first on line {line})"
        for *row, line in zip(*(column[again.rows].tolist() for column in columns), first_lines.tolist(), strict=True)
    ]
    problem = Problem("duplicate", table.file, "{}", expected, table.lines_of(again.rows), values)
    return table.without(again.rows, problem)


def check_ratings(table: Table, spec: TableSpec) -> Table:
    """The ratings in range, each user and movie once."""
    keys = {"user_id": "user", "item_id": "movie"}
    return check_distinct(check_values(table, spec), keys, "one rating per user and movie")


def check_items(table: Table, spec: TableSpec) -> Table:
    """The movies with values in range, each once."""
    return check_distinct(check_values(table, spec), {"item_id": "movie"}, "one row per movie")


def check_users(table: Table, spec: TableSpec) -> Table:
    """The users with values in range, each once."""
    return check_distinct(check_values(table, spec), {"user_id": "user"}, "one row per user")


def check_known(table: Table, known: npt.NDArray[np.int64], items_file: str) -> Table:
    """The rows whose item is known; a problem if there are others."""
    item = table.frame["item_id"].to_numpy()
    rows = np.flatnonzero(~np.isin(item, known))
    if not len(rows):
        return table
    problem = Problem(
        "unknown_item",
        table.file,
        "movie {} is not listed",
        f"a row for it in {items_file}",
        table.lines_of(rows),
        item[rows],
    )
    return table.without(rows, problem)


def _check(column: str) -> pa.Check | None:
    return _FLAG if column.startswith("flag ") else _CHECKS.get(column)


class _Again(NamedTuple):
    """Rows whose key occurred before, ascending, and the row of its first occurrence."""

    rows: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]


#: Below this many possible keys, marking each in a table is several times faster than hashing or sorting.
_DENSE_KEYS = 2**26


def _repeats(columns: list[npt.NDArray[np.int64]]) -> _Again:
    """Rows whose values in the (n_rows,) columns together occurred before."""
    none = np.zeros(0, dtype=np.int64)
    if len(columns[0]) == 0:
        return _Again(none, none)
    if np.prod([float(column.max()) - float(column.min()) + 1 for column in columns]) >= 2**62:
        # Too far apart for one 64-bit number: number the distinct values first.
        columns = [np.unique(column, return_inverse=True)[1] for column in columns]
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        key = key * (int(column.max()) - int(column.min()) + 1) + (column - column.min())
    if _all_distinct(key):
        return _Again(none, none)
    row = np.arange(len(key))
    first = pd.Series(row).groupby(key, sort=False).transform("first").to_numpy()
    rows = np.flatnonzero(first != row)
    return _Again(rows, first[rows])


def _all_distinct(key: npt.NDArray[np.int64]) -> bool:
    if bool((key[1:] > key[:-1]).all()):
        return True
    n_possible = int(key.max()) + 1
    if n_possible <= _DENSE_KEYS:
        seen = np.zeros(n_possible, dtype=bool)
        seen[key] = True
        return int(np.count_nonzero(seen)) == len(key)
    return not bool(pd.Series(key).duplicated().any())
