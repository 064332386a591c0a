"""Ratings from CSV, Parquet or JSON files whose columns may have any names.

A path is one file of ratings, or a folder or zip that holds ``ratings`` and may hold ``items``, ``tags`` and ``users``
(``.csv``, ``.tsv``, ``.parquet``, ``.json``, ``.jsonl``, ``.ndjson``; all but Parquet also as ``.gz``).

- Columns are found by our names, by MovieLens', or by the names the user maps to ours (``loaders/columns.py``).
- Ids are integers, or text where more than a few of the ratings' ids are no integers; the other tables follow.
- Without a rating column every row counts as liked: rating 5.
- Every rating has a time (``loaders/times.py``): splits and features know what came first. Data without are refused.
- Without an item table the rated items are all there is, titled by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np
import pandas as pd

from core.errors import DataError
from core.interactions import RATING_COLUMNS, Interactions
from loaders.base import SplitRule
from loaders.columns import ColumnMap
from loaders.delimited import Table, no_rows
from loaders.json_files import JsonFile
from loaders.layouts import TableSpec, listing
from loaders.local import LocalDataLoader
from loaders.members import FileMembers, Members, open_members
from loaders.movielens import Reading, genres_of, items_of
from loaders.parquet_files import ParquetFile
from loaders.problems import Problem
from loaders.roles import IDS, ITEMS, RATINGS, TAGS, USERS, Role, find_columns, spec_of
from loaders.rules import check_items, check_known, check_ratings, check_users, check_values
from loaders.table_files import CsvFile, TableFile
from loaders.times import to_seconds

LAYOUT = "table"
#: What a rating is where the data tell only that somebody chose something: more than any threshold of relevance.
IMPLICIT_RATING = 5.0

_KINDS: dict[str, type[TableFile]] = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".parquet": ParquetFile,
    ".json": JsonFile,
    ".jsonl": JsonFile,
    ".ndjson": JsonFile,
}
#: Ids are text where a larger share is no integer; a smaller share are bad lines.
_MISTYPED = 0.05
_ZIP = b"PK"
#: What may stand for a year; blank: not known.
_YEAR = r"\s*(?:\d{4}(?:\.0)?)?\s*"
_EXPECTED = "ratings.csv, ratings.parquet, ratings.json or ratings.jsonl (and items, tags, users likewise), one of each"


class TableDataLoader(LocalDataLoader):
    """Reads tables with named columns, checked row by row; see the module for what they may look like.

    Args:
        path: A file, folder or zip; ``~`` is understood.
        columns: Our names to the file's, e.g. ``{"user_id": "uid", "timestamp_ms": "ts"}``.
        split: How to divide train and test.
        quarantine: A CSV to set bad rows aside in; None: the first bad row is an error.

    Raises:
        ConfigError: The mapping is not allowed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        split: SplitRule | None = None,
        quarantine: Path | None = None,
    ) -> None:
        super().__init__(path, split=split, quarantine=quarantine)
        self.columns = ColumnMap(columns)

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
        """The loader of a path; the seed has no use here."""
        return cls(source, columns=columns, split=split)

    @property
    def layout(self) -> str:
        """Always "table"."""
        return LAYOUT

    def inspect(self, *, drop: bool) -> Reading:
        """What there is and what is wrong with it."""
        return inspect_tables(self.path, self.columns, drop=drop)


def inspect_tables(path: str | Path, columns: ColumnMap, *, drop: bool = False) -> Reading:
    """Read every table of a path and report what is wrong with it, without raising for bad rows.

    Args:
        path: A file, folder or zip.
        columns: What the user calls the columns.
        drop: The caller goes on without the bad rows; see ``read_movielens``.

    Raises:
        DataError: The path is missing or damaged, or holds no file of ratings, or several.
    """
    reader = _Reader(open_table(Path(path).expanduser()), columns)
    # The ratings come first: the other tables' ids are of their types.
    ratings = reader.ratings()
    items, tags, users = reader.items(), reader.tags(), reader.users()
    if items is not None and items.usable and (drop or not items.problems):
        ratings = check_known(ratings, items.frame["item_id"].to_numpy(), items.file, word="item")
    interactions = Interactions(
        ratings.frame,
        items=_items(ratings.frame if items is None else items.frame),
        **({} if items is None or "genres" not in items.frame else {"genres": genres_of(items.frame)}),
        **{name: table.frame for name, table in (("tags", tags), ("users", users)) if table is not None},
    )
    tables = (table for table in (ratings, items, tags, users) if table is not None)
    return Reading(LAYOUT, interactions, tuple(tables))


def open_table(path: Path) -> Members:
    """The files of a folder or zip, or one file alone.

    Raises:
        DataError: The path does not exist or cannot be read.
    """
    try:
        is_one_file = path.is_file() and path.stat().st_size > 0 and not _is_zip(path)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); expected a readable file", file=str(path)) from error
    return FileMembers(path) if is_one_file else open_members(path)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


