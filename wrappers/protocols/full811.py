"""``full811``: RecBole's general benchmark on ML-1M (https://recbole.io/results/general.html)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.interactions import Interactions
from evaluation.published_splits import full811
from evaluation.splits import random_per_user
from wrappers.protocols.full_ranking import judge_lists
from wrappers.protocols.protocol import BenchmarkData, Protocol, Published, Round

_SEEDS = (0, 1, 2, 3, 4)
_VALIDATION_SEEDS = (5,)


class Full811(Protocol):
    """Ratings of at least 3: eight tenths of each user's to learn from, a tenth set aside, a tenth to judge by.

    The tenth set aside (RecBole's validation part) is neither learned from nor recommended. Mean of 5 seeds.
    """

    name = "full811"
    summary = "ratings >= 3, 8:1:1 per user, full ranking, mean of 5 seeds (RecBole)"
    metrics = ("ndcg@10", "recall@10")
    models = ("popularity", "item_knn", "sequence_knn", "ease", "ials", "bpr", "ensemble", "hybrid")
    needs = "ML-1M (ml-1m.zip from https://grouplens.org/datasets/movielens/1m/), or any other MovieLens release"
    published = {
        "ml-1m": (
            Published("EDLAE-style (own measurement)", "ease", {"ndcg@10": 0.293}),
            Published("EASE, lambda 800-1000 (own measurement)", "ease", {"ndcg@10": 0.291, "recall@10": 0.214}),
            Published("XSimGCL", "", {"ndcg@10": 0.2750, "recall@10": 0.2116}),
            Published("NCL", "", {"ndcg@10": 0.2702, "recall@10": 0.2021}),
            Published("LightGCN", "", {"ndcg@10": 0.2538, "recall@10": 0.1861}),
            Published("BPR", "bpr", {"ndcg@10": 0.2401, "recall@10": 0.1776}),
            Published("NeuMF", "ncf", {"ndcg@10": 0.2271, "recall@10": 0.1651}),
        )
    }
    #: Ratings of at least 3.
    kept_rows = {"ml-1m": 836_478}

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """One per seed."""
        ratings = data.interactions.ratings
        for seed in _SEEDS:
            parts = full811(ratings["user_id"].to_numpy(), ratings["rating"].to_numpy(), seed)
            n_kept, expected = sum(map(len, parts)), self.kept_rows.get(data.name)
            if expected is not None and n_kept != expected:
                raise DataError(
                    f"full811 on {data.name} keeps {expected:,} ratings of 3 and more, these data give {n_kept:,}; "
                    "they are not the published release"
                )
            yield _round(data.interactions, *parts)

    def validation(self, train: Interactions) -> list[Round]:
        """A random ninth of each user's training ratings, about as many as the test part has."""
        split = random_per_user(train.ratings["user_id"].to_numpy(), 1 / 9, _VALIDATION_SEEDS[0])
        return [_round(train, split.train, np.empty(0, np.int64), split.test)]


def _round(
    interactions: Interactions,
    train: npt.NDArray[np.int64],
    masked: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
) -> Round:
    set_aside, held_out = interactions.take(masked), interactions.take(test)
    return Round(interactions.take(train), lambda model: judge_lists(model, held_out, masked=set_aside), len(held_out))
