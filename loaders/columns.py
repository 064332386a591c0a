"""Which column of a file holds what: our names, MovieLens' names, or the ones the user maps to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.errors import ConfigError

#: Our names, each with the names under which a file's column is recognised, the first that is there.
RECOGNISED: dict[str, tuple[str, ...]] = {
    "user_id": ("user_id", "userId"),
    "item_id": ("item_id", "itemId", "movie_id", "movieId"),
    "rating": ("rating",),
    "timestamp": ("timestamp",),
    "timestamp_ms": ("timestamp_ms",),
    "timestamp_us": ("timestamp_us",),
    "title": ("title",),
    "year": ("year",),
    "genres": ("genres",),
    "tag": ("tag",),
    "gender": ("gender",),
    "age": ("age",),
    "occupation": ("occupation",),
    "zip": ("zip",),
}

#: A file has one of these, and its name says what its numbers are: seconds, milliseconds or microseconds.
TIME_COLUMNS = ("timestamp", "timestamp_ms", "timestamp_us")

_EXAMPLE = "user_id=uid,item_id=sku,rating=stars,timestamp=ts"


class ColumnMap:
    """Finds columns by our names.

    Args:
        columns: Our names to the file's; a name that is not mapped is recognised by itself.

    Raises:
        ConfigError: A name is not one of ours, or two of ours name the same column.
    """

    def __init__(self, columns: Mapping[str, str] | None = None) -> None:
        self.columns = dict(columns or {})
        unknown = sorted(set(self.columns) - set(RECOGNISED))
        if unknown:
            raise ConfigError(f"columns names {', '.join(unknown)}; allowed: {', '.join(RECOGNISED)} ({_EXAMPLE})")
        empty = [name for name, column in self.columns.items() if not column]
        if empty:
            raise ConfigError(f"columns gives {', '.join(empty)} no column of the file; expected e.g. {_EXAMPLE}")
        twice = sorted({column for column in self.columns.values() if list(self.columns.values()).count(column) > 1})
        if twice:
            raise ConfigError(f"columns maps {', '.join(twice)} more than once; give each column of the file one name")
        times = [name for name in TIME_COLUMNS if name in self.columns]
        if len(times) > 1:
            raise ConfigError(f"columns maps {' and '.join(times)}; a rating has one time, so map one of them")

    def find(self, name: str, present: Sequence[str]) -> str | None:
        """The file's column for one of our names; None if it has none.

        A column that is mapped is looked for under the name given and no other, except in a file that lacks it
        (the users' file may well call ``user_id`` what the ratings' calls ``uid``).
        """
        mapped = self.columns.get(name)
        if mapped is not None and mapped in present:
            return mapped
        taken = set(self.columns.values())
        return next((one for one in RECOGNISED[name] if one in present and one not in taken), None)

    def find_time(self, present: Sequence[str]) -> tuple[str, str] | None:
        """Which of ``TIME_COLUMNS`` the file has, the one that is mapped first, and its column; None if it has none."""
        names = sorted(TIME_COLUMNS, key=lambda name: name not in self.columns)
        found = ((name, self.find(name, present)) for name in names)
        return next(((name, column) for name, column in found if column is not None), None)

    def words(self, name: str) -> str:
        """What the file's column may be called, for messages."""
        if name in self.columns:
            return self.columns[name]
        return " or ".join(RECOGNISED[name])

    def words_of_time(self) -> str:
        """What the column of the time may be called, for messages."""
        mapped = [self.columns[name] for name in TIME_COLUMNS if name in self.columns]
        return mapped[0] if mapped else " or ".join(TIME_COLUMNS)


def parse_columns(text: str) -> dict[str, str]:
    """``user_id=uid,item_id=sku`` as a mapping; empty text is none.

    Raises:
        ConfigError: It is of another form, or gives a name twice.

    >>> parse_columns("user_id=uid, rating=stars")
    {'user_id': 'uid', 'rating': 'stars'}
    """
    columns: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not name or name in columns:
            raise ConfigError(f"columns {text!r} is not of the form {_EXAMPLE}")
        columns[name] = column
    return columns