class _Reader:
    """Reads the tables of one data set, the ratings first: they decide what kind of ids there are."""

    def __init__(self, members: Members, columns: ColumnMap) -> None:
        self._members = members
        self._columns = columns
        self._text_ids: frozenset[str] = frozenset()

    def ratings(self) -> Table:
        file = self._file(RATINGS)
        if file is None:
            found = listing(self._members.names)
            raise DataError(f"holds {found}; expected {_EXPECTED}", file=str(self._members.path))
        headers = {name: header for name in IDS if (header := self._columns.find(name, file.columns)) is not None}
        self._text_ids = frozenset(name for name, header in headers.items() if not file.holds_integers(header))
        table, spec = self._read(RATINGS, file)
        mistyped = frozenset(name for name, header in headers.items() if _is_mistyped(table, header))
        if mistyped:
            self._text_ids |= mistyped
            table, spec = self._read(RATINGS, file)
        table = check_ratings(table, spec)
        if "rating" not in table.frame:
            table = table.with_column("rating", np.full(len(table.frame), IMPLICIT_RATING, dtype=np.float32))
        columns = {name: table.frame[name].to_numpy() for name in RATING_COLUMNS}
        return replace(table, frame=pd.DataFrame(columns, copy=False))

    def items(self) -> Table | None:
        file = self._file(ITEMS)
        return None if file is None else _checked_years(check_items(*self._read(ITEMS, file)))

    def tags(self) -> Table | None:
        file = self._file(TAGS)
        return None if file is None else check_values(*self._read(TAGS, file))

    def users(self) -> Table | None:
        file = self._file(USERS)
        if file is None:
            return None
        table, spec = self._read(USERS, file)
        return check_users(_with_ages(table), spec)

    def _file(self, role: Role) -> TableFile | None:
        """The file of a role; a file that lies alone holds ratings, whatever it is called."""
        alone = isinstance(self._members, FileMembers)
        if alone:
            names = self._members.names if role is RATINGS else []
        else:
            names = [name for name in self._members.names if _stem(name) in role.files and _kind(name) in _KINDS]
        if len(names) > 1:
            raise DataError(
                f"holds {' and '.join(names)}; expected one file of {role.files[0]}", file=str(self._members.path)
            )
        if not names:
            return None
        if _kind(names[0]) not in _KINDS:
            raise DataError(
                f"is of an unknown kind; expected a name that ends with {', '.join(_KINDS)} (or .gz after it), "
                "or a zip or folder",
                file=f"{self._members.path}/{names[0]}",
            )
        return _KINDS[_kind(names[0])](self._members, names[0])

    def _read(self, role: Role, file: TableFile) -> tuple[Table, TableSpec]:
        found = find_columns(role, file, self._columns, self._text_ids)
        if isinstance(found, Problem):
            spec = spec_of(role, self._text_ids)
            return no_rows(spec, file.file, found), spec
        unit = found.unit
        if unit is None:
            table = file.read(found.spec, lambda part: part)
        else:
            table = file.read(found.spec, lambda part: to_seconds(part, unit, found.time_header))
        return _with_ids(table, found.spec), found.spec


def _kind(name: str) -> str:
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def _stem(name: str) -> str:
    return PurePosixPath(name.lower().removesuffix(".gz")).stem


def _is_mistyped(table: Table, header: str) -> bool:
    """So many ids are no integers that none was meant to be one."""
    count = sum(
        problem.count
        for problem in table.problems
        if problem.kind == "not_an_integer" and problem.what.startswith(f"{header} is ")
    )
    return count > _MISTYPED * (len(table.frame) + count)


def _with_ids(table: Table, spec: TableSpec) -> Table:
    """The rows whose ids are no blank text."""
    for column in spec.read_columns:
        if column.name not in IDS or column.type != "string" or not len(table.frame):
            continue
        rows = np.flatnonzero(table.frame[column.name].str.strip().eq("").to_numpy())
        if len(rows):
            what = f"{column.header} is missing"
            table = table.without(rows, Problem("missing_id", table.file, what, "an id", table.lines_of(rows)))
    return table


def _checked_years(table: Table) -> Table:
    """The items whose ``year``, if there is such a column, is one."""
    if "year" not in table.frame:
        return table
    rows = np.flatnonzero(~table.frame["year"].str.fullmatch(_YEAR).to_numpy(dtype=bool))
    if not len(rows):
        return table
    values = [repr(text) for text in table.frame["year"].iloc[rows]]
    problem = Problem("bad_year", table.file, "year is {}", "four digits, or nothing", table.lines_of(rows), values)
    return table.without(rows, problem)


def _with_ages(table: Table) -> Table:
    """The users whose ``age``, if there is such a column, is a number or missing."""
    if "age" not in table.frame or not len(table.frame):
        return table
    texts = table.frame["age"].str.strip()
    ages = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    misfit = np.flatnonzero(~np.isfinite(ages) & texts.ne("").to_numpy())
    whole = np.isfinite(ages).all() and (ages == np.floor(ages)).all()
    table = table.with_column("age", ages.astype(np.int64) if whole else ages)
    if not len(misfit):
        return table
    values = [repr(text) for text in texts.iloc[misfit]]
    problem = Problem(
        "bad_age", table.file, "age is {}", "a number of years, or nothing", table.lines_of(misfit), values
    )
    return table.without(misfit, problem)


def _items(frame: pd.DataFrame) -> pd.DataFrame:
    """item_id, title, year of an item table or, where there is none, of the items of the ratings."""
    frame = frame if "rating" not in frame else pd.DataFrame({"item_id": np.sort(frame["item_id"].unique())})
    if "title" not in frame:
        frame = frame.assign(title=frame["item_id"].astype(str).astype(object))
        items = frame[["item_id", "title"]].assign(year=pd.array([pd.NA] * len(frame), dtype="Int16"))
    else:
        items = items_of(frame)
    if "year" in frame:
        items["year"] = pd.to_numeric(frame["year"].str.strip().replace("", None)).astype("Int16")
    return items


def holds_ratings(path: Path) -> bool:
    """Whether the names of the files are those of tables that can be read; a file that lies alone need have no name."""
    try:
        members = open_table(path)
    except DataError:
        return False
    if isinstance(members, FileMembers):
        return _kind(path.name) in _KINDS
    return any(_stem(name) in RATINGS.files and _kind(name) in _KINDS for name in members.names)
