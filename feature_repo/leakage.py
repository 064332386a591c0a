"""Whether features know the future: computed again from data that ends where they may look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions
from feature_repo.matrices import FeatureMatrices

#: What computes features as of a moment, e.g. ``matrices.features_as_of``.
Compute = Callable[[Interactions, int], FeatureMatrices]


def before(interactions: Interactions, time: int) -> Interactions:
    """The data as they were at a moment: ratings and tags with ``timestamp < time``."""
    ratings, tags = interactions.ratings, interactions.tags
    return replace(
        interactions,
        ratings=ratings[ratings["timestamp"] < time].reset_index(drop=True),
        tags=tags[tags["timestamp"] < time].reset_index(drop=True),
    )


def leaking(compute: Compute, interactions: Interactions, times: Iterable[int]) -> list[str]:
    """Features that change when everything at and after their moment is deleted.

    Args:
        compute: What is judged.
        interactions: Data with a future.
        times: Moments to compute at, seconds since 1970. A moment at which something happens also finds features
            that look at the moment itself.

    Returns:
        A line for each feature and moment that leaks, with an example; empty if none does.
    """
    found: list[str] = []
    for time in times:
        whole, past = compute(interactions, time), compute(before(interactions, time), time)
        if whole.layout != past.layout:
            found.append(f"the genres as of {time} depend on what happens at or after it")
            continue
        names = whole.layout.user_names, whole.layout.item_names
        found += _differences("user", names[0], time, (whole.users, whole.user), (past.users, past.user))
        found += _differences("item", names[1], time, (whole.items, whole.item), (past.items, past.item))
    return found


def _differences(
    kind: str,
    names: Sequence[str],
    time: int,
    whole: tuple[IdIndex, npt.NDArray[np.float32]],
    past: tuple[IdIndex, npt.NDArray[np.float32]],
) -> list[str]:
    (ids, rows), (past_ids, past_rows) = whole, past
    expected = np.full(rows.shape, np.nan, dtype=np.float32)
    place = past_ids.index_of(ids.ids)
    expected[place != UNKNOWN] = past_rows[place[place != UNKNOWN]]
    # Features are the same numbers in the same order of operations, so there is no rounding to allow for.
    wrong = ~((rows == expected) | (np.isnan(rows) & np.isnan(expected)))
    lines = []
    for column in np.flatnonzero(wrong.any(axis=0)).tolist():
        row = int(np.flatnonzero(wrong[:, column])[0])
        lines.append(
            f"{names[column]} of {kind} {ids.ids[row]} as of {time} is {rows[row, column]:g}, but "
            f"{expected[row, column]:g} without what happens at or after it ({int(wrong[:, column].sum())} rows)"
        )
    return lines
