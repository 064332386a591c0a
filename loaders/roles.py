"""What each table of a data set must and may hold, and how to find it in a file's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loaders.columns import ColumnMap
from loaders.layouts import Column, ColumnType, TableSpec
from loaders.problems import Problem, missing_words
from loaders.table_files import TableFile
from loaders.times import TimeUnit

IDS = ("user_id", "item_id")
_UNITS: dict[str, TimeUnit] = {"timestamp_ms": "ms", "timestamp_us": "us"}


@dataclass(frozen=True)
class Role:
    """One of the tables of a data set.

    Attributes:
        files: What its file may be called, without its kind.
        needed: Our names of the columns it must have, in our order.
        optional: Our names of the columns it may have.
        timed: It must have a time, too.
    """

    files: tuple[str, ...]
    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    timed: bool = False


RATINGS = Role(("ratings", "interactions"), ("user_id", "item_id"), ("rating",), timed=True)
ITEMS = Role(("items", "movies"), ("item_id",), ("title", "year", "genres"))
TAGS = Role(("tags",), ("user_id", "item_id", "tag"), timed=True)
USERS = Role(("users",), ("user_id",), ("gender", "age", "occupation", "zip"))

_TYPES: dict[str, ColumnType] = {"user_id": "int64", "item_id": "int64", "rating": "float32", "timestamp": "int64"}


@dataclass(frozen=True)
class Found:
    """Where a file keeps what a role needs.

    Attributes:
        spec: The columns to read.
        unit: What the numbers of the time are; None without a time.
        time_header: What the file calls the time; empty without one.
    """

    spec: TableSpec
    unit: TimeUnit | None = None
    time_header: str = ""


def find_columns(role: Role, file: TableFile, columns: ColumnMap, text_ids: frozenset[str]) -> Found | Problem:
    """The columns of a file that a role needs or may have.

    Args:
        role: What is looked for.
        file: The file.
        columns: What the user calls the columns.
        text_ids: Which of ``IDS`` are text; the others are integers.

    Returns:
        Where they are; a fatal problem that names every column that is missing.
    """
    present = file.columns
    if not present:
        what = file.fault or "is empty or holds no table"
        return Problem("empty_file", file.file, what, _expected(role, columns), fatal=True)
    read: list[Column] = []
    missing: list[str] = []
    for name in role.needed + role.optional:
        header = columns.find(name, present)
        if header is not None:
            read.append(Column(header, name, _type(name, text_ids)))
        elif name in role.needed or (role is RATINGS and name in columns.columns):
            missing.append(name)
    time = columns.find_time(present) if role.timed else None
    headers = [column.header for column in read] + ([] if time is None else [time[1]])
    twice = [header for header in headers if present.count(header) > 1]
    if twice:
        what = f"has more than one column {' and '.join(twice)}"
        return Problem("wrong_columns", file.file, what, "each column that is read once", np.array([1]), fatal=True)
    if role.timed and time is None:
        missing.append("timestamp")
    if missing:
        return _missing(role, file, columns, missing if headers else [])
    if time is None:
        return Found(file.spec(_spec(read)))
    name, header = time
    unit = file.time_unit(header)
    if unit == "s":
        unit = _UNITS.get(name, "s")
    read.append(Column(header, "timestamp", "string" if unit == "iso" else "int64"))
    return Found(file.spec(_spec(read)), unit, header)


def spec_of(role: Role, text_ids: frozenset[str]) -> TableSpec:
    """The columns of a role that no file was found to have."""
    names = (*role.needed, "timestamp") if role.timed else role.needed
    return _spec([Column(name, name, _type(name, text_ids)) for name in names])


def _spec(read: Sequence[Column]) -> TableSpec:
    return TableSpec("", tuple(read), item_word="item")


def _type(name: str, text_ids: frozenset[str]) -> ColumnType:
    return "string" if name in text_ids else _TYPES.get(name, "string")


def _missing(role: Role, file: TableFile, columns: ColumnMap, missing: Sequence[str]) -> Problem:
    """That columns are missing; ``missing`` names them, by our names, where others are there."""
    named = ", ".join(file.columns[:12]) + (" …" if len(file.columns) > 12 else "")
    return Problem(
        "wrong_columns",
        file.file,
        f"its columns are {{}}{missing_words(missing)}",
        _expected(role, columns),
        lines=np.array([1]),
        values=[named],
        fatal=True,
    )


def _expected(role: Role, columns: ColumnMap) -> str:
    """Every column in words, and how to say that they are called otherwise."""
    words = [columns.words(name) for name in role.needed]
    if role.timed:
        words.append(columns.words_of_time())
    optional = f" (and {', '.join(columns.words(name) for name in role.optional)} if known)" if role.optional else ""
    return (
        f"{', '.join(words)}{optional}; where they are called otherwise, map them: --columns user_id=… of "
        """`screentest data check`, elsewhere SCREENTEST_DATA_COLUMNS='{"user_id": "…"}'"""
    )
