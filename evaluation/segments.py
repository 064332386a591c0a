"""Who is served well, and with what: users by how much they rated, items by how popular they are and by genre."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from evaluation.ranking import Truth, metrics_of_hits

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

#: Name and least number of training ratings; a user belongs to the last one she reaches.
USER_SEGMENTS = (("cold", 0), ("1–19 ratings", 1), ("20–99 ratings", 20), ("100 or more", 100))
#: Most popular items that together have half of the training ratings; the next 30 %; the last 20 %; and those without.
ITEM_SEGMENTS = ("head", "torso", "tail", "new")
_HEAD, _TORSO = 0.5, 0.8


class Segment(NamedTuple):
    """Some users, or some items.

    Attributes:
        kind: "users", "items" or "genre".
        name: E.g. "cold", "tail", "Drama".
    """

    kind: str
    name: str


def user_segments(n_ratings: npt.NDArray[np.integer[Any]]) -> dict[Segment, BoolArray]:
    """Users by how many training ratings they have.

    Args:
        n_ratings: (n_users,) counts; 0 for users without history.

    Returns:
        Each segment that has a user, to (n_users,) bool; together they hold everybody once.

    >>> {segment.name: who.tolist() for segment, who in user_segments(np.array([0, 30])).items()}
    {'cold': [True, False], '20–99 ratings': [False, True]}
    """
    least = [bound for _, bound in USER_SEGMENTS]
    reached = np.searchsorted(least, n_ratings, side="right") - 1
    found = {Segment("users", name): reached == place for place, (name, _) in enumerate(USER_SEGMENTS)}
    return {segment: who for segment, who in found.items() if who.any()}


def popularity_segment(popularity: npt.NDArray[np.number[Any]]) -> npt.NDArray[np.int64]:
    """(n_items,) place in ``ITEM_SEGMENTS`` of each item.

    An item is in the head where those more popular have less than half of all training ratings, in the torso where
    they have less than 80 %; so the head reaches half as soon as it can. Equal ones rank by item index.

    Args:
        popularity: (n_items,) number of training ratings of each item; 0 makes it new.

    >>> [ITEM_SEGMENTS[place] for place in popularity_segment(np.array([5, 3, 1, 1, 0]))]
    ['head', 'torso', 'tail', 'tail', 'new']
    """
    order = np.argsort(-popularity.astype(np.float64), kind="stable")
    ratings = popularity[order].astype(np.float64)
    total = ratings.sum()
    more_popular = (np.cumsum(ratings) - ratings) / total if total > 0 else ratings
    # Shares are sums of many terms: what is 80 % but for rounding has reached it.
    place = np.searchsorted([_HEAD, _TORSO], np.round(more_popular, 12), side="right")
    found = np.empty(len(order), np.int64)
    found[order] = np.where(ratings > 0, place, ITEM_SEGMENTS.index("new"))
    return found


def segment_metrics(
    hits: BoolArray,
    lists: npt.NDArray[np.integer[Any]],
    truth: Truth,
    item_segments: Mapping[Segment, BoolArray],
    metrics: Sequence[str],
) -> dict[Segment, dict[str, FloatArray]]:
    """Metrics of segments of items: the same lists, judged by the relevant items of the segment alone.

    So recall of the tail is the share of liked tail items that are found, and other items in a list are misses.
    Segments may overlap.

    Args:
        hits: (n_users, k) from :func:`evaluation.ranking.find_hits`.
        lists: (n_users, k) item indexes of the same places, -1 where there is none.
        truth: (n_users, n_items), nonzero where an item is relevant, without stored zeros.
        item_segments: Segment to (n_items,) bool.
        metrics: Some of ``evaluation.ranking.METRICS``.

    Returns:
        Segment to metric to (n_users,): NaN for users with no relevant item in the segment. Segments without any
        relevant item are left out.
    """
    if not item_segments:
        return {}
    members = np.column_stack(list(item_segments.values()))
    one_each = sparse.csr_array((np.ones(len(truth.indices)), truth.indices, truth.indptr), shape=truth.shape)
    n_relevant = one_each @ members.astype(np.float64)
    n_relevant[n_relevant == 0] = np.nan
    found = {}
    for place, segment in enumerate(item_segments):
        if not np.isnan(n_relevant[:, place]).all():
            # A place without an item is no hit, whatever -1 reads.
            of_segment = metrics_of_hits(hits & members[lists, place], n_relevant[:, place])
            found[segment] = {metric: of_segment[metric] for metric in metrics}
    return found
