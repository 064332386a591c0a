"""Reading one user's features: the packed row against a raw GET, and Feast against a raw HMGET, in one run.

    python -m benchmarks.feature_reads [--data ml-latest-small.zip] [--reads 2000]

The packed row is read as a model server reads it (key, GET, decode, counter; on its event loop); the GET is redis-py's
own of a value of equal size. Feast answers for one user and every feature; the HMGET reads the same fields of the same
hash. Both sides of a pair take turns, user by user; figures are medians.
Bars: packed at most 1.5 times the GET, Feast at most 4.5 times the HMGET. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import redis.asyncio
from prometheus_client import CollectorRegistry

from core.settings import load_settings
from feature_repo.offline import user_table
from feature_repo.packed import user_key, write_packed
from feature_repo.redis_client import BULK_TIMEOUT_S, connect
from feature_repo.snapshots import SnapshotSet, write_snapshots
from feature_repo.store import Store
from feature_repo.views import USER_ID, USER_SERVICE
from loaders.base import SplitRule
from loaders.choice import choose_source
from loaders.registry import open_loader
from serving.feature_lookup import FeatureLookup
from serving.redis_process import redis_for

PACKED_CEILING, FEAST_CEILING = 1.5, 4.5
_WARM_UP = 100


async def packed_against_get(url: str, snapshots: SnapshotSet, users: Sequence[str], reads: int) -> tuple[float, float]:
    """Median seconds of a packed read and of a GET."""
    n_features = len(snapshots.layout.user_names)
    lookup = FeatureLookup(
        url,
        version=snapshots.version,
        n_features=n_features,
        timeout_s=BULK_TIMEOUT_S,
        registry=CollectorRegistry(),
    )
    async with redis.asyncio.Redis.from_url(url) as raw:
        for user in users:
            await raw.set(f"raw:{user}", b"x" * (4 * n_features))

        async def ours(user: str) -> Any:
            (row,) = await lookup.rows([user])
            assert row is not None
            assert len(row) == n_features

        async def theirs(user: str) -> Any:
            assert len(await raw.get(f"raw:{user}")) == 4 * n_features

        return await in_turns(ours, theirs, users, reads)


async def feast_against_hmget(url: str, store: Store, users: Sequence[str], reads: int) -> tuple[float, float]:
    """Median seconds of Feast's answer and of an HMGET."""
    with connect(url, timeout_s=BULK_TIMEOUT_S) as raw:
        hashes = {key: raw.hkeys(key) for key in raw.scan_iter(match=b"*" + store.project.encode(), count=10_000)}
        # A user's hash holds the fields of every user view, an item's those of the items'.
        keys = [key for key in hashes if b"user_id" in key]
        answers = dict(zip(users, keys, strict=True))

        service = store.feast_store.get_feature_service(USER_SERVICE)

        async def ours(user: str) -> Any:
            store.feast_store.get_online_features(
                features=service, entity_rows={USER_ID: [user]}, full_feature_names=True
            )

        async def theirs(user: str) -> Any:
            key = answers[user]
            assert None not in raw.hmget(key, hashes[key])

        return await in_turns(ours, theirs, users, reads)


async def in_turns(
    ours: Callable[[str], Awaitable[Any]], theirs: Callable[[str], Awaitable[Any]], users: Sequence[str], reads: int
) -> tuple[float, float]:
    """Median seconds of either, after a warm-up."""
    took: list[tuple[float, float]] = []
    for place in range(_WARM_UP + reads):
        user = users[place % len(users)]
        began = time.perf_counter()
        await ours(user)
        between = time.perf_counter()
        await theirs(user)
        took.append((between - began, time.perf_counter() - between))
    mine, peers = np.median(took[_WARM_UP:], axis=0)
    return float(mine), float(peers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="", help="a folder or zip of ratings; default: as for the demo")
    parser.add_argument("--reads", type=int, default=2_000)
    given = parser.parse_args()
    settings = load_settings(redis_url="")
    source = choose_source(given.data, settings.cache_dir)
    print(f"data: {source.why}")
    interactions = open_loader(source.kind, source=source.path, split=SplitRule()).load()
    with tempfile.TemporaryDirectory() as name, redis_for(settings, Path(name) / "redis") as at:
        snapshots = write_snapshots(interactions, Path(name) / "snapshots", every_days=3_650)
        store = Store(snapshots, at.url, timeout_s=BULK_TIMEOUT_S)
        store.apply()
        store.materialise()
        table = user_table(snapshots)
        users = table.ids.tolist()
        with connect(at.url, timeout_s=BULK_TIMEOUT_S) as client:
            write_packed(client, snapshots.version, users, table.latest(table.ids, np.int64(snapshots.as_of)))
            size = client.strlen(user_key(snapshots.version, users[0]))
        packed, get = asyncio.run(packed_against_get(at.url, snapshots, users, given.reads))
        feast, hmget = asyncio.run(feast_against_hmget(at.url, store, users, given.reads))
    print(f"packed row, {size} bytes{packed * 1e3:10.3f} ms")
    print(f"redis-py's GET of as many{get * 1e3:8.3f} ms")
    print(f"ratio                   {packed / get:9.2f} (at most {PACKED_CEILING})")
    print(f"Feast, one user         {feast * 1e3:9.3f} ms")
    print(f"redis-py's HMGET of the same{hmget * 1e3:5.3f} ms")
    print(f"ratio                   {feast / hmget:9.2f} (at most {FEAST_CEILING})")
    return int(packed > PACKED_CEILING * get or feast > FEAST_CEILING * hmget)


if __name__ == "__main__":
    sys.exit(main())
