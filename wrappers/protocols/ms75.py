"""``ms75``: the benchmark of recommenders-team ("Benchmark with MovieLens datasets", examples/06_benchmarks)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.interactions import Interactions
from evaluation.published_splits import ms75
from evaluation.ranks import rank_within
from evaluation.splits import Split, split_by
from wrappers.protocols.full_ranking import judge_lists
from wrappers.protocols.protocol import BenchmarkData, Protocol, Published, Round

#: A tenth leaves the inner models about as many ratings as the outer one has: a larger part moves the optimum.
_VALIDATION_SHARE, _VALIDATION_SEEDS = 0.1, (1, 2, 3)


class MS75(Protocol):
    """Three quarters of each item's ratings to learn from; the ten best of everything else a user has not seen.

    Every rating counts as a positive and every held-out one as relevant. NDCG is binary, MAP is divided by the number
    of relevant items.
    """

    name = "ms75"
    summary = "75 % of each item's ratings to train, full ranking, every held-out rating relevant (recommenders-team)"
    metrics = ("ndcg@10", "map@10", "precision@10", "recall@10")
    models = (
        "popularity", "item_knn", "user_knn", "sequence_knn", "ease", "als", "ials", "bpr", "ncf",
        "ensemble", "hybrid", "attention_hybrid",
    )  # fmt: skip
    needs = "ML-100K (ml-100k.zip from https://grouplens.org/datasets/movielens/100k/), or any other MovieLens release"
    rows = {"ml-100k": (75_066, 24_934)}
    #: Users with a test row.
    test_users = {"ml-100k": 943}
    published = {
        "ml-100k": (
            Published("EASE, lambda read off the test part", "ease", {"ndcg@10": 0.4842, "map@10": 0.1499}),
            Published("BiVAE", "", {"ndcg@10": 0.4751}),
            Published("BPR", "bpr", {"ndcg@10": 0.4420}),
            Published("LightGCN", "", {"ndcg@10": 0.4198}),
            Published("NCF", "ncf", {"ndcg@10": 0.3961}),
            Published("SAR", "item_knn", {"ndcg@10": 0.3825}),
        ),
        "ml-latest-small": (
            Published("EASE, lambda 200", "ease", {"ndcg@10": 0.4125}),
            Published("popularity", "popularity", {"ndcg@10": 0.2123}),
        ),
    }

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """One."""
        ratings = data.interactions.ratings
        split = ms75(ratings["item_id"].to_numpy())
        found, expected = len(np.unique(ratings["user_id"].to_numpy()[split.test])), self.test_users.get(data.name)
        if expected is not None and len(split.test) == self.rows[data.name][1] and found != expected:
            raise DataError(
                f"ms75 on {data.name} has {expected:,} test users, these data give {found:,}; "
                "they are not the published release, or not in its order of rows"
            )
        yield _round(data.interactions, split)

    def validation(self, train: Interactions) -> list[Round]:
        """A random tenth of each item's training ratings, rounded as the protocol does, three times."""
        item = train.ratings["item_id"].to_numpy()
        return [_round(train, _held_out(item, seed)) for seed in _VALIDATION_SEEDS]


def _held_out(item: npt.NDArray[np.int64], seed: int) -> Split:
    of_item = rank_within(item, np.random.default_rng(seed).random(len(item)))
    split = split_by(of_item.rank + 1 > np.round((1 - _VALIDATION_SHARE) * of_item.size))
    if len(split.test) == 0:
        raise DataError(
            "no item has 6 training ratings, so that a tenth could be held out; give more data, or 0 trials"
        )
    return split


def _round(interactions: Interactions, split: Split) -> Round:
    test = interactions.take(split.test)
    return Round(interactions.take(split.train), lambda model: judge_lists(model, test), len(test))
