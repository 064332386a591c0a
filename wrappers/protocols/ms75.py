"""``ms75``: the benchmark of recommenders-team ("Benchmark with MovieLens datasets", examples/06_benchmarks)."""

from __future__ import annotations

from collections.abc import Iterator

from core.interactions import Interactions
from evaluation.published_splits import ms75
from evaluation.splits import Split, random_per_user
from wrappers.protocols.full_ranking import judge_lists
from wrappers.protocols.protocol import BenchmarkData, Protocol, Published, Round

_VALIDATION_SEEDS = (1, 2)


class MS75(Protocol):
    """Three quarters of each item's ratings to learn from; the ten best of everything else a user has not seen.

    Every rating counts as a positive and every held-out one as relevant. NDCG is binary, MAP is divided by the number
    of relevant items.
    """

    name = "ms75"
    summary = "75 % of each item's ratings to train, full ranking, every held-out rating relevant (recommenders-team)"
    metrics = ("ndcg@10", "map@10", "precision@10", "recall@10")
    models = (
        "popularity", "item_knn", "user_knn", "ease", "als", "ials", "bpr", "ncf", "ensemble", "hybrid",
    )  # fmt: skip
    needs = "ML-100K (ml-100k.zip from https://grouplens.org/datasets/movielens/100k/), or any other MovieLens release"
    rows = {"ml-100k": (75_066, 24_934)}
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
        yield _round(data.interactions, ms75(data.interactions.ratings["item_id"].to_numpy()))

    def validation(self, train: Interactions) -> list[Round]:
        """A random quarter of each item's training ratings, twice."""
        # Per item, as the protocol does it: the function deals with any group.
        item = train.ratings["item_id"].to_numpy()
        return [_round(train, random_per_user(item, 0.25, seed)) for seed in _VALIDATION_SEEDS]


def _round(interactions: Interactions, split: Split) -> Round:
    test = interactions.take(split.test)
    return Round(interactions.take(split.train), lambda model: judge_lists(model, test), len(test))
