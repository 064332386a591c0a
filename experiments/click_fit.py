"""Fitting the simulated users of experiments/click_model.py to ratings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from scipy.optimize import brentq

from core.errors import ConfigError
from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions, to_csr
from experiments.click_model import NO_ITEM, ClickConfig, ClickModel, HeldOut, over_sessions
from experiments.factorisation_machine import fit_factorisation_machine

Indexes = npt.NDArray[np.int64]

#: Logits between which the intercept is looked for: click rates from 1e-8 to nearly 1.
_INTERCEPTS = (-20.0, 10.0)


def fit_click_model(
    train: Interactions, test: Interactions, *, seed: int, config: ClickConfig | None = None
) -> ClickModel:
    """Fit the simulated users.

    Args:
        train: What the models may learn from; the popularity model's lists come from it.
        test: The held-out ratings: what the parents will like, unknown to the models.
        seed: Seed of the visitors, the sessions and the machine's starting vectors.
        config: The constants; None for those of the documentation.

    Returns:
        The frozen world. Equal ratings, seed and constants give an equal world, whatever the rows' order.

    Raises:
        ConfigError: The seed is negative, there is no training rating, or no intercept gives the wanted click rate.
    """
    config = config or ClickConfig()
    if seed < 0:
        raise ConfigError(f"seed == {seed}, must be >= 0")
    if len(train) == 0:
        raise ConfigError("simulated users need training ratings, given none; check the data and the split")
    ratings = pd.concat([train.ratings, test.ratings], ignore_index=True)
    # Where a pair is rated twice the later rating stands, whatever the rows' order.
    ratings = ratings.sort_values("timestamp", kind="stable", ignore_index=True)
    users = IdIndex.of(ratings["user_id"].to_numpy())
    items = IdIndex.of(ratings["item_id"].to_numpy())
    taste = fit_factorisation_machine(
        to_csr(ratings, users, items, binary=False), item_features(items, train), seed=seed
    )
    unsolved = ClickModel(
        config=config,
        seed=seed,
        users=users,
        items=items,
        taste=taste,
        held_out=held_out_ratings(test, users, items, config.liked_rating),
        intercept=0.0,
        start=float(ratings["timestamp"].iloc[-1]),
    )
    popular = popular_lists(to_csr(train.ratings, users, items), config.k)
    return replace(unsolved, intercept=_solve_intercept(unsolved, popular))


def item_features(items: IdIndex, data: Interactions) -> sparse.csr_array[Any, Any]:
    """Genres and decade of release, one column each.

    Args:
        items: The rows' ids.
        data: Its ``genres`` and ``items``; an item in neither has no feature.

    Returns:
        (n_items, n_genres + n_decades) float64 of 0 and 1.
    """
    genre = data.genres.drop_duplicates(["item_id", "genre"])
    dated = data.items.dropna(subset=["year"]).drop_duplicates("item_id")
    return sparse.csr_array(
        sparse.hstack(
            [
                _one_hot(items, genre["item_id"].to_numpy(), genre["genre"].to_numpy()),
                _one_hot(items, dated["item_id"].to_numpy(), dated["year"].to_numpy(dtype=np.int64) // 10),
            ]
        )
    )


def _one_hot(items: IdIndex, item_id: npt.NDArray[Any], value: npt.NDArray[Any]) -> sparse.csr_array[Any, Any]:
    """(n_items, n_values) with a 1 for each pair; items that are no row are left out."""
    row = items.index_of(item_id)
    known = row != UNKNOWN
    values, column = np.unique(value[known], return_inverse=True)
    return sparse.csr_array((np.ones(int(known.sum())), (row[known], column)), shape=(len(items), len(values)))


def held_out_ratings(test: Interactions, users: IdIndex, items: IdIndex, liked_rating: float) -> HeldOut:
    """Whether a user's held-out rating likes an item.

    Args:
        test: The held-out ratings; users and items that are no index are an error of the caller.
        users: Ids by user index.
        items: Ids by item index.
        liked_rating: A rating of at least this is liked.
    """
    ratings = to_csr(test.ratings, users, items, binary=False).tocoo()
    row, column = ratings.coords
    pair = row.astype(np.int64) * len(items) + column
    order = np.argsort(pair)
    return HeldOut(pair[order], np.where(ratings.data >= liked_rating, 1.0, -1.0)[order], len(items))


def popular_lists(seen: sparse.csr_array[Any, Any], k: int) -> Indexes:
    """Each user's k most rated items that they have not rated; ties go to the smaller item index.

    Args:
        seen: (n_users, n_items), a stored entry per training rating.
        k: Length of the lists.

    Returns:
        (n_users, k) int64 item indexes, NO_ITEM where a user has rated too much; an item nobody rated is in no list.
    """
    n_users, n_items = seen.shape
    count = np.bincount(seen.indices, minlength=n_items)
    by_count = np.argsort(-count, kind="stable")
    rank = np.empty(n_items, dtype=np.int64)
    rank[by_count] = np.arange(n_items)
    user = np.repeat(np.arange(n_users), np.diff(seen.indptr))
    order = np.lexsort((rank[seen.indices], user))
    # The t-th seen rank s of a user (t from 0) has s - t unseen ones before it, so the j-th unseen rank is j
    # plus the number of seen ones with s - t <= j. Those differences ascend per user: one binary search.
    place = np.arange(len(order)) - seen.indptr[user]
    unseen_before = user * (n_items + k) + rank[seen.indices][order] - place
    wanted = np.arange(n_users)[:, None] * (n_items + k) + np.arange(k)
    unseen_rank = np.arange(k) + np.searchsorted(unseen_before, wanted, side="right") - seen.indptr[:-1][:, None]
    n_rated = int((count > 0).sum())
    return np.where(unseen_rank < n_rated, by_count[np.minimum(unseen_rank, n_items - 1)], NO_ITEM)


def _solve_intercept(model: ClickModel, popular: Indexes) -> float:
    """The intercept at which the popularity model's lists have the wanted click rate.

    Raises:
        ConfigError: No intercept gives it.
    """
    wanted = model.config.target_click_rate
    logits, items = model.visitor_logits(popular)

    def too_much(intercept: float) -> float:
        return float(over_sessions(logits + intercept, items, model.config).mean()) - wanted

    low, high = _INTERCEPTS
    if not too_much(low) < 0.0 < too_much(high):
        raise ConfigError(
            f"target_click_rate == {wanted} cannot be reached with lists of {model.config.k} on these ratings; "
            f"allowed on them: {too_much(low) + wanted:.3g} … {too_much(high) + wanted:.3g}"
        )
    return float(brentq(too_much, low, high, xtol=1e-9))
