"""Which features put an item above the user's other candidates, in words' keys.

Columns that say the same of an item are counted together, whether they speak for it or against it: ratings and log
ratings, or the item's year and its distance from the user's years.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feature_repo.catalogue import ITEM_GENRE_FEATURES
from wrappers.causes import Cause
from wrappers.ranking_columns import RETRIEVER_COLUMNS

#: Column to what it says where it is higher than the candidates' mean, and where it is lower. Columns that mix user and
#: item differ between one user's candidates as the item's do.
_SAYS = {
    "item_rating_count": ("rated_more", "rated_less"),
    "item_popularity": ("rated_more", "rated_less"),
    "popularity_gap": ("rated_more", "rated_less"),
    "item_rating_mean": ("rated_better", "rated_worse"),
    "item_quality": ("rated_better", "rated_worse"),
    "item_liked_share": ("rated_better", "rated_worse"),
    "quality_gap": ("rated_better", "rated_worse"),
    "item_rating_std": ("opinions_differ", "opinions_agree"),
    "item_recent_count": ("rated_lately", "rated_not_lately"),
    "item_trend": ("rated_lately", "rated_not_lately"),
    "item_recency_days": ("last_rated_early", "last_rated_late"),
    "item_listed_days": ("listed_early", "listed_late"),
    "item_release_year": ("newer", "older"),
    "item_release_age_years": ("older", "newer"),
    "year_gap": ("newer", "older"),
    "item_tag_count": ("tagged_more", "tagged_less"),
    "item_tag_diversity": ("tagged_variously", "tagged_alike"),
    "item_genre_count": ("more_genres", "fewer_genres"),
    "share_match": ("genres_often", "genres_seldom"),
    "lift_match": ("genres_liked", "genres_other"),
    "lift_best": ("genres_liked", "genres_other"),
}
_HAS_GENRE = f"item_{ITEM_GENRE_FEATURES[0].name} "
#: What nobody is told of: the user's own features, which are the same for every candidate.
_UNTOLD = ("", "")
_RETRIEVED = ("retrieved", "")

Told = tuple[str, str]


def by_features(
    names: Sequence[str],
    values: npt.NDArray[np.float32],
    typical: npt.NDArray[np.float32],
    effects: npt.NDArray[np.float32],
    retrieved: Cause,
    most_named: int,
) -> Cause:
    """One item's cause.

    Args:
        names: Of the columns; see :func:`wrappers.ranking_columns.column_names`.
        values: (n_columns,) float32 of the item.
        typical: (n_columns,) float32 mean of the user's candidates.
        effects: (n_columns,) float32, how much each column raises the item's score above that of the candidates.
        retrieved: Why the retriever found the item: the cause where its score did most, or nothing speaks for the item.
        most_named: Features to name at most.

    Returns:
        Its confidence is the named features' share of all effects that raise the score, columns that say the same
        counted as one; where the retriever did most, the retriever's share of that times its own cause's.
    """
    total: dict[Told, float] = {}
    for name, higher, effect in zip(names, (values > typical).tolist(), effects.tolist(), strict=True):
        told = _told(name, higher)
        total[told] = total.get(told, 0.0) + effect
    raising = sorted(((effect, told) for told, effect in total.items() if effect > 0), reverse=True)
    if not raising:
        return retrieved
    everything = sum(effect for effect, _ in raising)
    told_of = [(effect, told) for effect, told in raising if told != _UNTOLD]
    if not told_of or told_of[0][1] == _RETRIEVED:
        share = told_of[0][0] / everything if told_of else 0.0
        return retrieved._replace(confidence=retrieved.confidence * share)
    named = [(effect, told) for effect, told in told_of if told != _RETRIEVED][:most_named]
    share = min(sum(effect for effect, _ in named) / everything, 1.0)
    return Cause("features", share, features=tuple(told for _, told in named))


def _told(name: str, higher: bool) -> Told:
    """What a column says of an item, and of which genre."""
    if name in RETRIEVER_COLUMNS:
        return _RETRIEVED
    if name.startswith(_HAS_GENRE):
        return ("of_genre" if higher else "not_of_genre"), name.removeprefix(_HAS_GENRE)
    if name in _SAYS:
        return _SAYS[name][0 if higher else 1], ""
    return _UNTOLD
