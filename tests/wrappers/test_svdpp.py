"""SVD++ learns from the choice of items too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.interactions import Interactions
from evaluation.folds import kfold
from loaders.local import LocalDataLoader
from tests.small_ratings import ratings_of
from wrappers.svd import SVD
from wrappers.svdpp import SVDpp

SHORT = {"embedding_size": 3, "epochs": 40, "burn_in": 20, "directions": 10}


def telling_choices() -> tuple[Interactions, Interactions]:
    """Users rate six items, five of the kind they like, and like its items by 1 more, the other kind's by 1 less.

    The test part asks for as many items of either kind.
    """
    rng = np.random.default_rng(0)
    n_users, n_items = 500, 40
    user = np.repeat(np.arange(n_users), 6)
    other_kind = np.tile([0, 0, 0, 0, 0, 1], n_users)
    first = rng.integers(0, 20, n_users)
    item = 2 * ((first[user] + 3 * np.tile(np.arange(6), n_users)) % 20) + (user + other_kind) % 2
    asked_user, asked_item = (side.ravel() for side in np.indices((n_users, n_items)))

    def rated(users: np.ndarray, items: np.ndarray) -> Interactions:
        liked = np.where(users % 2 == items % 2, 1.0, -1.0)
        return ratings_of(users, items, 3 + liked + rng.normal(0, 1.0, len(users)))

    return rated(user, item), rated(asked_user, asked_item)


def test_the_choice_of_items_tells_what_ratings_do_not() -> None:
    train, test = telling_choices()
    values_alone, choices_too = (kind(SHORT).fit(train).rating_errors(test).rmse for kind in (SVD, SVDpp))
    # Noise alone is 1; who knows nothing of users is off by sqrt(2).
    assert choices_too < 1.25
    assert choices_too < values_alone - 0.1


def test_how_many_rated_an_item_tells_how_good_it_is() -> None:
    rng = np.random.default_rng(1)
    quality = rng.normal(0, 1, 300)
    # The better, the more often rated; hardly any item has ratings enough to speak for itself.
    user, item = np.nonzero(rng.random((80, 300)) < 0.04 * np.exp(0.7 * quality))
    train = ratings_of(user, item, 3 + quality[item] + rng.normal(0, 1.5, len(user)))
    rated = np.unique(item)
    test = ratings_of(np.arange(len(rated)) % 80, rated, 3 + quality[rated])
    values_alone, choices_too = (kind(SHORT).fit(train).rating_errors(test).rmse for kind in (SVD, SVDpp))
    assert choices_too < values_alone


def test_directions_have_an_effect_on_predictions() -> None:
    train, _ = telling_choices()
    pairs = range(20), range(20)
    few, many = (SVDpp({**SHORT, "directions": n}).fit(train).predict_ratings(*pairs) for n in (1, 10))
    assert not np.array_equal(few, many)


@pytest.mark.real_data
@pytest.mark.long
def test_a_fold_of_real_ratings_beats_gradient_descent(movielens: Path) -> None:
    """Surprise 1.1.4's SVD++ has .867 on this fold."""
    everything = LocalDataLoader(movielens).load()
    fold = kfold(len(everything), 5, 0)[0]
    errors = SVDpp().fit(everything.take(fold.train)).rating_errors(everything.take(fold.test))
    assert errors.rmse < 0.815
    assert errors.mae < 0.63
