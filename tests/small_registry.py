"""A model registry with small real models in it, for tests that start real servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from core.interactions import Interactions
from loaders.base import BaseLoader, SplitRule
from tracking.client import connect, database_uri
from tracking.models import log_model
from tracking.registry import CHALLENGER, CHAMPION, Candidate, register_all
from tracking.runs import new_run
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model

MODEL_NAME = "recommender"


class SmallLoader(BaseLoader):
    """The small interactions, split as real ones are."""

    source = "small"
    layout = "synthetic"

    def __init__(self) -> None:
        super().__init__(split=SplitRule("leave_last_n", n=3))

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
        return cls()

    def read(self) -> Interactions:
        return small_interactions()


def small_interactions(n_users: int = 60, n_items: int = 40, n_groups: int = 4, seed: int = 3) -> Interactions:
    """Users who like the items of their own group best; ids are integers that are no indexes."""
    rng = np.random.default_rng(seed)
    user, item = (grid.ravel() for grid in np.meshgrid(np.arange(n_users), np.arange(n_items), indexing="ij"))
    same = user % n_groups == item % n_groups
    seen = rng.random(len(user)) < np.where(same, 0.6, 0.15)
    ratings = pd.DataFrame(
        {
            "user_id": 100 + user[seen],
            "item_id": 1000 + item[seen],
            "rating": rng.choice([1.0, 1.5, 2.0], seen.sum()) + np.where(same[seen], 3.0, 0.0),
            "timestamp": rng.integers(1_000_000_000, 1_100_000_000, seen.sum()),
        }
    ).astype({"rating": "float32"})
    items = pd.DataFrame(
        {
            "item_id": 1000 + np.arange(n_items),
            "title": [f"Film {number}" for number in range(n_items)],
            "year": pd.array([1980 + number for number in range(n_items)], dtype="Int16"),
        }
    )
    genres = pd.DataFrame(
        {"item_id": items["item_id"], "genre": [f"Genre {number % n_groups}" for number in range(n_items)]}
    )
    return Interactions(ratings, items, genres)


def register_small_models(folder: Path, models: Mapping[str, Mapping[str, Any]], data: Interactions) -> str:
    """Train the models named and make each a version, 1, 2 …; the first is champion, the second challenger.

    Returns:
        The tracking URI.
    """
    tracker = connect(database_uri(folder))
    runs = []
    for name, config in models.items():
        wrapper = model(name)(config)
        assert isinstance(wrapper, RecommenderWrapper)
        wrapper.fit(data).save(folder / "saved" / name)
        with new_run(tracker, name) as run_id:
            log_model(
                tracker,
                run_id,
                folder / "saved" / name,
                loader_module="wrappers.pyfunc",
                input_example=pd.DataFrame({"user_id": [100], "k": [3]}),
                output_example=["list"],
                requirements=["numpy"],
            )
        runs.append(Candidate(run_id, name))
    register_all(tracker, MODEL_NAME, runs, {CHAMPION: runs[0].run_id, CHALLENGER: runs[1].run_id})
    return tracker.uri
