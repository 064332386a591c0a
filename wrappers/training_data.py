"""What a recommender knows of its training data: the ids, who interacted with what, and the items' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from core.errors import DataError
from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions, to_csr
from wrappers.texts import STRINGS, Texts


class GenreSets(NamedTuple):
    """Items are of few different sets of genres, however many they are.

    Attributes:
        flags: (n_sets, n_genres) uint8, 1 where the genre is in the set; genres ascending; n_genres may be 0.
        of_item: (n_items,) int32, which set an item has.
    """

    flags: npt.NDArray[np.uint8]
    of_item: npt.NDArray[np.int32]


@dataclass(frozen=True)
class TrainingData:
    """Fixed at training time; every row and column number of a model refers to it.

    Attributes:
        users: The users with a training rating; position is ``user_index``.
        items: The items with a training rating, and for some models those of the item table without one; position is
            ``item_index``.
        history: (n_users, n_items) float32, 1 where a training rating exists whatever its value.
        catalogue: One row per item in ``item_index`` order: item_id, title (the id as text where none is known),
            year (missing where unknown), genres (joined by ``|``, empty where unknown); texts in one buffer each.
    """

    users: IdIndex
    items: IdIndex
    history: sparse.csr_array[Any, Any]
    catalogue: pd.DataFrame

    @classmethod
    def of(cls, interactions: Interactions, *, with_unrated: bool = False) -> TrainingData:
        """Index the ratings.

        Args:
            interactions: The training part.
            with_unrated: Also the items of the item table that have no rating in it.

        Raises:
            DataError: There is no rating, or the item table's ids cannot be those of the ratings.
        """
        if len(interactions) == 0:
            raise DataError("no training ratings: a model needs at least one user with one rated item")
        users, items = interactions.user_index(), interactions.item_index()
        if with_unrated:
            items = IdIndex.of(np.concatenate([items.ids, _ids_of_table(interactions, items)]))
        return cls(users, items, to_csr(interactions.ratings, users, items), _catalogue(interactions, items))

    @cached_property
    def popularity(self) -> npt.NDArray[np.float32]:
        """(n_items,) float32 number of training users of each item."""
        return np.bincount(self.history.indices, minlength=len(self.items)).astype(np.float32)

    @cached_property
    def titles(self) -> Texts:
        """(n_items) texts."""
        return Texts(self.catalogue["title"])

    @cached_property
    def genre_sets(self) -> GenreSets:
        """Which genres each item is of."""
        of_item, sets = pd.factorize(self.catalogue["genres"])
        flags = pd.Series(sets, dtype=object).str.get_dummies("|")
        return GenreSets(flags.to_numpy(np.uint8), of_item.astype(np.int32))

    @cached_property
    def genre_flags(self) -> npt.NDArray[np.uint8]:
        """(n_items, n_genres) uint8, 1 where the item is of the genre; genres ascending; n_genres may be 0."""
        return self.genre_sets.flags[self.genre_sets.of_item]

    @cached_property
    def top_popularity(self) -> float:
        """What the least popular of the most popular tenth of the items has."""
        highest = len(self.items) - max(1, len(self.items) // 10)
        return float(np.partition(self.popularity, highest)[highest])

    @cached_property
    def is_new(self) -> npt.NDArray[np.bool_]:
        """(n_items,) bool, True for the tenth of the items that fewest users rated in training, and those tied with
        them: where a tenth or more has no rating, exactly those.
        """
        lowest = -(-len(self.items) // 10)
        return self.popularity <= np.partition(self.popularity, lowest - 1)[lowest - 1]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What an artifact stores besides the catalogue."""
        return {
            "user_id": self.users.ids,
            "history_indptr": self.history.indptr.astype(np.int64),
            "history_indices": self.history.indices.astype(np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], catalogue: pd.DataFrame) -> TrainingData:
        """What ``arrays`` and ``catalogue`` stored.

        Raises:
            KeyError: An array is missing.
            ValueError: The arrays do not fit together.
        """
        users, items = IdIndex(arrays["user_id"]), IdIndex(catalogue["item_id"].to_numpy())
        indices = arrays["history_indices"]
        history = sparse.csr_array(
            (np.ones(len(indices), np.float32), indices, arrays["history_indptr"]), shape=(len(users), len(items))
        )
        history.check_format(full_check=True)
        return cls(users, items, history, catalogue.astype({"title": STRINGS, "genres": STRINGS}))


def _ids_of_table(interactions: Interactions, rated: IdIndex) -> npt.NDArray[Any]:
    """The item table's ids, of the type that those of the ratings have."""
    given = interactions.items["item_id"]
    if rated.ids.dtype.kind == "U":
        return given.to_numpy(str)
    try:
        return given.to_numpy(np.int64)
    except ValueError as error:
        problem = f"the ratings' item ids are integers, those of the item table are not ({error}); make them alike"
        raise DataError(problem) from error


def _catalogue(interactions: Interactions, items: IdIndex) -> pd.DataFrame:
    """(n_items) rows in ``item_index`` order, also for items that have no row in the item table."""
    title = items.ids.astype(str).astype(object)
    year = pd.array([pd.NA] * len(items), dtype="Int16")
    genres = np.full(len(items), "", dtype=object)
    position = items.index_of(interactions.items["item_id"].to_numpy())
    known = position != UNKNOWN
    title[position[known]] = interactions.items["title"].to_numpy(object)[known]
    if "year" in interactions.items:
        year[position[known]] = interactions.items["year"].astype("Int16").array[known]
    position = items.index_of(interactions.genres["item_id"].to_numpy())
    for place, genre in zip(position.tolist(), interactions.genres["genre"].tolist(), strict=True):
        if place != UNKNOWN:
            genres[place] = f"{genres[place]}|{genre}" if genres[place] else genre
    texts = {"title": STRINGS, "genres": STRINGS}
    return pd.DataFrame({"item_id": items.ids, "title": title, "year": year, "genres": genres}).astype(texts)
