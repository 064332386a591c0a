"""What the values of a MovieLens table must obey, once they have their types."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

from loaders.delimited import Table
from loaders.layouts import TableSpec
from loaders.problems import Problem
from loaders.repeats import PART, repeats

#: The largest unsigned 32-bit number, in the year 2106; milliseconds since 1970 have been larger since 1970.
LATEST_TIMESTAMP = 2**32 - 1
HIGHEST_RATING = 5
OLDEST = 150

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
_AGE = pa.Check.in_range(0, OLDEST, name="bad_age", error=f"years or an age group, 0 to {OLDEST}")
_FLAG = pa.Check.isin([0, 1], name="bad_flag", error="0 or 1")
_CHECKS = {"rating": _POSITIVE_RATING, "timestamp": _SECONDS, "age": _AGE}


def check_values(table: Table, spec: TableSpec) -> Table:
    """The rows whose values are in range; a problem for each column that has others."""
    headers = {column.name: column.header for column in spec.read_columns}
    checks = {name: check for name in headers if (check := _check(name)) is not None}
    schema = pa.DataFrameSchema({name: pa.Column(checks=check, nullable=True) for name, check in checks.items()})
    try:
        # In place: nothing is changed, and pandera would copy the frame.
        schema.validate(table.frame, lazy=True, inplace=True)
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
        keys: One or two columns of ids that together may occur once, and what to call each.
        expected: The rule in words.
    """
    columns = [table.frame[name].to_numpy() for name in keys]
    again = repeats(columns)
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
    """The ratings in range, each user and item once."""
    keys = {"user_id": "user", "item_id": spec.item_word}
    return check_distinct(check_values(table, spec), keys, f"one rating per user and {spec.item_word}")


def check_items(table: Table, spec: TableSpec) -> Table:
    """The items with values in range, each once."""
    return check_distinct(check_values(table, spec), {"item_id": spec.item_word}, f"one row per {spec.item_word}")


def check_users(table: Table, spec: TableSpec) -> Table:
    """The users with values in range, each once."""
    return check_distinct(check_values(table, spec), {"user_id": "user"}, "one row per user")


def check_known(table: Table, known: npt.NDArray[Any], items_file: str, *, word: str = "movie") -> Table:
    """The rows whose item is known; a problem if there are others.

    Args:
        table: Where to look.
        known: (n_items,) ids, in any order.
        items_file: Where they are listed, for messages.
        word: What to call an item.
    """
    item = table.frame["item_id"].to_numpy()
    # In parts: the temporary arrays of a search are several times its input.
    parts = [~pd.Series(item[start : start + PART]).isin(known).to_numpy() for start in range(0, len(item), PART)]
    rows = np.flatnonzero(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
    if not len(rows):
        return table
    problem = Problem(
        "unknown_item",
        table.file,
        f"{word} {{}} is not listed",
        f"a row for it in {items_file}",
        table.lines_of(rows),
        item[rows],
    )
    return table.without(rows, problem)


def _check(column: str) -> pa.Check | None:
    return _FLAG if column.startswith("flag ") else _CHECKS.get(column)
