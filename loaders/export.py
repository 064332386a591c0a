"""Ratings written as the CSV files of the ml-latest layout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from core.errors import ConfigError
from core.interactions import Interactions

_NO_GENRE = "(no genres listed)"


def write_movielens_csv(interactions: Interactions, folder: str | Path) -> list[Path]:
    """Write ratings.csv, movies.csv and, if there are tags, tags.csv.

    Args:
        interactions: What to write; integer ids.
        folder: Where; made if it does not exist, otherwise it must be empty.

    Returns:
        The files written.

    Raises:
        ConfigError: The folder holds something or cannot be written.
    """
    target = Path(folder)
    ids = {"user_id": "userId", "item_id": "movieId"}
    genres = interactions.genres.groupby("item_id", sort=False)["genre"].agg("|".join)
    movies = pd.DataFrame(
        {
            "movieId": interactions.items["item_id"],
            "title": interactions.items["title"],
            "genres": interactions.items["item_id"].map(genres).fillna(_NO_GENRE),
        }
    )
    tables = {"ratings.csv": interactions.ratings.rename(columns=ids), "movies.csv": movies}
    if len(interactions.tags):
        tables["tags.csv"] = interactions.tags.rename(columns=ids)
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise ConfigError(f"{target} is not empty; give a folder that is new or empty")
        for name, table in tables.items():
            table.to_csv(target / name, index=False)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written ({error.strerror}); give a folder that can") from error
    return [target / name for name in tables]
