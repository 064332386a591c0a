"""How each MovieLens release is laid out: which files, which columns, which separators.

Source: the README of each release at https://grouplens.org/datasets/movielens/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from core.errors import DataError
from loaders.members import Members

ColumnType = Literal["int64", "float32", "string"]


class Column(NamedTuple):
    """One column of a file.

    Attributes:
        header: What the file (or its README) calls it.
        name: What we call it; empty for a column that is not read.
        type: What its values are.
    """

    header: str
    name: str = ""
    type: ColumnType = "string"


@dataclass(frozen=True)
class TableSpec:
    """How one file is written.

    Attributes:
        file: Its name.
        columns: In file order where there is no header.
        separator: Between two values.
        header: The first line names the columns; they may then come in any order, among others.
        encoding: Of its text.
        quoted: A value may stand in double quotes.
        item_word: What messages call an item.
    """

    file: str
    columns: tuple[Column, ...]
    separator: str = ","
    header: bool = False
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    quoted: bool = False
    item_word: str = "movie"

    @property
    def headers(self) -> list[str]:
        """What the file calls its columns, read or not."""
        return [column.header for column in self.columns]

    @property
    def read_columns(self) -> tuple[Column, ...]:
        """The columns that are read."""
        return tuple(column for column in self.columns if column.name)

    @property
    def numeric(self) -> bool:
        """No column is text, read or not."""
        return all(column.type != "string" for column in self.columns)

    @property
    def expectation(self) -> str:
        """The columns and their separator in words."""
        named = {",": "commas", "\t": "tabs"}.get(self.separator, repr(self.separator))
        headers = self.headers
        listed = ", ".join(headers) if len(headers) <= 8 else f"{', '.join(headers[:3])} … {headers[-1]}"
        return f"{len(headers)} columns separated by {named}: {listed}"


@dataclass(frozen=True)
class Layout:
    """The files of one kind of release.

    Attributes:
        name: As provenance records it.
        releases: The releases laid out so.
        ratings: Must exist.
        items: Must exist.
        tags: May exist.
        users: May exist.
        marked_by: A file that tells this layout from a more general one with the same ratings and items.
        genre_flags: Genre of each 0/1 column of ``items``, where it has such; otherwise genres are one
            column, joined by ``|``.
    """

    name: str
    releases: str
    ratings: TableSpec
    items: TableSpec
    tags: TableSpec | None = None
    users: TableSpec | None = None
    genre_flags: tuple[str, ...] = ()
    marked_by: str = ""

    @property
    def files(self) -> list[str]:
        """The files without which it is not this layout."""
        return [file for file in (self.ratings.file, self.items.file, self.marked_by) if file]


_USER = Column("userId", "user_id", "int64")
_MOVIE = Column("movieId", "item_id", "int64")
_RATING = Column("rating", "rating", "float32")
_TIMESTAMP = Column("timestamp", "timestamp", "int64")

ML_LATEST = Layout(
    name="ml-latest",
    releases="ml-latest, ml-latest-small, ml-20m, ml-25m, ml-32m",
    ratings=TableSpec("ratings.csv", (_USER, _MOVIE, _RATING, _TIMESTAMP), header=True),
    items=TableSpec(
        "movies.csv", (_MOVIE, Column("title", "title"), Column("genres", "genres")), header=True, quoted=True
    ),
    tags=TableSpec("tags.csv", (_USER, _MOVIE, Column("tag", "tag"), _TIMESTAMP), header=True, quoted=True),
)

#: In the order of the columns of u.item. "unknown" is the release's way to say that there is none.
ML_100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

ML_100K = Layout(
    name="ml-100k",
    releases="ml-100k",
    ratings=TableSpec("u.data", (_USER, _MOVIE, _RATING, _TIMESTAMP), separator="\t"),
    items=TableSpec(
        "u.item",
        (
            _MOVIE,
            Column("title", "title"),
            Column("release date"),
            Column("video release date"),
            Column("IMDb URL"),
            *(Column(genre, f"flag {genre}", "int64") for genre in ML_100K_GENRES),
        ),
        separator="|",
        encoding="latin-1",
    ),
    users=TableSpec(
        "u.user",
        (
            _USER,
            Column("age", "age", "int64"),
            Column("gender", "gender"),
            Column("occupation", "occupation"),
            Column("zip code", "zip"),
        ),
        separator="|",
        encoding="latin-1",
    ),
    genre_flags=ML_100K_GENRES,
)

ML_1M = Layout(
    name="ml-1m",
    releases="ml-1m",
    ratings=TableSpec("ratings.dat", (_USER, _MOVIE, _RATING, _TIMESTAMP), separator="::"),
    items=TableSpec(
        "movies.dat",
        (_MOVIE, Column("title", "title"), Column("genres", "genres")),
        separator="::",
        encoding="latin-1",
    ),
    users=TableSpec(
        "users.dat",
        (
            _USER,
            Column("gender", "gender"),
            Column("age", "age", "int64"),
            Column("occupation", "occupation"),
            Column("zip code", "zip"),
        ),
        separator="::",
        encoding="latin-1",
    ),
)

ML_10M = Layout(
    name="ml-10m",
    releases="ml-10m",
    ratings=ML_1M.ratings,
    items=replace(ML_1M.items, encoding="utf-8"),
    tags=TableSpec("tags.dat", (_USER, _MOVIE, Column("tag", "tag"), _TIMESTAMP), separator="::"),
    marked_by="tags.dat",
)

#: The special before the general: of several that fit the same ratings, the first is taken.
LAYOUTS = (ML_LATEST, ML_100K, ML_10M, ML_1M)


class Located(NamedTuple):
    """A layout found among members.

    Attributes:
        layout: Which.
        folder: The folder inside the members that holds it, with its ``/``; empty at the top.
    """

    layout: Layout
    folder: str

    def member(self, table: TableSpec) -> str:
        """The member that holds a table."""
        return self.folder + table.file


def locate(members: Members) -> Located:
    """Find the layout by the names of the files.

    Raises:
        DataError: No layout fits, or more than one data set is there; the message lists what was found.
    """
    present = set(members.names)
    folders = sorted({_folder(name) for name in members.names})
    fitting = [
        Located(layout, folder)
        for layout in LAYOUTS
        for folder in folders
        if {folder + file for file in layout.files} <= present
    ]
    found = list({one.member(one.layout.ratings): one for one in reversed(fitting)}.values())[::-1]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(f"{one.layout.name} in {one.folder or './'}" for one in found)
        raise DataError(
            f"holds {len(found)} data sets ({places}); expected one: give its folder", file=str(members.path)
        )
    needs = "; ".join(f"{' and '.join(layout.files)} ({layout.releases})" for layout in LAYOUTS)
    raise DataError(f"holds {listing(members.names)}; expected a MovieLens layout: {needs}", file=str(members.path))


def _folder(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else f"{parent}/"


def listing(names: list[str], shown: int = 8) -> str:
    """The first names, and how many more there are."""
    if not names:
        return "no files"
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
