"""Features: snapshots of many moments at once and the bulk as-of join, against plain pandas.

    python -m benchmarks.features [--data ml-latest-small.zip] [--every-days 30] [--ratings 100836]

The baseline for the snapshots truncates the ratings and tags at each moment and groups what is left, as a notebook
would, for everyone who has a rating by then; it leaves out sessions, demographics, release years and the user's mean
item popularity, which ours computes, too. The baseline for the join is ``pandas.merge_asof``, once for users and once
for items. Each runs in a process of its own; memory is that process's peak above what its imports and the data took.
Bars: the snapshots in at most half the baseline's time, the join in at most 1.2 of its. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.interactions import Interactions
from feature_repo.matrices import features_as_of
from feature_repo.offline import join_rows
from feature_repo.snapshots import read_snapshots, snapshot_times, write_snapshots
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader

SNAPSHOT_CEILING, JOIN_CEILING = 0.5, 1.2
_DAY = 86_400


class Job(NamedTuple):
    """What a process measures, in plain values so that it can be sent there."""

    data: Path | None
    n_ratings: int
    every_days: int
    folder: Path

    def interactions(self) -> Interactions:
        """The data."""
        if self.data is not None:
            return LocalDataLoader(self.data).load()
        return SyntheticDataLoader(n_ratings=self.n_ratings).load()


class Cost(NamedTuple):
    """What a run took."""

    seconds: float
    megabytes: float


def snapshots_ours(job: Job) -> Cost:
    """Every snapshot, written."""
    interactions = job.interactions()
    features_as_of(interactions)  # imports Ibis and DuckDB
    return _cost(lambda: write_snapshots(interactions, job.folder, every_days=job.every_days))


def snapshots_plain(job: Job) -> Cost:
    """Every snapshot, grouped anew from what was known."""
    interactions = job.interactions()
    times = snapshot_times(interactions, job.every_days)
    return _cost(lambda: pd.concat([pd.concat(plain_features(interactions, t)).assign(time=t) for t in times]))


def one_moment_ours(job: Job) -> Cost:
    """Everyone's features as of now."""
    interactions = job.interactions()
    features_as_of(interactions)
    return _cost(lambda: features_as_of(interactions), times=5)


def one_moment_plain(job: Job) -> Cost:
    """The same, grouped."""
    interactions = job.interactions()
    now = snapshot_times(interactions, job.every_days)[-1]
    return _cost(lambda: plain_features(interactions, now), times=5)


def join_ours(job: Job) -> Cost:
    """Every rating with its user's and item's features as matrices, files read."""
    rows = _rows(job)
    return _cost(lambda: join_rows(rows, read_snapshots(job.folder)), times=5)


def join_plain(job: Job) -> Cost:
    """The same columns by merge_asof, files read."""
    rows = _rows(job).astype({"user_id": str, "item_id": str})
    found = read_snapshots(job.folder)

    def join() -> pd.DataFrame:
        joined = rows.sort_values("event_timestamp")
        for key, path in (("user_id", found.user_path), ("item_id", found.item_path)):
            table = pd.read_parquet(path).drop(columns="created_timestamp").sort_values("event_timestamp")
            joined = pd.merge_asof(joined, table, on="event_timestamp", by=key, suffixes=("", f"_{key}"))
        return joined

    return _cost(join, times=5)


