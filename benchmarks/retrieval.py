"""Nearest items among millions: how many of the best are found, how quickly, in how much memory.

    python -m benchmarks.retrieval [--items 1000000] [--hard] [--data ml-latest-small.zip]

Items are the factors that iALS (64 numbers) learns from real or synthetic ratings, repeated to the number wanted, each
with noise of half of the factors' standard deviation added; queries are the users' factors, those that the index was
not tuned on. ``--hard``: independent normal vectors instead, in which nothing is near anything. One thread. Bars:
recall@10 of at least .95 against the exact search, and 99 % of the searches within 10 ms.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.ials import IALS
from wrappers.training_data import TrainingData
from wrappers.vector_index import IndexPlan, VectorIndex, exact_search

FLOOR, CEILING_MS = 0.95, 10.0
WIDTH, NOISE, K, SEED = 64, 0.5, 10, 0

Floats = npt.NDArray[np.float32]


def factors(data: Path | None) -> tuple[Floats, Floats]:
    """Users' and items' factors."""
    loader = LocalDataLoader(data) if data else SyntheticDataLoader()
    state = IALS({"embedding_size": WIDTH}).fit_known(TrainingData.of(loader.train())).state()
    return state["user_factors"], state["item_factors"]


def many(items: Floats, parents: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Items repeated as often as they are named, each time with other noise."""
    found = items[parents]
    spread = NOISE * items.std(axis=0)
    for start in range(0, len(found), 1_000_000):
        part = found[start : start + 1_000_000]
        part += rng.standard_normal(part.shape, np.float32) * spread
    return found


def main() -> int:
    """Print the figures; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=1_000_000)
    options.add_argument("--hard", action="store_true", help="independent normal vectors")
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    given = options.parse_args()
    rng = np.random.default_rng(SEED)
    if given.hard:
        users, items = (rng.standard_normal((n, WIDTH), np.float32) for n in (4_000, given.items))
    else:
        users, few = factors(given.data)
        items = many(few, rng.integers(len(few), size=given.items), rng)
    users = users[rng.permutation(len(users))]
    tuned_on, asked = users[: len(users) // 2], users[len(users) // 2 :][:1_000]
    before = resident()
    start = time.perf_counter()
    index = VectorIndex.build(items, plan=IndexPlan(recall=0.965, k=K), queries=tuned_on)
    built = time.perf_counter() - start
    print(f"{given.items:,} items of {WIDTH} numbers, {'independent' if given.hard else 'factors of real tastes'}")
    more = resident() - before
    print(f"{index.kind}, {index.n_probe} lists looked through, built in {built:.0f} s, {more:,.0f} MB more")
    recall = share_found(index, items, asked)
    p50, p99 = latencies(index, asked)
    print(f"recall@{K}      {recall:8.3f}   (bar: >= {FLOOR})")
    print(f"p50, p99       {p50:8.2f} {p99:8.2f} ms   one thread (bar: p99 <= {CEILING_MS:g} ms)")
    start = time.perf_counter()
    for query in asked[:20]:
        exact_search(items, query[np.newaxis], K)
    exact_ms = 1_000 * (time.perf_counter() - start) / 20
    print(f"exact search   {exact_ms:8.2f} ms   {exact_ms / p50:.0f}x")
    return int(not (recall >= FLOOR and p99 <= CEILING_MS) and not given.hard)


def share_found(index: VectorIndex, items: Floats, queries: Floats) -> float:
    """Of the truly best K."""
    found, best = index.search(queries, K).item_index, exact_search(items, queries, K).item_index
    return float((found[:, :, np.newaxis] == best[:, np.newaxis, :]).any(axis=1).mean())


def latencies(index: VectorIndex, queries: Floats) -> tuple[float, float]:
    """Median and 99th percentile of single searches, ms."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    seconds = []
    for query in np.tile(queries, (2, 1)):
        start = time.perf_counter()
        index.search(query[np.newaxis], K)
        seconds.append(time.perf_counter() - start)
    faiss.omp_set_num_threads(threads)
    p50, p99 = 1_000 * np.percentile(seconds[len(queries) :], (50, 99))
    return float(p50), float(p99)


def resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.exit(main())
