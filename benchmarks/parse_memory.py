"""Reading 25 million ratings: time, and the most memory it takes against that of the arrays it gives.

The file is made for the run (sizes of ml-25m, about 600 MB) and deleted. It is read and checked in a process of its
own, whose peak resident memory above what it had after its imports is compared with 28 bytes a rating: user_id, item_id
and timestamp of 8 bytes, rating of 4.

Run: python -m benchmarks.parse_memory [--rows N] [--shuffled]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

N_USERS, N_ITEMS = 162_541, 59_047
BYTES_PER_RATING = 8 + 8 + 4 + 8
#: The figure to hold: at most this many times the arrays.
CEILING = 2.0
_ROWS_AT_ONCE = 1_000_000


def write_ratings(folder: Path, n_rows: int, *, shuffled: bool, seed: int = 0) -> None:
    """ratings.csv, by users and movies in order as in ml-25m unless shuffled, and movies.csv."""
    rng = np.random.default_rng(seed)
    pair = np.cumsum(rng.integers(1, 2 * (N_USERS * N_ITEMS // n_rows), n_rows))
    if shuffled:
        rng.shuffle(pair)
    with csv.CSVWriter(folder / "ratings.csv", _schema()) as writer:
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            user, item = np.divmod(pair[start : start + _ROWS_AT_ONCE], N_ITEMS)
            rating = rng.integers(1, 11, len(user)) / 2
            timestamp = rng.integers(789_652_009, 1_574_327_703, len(user))
            writer.write(pa.table([user + 1, item + 1, rating, timestamp], schema=_schema()))
    movies = (f"{item},Film {item} (1999),Drama\n" for item in range(1, N_ITEMS + 1))
    (folder / "movies.csv").write_text("movieId,title,genres\n" + "".join(movies))


def _schema() -> pa.Schema:
    integer, number = pa.int64(), pa.float64()
    return pa.schema([("userId", integer), ("movieId", integer), ("rating", number), ("timestamp", integer)])


def memory(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at the most so far."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def read(folder: str) -> None:
    """What the process of its own does: read, check, tell."""
    from loaders.local import LocalDataLoader

    LocalDataLoader(Path(folder) / "first").load()
    before, began = memory("VmRSS"), time.perf_counter()
    interactions = LocalDataLoader(Path(folder) / "ratings").load()
    seconds = time.perf_counter() - began
    print(json.dumps({"rows": len(interactions), "seconds": seconds, "bytes": memory("VmHWM") - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_000_000)
    parser.add_argument("--shuffled", action="store_true", help="rows in no order")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, n_rows in (("first", 1_000), ("ratings", given.rows)):
            (Path(folder) / name).mkdir()
            write_ratings(Path(folder) / name, n_rows, shuffled=given.shuffled)
        command = [sys.executable, "-m", "benchmarks.parse_memory", "--read", folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    arrays = given.rows * BYTES_PER_RATING
    print(f"read and check {found['rows']:,} ratings          {found['seconds']:7.1f} s")
    print(f"the most memory it took                   {found['bytes'] / 1e6:7.0f} MB")
    print(f"the arrays it gives                       {arrays / 1e6:7.0f} MB")
    print(f"ratio                                     {found['bytes'] / arrays:7.2f} (at most {CEILING})")


if __name__ == "__main__":
    main()
