"""A world small enough to work every feature out by hand, and random ones in its shape."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.interactions import Interactions

DAY = 86_400
#: A rating and a tag of the small world lie exactly here, so they must not count.
AS_OF = 10_200 * DAY


def small_world() -> Interactions:
    """Three users, three items: sessions, a long pause, an item without genres, events at the very moment."""
    rows = [
        (1, 10, 4.0, 10_000 * DAY),
        (1, 20, 3.0, 10_000 * DAY + 600),
        (1, 30, 5.0, 10_100 * DAY),
        (2, 10, 2.0, 10_100 * DAY + 3_600),
        (3, 20, 4.5, 10_190 * DAY),
        (3, 10, 1.0, AS_OF),
        (4, 10, 5.0, AS_OF + 1),
    ]
    tags = [
        (1, 10, "Fun", 10_001 * DAY),
        (2, 10, "fun", 10_002 * DAY),
        (2, 10, "dark", 10_003 * DAY),
        (2, 10, "late", AS_OF),
    ]
    return Interactions(
        ratings=pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"]).astype({"rating": "float32"}),
        items=pd.DataFrame(
            {
                "item_id": [10, 20, 30, 40],
                "title": ["Ten", "Twenty", "Thirty", "Never rated"],
                "year": pd.array([1990, 2000, None, 1950], dtype="Int16"),
            }
        ),
        genres=pd.DataFrame({"item_id": [10, 10, 20, 40], "genre": ["War", "Drama", "War", "Noir"]}),
        tags=pd.DataFrame(tags, columns=["user_id", "item_id", "tag", "timestamp"]),
        users=pd.DataFrame(
            {
                "user_id": [1, 2, 4],
                "age": [24, 53, 18],
                "gender": ["M", "F", "M"],
                "occupation": ["technician", "other", "writer"],
                "zip": ["85711", "94043", "32067"],
            }
        ),
    )


def random_world(seed: int, *, n_ratings: int = 60, text_ids: bool = False) -> Interactions:
    """Few users and items over 400 days, with equal times, repeated pairs, tags, and ratings in odd decimals."""
    rng = np.random.default_rng(seed)
    start = 11_000 * DAY

    def times(n: int) -> np.ndarray:
        # Coarse times repeat; some follow within a session.
        return start + rng.integers(0, 400, n) * DAY + rng.choice([0, 0, 900, 1_800, 1_801, 50_000], n)

    n_tags = n_ratings // 3
    identify = (lambda ids: np.array([f"x{one}" for one in ids])) if text_ids else (lambda ids: ids)
    known = np.arange(1, 13)
    ratings = pd.DataFrame(
        {
            "user_id": identify(rng.integers(1, 8, n_ratings)),
            "item_id": identify(rng.choice(known[:10], n_ratings)),
            "rating": rng.choice([0.5, 1.0, 2.7, 3.3, 4.0, 4.6, 5.0], n_ratings).astype(np.float32),
            "timestamp": times(n_ratings),
        }
    )
    tags = pd.DataFrame(
        {
            "user_id": identify(rng.integers(1, 8, n_tags)),
            "item_id": identify(rng.choice(known, n_tags)),
            "tag": rng.choice(["a", "A", "b", "c"], n_tags),
            "timestamp": times(n_tags),
        }
    )
    pairs = pd.DataFrame(
        {"item_id": identify(rng.choice(known[:9], 14)), "genre": rng.choice(["Drama", "Noir", "War"], 14)}
    ).drop_duplicates()
    year = pd.array(np.where(known % 4 == 0, 0, 1990 + known), dtype="Int16")
    year[known % 4 == 0] = pd.NA
    items = pd.DataFrame({"item_id": identify(known), "title": "Film", "year": year})
    return Interactions(ratings, items, pairs.reset_index(drop=True), tags)
