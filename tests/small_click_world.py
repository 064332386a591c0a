"""A small world of simulated users, for tests of clicks and traffic."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.interactions import Interactions
from experiments.click_fit import fit_click_model
from experiments.click_model import ClickConfig, ClickModel

SEED = 7


def small_split(rows: npt.NDArray[np.int64] | None = None) -> tuple[Interactions, Interactions]:
    """Train and test of 80 users and 120 films with two tastes; every fifth rating is held out.

    Args:
        rows: Another order of the ratings.
    """
    rng = np.random.default_rng(3)
    n_users, n_items, per_user = 80, 120, 25
    popularity = 1.0 / np.arange(1, n_items + 1) ** 0.7
    user = np.repeat(np.arange(n_users), per_user)
    item = np.concatenate(
        [rng.choice(n_items, per_user, replace=False, p=popularity / popularity.sum()) for _ in range(n_users)]
    )
    agrees = (user % 2 == item % 2).astype(float)
    rating = np.clip(np.round(2.0 + 2.0 * agrees + rng.normal(0, 0.7, len(user))), 1, 5)
    ratings = pd.DataFrame(
        {
            "user_id": user + 1,
            "item_id": 10 * item + 100,
            "rating": rating.astype(np.float32),
            "timestamp": np.arange(len(user)) + 1_000_000,
        }
    )
    items = pd.DataFrame(
        {
            "item_id": 10 * np.arange(n_items) + 100,
            "title": [f"Film {number}" for number in range(n_items)],
            "year": pd.array(1950 + np.arange(n_items) // 2, dtype="Int16"),
        }
    )
    genres = pd.DataFrame({"item_id": items["item_id"], "genre": np.where(np.arange(n_items) % 2, "War", "Drama")})
    held_out = np.arange(len(ratings)) % 5 == 4
    order = np.arange(len(ratings)) if rows is None else rows
    everything = Interactions(ratings.iloc[order].reset_index(drop=True), items, genres)
    return everything.take(np.flatnonzero(~held_out[order])), everything.take(np.flatnonzero(held_out[order]))


@cache
def small_world(seed: int = SEED) -> ClickModel:
    """2,000 visitors of that data."""
    return fit_click_model(*small_split(), seed=seed, config=ClickConfig(n_visitors=2_000))


def some_lists(world: ClickModel, n: int, k: int = 10, seed: int = 0) -> npt.NDArray[np.int64]:
    """(n, k) lists of distinct items at random."""
    return np.random.default_rng(seed).permuted(np.tile(np.arange(len(world.items)), (n, 1)), axis=1)[:, :k]
