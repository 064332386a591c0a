"""What a combination of models is learned from: their scores of ratings that they did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.ids import UNKNOWN
from core.interactions import Interactions
from core.progress import report
from evaluation.ranks import rank_within
from evaluation.splits import Split, split_by
from wrappers.blocks import row_blocks
from wrappers.components import Components
from wrappers.own_tags import without_foreign_tags
from wrappers.recommender import RecommenderWrapper
from wrappers.stack_context import CONTEXT_COLUMNS, StackContext
from wrappers.top_k import PADDING, top_k
from wrappers.training_data import TrainingData


class HeldOut(NamedTuple):
    """What is held out.

    Attributes:
        is_latest: Each user's latest ratings, once; else every rating once, in folds.
        n_folds: Number of folds; of the latest, one part in so many is held out.
        liked_rating: A held-out rating of at least this is positive.
    """

    is_latest: bool = False
    n_folds: int = 4
    liked_rating: float = 0.0


class StackRows(NamedTuple):
    """n lists of c candidates; a user may have one list per fold.

    Attributes:
        user_ids: (n,) external ids.
        standard: (n, c, n_components) float32 standard scores, out of fold.
        context: (n, c, n_context) float32, see ``wrappers.stack_context``.
        positive: (n, c) bool, True where a rating that is high enough was held out.
        n_positive: (n,) int64 such ratings of the user in the fold, candidates or not; at least 1.
        padding: (n, c) bool, True where a list is shorter.
    """

    user_ids: npt.NDArray[Any]
    standard: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]
    positive: npt.NDArray[np.bool_]
    n_positive: npt.NDArray[np.int64]
    padding: npt.NDArray[np.bool_]

    @property
    def tell_apart(self) -> bool:
        """Whether there are positive and negative candidates: else nothing can be learned from them."""
        return bool(self.positive.any() and not (self.positive | self.padding).all())


def folds(interactions: Interactions, n_folds: int, seed: int) -> list[Split]:
    """Hold out every rating once, an equal share of each item's in each fold, up to one.

    Spread over items, because chance would else hold out more of an item where less of it is left to learn from: its
    popularity would seem to speak against it.
    """
    item, rng = interactions.ratings["item_id"].to_numpy(), np.random.default_rng(seed)
    in_order = np.lexsort((rng.random(len(item)), rank_within(item).code))
    fold = np.empty(len(item), np.int64)
    fold[in_order] = np.arange(len(item)) % n_folds
    return [split_by(fold == number) for number in range(min(n_folds, len(item)))]


def latest(interactions: Interactions, n_folds: int) -> list[Split]:
    """Hold out the latest of each user's ratings, one part in ``n_folds`` but one at least, of those who have two."""
    ratings = interactions.ratings
    of_user = rank_within(ratings["user_id"].to_numpy(), ratings["timestamp"].to_numpy())
    n_last = np.where(of_user.size >= 2, np.maximum(of_user.size // n_folds, 1), 0)
    return [split_by(of_user.rank >= of_user.size - n_last)]


def out_of_fold_rows(
    interactions: Interactions,
    untrained: Callable[[], dict[str, RecommenderWrapper]],
    held_out: HeldOut,
    *,
    n_candidates: int,
    max_rows: int,
    seed: int,
    of: str = "the stack",
) -> StackRows:
    """Train components without some ratings, and let them score what they did not see.

    Args:
        interactions: The training part.
        untrained: Makes the components anew.
        held_out: What they do not see.
        n_candidates: Items of each user, those that stand highest in any component's list.
        max_rows: About how many candidates to make at most. Of more, whole folds are left out, since each costs a
            training of all components; then users at random.
        seed: Of folds and of users left out.
        of: Whose components they are, for those who watch.
    """
    n_folds = held_out.n_folds
    splits = latest(interactions, n_folds) if held_out.is_latest else folds(interactions, n_folds, seed)
    most_lists = max(1, max_rows // n_candidates)
    splits = splits[: -(-most_lists // max(1, len(interactions.user_index())))]
    most_users = max(1, most_lists // max(len(splits), 1))
    parts: list[StackRows] = []
    for number, split in enumerate(splits, 1):
        if len(split.train) and len(split.test):
            past, tested = without_foreign_tags(interactions.take(split.train)), interactions.take(split.test).ratings
            liked = tested[tested["rating"] >= held_out.liked_rating]
            models = untrained()
            tell = _progress(of, number, len(splits), len(models))
            parts.extend(_fold_rows(past, liked, models, n_candidates, most_users, seed + number, tell))
    if not parts:
        return _no_rows(len(untrained()))
    width = max(part.positive.shape[1] for part in parts)
    return StackRows(*(np.concatenate(column) for column in zip(*(_widened(one, width) for one in parts), strict=True)))


def _progress(of: str, number: int, n_folds: int, n_models: int) -> Callable[[int, str], None]:
    """Tells how far one fold's trainings bring those of all folds."""

    def tell(place: int, name: str) -> None:
        text = f"models in {of}: {name} trained without part {number} of {n_folds}"
        report("out-of-fold", (number - 1) * n_models + place, n_folds * n_models, text)

    return tell


def _fold_rows(
    past: Interactions,
    liked: pd.DataFrame,
    models: dict[str, RecommenderWrapper],
    n_candidates: int,
    most_users: int,
    seed: int,
    tell: Callable[[int, str], None],
) -> Iterator[StackRows]:
    """The candidates of one fold, in blocks of users."""
    known = TrainingData.of(past, with_unrated=any(one.recommends_unrated for one in models.values()))
    components = Components.fitted(models, past, known, tell)
    context = StackContext.of(past, known)
    user = known.users.index_of(liked["user_id"].to_numpy())
    item = known.items.index_of(liked["item_id"].to_numpy())
    n_positive = np.bincount(user[user != UNKNOWN], minlength=len(known.users))
    users = np.flatnonzero(n_positive)
    if len(users) > most_users:
        users = np.sort(np.random.default_rng(seed).choice(users, most_users, replace=False))
    there = (user != UNKNOWN) & (item != UNKNOWN)
    truth = np.unique(user[there] * len(known.items) + item[there])
    for start, stop in row_blocks(len(users), len(known.items) * (len(models) + 2)):
        block = users[start:stop]
        standard = components.standard(block)
        candidates = best_of_any(standard, components.seen(block), n_candidates)
        padding = candidates == PADDING
        row = np.arange(len(block))[:, np.newaxis]
        yield StackRows(
            known.users.ids[block],
            standard[:, row, candidates].transpose(1, 2, 0),
            context.columns(block, candidates),
            np.isin(block[:, np.newaxis] * len(known.items) + candidates, truth) & ~padding,
            n_positive[block],
            padding,
        )


def best_of_any(
    standard: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_], n_candidates: int
) -> npt.NDArray[np.int64]:
    """The unseen items that stand highest in any component's list.

    Args:
        standard: (n_components, n, n_items) float32.
        seen: (n, n_items) bool.
        n_candidates: How many, c.

    Returns:
        (n, min(c, n_items)) int64, ``PADDING`` (-1) where a user has fewer unseen items.
    """
    _, n, n_items = standard.shape
    depth = min(n_candidates, n_items)
    highest = np.full((n, n_items), -np.inf, np.float32)
    for scores in standard:
        listed, _ = top_k(np.where(seen, np.float32(np.nan), scores), depth)
        row, place = np.nonzero(listed != PADDING)
        np.maximum.at(highest, (row, listed[row, place]), -place.astype(np.float32))
    highest[np.isinf(highest)] = np.nan
    return top_k(highest, depth)[0]


def _widened(rows: StackRows, width: int) -> StackRows:
    """With padding up to the given number of candidates."""
    missing = width - rows.positive.shape[1]
    if not missing:
        return rows
    flat, deep = ((0, 0), (0, missing)), ((0, 0), (0, missing), (0, 0))
    return StackRows(
        rows.user_ids,
        np.pad(rows.standard, deep),
        np.pad(rows.context, deep),
        np.pad(rows.positive, flat),
        rows.n_positive,
        np.pad(rows.padding, flat, constant_values=True),
    )


def _no_rows(n_components: int) -> StackRows:
    nothing = np.empty((0, 1), np.bool_)
    return StackRows(
        np.empty(0, np.int64),
        np.empty((0, 1, n_components), np.float32),
        np.empty((0, 1, len(CONTEXT_COLUMNS)), np.float32),
        nothing,
        np.empty(0, np.int64),
        nothing,
    )
