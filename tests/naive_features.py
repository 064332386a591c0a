"""Every feature of one user or item, straight from its meaning: nothing shared with the expressions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from datetime import date

import numpy as np

from core.interactions import Interactions
from feature_repo.catalogue import FeatureLayout

_DAY = 86_400


def naive_user(known: Interactions, user: object, t: int, layout: FeatureLayout) -> dict[str, float]:
    """Features of a user of whom ``known`` holds at least one rating; it must hold nothing at or after ``t``."""
    everyone = known.ratings
    mine = everyone[everyone["user_id"] == user].sort_values("timestamp", kind="stable")
    stars, times = mine["rating"].to_numpy(np.float64), mine["timestamp"].tolist()
    sessions = [[times[0]]]
    for time in times[1:]:
        if time - sessions[-1][-1] > 30 * 60:
            sessions.append([])
        sessions[-1].append(time)
    days = {time // _DAY for time in times}
    counts = Counter(everyone["item_id"])
    years = known.items.dropna(subset=["year"]).set_index("item_id")["year"].to_dict()
    rated_years = [int(years[item]) for item in mine["item_id"] if item in years]
    return {
        "rating_count": len(mine),
        "rating_mean": stars.mean(),
        "rating_std": stars.std(),
        "liked_share": float((stars >= 4.0).mean()),
        "recency_days": (t - max(times)) / _DAY,
        "tenure_days": (t - min(times)) / _DAY,
        "active_days": len(days),
        "ratings_per_active_day": len(mine) / len(days),
        **_fifths(known, user),
        "session_count": len(sessions),
        "session_ratings_mean": len(mine) / len(sessions),
        "session_minutes_mean": sum(one[-1] - one[0] for one in sessions) / 60 / len(sessions),
        "item_popularity_mean": sum(math.log(1 + counts[item]) for item in mine["item_id"]) / len(mine),
        "item_year_mean": sum(rated_years) / len(rated_years) if rated_years else math.nan,
        "age": math.nan,
        "is_female": math.nan,
        "occupation": math.nan,
        **_genres(known, mine["item_id"].tolist(), stars, layout),
    }


def naive_item(known: Interactions, item: object, t: int, layout: FeatureLayout) -> dict[str, float]:
    """Features of an item, likewise."""
    its = known.ratings[known.ratings["item_id"] == item]
    stars, times = its["rating"].to_numpy(np.float64), its["timestamp"].to_numpy()
    years = known.items.loc[known.items["item_id"] == item, "year"].dropna()
    year = int(years.iloc[0]) if len(years) else None
    recent = int((times >= t - 90 * _DAY).sum())
    earlier = int(((times >= t - 180 * _DAY) & (times < t - 90 * _DAY)).sum())
    tags = Counter(known.tags.loc[known.tags["item_id"] == item, "tag"].str.lower())
    genres = set(known.genres.loc[known.genres["item_id"] == item, "genre"])
    mean_of_all = known.ratings["rating"].to_numpy(np.float64).mean()
    return {
        "rating_count": len(its),
        "popularity": math.log(1 + len(its)),
        "rating_mean": stars.mean(),
        "rating_std": stars.std(),
        "quality": (stars.sum() + 10 * mean_of_all) / (len(its) + 10),
        "liked_share": float((stars >= 4.0).mean()),
        "recent_count": recent,
        "trend": (recent - earlier) / (recent + earlier + 1),
        "recency_days": (t - times.max()) / _DAY,
        "listed_days": (t - times.min()) / _DAY,
        "release_year": math.nan if year is None else year,
        "release_age_years": math.nan if year is None else (t / _DAY - _new_year(year)) / 365.25,
        "tag_count": sum(tags.values()),
        "tag_diversity": _entropy(tags.values()),
        "genre_count": len(genres),
        **{f"has_genre {genre}": float(genre in genres) for genre in layout.genres},
    }


def _new_year(year: int) -> int:
    return (date(year, 1, 1) - date(1970, 1, 1)).days


def _fifths(known: Interactions, user: object) -> dict[str, float]:
    by_user = known.ratings.groupby("user_id")
    figures = {
        "rfm_recency": by_user["timestamp"].max(),
        "rfm_frequency": by_user["timestamp"].agg(lambda times: (times // _DAY).nunique()),
        # In tenths of stars: sums that are equal must be equal.
        "rfm_value": by_user["rating"].agg(lambda stars: round(10 * stars.astype(float).sum())),
    }
    return {name: math.ceil(5 * int((all_ <= all_[user]).sum()) / len(all_)) for name, all_ in figures.items()}


def _genres(known: Interactions, items: list[object], stars: np.ndarray, layout: FeatureLayout) -> dict[str, float]:
    of_item: dict[object, list[str]] = {}
    for item, genre in zip(known.genres["item_id"], known.genres["genre"], strict=True):
        of_item.setdefault(item, []).append(genre)
    count: Counter[str] = Counter()
    above: Counter[str] = Counter()
    for item, rating in zip(items, stars, strict=True):
        for genre in of_item.get(item, []):
            count[genre] += 1
            above[genre] += rating - stars.mean()
    pairs = sum(count.values())
    return {
        "genre_diversity": _entropy(count.values()),
        **{f"genre_share {genre}": count[genre] / pairs if pairs else 0.0 for genre in layout.genres},
        **{f"genre_lift {genre}": above[genre] / (count[genre] + 5) for genre in layout.genres},
    }


def _entropy(counts: Collection[int]) -> float:
    total = sum(counts)
    return -sum(n / total * math.log(n / total) for n in counts)
