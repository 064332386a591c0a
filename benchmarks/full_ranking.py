"""What judging a model on the whole catalogue costs, against scoring and sorting alone.

    python -m benchmarks.full_ranking [--users 6040] [--items 3706] [--k 10] [--runs 3]

Bar: ``evaluate_recommender`` - lists of all users without what they have seen, six ranking metrics, coverage,
diversity, novelty, Gini, serendipity, popularity bias, the rank of every liked item among all unseen ones with ROC,
precision-recall and gain curves, and segments - at most 3x the matrix product (sparse ratings and a dense item-item
matrix, as EASE does it) and the best k by partial sort, both measured in this run, alternately, the best of each.
Default sizes: ML-1M's, of random ratings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.interactions import Interactions
from wrappers.base import EvaluationConfig
from wrappers.ease import Ease
from wrappers.offline import evaluate_recommender
from wrappers.training_data import TrainingData

BAR = 3.0
_RATINGS_PER_USER, _HELD_OUT_PER_USER = 132, 33
_LIKED_SHARE = 0.575
_GENRES = 18


def world(n_users: int, n_items: int) -> tuple[Interactions, Interactions]:
    """Training and held-out ratings of random pairs, popular items more often, four fifths to train as ML-1M splits."""
    rng = np.random.default_rng(0)
    per_user = min(_RATINGS_PER_USER + _HELD_OUT_PER_USER, n_items)
    # The highest of random numbers, those of popular items raised: draws without replacement, all users at once.
    luck = rng.gumbel(size=(n_users, n_items)).astype(np.float32) - np.log(np.arange(1, n_items + 1, dtype=np.float32))
    chosen = rng.permuted(np.argpartition(-luck, per_user - 1, axis=1)[:, :per_user], axis=1)
    n_test = per_user * _HELD_OUT_PER_USER // (_RATINGS_PER_USER + _HELD_OUT_PER_USER)
    items = pd.DataFrame({"item_id": np.arange(n_items), "title": "", "year": pd.array([2000] * n_items, "Int16")})
    genres = pd.DataFrame({"item_id": np.arange(n_items), "genre": [f"genre {i % _GENRES}" for i in range(n_items)]})
    train, test = (
        Interactions(_ratings(part, rng), items, genres) for part in (chosen[:, n_test:], chosen[:, :n_test])
    )
    return train, test


def _ratings(items_of_users: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    n_users, per_user = items_of_users.shape
    return pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(n_users), per_user),
            "item_id": items_of_users.ravel(),
            "rating": np.where(rng.random(items_of_users.size) < _LIKED_SHARE, 5, 3).astype(np.float32),
            "timestamp": np.arange(items_of_users.size),
        }
    )


def product_and_partial_sort(history: Any, weights: np.ndarray, k: int) -> np.ndarray:
    """(n_users, k) best items by a linear item-item model, best first; seen ones are not left out."""
    scores = history @ weights
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def alternately(runs: int, *works: Callable[[], Any]) -> list[float]:
    """Shortest wall time of each, in seconds, measured in turns so that a busy moment hits both."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for of_work, work in zip(seconds, works, strict=True):
            start = time.perf_counter()
            work()
            of_work.append(time.perf_counter() - start)
    return [min(of_work) for of_work in seconds]


def main() -> int:
    """Print the ratio; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=6040)
    parser.add_argument("--items", type=int, default=3706)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    train, test = world(given.users, given.items)
    known = TrainingData.of(train)
    weights = np.random.default_rng(1).random((len(known.items),) * 2, dtype=np.float32)
    # The model's weights are beside the point here, its arithmetic is not: it is not trained.
    recommender = Ease()
    recommender.known = known
    recommender.restore({"weights": weights})
    options = EvaluationConfig(k=given.k)
    history = sparse.csr_array(known.history)
    bare, judging = alternately(
        given.runs,
        lambda: product_and_partial_sort(history, weights, given.k),
        lambda: evaluate_recommender(recommender, test, options),
    )
    ratio = judging / bare
    print(f"{given.users} users, {len(known.items)} items, {len(test):,} held-out ratings, k = {given.k}")
    print(f"product and partial sort   {bare * 1e3:9.1f} ms")
    print(f"whole evaluation           {judging * 1e3:9.1f} ms   {ratio:6.2f}x (bar: <= {BAR:g})")
    return int(ratio > BAR)


if __name__ == "__main__":
    sys.exit(main())
