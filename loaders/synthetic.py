"""Made-up ratings in the shape of a MovieLens release, for machines without MovieLens and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import ConfigError
from core.interactions import Interactions
from loaders.base import BaseLoader, SplitRule
from loaders.synthetic_shapes import ML_LATEST_SMALL, WorldShape
from loaders.synthetic_times import draw_times
from loaders.synthetic_world import (
    GENRES,
    MIN_ACTIVITY,
    draw_choices,
    draw_films,
    draw_ratings,
    draw_users,
)

_MIN_ITEMS = 50
#: Ratings per possible pair; beyond it there is no long tail left.
_MAX_DENSITY = 0.5
#: Item ids have gaps, as in MovieLens, so that an id is not mistaken for a matrix index.
_LARGEST_ID_GAP = 3

_OF_WHAT = (
    "Amber", "Ancient", "Bitter", "Borrowed", "Broken", "Burning", "Careless", "Clever", "Cold", "Crimson", "Crooked",
    "Distant", "Drifting", "Electric", "Empty", "Endless", "Faithful", "Fallen", "Fearless", "Final", "Forgotten",
    "Frozen", "Gentle", "Gilded", "Hidden", "Hollow", "Honest", "Hungry", "Idle", "Invisible", "Iron", "Last",
    "Lonely", "Lost", "Lucky", "Midnight", "Missing", "Narrow", "Northern", "Open", "Painted", "Paper", "Patient",
    "Perfect", "Quiet", "Reckless", "Restless", "Rising", "Sacred", "Scarlet", "Secret", "Seventh", "Silent", "Silver",
    "Sleeping", "Southern", "Stolen", "Strange", "Stubborn", "Sudden", "Tender", "Thirsty", "Velvet", "Wandering",
    "Wicked", "Wild", "Winter", "Wooden",
)  # fmt: skip
_WHAT = (
    "Admiral", "Alley", "Angel", "Apartment", "Bridge", "Brother", "Captain", "Carnival", "Castle", "City", "Clock",
    "Coast", "Comet", "Company", "Corner", "Country", "Dancer", "Daughter", "Desert", "Detective", "Doctor", "Dream",
    "Empire", "Engine", "Express", "Farewell", "Father", "Fields", "Fire", "Forest", "Friend", "Frontier", "Garden",
    "Ghost", "Guest", "Harbor", "Harvest", "Heart", "Highway", "Holiday", "Horizon", "Hotel", "House", "Hunter",
    "Island", "Journey", "Kingdom", "Lantern", "Letter", "Lighthouse", "Machine", "Market", "Mask", "Mirror",
    "Mountain", "Neighbor", "Night", "Ocean", "Orchard", "Paradise", "Passenger", "Pilot", "Promise", "Queen",
    "Railway", "Rain", "Republic", "River", "Road", "Sailor", "Season", "Secretary", "Shadow", "Soldier", "Song",
    "Station", "Storm", "Stranger", "Summer", "Theater", "Thief", "Tower", "Train", "Traveler", "Valley", "Village",
    "Violin", "Voyage", "Waltz", "Widow", "Window", "Witness",
)  # fmt: skip
_PATTERNS = ("The {} {}", "{} {}", "My {} {}", "A {} {}", "Return of the {} {}")


class SyntheticDataLoader(BaseLoader):
    """Makes ratings instead of reading them; the same seed makes the same ones.

    Args:
        seed: >= 0.
        n_users: Users, each with at least 20 ratings. None: the shape's.
        n_items: Films, at least 50; each rated at least once where the ratings suffice. None: the shape's.
        n_ratings: Ratings, at least 20 per user and at most half of all pairs. None: see ``default_ratings``.
        shape: The release whose spread of activity, popularity, stars and time the ratings take.
        split: How to divide train and test.

    Raises:
        ConfigError: A number is out of range.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        n_users: int | None = None,
        n_items: int | None = None,
        n_ratings: int | None = None,
        shape: WorldShape = ML_LATEST_SMALL,
        split: SplitRule | None = None,
    ) -> None:
        super().__init__(split=split or SplitRule())
        self._seed = seed
        self.shape = shape
        self.n_users = shape.n_users if n_users is None else n_users
        self.n_items = shape.n_items if n_items is None else n_items
        self.n_ratings = default_ratings(self.n_users, self.n_items, shape) if n_ratings is None else n_ratings
        self._check()

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
        """The loader of a seed; there is no source."""
        return cls(seed, split=split)

    @property
    def source(self) -> str:
        """Nowhere."""
        return "synthetic"

    @property
    def layout(self) -> str:
        """No file's."""
        return "synthetic"

    @property
    def seed(self) -> int:
        """What made the data."""
        return self._seed

    def read(self) -> Interactions:
        """Make everything; ratings are ordered by user, then item, as MovieLens orders them."""
        rng = np.random.default_rng(self._seed)
        films = draw_films(self.n_items, self.shape, rng)
        users = draw_users(self.n_users, self.n_ratings, self.n_items, self.shape, rng)
        user, item = draw_choices(users, films, rng)
        # draw_choices lists a user's best fitting films first; when they are rated has nothing to do with that.
        order = np.lexsort((rng.uniform(size=len(user)), user))
        user, item = user[order], item[order]
        rating = draw_ratings(user, item, users, films, self.shape, rng)
        timestamp = draw_times(user, users.arrival, self.shape.last_year, rng)
        item_id = np.cumsum(rng.integers(1, _LARGEST_ID_GAP, size=self.n_items, endpoint=True))
        ratings = pd.DataFrame(
            {"user_id": user + 1, "item_id": item_id[item], "rating": rating, "timestamp": timestamp}
        ).sort_values(["user_id", "item_id"], ignore_index=True)
        row, genre = np.nonzero(films.genre)
        return Interactions(
            ratings,
            items=pd.DataFrame(
                {"item_id": item_id, "title": _titles(films.year, rng), "year": pd.array(films.year, dtype="Int16")}
            ),
            genres=pd.DataFrame({"item_id": item_id[row], "genre": np.array(list(GENRES), dtype=object)[genre]}),
        )

    def _check(self) -> None:
        if self._seed < 0:
            raise ConfigError(f"seed == {self._seed}, must be >= 0")
        if self.n_users < 1:
            raise ConfigError(f"n_users == {self.n_users}, must be >= 1")
        if self.n_items < _MIN_ITEMS:
            raise ConfigError(f"n_items == {self.n_items}, must be >= {_MIN_ITEMS}")
        least, most = MIN_ACTIVITY * self.n_users, int(_MAX_DENSITY * self.n_users * self.n_items)
        most = max(least, most)
        if not least <= self.n_ratings <= most:
            raise ConfigError(
                f"n_ratings == {self.n_ratings}, must be {least} … {most} for {self.n_users} users and "
                f"{self.n_items} items: {MIN_ACTIVITY} per user and more, {_MAX_DENSITY:.0%} of all pairs and less"
            )


def default_ratings(n_users: int, n_items: int, shape: WorldShape = ML_LATEST_SMALL) -> int:
    """As many ratings per user as in the shape (165 in both), fewer where films are few.

    >>> default_ratings(610, 9724), default_ratings(100, 200)
    (100836, 5000)
    """
    return round(n_users * min(shape.n_ratings / shape.n_users, max(0.25 * n_items, MIN_ACTIVITY)))


def _titles(year: npt.NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """Distinct made-up titles that end with the year."""
    n_titles = len(_PATTERNS) * len(_OF_WHAT) * len(_WHAT)
    number = rng.permutation(max(len(year), n_titles))[: len(year)]
    part, which = np.divmod(number, n_titles)
    pattern, words = np.divmod(which, len(_OF_WHAT) * len(_WHAT))
    first, second = np.divmod(words, len(_WHAT))
    named = (
        _PATTERNS[p].format(_OF_WHAT[f], _WHAT[s]) + (f" {n + 1}" if n else "")
        for p, f, s, n in zip(pattern.tolist(), first.tolist(), second.tolist(), part.tolist(), strict=True)
    )
    return [f"{title} ({y})" for title, y in zip(named, year.tolist(), strict=True)]
