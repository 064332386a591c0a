"""A MovieLens release, whatever its layout, as Interactions and a list of what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.interactions import Interactions
from loaders.blocks import read_delimited
from loaders.delimited import Table
from loaders.layouts import Layout, Located, TableSpec, locate
from loaders.members import Members
from loaders.problems import Problem
from loaders.rules import check_items, check_known, check_ratings, check_users, check_values

#: The year in a title's last parentheses, or the first of "(2006–2007)"; ml-100k writes "(V)" for video after it.
_YEAR = r"\(\s*(\d{4})\s*(?:[-–]\s*\d{0,4}\s*)?\)\s*(?:\((?:V|TV)\))?\s*$"
#: How releases say that a film has no genre.
_NO_GENRE = ("(no genres listed)", "unknown", "")


@dataclass(frozen=True, eq=False)
class Reading:
    """What was found in a folder or zip.

    Attributes:
        layout: Name of how it is laid out.
        interactions: The good rows.
        tables: The files read, with the lines that are not among those rows.
    """

    layout: str
    interactions: Interactions
    tables: tuple[Table, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, by file and line: ratings first, then movies, tags, users."""
        return tuple(
            problem
            for table in self.tables
            for problem in sorted(table.problems, key=lambda problem: problem.first_line or 0)
        )


def read_movielens(members: Members, *, drop: bool = False) -> Reading:
    """Read and check every table.

    Args:
        members: The folder or zip.
        drop: The caller goes on without the bad lines, so a rating of a movie whose own line is bad is bad, too.
            Otherwise such ratings are not reported: they are sound once the movie's line is.

    Raises:
        DataError: No layout fits, or a member cannot be read.
    """
    located = locate(members)
    layout = located.layout
    items = check_items(_read(members, located, layout.items), layout.items)
    ratings = check_ratings(_read(members, located, layout.ratings), layout.ratings)
    if items.usable and (drop or not items.problems):
        ratings = check_known(ratings, items.frame["item_id"].to_numpy(), items.file)
    tags = users = None
    if layout.tags is not None and located.member(layout.tags) in members.names:
        tags = check_values(_read(members, located, layout.tags), layout.tags)
    if layout.users is not None and located.member(layout.users) in members.names:
        users = check_users(_read(members, located, layout.users), layout.users)
    interactions = Interactions(
        ratings.frame,
        items=items_of(items.frame),
        genres=_genres(items.frame, layout),
        **{name: table.frame for name, table in (("tags", tags), ("users", users)) if table is not None},
    )
    tables = (table for table in (ratings, items, tags, users) if table is not None)
    return Reading(layout.name, interactions, tuple(tables))


def _read(members: Members, located: Located, spec: TableSpec) -> Table:
    return read_delimited(members, located.member(spec), spec)


def items_of(frame: pd.DataFrame) -> pd.DataFrame:
    """item_id, title as the release writes it, and the year the title ends with."""
    title = frame["title"].astype(str).str.strip()
    year = pd.to_numeric(title.str.extract(_YEAR, expand=False)).astype("Int16")
    return pd.DataFrame({"item_id": frame["item_id"], "title": title, "year": year})


def genres_of(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per item and genre of a column ``genres`` joined by ``|``; no row for an item without one."""
    split = frame["genres"].astype(str).str.strip().str.split("|")
    return _without_none(pd.DataFrame({"item_id": frame["item_id"], "genre": split}).explode("genre"))


def _genres(frame: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """One row per item and genre, in item order; no row for an item without one."""
    if not layout.genre_flags:
        return genres_of(frame)
    flags = frame[[f"flag {genre}" for genre in layout.genre_flags]].to_numpy()
    row, column = np.nonzero(flags)
    item, genre = frame["item_id"].to_numpy()[row], np.array(layout.genre_flags, dtype=object)[column]
    return _without_none(pd.DataFrame({"item_id": item, "genre": genre}))


def _without_none(genres: pd.DataFrame) -> pd.DataFrame:
    return genres[~genres["genre"].isin(_NO_GENRE)].reset_index(drop=True)
