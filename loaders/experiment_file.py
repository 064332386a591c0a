"""Anyone's experiment on disk: a CSV or Parquet file, or a folder of Parquet files, opened as an Ibis table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import DataError

_DELIMITED = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_EXPECTED = "a .csv, .tsv (also .gz) or .parquet file, or a folder of .parquet files"


@contextmanager
def open_experiment(
    path: Path,
    *,
    columns: Collection[str],
    numbers: Collection[str] = (),
    texts: Collection[str] = (),
    threads: int | None = None,
) -> Iterator[Any]:
    """A table to aggregate; DuckDB reads it as it is needed, so it may be larger than memory.

    Args:
        path: The file or folder.
        columns: Columns that it must have.
        numbers: Of these, columns that must hold numbers or Booleans.
        texts: Of these, columns that are read as text from delimited files, so that "007" stays what it is.
        threads: 1: sums come out to the last bit each time, since their terms keep their order; None: one per core.

    Raises:
        DataError: There is no such file, it is of another kind or cannot be read, or a column is missing or no number.
    """
    import duckdb
    import ibis

    connection = ibis.duckdb.connect() if threads is None else ibis.duckdb.connect(threads=threads)
    try:
        try:
            table = _read(connection, path, columns, texts)
        except (duckdb.Error, OSError) as error:
            raise DataError(f"cannot be read: {str(error).splitlines()[0]}", file=str(path)) from error
        _check(table, path, columns, numbers)
        try:
            yield table
        except duckdb.Error as error:
            # A delimited file is read to its end only when it is aggregated.
            raise DataError(f"cannot be read: {str(error).splitlines()[0]}", file=str(path)) from error
    finally:
        connection.disconnect()


def _read(connection: Any, path: Path, columns: Collection[str], texts: Collection[str]) -> Any:
    if not path.exists():
        raise DataError(f"there is no such file; give {_EXPECTED}", file=str(path))
    if path.is_dir():
        if not any(path.rglob("*.parquet")):
            raise DataError(f"holds no .parquet file; give {_EXPECTED}", file=str(path))
        return connection.read_parquet(str(path / "**" / "*.parquet"))
    if path.stat().st_size == 0:
        raise DataError(f"is empty; give {_EXPECTED}", file=str(path))
    if path.name.lower().endswith(_DELIMITED):
        # The first rows tell the names.
        known = connection.read_csv(str(path), header=True).columns
        as_texts = {name: "VARCHAR" for name in texts if name in known}
        more = {"types": as_texts} if as_texts else {}
        # Looked at whole before a type is decided: a price that is whole in the first rows is still no integer.
        return connection.read_csv(str(path), header=True, sample_size=-1, **more)
    if path.suffix.lower() == ".parquet":
        return connection.read_parquet(str(path))
    raise DataError(f"is of a kind that is not known; give {_EXPECTED}", file=str(path))


def _check(table: Any, path: Path, columns: Collection[str], numbers: Collection[str]) -> None:
    for name in columns:
        if name not in table.columns:
            raise DataError(f"has no column {name!r}; it has {', '.join(table.columns)}", file=str(path))
    schema = table.schema()
    for name in numbers:
        kind = schema[name]
        if kind.is_string():
            raise DataError(f"column {name!r} {_text_told(table, name)}", file=str(path))
        if not (kind.is_numeric() or kind.is_boolean()):
            raise DataError(f"column {name!r} holds {kind}, must hold numbers", file=str(path))


def _text_told(table: Any, name: str) -> str:
    """Why a column of text holds no numbers: tools write "NA", or a comma for the point."""
    column = table[name]
    odd = table.filter(column.notnull() & column.try_cast("float64").isnull()).limit(1)[name].to_pyarrow()
    if len(odd):
        return f"holds {odd[0].as_py()!r}, must hold numbers; leave a cell empty where there is none"
    return "holds text, must hold numbers" if table.count().to_pyarrow().as_py() else "has no rows"
