"""Reading a million ratings, checked, against pyarrow's own read of the same ratings.

Ours reads ``::`` or finds the columns by name, gives line numbers, checks range, time and duplicates, and makes a data
frame; pyarrow's own read does none of that. Each on the threads there are, best of several runs in turn: ml-1m's layout
against a CSV, both from memory; tables in CSV and in Parquet against pyarrow's read of the CSV.

Run: python -m benchmarks.parse_ratings
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from loaders.columns import ColumnMap
from loaders.delimited import parse_table
from loaders.layouts import ML_1M
from loaders.rules import check_ratings
from loaders.tabular import inspect_tables

N_RATINGS = 1_000_000
ROUNDS = 7
#: The figure to hold: at most this many times pyarrow's own read.
CEILING = 2.0


def ratings_file(separator: str, seed: int = 0) -> bytes:
    """A million ratings by users in order, movies in the order they were rated, as in ml-1m."""
    rng = np.random.default_rng(seed)
    pair = rng.permutation(6_040 * 3_952)[:N_RATINGS]
    user, movie = np.divmod(pair, 3_952)
    order = np.argsort(user, kind="stable")
    rating, timestamp = rng.integers(1, 6, N_RATINGS), rng.integers(956_703_932, 1_046_454_590, N_RATINGS)
    columns = (user[order] + 1, movie[order] + 1, rating, timestamp)
    return "".join(
        f"{separator.join(map(str, row))}\n" for row in zip(*(column.tolist() for column in columns), strict=True)
    ).encode()


def ours(raw: bytes) -> int:
    table = check_ratings(parse_table(raw, ML_1M.ratings, "ratings.dat"), ML_1M.ratings)
    if table.problems:
        raise SystemExit(f"the generated file should be sound, found {table.problems[0].error()}")
    return len(table.frame)


def our_table(path: Path) -> int:
    return len(inspect_tables(path, ColumnMap()).interactions)


def pyarrows(raw: bytes) -> int:
    options = csv.ReadOptions(column_names=["user_id", "item_id", "rating", "timestamp"])
    return int(csv.read_csv(pa.BufferReader(raw), read_options=options).num_rows)


def pyarrows_csv(path: Path) -> int:
    return int(csv.read_csv(path).num_rows)


def seconds(function: Callable[..., int], source: bytes | Path) -> float:
    began = time.perf_counter()
    if function(source) != N_RATINGS:
        raise SystemExit(f"{function.__name__} lost rows")
    return time.perf_counter() - began


def compare(
    what: str, mine: tuple[Callable[..., int], bytes | Path], theirs: tuple[Callable[..., int], bytes | Path]
) -> None:
    rounds = [(seconds(*mine), seconds(*theirs)) for _ in range(ROUNDS)]
    our_best, their_best = (min(column) for column in zip(*rounds, strict=True))
    print(f"read and check {N_RATINGS:,} ratings, {what:<10}  {our_best * 1000:7.1f} ms")
    print(f"pyarrow's own read of the same as CSV         {their_best * 1000:7.1f} ms")
    print(f"ratio                                         {our_best / their_best:7.2f} (at most {CEILING})")


def main() -> None:
    colons, commas = ratings_file("::"), ratings_file(",")
    compare("ml-1m", (ours, colons), (pyarrows, commas))
    with tempfile.TemporaryDirectory() as folder:
        table, parquet = Path(folder) / "ratings.csv", Path(folder) / "ratings.parquet"
        table.write_bytes(b"user_id,item_id,rating,timestamp\n" + commas)
        pq.write_table(csv.read_csv(table), parquet)
        compare("CSV", (our_table, table), (pyarrows_csv, table))
        compare("Parquet", (our_table, parquet), (pyarrows_csv, table))


if __name__ == "__main__":
    main()
