"""What a trained model's catalogue tells about items, for people who look at its lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.ids import UNKNOWN
from wrappers.training_data import TrainingData


def item_details(known: TrainingData, item_ids: Iterable[Any]) -> list[dict[str, Any]]:
    """Title, year and genres of items.

    Args:
        known: The model's training data.
        item_ids: Ids as the catalogue has them, or as text.

    Returns:
        ``{"item_id", "title", "year": int or None, "genres": [...]}`` per item in the order given, with the
        catalogue's own id; unknown items are left out.
    """
    index = known.items.index_of(list(item_ids))
    rows = known.catalogue.iloc[index[index != UNKNOWN]]
    years = rows["year"].astype(object).where(rows["year"].notna(), None)
    return [
        {"item_id": item_id, "title": title, "year": None if year is None else int(year), "genres": _split(genres)}
        for item_id, title, year, genres in zip(
            rows["item_id"].tolist(), rows["title"].tolist(), years.tolist(), rows["genres"].tolist(), strict=True
        )
    ]


def _split(genres: str) -> list[str]:
    return genres.split("|") if genres else []
