"""SVD learns from the values of ratings; on real ones it beats gradient descent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.folds import kfold
from loaders.local import LocalDataLoader
from tests.small_ratings import low_rank_ratings, ratings_of
from wrappers.svd import SVD

SHORT = {"embedding_size": 4, "epochs": 40, "burn_in": 20}


def test_is_better_than_biases_where_tastes_differ() -> None:
    made = low_rank_ratings()
    ratings = made.train.ratings
    by_user, by_item = (ratings.groupby(side)["rating"].mean() for side in ("user_id", "item_id"))
    held_out = made.test.ratings
    biases = (
        by_user[held_out["user_id"]].to_numpy() + by_item[held_out["item_id"]].to_numpy() - ratings["rating"].mean()
    )
    rmse = np.sqrt(np.mean((biases - held_out["rating"]) ** 2))
    assert SVD(SHORT).fit(made.train).rating_errors(made.test).rmse < 0.85 * rmse


def test_finds_no_tastes_where_there_are_none() -> None:
    """Without a penalty to choose, it must not follow the noise."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((150, 60)) < 0.3)
    predictor = SVD(SHORT).fit(ratings_of(user, item, rng.normal(3, 1, len(user))))
    everyone, everything = (side.ravel() for side in np.indices((150, 60)))
    assert predictor.predict_ratings(everyone, everything).std() < 0.25


def test_an_item_rated_once_is_hardly_moved_by_it() -> None:
    made = low_rank_ratings(100, 40)
    ratings = made.train.ratings
    rows = [[*ratings[column], value] for column, value in (("user_id", 0), ("item_id", 999), ("rating", 9.0))]
    predictor = SVD(SHORT).fit(ratings_of(*rows))
    once, never = predictor.predict_ratings([-1, -1], [999, -1])
    assert never < once < (never + 9.0) / 2


def test_a_careless_user_counts_less() -> None:
    """Noise is learned by user: an item's careful raters decide."""
    rng = np.random.default_rng(2)
    user, item = np.nonzero(np.ones((60, 50)))
    noise = np.where(user < 30, 0.1, 2.0)
    quality = rng.normal(0, 0.5, 50)
    predictor = SVD(SHORT).fit(ratings_of(user, item, 3 + quality[item] + rng.normal(0, noise)))
    errors = predictor.predict_ratings(np.full(50, -1), np.arange(50)) - 3 - quality
    # A mean of all 60 raters would be off by sqrt((.1^2 + 2^2) / 2 / 60) = .18.
    assert np.std(errors) < 0.09


@pytest.mark.real_data
@pytest.mark.long
def test_a_fold_of_real_ratings_beats_gradient_descent(movielens: Path) -> None:
    """Surprise 1.1.4's SVD and kNN-baseline have .877 and .874 on this fold."""
    everything = LocalDataLoader(movielens).load()
    fold = kfold(len(everything), 5, 0)[0]
    errors = SVD().fit(everything.take(fold.train)).rating_errors(everything.take(fold.test))
    assert errors.rmse < 0.835
    assert errors.mae < 0.645
