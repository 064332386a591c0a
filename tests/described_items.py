"""Items that a user's taste can be told from, some of them rated by nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from core.interactions import Interactions
from evaluation.cold_items import hold_out_items
from tests.small_interactions import interactions_of

GENRES = ("Comedy", "Drama", "Horror", "Western")


def described_items(n_users: int = 60, n_items: int = 120, seed: int = 0) -> Interactions:
    """Item i is of genre i % 4; user u rates 5 what is of genre u % 4, and a few others 2."""
    rng = np.random.default_rng(seed)
    user, item = (grid.ravel() for grid in np.meshgrid(np.arange(n_users), np.arange(n_items), indexing="ij"))
    own = user % 4 == item % 4
    rated = rng.random(len(user)) < np.where(own, 0.5, 0.03)
    user, item, own = user[rated], item[rated], own[rated]
    made = interactions_of(user, item, genre=np.array(GENRES)[item % 4])
    ratings = made.ratings.assign(rating=np.where(own, 5.0, 2.0).astype(np.float32))
    return Interactions(ratings, made.items.assign(title=_titles(len(made.items))), made.genres)


def with_new_items(seed: int = 0) -> tuple[Interactions, Interactions]:
    """What is learned from, and the ratings of a fifth of the items, which nobody rated in it."""
    everything = described_items()
    split = hold_out_items(everything.ratings["item_id"].to_numpy(), 0.2, seed)
    return everything.take(split.train), everything.take(split.test)


def tagged(data: Interactions, rows: list[tuple[int, int, str]]) -> Interactions:
    """The same with tags (user, item, tag)."""
    tags = pd.DataFrame(rows, columns=["user_id", "item_id", "tag"]).assign(timestamp=0)
    return replace(data, tags=tags)


def _titles(n: int) -> list[str]:
    return [f"The {'Night' if number % 3 else 'Day'} of {number} ({1990 + number % 20})" for number in range(n)]
