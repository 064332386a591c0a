"""Small ratings in memory, for tests of models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.interactions import Interactions
from core.protocols import Provenance


class MemoryLoader:
    """A DataLoader over what a test made."""

    def __init__(self, train: Interactions, test: Interactions) -> None:
        self._train, self._test = train, test

    def load(self) -> Interactions:
        ratings = pd.concat([self._train.ratings, self._test.ratings], ignore_index=True)
        return Interactions(ratings, self._train.items, self._train.genres)

    def train(self) -> Interactions:
        return self._train

    def test(self) -> Interactions:
        return self._test

    def provenance(self) -> Provenance:
        return Provenance(source="memory", layout="test", sha256="00", split="given")


def interactions_of(
    user_ids: npt.ArrayLike, item_ids: npt.ArrayLike, rating: float = 4.0, *, genre: npt.ArrayLike | None = None
) -> Interactions:
    """One rating per (user, item) pair; an item table and genres of the items that occur.

    ``genre`` is the item's of each pair; without it every item is of the same two.
    """
    users, items = np.asarray(user_ids), np.asarray(item_ids)
    known, first = np.unique(items, return_index=True)
    genres = pd.DataFrame({"item_id": np.repeat(known, 2), "genre": ["Drama", "War"] * len(known)})
    if genre is not None:
        genres = pd.DataFrame({"item_id": known, "genre": np.asarray(genre, object)[first]})
    return Interactions(
        ratings=pd.DataFrame(
            {
                "user_id": users,
                "item_id": items,
                "rating": np.full(len(users), rating, np.float32),
                "timestamp": np.arange(len(users), dtype=np.int64),
            }
        ),
        items=pd.DataFrame(
            {
                "item_id": known,
                "title": [f"Film {item}" for item in known],
                "year": pd.array([2000] * len(known), dtype="Int16"),
            }
        ),
        genres=genres,
    )


def grouped_loader(n_users: int = 120, n_items: int = 60, n_groups: int = 6, seed: int = 0) -> MemoryLoader:
    """Users like their own group's items, 3 of which are held out of each: personal models beat popularity."""
    rng = np.random.default_rng(seed)
    user, item = (grid.ravel() for grid in np.meshgrid(np.arange(n_users), np.arange(n_items), indexing="ij"))
    own = user % n_groups == item % n_groups
    seen = own | (rng.random(len(user)) < 0.1)
    user, item, own = user[seen], item[seen], own[seen]
    order = np.lexsort((rng.random(len(user)), ~own, user))
    user, item = user[order], item[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    everything = interactions_of(user, item)
    rows = np.arange(len(user))
    return MemoryLoader(everything.take(rows[place >= 3]), everything.take(rows[place < 3]))


def random_interactions(n_users: int = 30, n_items: int = 25, seed: int = 0, first_item: int = 100) -> Interactions:
    """Every user rates 3 … n_items - 2 items, popular ones more often; ids start at 1 and ``first_item``."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, n_items + 1)
    chosen = [
        rng.choice(n_items, size=rng.integers(3, n_items - 1), replace=False, p=weight / weight.sum())
        for _ in range(n_users)
    ]
    users = np.repeat(np.arange(1, n_users + 1), [len(items) for items in chosen])
    return interactions_of(users, first_item + np.concatenate(chosen))
