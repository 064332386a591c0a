"""What the tables of ``Interactions`` must be like wherever they cross into the project: the second net.

The first net is ``loaders/rules.py``, which knows files and lines. This one knows neither and holds for every loader,
those of other packages, made-up and prepared data included: after a loader has read, when a prepared data set is
written, and when it is read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa

from core.errors import DataError
from core.interactions import Interactions
from loaders.rules import HIGHEST_RATING, LATEST_TIMESTAMP, OLDEST

#: Rows of one fault that are told.
SHOWN = 3


def _ids(values: pd.Series) -> bool:
    return pd.api.types.is_integer_dtype(values) or _texts(values)


def _texts(values: pd.Series) -> bool:
    return pd.api.types.infer_dtype(values, skipna=False) in ("string", "empty")


_ID = pa.Check(_ids, name="ids", error="integers, or text throughout")
_TEXT = pa.Check(_texts, name="text", error="text throughout")
_STARS = pa.Check.in_range(0, HIGHEST_RATING, include_min=False, error=f"above 0 and up to {HIGHEST_RATING}")
_SECONDS = pa.Check.in_range(0, LATEST_TIMESTAMP, error="seconds since 1970 (UTC)")
_YEAR = pa.Check.in_range(1000, 2999, error="a year of four digits")
_AGE = pa.Check.in_range(0, OLDEST, error=f"years or an age group, 0 to {OLDEST}")

SCHEMAS = {
    "ratings": pa.DataFrameSchema(
        {
            "user_id": pa.Column(checks=_ID),
            "item_id": pa.Column(checks=_ID),
            "rating": pa.Column("float32", _STARS),
            "timestamp": pa.Column("int64", _SECONDS),
        }
    ),
    "items": pa.DataFrameSchema(
        {
            "item_id": pa.Column(checks=_ID, unique=True),
            "title": pa.Column(checks=_TEXT),
            "year": pa.Column("Int16", _YEAR, nullable=True),
        }
    ),
    "genres": pa.DataFrameSchema({"item_id": pa.Column(checks=_ID), "genre": pa.Column(checks=_TEXT)}),
    "tags": pa.DataFrameSchema(
        {
            "user_id": pa.Column(checks=_ID),
            "item_id": pa.Column(checks=_ID),
            "tag": pa.Column(checks=_TEXT),
            "timestamp": pa.Column("int64", _SECONDS),
        }
    ),
    "users": pa.DataFrameSchema(
        {"user_id": pa.Column(checks=_ID, unique=True), "age": pa.Column(checks=_AGE, nullable=True, required=False)}
    ),
}


class Fault(NamedTuple):
    """One rule that a table breaks.

    Attributes:
        table: Its name, e.g. "ratings".
        what: The column and what it should be, in words.
        count: Rows at fault; 0 where the table as a whole is.
        examples: The first of them, as "row 17: 9.0".
    """

    table: str
    what: str
    count: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.count:
            return f"{self.table}: {self.what}"
        others = f" and {self.count - 1:,} more" if self.count > 1 else ""
        return f"{self.table}: {self.what}; {self.examples[0]}{others}"


def faults(interactions: Interactions) -> list[Fault]:
    """Every rule that a table breaks, by table; empty if all conform.

    Args:
        interactions: Any; empty tables conform if they have their columns.
    """
    found = [fault for name in SCHEMAS for fault in _table_faults(name, getattr(interactions, name))]
    return found or _mixed_ids(interactions)


def conforming(interactions: Interactions, source: str) -> Interactions:
    """The same interactions, if their tables are as they must be.

    Args:
        interactions: What a loader read or is about to hand on.
        source: Where they come from, for the message.

    Raises:
        DataError: A table lacks a column, or holds what it must not; the message names the first fault and counts
            the others.
    """
    found = faults(interactions)
    if found:
        more = f" (and {len(found) - 1} more such faults)" if len(found) > 1 else ""
        raise DataError(f"{found[0]}{more}; mend the data or the loader", file=source)
    return interactions


def _table_faults(name: str, frame: pd.DataFrame) -> list[Fault]:
    if len(frame) == 0:
        missing = [column for column, rule in SCHEMAS[name].columns.items() if rule.required and column not in frame]
        return [Fault(name, f"lacks the column {column}") for column in missing]
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        # Faults are told by position.
        frame = frame.reset_index(drop=True)
    try:
        # In place spares a copy; without coercion nothing is changed.
        SCHEMAS[name].validate(frame, lazy=True, inplace=True)
    except pa.errors.SchemaErrors as error:
        return [_fault(name, frame, one) for one in error.schema_errors]
    return []


def _fault(name: str, frame: pd.DataFrame, error: pa.errors.SchemaError) -> Fault:
    reason = error.reason_code
    if reason == pa.errors.SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
        return Fault(name, f"lacks the column {error.failure_cases}")
    column = error.schema.name
    if reason == pa.errors.SchemaErrorReason.WRONG_DATATYPE:
        return Fault(name, f"{column} is of type {frame[column].dtype}; expected {error.schema.dtype}")
    if reason == pa.errors.SchemaErrorReason.SERIES_CONTAINS_NULLS:
        expected = "a value in every row"
    elif reason == pa.errors.SchemaErrorReason.SERIES_CONTAINS_DUPLICATES:
        expected = "each value once"
    else:
        expected = str(error.check.error)
    rows = _rows(error)
    values = frame[column].to_numpy()
    examples = tuple(f"row {row}: {values[row]}" for row in rows[:SHOWN].tolist())
    return Fault(name, f"{column} must hold {expected}", len(rows), examples)


def _rows(error: pa.errors.SchemaError) -> np.ndarray:
    cases = error.failure_cases
    if not isinstance(cases, pd.DataFrame) or cases["index"].isna().all():
        return np.zeros(0, dtype=np.int64)
    return np.sort(cases["index"].to_numpy(np.int64))


def _mixed_ids(interactions: Interactions) -> list[Fault]:
    """Integer and text ids of one kind in two tables: nothing would be found across them."""
    found = []
    for column, tables in (("item_id", ("items", "genres", "tags")), ("user_id", ("tags", "users"))):
        known = interactions.ratings[column]
        for name in tables:
            ids = getattr(interactions, name)[column]
            if len(ids) and len(known) and _is_text(ids) != _is_text(known):
                kind = ("integers", "text")
                found.append(
                    Fault(name, f"{column} holds {kind[_is_text(ids)]}, that of ratings {kind[_is_text(known)]}")
                )
    return found


def _is_text(ids: pd.Series) -> bool:
    return not pd.api.types.is_integer_dtype(ids)
