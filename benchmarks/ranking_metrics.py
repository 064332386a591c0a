"""What judging a ranking costs, against making it.

    python -m benchmarks.ranking_metrics [--users 6040] [--items 3706] [--k 10]

Bar: all six metrics of all users below 1x the time of scoring every item for them (the product of the sparse ratings
and a dense item-item matrix, as EASE does it, and the best k). Beside it scikit-learn's ``ndcg_score``, one metric,
user by user. Default sizes: ML-1M's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics import ndcg_score

from evaluation.ranking import evaluate_ranking

_RATINGS_PER_USER, _RELEVANT_PER_USER = 160, 6
_PEER_USERS = 200


def best_of(runs: int, work: Callable[[], Any]) -> float:
    """Shortest wall time of several runs, in seconds."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def recommend(ratings: Any, weights: np.ndarray, k: int) -> np.ndarray:
    """(n_users, k) best items by a linear item-item model, best first."""
    scores = ratings @ weights
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=6040)
    parser.add_argument("--items", type=int, default=3706)
    parser.add_argument("--k", type=int, default=10)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (given.users, given.items)
    ratings = sparse.csr_array(
        sparse.random_array(shape, density=_RATINGS_PER_USER / given.items, rng=rng, dtype=np.float32)
    )
    truth = sparse.csr_array(sparse.random_array(shape, density=_RELEVANT_PER_USER / given.items, rng=rng))
    weights = rng.random((given.items, given.items), dtype=np.float32)

    scoring = best_of(3, lambda: recommend(ratings, weights, given.k))
    lists = recommend(ratings, weights, given.k)
    judging = best_of(3, lambda: evaluate_ranking(lists, truth, given.k))
    relevant = truth[:_PEER_USERS].toarray() > 0
    scores = (ratings[:_PEER_USERS] @ weights).astype(float)
    peer = best_of(1, lambda: [ndcg_score(relevant[[u]], scores[[u]], k=given.k) for u in range(_PEER_USERS)])
    peer_all = peer / _PEER_USERS * given.users

    print(f"{given.users} users, {given.items} items, k = {given.k}")
    print(f"scoring                    {scoring * 1e3:9.1f} ms")
    print(f"six metrics                {judging * 1e3:9.1f} ms   {judging / scoring:8.4f}x scoring (bar: < 1)")
    print(f"scikit-learn, NDCG alone   {peer_all * 1e3:9.1f} ms   {peer_all / judging:8.0f}x ours")


if __name__ == "__main__":
    main()