def plain_features(interactions: Interactions, t: int) -> list[pd.DataFrame]:
    """Features of users and of items as of a moment by plain groupbys."""
    known = interactions.ratings[interactions.ratings["timestamp"] < t]
    tags = interactions.tags[interactions.tags["timestamp"] < t]
    known = known.assign(liked=known["rating"] >= 4, day=known["timestamp"] // _DAY)
    users, items = _grouped(known, "user_id", t), _grouped(known, "item_id", t)
    users["active_days"] = known.groupby("user_id")["day"].nunique()
    for name, figure in (("recency", "last"), ("frequency", "active_days"), ("value", "total")):
        users[f"rfm_{name}"] = np.ceil(5 * users[figure].rank(method="max", pct=True))
    pairs = known.merge(interactions.genres, on="item_id")
    centred = pairs["rating"] - pairs["user_id"].map(users["mean"])
    by_genre = pairs.assign(above=centred).groupby(["user_id", "genre"])["above"].agg(["size", "sum"])
    by_genre["share"] = by_genre["size"] / by_genre.groupby("user_id")["size"].transform("sum")
    by_genre["lift"] = by_genre["sum"] / (by_genre["size"] + 5)
    wide = by_genre[["share", "lift"]].unstack(fill_value=0)
    users = users.join(wide.set_axis([" ".join(pair) for pair in wide.columns], axis=1))
    users["genre_diversity"] = _entropy(by_genre["share"], "user_id")
    for name, first, last in (("recent", 90, 0), ("earlier", 180, 90)):
        window = known[(known["timestamp"] >= t - first * _DAY) & (known["timestamp"] < t - last * _DAY)]
        items[name] = window.groupby("item_id").size().reindex(items.index, fill_value=0)
    items["trend"] = (items["recent"] - items["earlier"]) / (items["recent"] + items["earlier"] + 1)
    items["quality"] = (items["total"] + 10 * known["rating"].mean()) / (items["count"] + 10)
    n_alike = tags.assign(tag=tags["tag"].str.lower()).groupby(["item_id", "tag"]).size()
    items["tag_diversity"] = _entropy(n_alike / n_alike.groupby("item_id").transform("sum"), "item_id")
    return [users, items]


def _grouped(known: pd.DataFrame, key: str, t: int) -> pd.DataFrame:
    groups = known.groupby(key)
    found = groups["rating"].agg(["count", "mean", "sum"]).rename(columns={"sum": "total"})
    found["std"] = groups["rating"].std(ddof=0)
    found["liked_share"] = groups["liked"].mean()
    found["last"], found["first"] = groups["timestamp"].max(), groups["timestamp"].min()
    return found.assign(recency=(t - found["last"]) / _DAY, tenure=(t - found["first"]) / _DAY)


def _entropy(shares: pd.Series, key: str) -> pd.Series:
    return (-shares * np.log(shares)).groupby(key).sum()


def _rows(job: Job) -> pd.DataFrame:
    ratings = job.interactions().ratings
    time_ = pd.to_datetime(ratings["timestamp"], unit="s", utc=True).astype("datetime64[us, UTC]")
    return ratings[["user_id", "item_id"]].assign(event_timestamp=time_)


def _cost(work: Callable[[], object], times: int = 1) -> Cost:
    """The least time of several runs: short ones are easily disturbed by other processes."""
    before, seconds = _peak(), []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return Cost(min(seconds), _peak() - before)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> int:
    """Print our figures, the baselines' and the ratios; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip; otherwise synthetic ratings")
    options.add_argument("--ratings", type=int, default=100_836, help="how many synthetic ratings")
    options.add_argument("--every-days", type=int, default=30, help="days between two snapshots")
    chosen = options.parse_args()
    held = True
    with tempfile.TemporaryDirectory() as name:
        job = Job(chosen.data, chosen.ratings, chosen.every_days, Path(name) / "snapshots")
        comparisons = (
            ("snapshots", snapshots_ours, snapshots_plain, SNAPSHOT_CEILING),
            ("one moment", one_moment_ours, one_moment_plain, None),
            ("as-of join", join_ours, join_plain, JOIN_CEILING),
        )
        for what, ours, plain, ceiling in comparisons:
            # A process each, so that a peak is its own; spawned, so that it inherits nobody's memory.
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                here, there = pool.apply(ours, (job,)), pool.apply(plain, (job,))
            ratio = here.seconds / there.seconds
            bar = "" if ceiling is None else f" (<= {ceiling})"
            print(
                f"{what:<11} {here.seconds:7.2f} s {here.megabytes:6.0f} MB   "
                f"pandas {there.seconds:7.2f} s {there.megabytes:6.0f} MB   ratio {ratio:.3f}{bar}"
            )
            held &= ceiling is None or ratio <= ceiling
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
