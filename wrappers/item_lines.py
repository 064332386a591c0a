"""Items as lines that a chat model reads: title, year, genres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.titles import natural_title
from wrappers.training_data import TrainingData


def item_lines(known: TrainingData, item_index: npt.NDArray[np.int64]) -> list[str]:
    """One line per item, ``The American President (1995), Comedy, Drama``; what is unknown is left out.

    Args:
        known: Where the items are from.
        item_index: (m,) int64.
    """
    rows = known.catalogue.iloc[item_index]
    return [
        _line(str(title), "" if year is None else str(year), genres)
        for title, year, genres in zip(
            rows["title"].tolist(),
            rows["year"].astype(object).where(rows["year"].notna(), None).tolist(),
            rows["genres"].tolist(),
            strict=True,
        )
    ]


def liked_items(known: TrainingData, user_index: int, n: int) -> npt.NDArray[np.int64]:
    """(<= n,) int64 items that a user rated in training, those that most people know first.

    Args:
        known: Where the ratings are.
        user_index: A known user.
        n: How many at most.
    """
    start, stop = known.history.indptr[user_index : user_index + 2]
    items = known.history.indices[start:stop].astype(np.int64)
    return items[np.argsort(-known.popularity[items], kind="stable")[:n]]


def _line(title: str, year: str, genres: str) -> str:
    named = natural_title(title)
    dated = named if not year or year in named else f"{named} ({year})"
    # A title or genre from somewhere else may hold line breaks; the list is told apart by them.
    return " ".join(", ".join([dated, *(genres.split("|") if genres else [])]).split())
