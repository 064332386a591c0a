"""``temporal``: learn from the past, be judged by the future; the honest one for production, and ours to set."""

from __future__ import annotations

from collections.abc import Iterator

from core.interactions import Interactions
from evaluation.splits import Split, temporal
from wrappers.protocols.full_ranking import judge_lists
from wrappers.protocols.protocol import BenchmarkData, Protocol, Round

_TEST_FRACTION, _LIKED = 0.2, 4.0


class Temporal(Protocol):
    """The earliest four fifths of all ratings to learn from, the latest to judge by; ratings of 4 and more count.

    Users and items that the past does not know count, as they do in production: a model gives a new user what it
    gives to new users.
    """

    name = "temporal"
    summary = "one moment for all: earlier ratings to train, later ones of 4 and more to find"
    metrics = ("ndcg@10", "recall@10", "hit_rate@10")
    models = ("popularity", "ease", "logreg", "lightgbm", "wide_deep", "hybrid")
    needs = "any MovieLens release with times, e.g. ml-latest-small (https://grouplens.org/datasets/movielens/latest/)"

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """One."""
        yield _round(data.interactions)

    def validation(self, train: Interactions) -> list[Round]:
        """The same inside the training part."""
        return [_round(train)]


def _round(interactions: Interactions) -> Round:
    split: Split = temporal(interactions.ratings["timestamp"].to_numpy(), _TEST_FRACTION)
    test = interactions.take(split.test)
    return Round(
        interactions.take(split.train), lambda model: judge_lists(model, test, relevant_rating=_LIKED), len(test)
    )
