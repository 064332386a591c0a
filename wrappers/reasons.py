"""Why a model recommends what it does, true to what it computed: which ratings of the user did most for an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.titles import natural_title
from wrappers.asked import Asked
from wrappers.causes import Cause, Kind
from wrappers.feature_rows import UserRows
from wrappers.list_qualities import exploration_slots
from wrappers.reason_words import in_words
from wrappers.requests import Requests
from wrappers.top_k import PADDING

if TYPE_CHECKING:
    from wrappers.recommender import Recommendations, RecommenderWrapper
    from wrappers.training_data import TrainingData

#: Things a reason names at most.
MOST_NAMED = 2
_MOST_TERMS = 3


def add_reasons(
    model: RecommenderWrapper,
    requests: Requests,
    asked: Asked,
    found: Recommendations,
    answers: Sequence[dict[str, Any]],
    rows: UserRows | None = None,
) -> None:
    """Put ``reason`` and ``confidence`` beside every item of the answers whose requests asked to explain.

    Args:
        model: What answered.
        requests: What it was asked …
        asked: … in matrix indexes.
        found: Its lists.
        answers: One per request, with ``items``; changed in place.
        rows: What a model that ranks on features ranked each user on.
    """
    for place, language in enumerate(requests.languages):
        if language is None:
            continue
        one = slice(place, place + 1)
        n = len(answers[place]["items"])
        listed = type(found)(found.item_index[one, :n], found.scores[one, :n], found.cold[one])
        features = None if rows is None else rows.part(place, place + 1)
        causes = model.causes(asked.part(place, place + 1)._replace(k=requests.ks[place]), listed, features)
        for item, cause in zip(answers[place]["items"], causes, strict=True):
            item["reason"], item["confidence"] = in_words(cause, language), round(cause.confidence, 4)


def causes_of(
    model: RecommenderWrapper, asked: Asked, found: Recommendations, own: Sequence[Cause] | None = None
) -> list[Cause]:
    """Why each item stands in one user's list.

    Args:
        model: What made the list.
        asked: Of that user.
        found: The list.
        own: What the model itself has to say of each item; None: what its ``contributions`` say.

    Returns:
        One per item, padding left out; an item in an exploration slot is there because it is new.
    """
    items = found.item_index[0][found.item_index[0] != PADDING]
    if bool(found.cold[0]) and own is None:
        own = by_popularity(model.known, items, "cold")
    causes = list(own) if own is not None else by_history(model, int(asked.user_index[0]), items)
    slots = exploration_slots(items, asked.k, model.known.is_new, model.config.explore_slots)
    if slots.any():
        new = by_popularity(model.known, items, "new")
        causes = [at if slot else cause for at, cause, slot in zip(new, causes, slots.tolist(), strict=True)]
    return causes


def by_popularity(known: TrainingData, item_index: npt.NDArray[np.int64], kind: Kind) -> list[Cause]:
    """How many rated each item: all there is to say where a model looks at nothing else."""
    counts = known.popularity[item_index].astype(np.int64)
    top = counts >= known.top_popularity
    return [
        Cause(kind, 1.0, n_raters=count, is_top=is_top and count > 1 and kind != "new")
        for count, is_top in zip(counts.tolist(), top.tolist(), strict=True)
    ]


def by_history(model: RecommenderWrapper, user_index: int, item_index: npt.NDArray[np.int64]) -> list[Cause]:
    """What the user rated and what it did for each item, as the model's ``contributions`` tell.

    Args:
        model: Trained.
        user_index: A known user who is not cold.
        item_index: (m,) int64.

    Returns:
        One per item. Without any rating that speaks for it, and from a model that cannot tell, it names nothing with
        confidence 0; a model that is the same for everyone has popularity to tell of.
    """
    if model.negative_control:
        return [Cause("chance", 0.0)] * len(item_index)
    if not len(item_index):
        return []
    found = model.contributions(user_index, item_index)
    if found is None:
        if not model.personalised:
            return by_popularity(model.known, item_index, "popular")
        return [Cause("rated", 0.0)] * len(item_index)
    rated, contributions = found
    # Year and decade may have to make room for others.
    terms = model.shared_terms(user_index, item_index, _MOST_TERMS + 2) or [[]] * len(item_index)
    titles = [natural_title(title) for title in model.known.titles[rated]]
    years = model.known.catalogue["year"].iloc[rated].fillna(0).tolist()
    return [
        _of_ratings(titles, years, speaking, shared)
        for speaking, shared in zip(np.maximum(contributions, 0), terms, strict=True)
    ]


def _of_ratings(
    titles: Sequence[str], years: Sequence[int], speaking: npt.NDArray[np.float32], terms: Sequence[str]
) -> Cause:
    """One item's cause.

    Args:
        titles: (h) of what the user rated.
        years: (h) when those came out; 0: nobody knows.
        speaking: (h,) how much each speaks for the item, 0 where it does not.
        terms: What the item has in common with them.
    """
    most = np.argsort(-speaking, kind="stable")[:MOST_NAMED]
    named = most[speaking[most] > 0]
    if not len(named):
        return Cause("rated", 0.0)
    share = float(speaking[named].sum(dtype=np.float64) / speaking.sum(dtype=np.float64))
    is_partial = bool(np.count_nonzero(speaking) > len(named))
    told = _terms_told(terms, [years[place] for place in named])[:_MOST_TERMS]
    return Cause("rated", min(share, 1.0), tuple(titles[place] for place in named), is_partial, told)


def _terms_told(terms: Sequence[str], years: Sequence[int]) -> tuple[str, ...]:
    """The terms, of year and decade the first alone, and only where a title named is of it: a reader sees its year."""
    of_named = [f"year:{year}" for year in years] + [f"decade:{year // 10 * 10}s" for year in years]
    time = next((term for term in terms if term in of_named), None)
    return tuple(term for term in terms if term == time or not term.startswith(("year:", "decade:")))
