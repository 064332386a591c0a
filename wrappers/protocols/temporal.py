"""``temporal``: learn from the past, be judged by the future; the honest one for production, and ours to set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from core.errors import DataError
from core.ids import UNKNOWN
from core.interactions import Interactions
from evaluation.splits import Split, temporal
from wrappers.base import EvaluationConfig
from wrappers.offline import evaluate_recommender
from wrappers.protocols.full_ranking import judge_lists
from wrappers.protocols.protocol import BenchmarkData, Figures, Protocol, Round
from wrappers.recommender import RecommenderWrapper

_TEST_FRACTION, _LIKED, _K = 0.2, 4.0, 10


class Temporal(Protocol):
    """The earliest four fifths of all ratings to learn from, the latest to judge by; ratings of 4 and more count.

    Users and items that the past does not know count, as they do in production: a model gives a new user what it
    gives to new users. Most users of the latest fifth are new, so users with a past have a figure of their own. AUC is
    the mean over users of the area under each one's ROC curve; ``ece`` and ``brier`` are of the probabilities of all
    pairs that were scored.
    """

    name = "temporal"
    summary = "one moment for all: earlier ratings to train, later ones of 4 and more to find"
    metrics = ("ndcg@10", "ndcg@10 known users", "auc", "ece", "brier")
    paired = ("ndcg@10", "ndcg@10 known users", "auc")
    models = ("popularity", "ease", "logreg", "lightgbm", "wide_deep", "hybrid")
    needs = "any MovieLens release with times, e.g. ml-latest-small (https://grouplens.org/datasets/movielens/latest/)"

    def settings(self, data: BenchmarkData) -> Mapping[str, Any]:
        """Models made of others learn from each user's latest ratings, from what is liked, and give probabilities."""
        return {"hold_out": "latest", "liked_rating": _LIKED, "meta": "classification"}

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """One."""
        split = _split(data.interactions)
        test = data.interactions.take(split.test)
        yield Round(data.interactions.take(split.train), lambda model: _figures(model, test), len(test))

    def validation(self, train: Interactions) -> list[Round]:
        """The same inside the training part, judged by the lists alone."""
        split = _split(train)
        test = train.take(split.test)
        return [
            Round(train.take(split.train), lambda model: judge_lists(model, test, relevant_rating=_LIKED), len(test))
        ]


def _split(interactions: Interactions) -> Split:
    split = temporal(interactions.ratings["timestamp"].to_numpy(), _TEST_FRACTION)
    if len(split.train) == 0:
        raise DataError(f"the {len(interactions)} ratings are all of one time; temporal needs ratings with their times")
    return split


def _figures(recommender: RecommenderWrapper, test: Interactions) -> Figures:
    """Per test user; ``ece`` and ``brier`` (1,), NaN where a model gives no probabilities."""
    found = evaluate_recommender(recommender, test, EvaluationConfig(k=_K, relevant_rating=_LIKED))
    assert found.details is not None
    whole, ndcg = found.details.whole(), found.per_user["ndcg"]
    known = recommender.known.users.index_of(found.user_ids) != UNKNOWN
    return {
        **{f"{metric}@{_K}": values for metric, values in found.per_user.items()},
        f"ndcg@{_K} known users": np.where(known, ndcg, np.nan),
        "auc": found.details.curves.auc,
        **{name: np.array([whole.get(name, np.nan)]) for name in ("ece", "brier")},
    }
