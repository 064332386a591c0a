"""What a data set is like: size, ratings, time, long tail, and who is cold under a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from core.interactions import Interactions
from core.protocols import Provenance
from evaluation.splits import Split


@dataclass(frozen=True)
class Description:
    """Figures of a data set; shares are 0 … 1, NaN where nothing can be said.

    Attributes:
        n_ratings: Ratings.
        n_users: Users with a rating.
        n_items: Items with a rating.
        n_items_listed: Items in the item table, rated or not.
        n_genres: Distinct genres.
        n_tags: Tags given.
        density: n_ratings / (n_users n_items).
        rating_mean: Mean rating.
        rating_counts: Ratings of each value, ascending, e.g. {"0.5": 1370, …}.
        first_rating: ISO date (UTC) of the earliest rating; empty without ratings.
        last_rating: ISO date of the latest.
        user_quantiles: Ratings per user: "min", "25%", "50%", "75%", "99%", "max".
        item_quantiles: Ratings per rated item, likewise.
        gini_items: Gini coefficient of ratings per rated item: 0 all alike, towards 1 a few have them all.
        top_1_percent_share: Share of ratings that the most rated 1 % of items (rounded up) got.
        top_20_percent_share: Likewise 20 %.
        items_below_5_share: Share of rated items with fewer than 5 ratings.
        tenths: Share of ratings that each tenth of the rated items got, the most rated tenth first; shares sum to 1.
        n_train: Ratings to learn from.
        n_test: Ratings to be judged by.
        n_test_users: Users with a test rating.
        cold_users: Of those, users without a training rating.
        cold_items: Items with a test rating and no training rating.
        cold_item_test_share: Share of test ratings that are of such items: no model can recommend them.
    """

    n_ratings: int
    n_users: int
    n_items: int
    n_items_listed: int
    n_genres: int
    n_tags: int
    density: float
    rating_mean: float
    rating_counts: dict[str, int]
    first_rating: str
    last_rating: str
    user_quantiles: dict[str, float]
    item_quantiles: dict[str, float]
    gini_items: float
    top_1_percent_share: float
    top_20_percent_share: float
    items_below_5_share: float
    tenths: list[float]
    n_train: int
    n_test: int
    n_test_users: int
    cold_users: int
    cold_items: int
    cold_item_test_share: float

    def as_dict(self) -> dict[str, Any]:
        """Every figure by name, for JSON."""
        return asdict(self)


def describe(interactions: Interactions, split: Split) -> Description:
    """Count everything.

    Args:
        interactions: Ratings, items, tags; ratings may be empty.
        split: Row positions of train and test.
    """
    ratings = interactions.ratings
    user, per_user = np.unique(ratings["user_id"].to_numpy(), return_counts=True)
    item, per_item = np.unique(ratings["item_id"].to_numpy(), return_counts=True)
    values, value_counts = np.unique(ratings["rating"].to_numpy(np.float64), return_counts=True)
    time = ratings["timestamp"].to_numpy()
    train, test = ratings.iloc[split.train], ratings.iloc[split.test]
    cold_item = ~test["item_id"].isin(train["item_id"])
    test_users = test["user_id"].drop_duplicates()
    return Description(
        n_ratings=len(ratings),
        n_users=len(user),
        n_items=len(item),
        n_items_listed=len(interactions.items),
        n_genres=int(interactions.genres["genre"].nunique()),
        n_tags=len(interactions.tags),
        density=len(ratings) / (len(user) * len(item)) if len(ratings) else float("nan"),
        rating_mean=float(np.average(values, weights=value_counts)) if len(ratings) else float("nan"),
        rating_counts={f"{value:g}": int(count) for value, count in zip(values, value_counts, strict=True)},
        first_rating=_date(time.min()) if len(time) else "",
        last_rating=_date(time.max()) if len(time) else "",
        user_quantiles=_quantiles(per_user),
        item_quantiles=_quantiles(per_item),
        gini_items=gini(per_item),
        top_1_percent_share=top_share(per_item, 0.01),
        top_20_percent_share=top_share(per_item, 0.2),
        items_below_5_share=float((per_item < 5).mean()) if len(per_item) else float("nan"),
        tenths=_tenths(per_item),
        n_train=len(train),
        n_test=len(test),
        n_test_users=len(test_users),
        cold_users=int((~test_users.isin(train["user_id"])).sum()),
        cold_items=int(test["item_id"][cold_item].nunique()),
        cold_item_test_share=float(cold_item.mean()) if len(test) else float("nan"),
    )


def gini(counts: npt.NDArray[Any]) -> float:
    """Gini coefficient: sum_i (2 i - n - 1) c_i / (n sum_i c_i), c ascending, i = 1 … n.

    Args:
        counts: (n,) numbers >= 0 in any order.

    Returns:
        0 … 1 - 1/n; NaN for no counts or only zeros.

    >>> gini(np.array([3, 3, 3])), gini(np.array([0, 0, 0, 8]))
    (0.0, 0.75)
    """
    n, total = len(counts), counts.sum()
    if n == 0 or total == 0:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(counts) / (n * total))


def top_share(counts: npt.NDArray[Any], fraction: float) -> float:
    """Share of the total that the largest ``fraction`` of the counts (rounded up) make.

    >>> top_share(np.array([1, 1, 6, 2]), 0.25)
    0.6
    """
    if len(counts) == 0 or counts.sum() == 0:
        return float("nan")
    n_top = int(np.ceil(fraction * len(counts)))
    return float(np.sort(counts)[::-1][:n_top].sum() / counts.sum())


def _quantiles(counts: npt.NDArray[Any]) -> dict[str, float]:
    at = {"min": 0.0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "99%": 0.99, "max": 1.0}
    if len(counts) == 0:
        return dict.fromkeys(at, float("nan"))
    return {name: float(np.quantile(counts, q)) for name, q in at.items()}


def _tenths(counts: npt.NDArray[Any]) -> list[float]:
    if len(counts) == 0:
        return []
    return [float(part.sum() / counts.sum()) for part in np.array_split(np.sort(counts)[::-1], 10)]


def _date(timestamp: np.integer[Any]) -> str:
    return datetime.fromtimestamp(int(timestamp), UTC).date().isoformat()


def facts(description: Description) -> list[tuple[str, str]]:
    """The figures as (what, how much) for people."""
    d = description
    return [
        ("ratings", f"{d.n_ratings:,}"),
        ("users", f"{d.n_users:,}, {_spread(d.user_quantiles)} ratings each"),
        ("items", f"{d.n_items:,} rated of {d.n_items_listed:,} listed, {_spread(d.item_quantiles)} ratings each"),
        ("genres, tags", f"{d.n_genres:,} genres, {d.n_tags:,} tags"),
        ("density", f"{d.density:.2%} of all user-item pairs"),
        ("mean rating", f"{d.rating_mean:.2f}"),
        ("time", f"{d.first_rating} to {d.last_rating}"),
        ("long tail", f"the top 1 % of items have {d.top_1_percent_share:.0%} of the ratings,"),
        ("", f"the top 20 % have {d.top_20_percent_share:.0%}; Gini {d.gini_items:.2f};"),
        ("", f"{d.items_below_5_share:.0%} of items have fewer than 5 ratings"),
        *_split_facts(d),
    ]


def _split_facts(d: Description) -> list[tuple[str, str]]:
    if not d.n_test:
        return [("split", f"{d.n_train:,} to learn from, none left to be judged by")]
    return [
        ("split", f"{d.n_train:,} to learn from, {d.n_test:,} of {d.n_test_users:,} users to be judged by"),
        ("cold users", f"{d.cold_users:,} test users have nothing to learn from"),
        ("cold items", f"{d.cold_items:,} items occur in test only: {d.cold_item_test_share:.1%} of test ratings"),
    ]


def description_html(description: Description, provenance: Provenance) -> str:
    """A page of its own that describes data, without scripts or outside files."""
    rows = [
        ("source", provenance.source),
        ("layout", provenance.layout),
        ("split rule", provenance.split),
        *facts(description),
    ]
    table = "".join(f"<tr><th>{escape(what)}</th><td>{escape(figure)}</td></tr>" for what, figure in rows)
    return _PAGE.format(
        title=escape(provenance.source),
        table=table,
        tail=_bars(
            {f"{10 * place} … {10 * place + 10} %": share for place, share in enumerate(description.tenths)}, "{:.1%}"
        ),
        ratings=_bars(description.rating_counts, "{:,}"),
    )


def all_train(interactions: Interactions) -> Split:
    """The split that holds nothing out: for describing data that cannot be split."""
    return Split(np.arange(len(interactions)), np.zeros(0, dtype=np.int64))


def _bars(lengths: Mapping[str, float], figure: str) -> str:
    em = 20 / max(lengths.values(), default=1)
    return "".join(
        f'<tr><th>{name}</th><td><div style="width:{em * length:.2f}em"></div>{figure.format(length)}</td></tr>'
        for name, length in lengths.items()
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Data: {title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 50em; padding: 0 1em; color: #222 }}
th {{ text-align: left; font-weight: 600; padding-right: 1.5em; vertical-align: top; white-space: nowrap }}
td div {{ display: inline-block; height: .8em; margin-right: .5em; background: #4c78a8 }}
</style>
</head>
<body>
<h1>The data</h1>
<table>{table}</table>
<h2>The long tail: share of ratings of each tenth of the items, most rated first</h2>
<table>{tail}</table>
<h2>Ratings of each value</h2>
<table>{ratings}</table>
</body>
</html>
"""


def _spread(quantiles: dict[str, float]) -> str:
    return f"{quantiles['min']:,.0f} … {quantiles['max']:,.0f} (median {quantiles['50%']:,g})"
