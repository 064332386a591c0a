"""Ratings made from known biases and factors, for tests of models that predict them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.interactions import Interactions


class MadeRatings(NamedTuple):
    """Ratings split in two.

    Attributes:
        train: Four fifths.
        test: The rest.
        floor: RMSE on ``test`` of who knows all but the noise.
    """

    train: Interactions
    test: Interactions
    floor: float


def ratings_of(user_ids: npt.ArrayLike, item_ids: npt.ArrayLike, ratings: npt.ArrayLike) -> Interactions:
    """Rows without an item table."""
    users = np.asarray(user_ids)
    columns = {"user_id": users, "item_id": np.asarray(item_ids), "rating": np.asarray(ratings, np.float32)}
    return Interactions(pd.DataFrame({**columns, "timestamp": np.arange(len(users), dtype=np.int64)}))


def low_rank_ratings(n_users: int = 200, n_items: int = 80, noise: float = 0.5, seed: int = 0) -> MadeRatings:
    """3.5 + biases + products of two factors + noise; half of all pairs are rated."""
    rng = np.random.default_rng(seed)
    users, items = rng.normal(0, 0.7, (n_users, 2)), rng.normal(0, 0.7, (n_items, 2))
    exact = 3.5 + rng.normal(0, 0.4, (n_users, 1)) + rng.normal(0, 0.4, n_items) + users @ items.T
    user, item = np.nonzero(rng.random(exact.shape) < 0.5)
    error = rng.normal(0, noise, len(user))
    everything = ratings_of(user, item, exact[user, item] + error)
    in_test = rng.random(len(user)) < 0.2
    train, test = (everything.take(np.flatnonzero(part)) for part in (~in_test, in_test))
    return MadeRatings(train, test, float(np.sqrt(np.mean(error[in_test] ** 2))))
