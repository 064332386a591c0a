"""Times as a file writes them, as whole seconds since 1970 (UTC).

What a number means is said by the column's name, never guessed from its size: ``timestamp`` holds seconds,
``timestamp_ms`` milliseconds, ``timestamp_us`` microseconds. Text is ISO 8601 (``2019-07-04T12:30:00+02:00``); without
an offset it is UTC. Fractions of a second are cut off.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from loaders.delimited import Table
from loaders.problems import Problem
from loaders.rules import LATEST_TIMESTAMP

TimeUnit = Literal["s", "ms", "us", "iso"]
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}


def to_seconds(table: Table, unit: TimeUnit, header: str) -> Table:
    """The table with its ``timestamp`` in seconds.

    Args:
        table: Column ``timestamp``: int64, or text where the unit is ``iso``.
        unit: What it holds.
        header: What the file calls the column.

    Returns:
        (n_rows,) int64 seconds in the rows that can be read and a problem for the others; a fatal one where most
        numbers are too large for seconds, so that they must be something else.
    """
    if not table.usable or not len(table.frame):
        return table
    values = table.frame["timestamp"].to_numpy()
    if unit == "iso":
        return _from_text(table, header)
    seconds = values // _PER_SECOND[unit] if unit != "s" else values
    too_large = seconds > LATEST_TIMESTAMP
    if 2 * np.count_nonzero(too_large) > len(seconds):
        row = int(np.flatnonzero(too_large)[0])
        what = f"{header} is {values[row]}, too large for {_WORDS[unit]} since 1970, as most of its numbers are"
        expected = (
            "seconds, or to be told what they are: map the column to timestamp_ms (milliseconds) or timestamp_us "
            f"(microseconds), e.g. columns timestamp_ms={header}"
        )
        return table.without(
            np.arange(len(seconds)),
            Problem("ambiguous_time", table.file, what, expected, table.lines_of(np.array([row])), fatal=True),
        )
    return table if unit == "s" else table.with_column("timestamp", seconds)


_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def _from_text(table: Table, header: str) -> Table:
    texts = table.frame["timestamp"]
    moments = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    misfit = np.flatnonzero(moments.isna().to_numpy())
    seconds = moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    table = table.with_column("timestamp", seconds)
    if not len(misfit):
        return table
    problem = Problem(
        "not_a_time",
        table.file,
        f"{header} is {{}}",
        "a time like 2019-07-04T12:30:00Z (ISO 8601), as in the file's first rows",
        table.lines_of(misfit),
        [repr(text) for text in texts.iloc[misfit]],
    )
    return table.without(misfit, problem)
