"""``rating5``: how far predicted ratings are off, as Surprise measures it (https://surpriselib.com)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.errors import ConfigError
from core.interactions import Interactions
from evaluation.folds import kfold
from evaluation.splits import Split
from wrappers.protocols.protocol import BenchmarkData, Figures, Protocol, Published, Round
from wrappers.recommender import RecommenderWrapper

_FOLDS, _SEED, _VALIDATION_SEED = 5, 0, 1


class Rating5(Protocol):
    """Every rating predicted once, from the other four fifths: root of the mean squared error, mean absolute error.

    Each is the mean of the five folds' figures.
    """

    name = "rating5"
    summary = "rating prediction, 5 folds over all ratings, RMSE and MAE (Surprise)"
    metrics = ("rmse", "mae")
    lower_is_better = True
    indifferent = frozenset({"reg", "rating_effect"})
    models = ("svd", "svdpp")
    needs = (
        "ML-100K or ML-1M (https://grouplens.org/datasets/movielens/100k/ and .../1m/), or any other MovieLens release"
    )
    published = {
        "ml-100k": (
            Published("SVD++ (82 s)", "svdpp", {"rmse": 0.919, "mae": 0.721}),
            Published("kNN-baseline", "", {"rmse": 0.931}),
            Published("SVD (6 s)", "svd", {"rmse": 0.934}),
        ),
        "ml-1m": (
            Published("SVD++ (2,095 s)", "svdpp", {"rmse": 0.862, "mae": 0.672}),
            Published("SVD (67 s)", "svd", {"rmse": 0.873}),
        ),
    }

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        """One per fold."""
        for split in kfold(len(data.interactions), _FOLDS, _SEED):
            yield _round(data.interactions, split)

    def validation(self, train: Interactions) -> list[Round]:
        """One fifth of the training ratings."""
        return [_round(train, kfold(len(train), _FOLDS, _VALIDATION_SEED)[0])]


def _round(interactions: Interactions, split: Split) -> Round:
    test = interactions.take(split.test)
    return Round(interactions.take(split.train), lambda model: _errors(model, test), len(test))


def _errors(recommender: RecommenderWrapper, test: Interactions) -> Figures:
    """``rmse`` and ``mae`` (1,) each: a fold has one figure, not one per rating."""
    from wrappers.rating_predictor import RatingPredictor

    if not isinstance(recommender, RatingPredictor):
        raise ConfigError(f"{recommender.name} predicts no ratings; rating5 is for models that do, e.g. svd, svdpp")
    errors = recommender.rating_errors(test)
    return {"rmse": np.array([errors.rmse]), "mae": np.array([errors.mae])}
