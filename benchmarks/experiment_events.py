"""An experiment of ten million events aggregated from Parquet, against DuckDB's own scan and group.

    python -m benchmarks.experiment_events [--events 10000000] [--units 1000000]

Bar: at most 3 times the bare scan that groups the same events by unit and arm, in the same run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from events.unit_aggregate import ROWS, ExperimentTable, UnitNumber, arm_cells
from loaders.experiment_file import open_experiment

BAR, REPEATS = 3.0, 5
METRICS = [(UnitNumber("revenue"),), (UnitNumber("click"), UnitNumber(ROWS)), (UnitNumber("click", "any"),)]
BARE = """
    select variant, count(*), sum(revenue), sum(click) from (
        select user_id, variant, count(*) as n, sum(revenue) as revenue, sum(click) as click
        from read_parquet(?) group by user_id, variant)
    group by variant
"""


def write_events(path: Path, n_events: int, n_units: int) -> None:
    rng = np.random.default_rng(0)
    unit = rng.integers(n_units, size=n_events)
    arm = np.where(unit * 2_654_435_761 % 2**32 % 2 == 0, "control", "treatment")
    columns = {
        "user_id": unit,
        "variant": arm,
        "click": (rng.random(n_events) < 0.1).astype(np.int8),
        "revenue": rng.exponential(1.0, n_events),
    }
    pq.write_table(pa.table(columns), path)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def bare(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(BARE, [str(path)]).fetchall()


def ours(path: Path) -> None:
    columns = ("user_id", "variant", "click", "revenue")
    with open_experiment(path, columns=columns) as table:
        arm_cells(table, ExperimentTable("user_id", "variant", METRICS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--units", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        write_events(path, options.events, options.units)
        # Taken in turns, so that both see the same machine.
        pairs = [(seconds(lambda: bare(path)), seconds(lambda: ours(path))) for _ in range(REPEATS)]
    plain, found = (float(np.median([pair[place] for pair in pairs])) for place in (0, 1))
    print(f"{options.events:,} events of {options.units:,} units, three metrics, median of {REPEATS} runs")
    print(f"bare DuckDB scan and group {plain:.2f} s, ours {found:.2f} s, ratio {found / plain:.2f} (bar {BAR:g})")
    if found / plain > BAR:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
