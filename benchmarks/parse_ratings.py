"""Reading a million ratings: our checked parse of ml-1m against pyarrow's own read of the same ratings as CSV.

Ours reads ``::``, gives line numbers, checks range, time and duplicates, and makes a data frame; pyarrow's own read
does none of that. Both read from memory, on the threads there are, best of several runs in turn.

Run: python -m benchmarks.parse_ratings
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyarrow import csv

from loaders.delimited import parse_table
from loaders.layouts import ML_1M
from loaders.rules import check_ratings

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


def pyarrows(raw: bytes) -> int:
    options = csv.ReadOptions(column_names=["user_id", "item_id", "rating", "timestamp"])
    return int(csv.read_csv(pa.BufferReader(raw), read_options=options).num_rows)


def seconds(function: Callable[[bytes], int], raw: bytes) -> float:
    began = time.perf_counter()
    if function(raw) != N_RATINGS:
        raise SystemExit(f"{function.__name__} lost rows")
    return time.perf_counter() - began


def main() -> None:
    colons, commas = ratings_file("::"), ratings_file(",")
    rounds = [(seconds(ours, colons), seconds(pyarrows, commas)) for _ in range(ROUNDS)]
    mine, theirs = (min(column) for column in zip(*rounds, strict=True))
    print(f"parse and check {N_RATINGS:,} ratings of ml-1m     {mine * 1000:7.1f} ms")
    print(f"pyarrow's own read of the same as CSV       {theirs * 1000:7.1f} ms")
    print(f"ratio                                       {mine / theirs:7.2f} (at most {CEILING})")


if __name__ == "__main__":
    main()
