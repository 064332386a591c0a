"""A recommender's lists and scores on the test users, and what they tell beside the ranking metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions
from evaluation.beyond_accuracy import (
    average_popularity,
    exposure,
    gini,
    intra_list_diversity,
    novelty,
    popular_anyway,
    profile_popularity,
    serendipity,
)
from evaluation.calibration import Foretold
from evaluation.details import SEGMENT_METRICS, EvaluationDetails
from evaluation.full_ranks import FullRanks, full_ranks
from evaluation.ranking import find_hits
from evaluation.ranking_curves import ranking_curves
from evaluation.segments import ITEM_SEGMENTS, Segment, popularity_segment, segment_metrics, user_segments
from wrappers.asked import Asked
from wrappers.blocks import row_blocks
from wrappers.top_k import stored
from wrappers.training_data import TrainingData

if TYPE_CHECKING:
    from wrappers.recommender import Recommendations, RecommenderWrapper

Matrix = sparse.csr_array[Any, Any]


class JudgedLists(NamedTuple):
    """What the test users get.

    Attributes:
        found: Their lists.
        history: (n_users, model's items) 1 where a user rated the item in training.
        ranks: Where what they liked stands among all that they had not rated.
        foretold: Probabilities of all that was scored, against what was liked; None where scores are none.
    """

    found: Recommendations
    history: Matrix
    ranks: FullRanks
    foretold: Foretold | None


def judge_lists(recommender: RecommenderWrapper, user_ids: npt.NDArray[Any], truth: Matrix, k: int) -> JudgedLists:
    """Score every user once, in blocks.

    Args:
        recommender: A trained recommender.
        user_ids: (n_users,) the test users.
        truth: (n_users, n_items) nonzero where the user liked a held-out item; the model's items first, behind them
            those it does not know.
        k: Length of a list.
    """
    known = recommender.known
    asked = Asked.of(known, user_ids, k, None, True)
    history = _history(known, asked.user_index)
    candidates = _without(truth, history)
    n_candidates = truth.shape[1] - np.diff(history.indptr)
    lists, ranks, foretold = [], [], None
    for start, stop in row_blocks(len(user_ids), len(known.items)):
        found, scores = recommender.best_and_scores(asked.part(start, stop))
        lists.append(found)
        ranks.append(full_ranks(scores, candidates[start:stop], n_candidates[start:stop]))
        if recommender.gives_probabilities:
            told = _foretold(scores, found.cold, candidates[start:stop])
            foretold = told if foretold is None else foretold.plus(told)
    return JudgedLists(type(found).joined(lists, k), history, FullRanks.joined(ranks), foretold)


def details_of(
    recommender: RecommenderWrapper,
    judged: JudgedLists,
    truth: Matrix,
    per_user: Mapping[str, npt.NDArray[np.float64]],
    items: IdIndex,
    test: Interactions,
    k: int,
) -> EvaluationDetails:
    """Qualities, curves and segments of the lists.

    Args:
        recommender: Whose lists they are.
        judged: The lists.
        truth: As given to :func:`judge_lists`.
        per_user: The ranking metrics of all users.
        items: Of the truth's columns.
        test: The held-out ratings, for the genres of items that the model does not know.
        k: Length of a list.
    """
    known, lists = recommender.known, judged.found.item_index
    popularity, n_users = known.popularity, len(known.users)
    hits = find_hits(lists, truth, k)
    expected = popular_anyway(lists, popularity, judged.history, k)
    segments = {
        segment: {metric: np.where(who, per_user[metric], np.nan) for metric in SEGMENT_METRICS}
        for segment, who in user_segments(np.diff(judged.history.indptr)).items()
    }
    of_items = _item_segments(known, items, test)
    return EvaluationDetails(
        qualities={
            "diversity": intra_list_diversity(lists, known.genre_flags.astype(np.float64), k),
            "novelty": novelty(lists, popularity, n_users, k),
            "serendipity": serendipity(hits, expected),
            "arp": average_popularity(lists, popularity, n_users, k),
            "profile_popularity": profile_popularity(judged.history, popularity, n_users),
        },
        gini=gini(exposure(lists, len(known.items), k)),
        curves=ranking_curves(judged.ranks),
        segments={**segments, **segment_metrics(hits, lists, truth, of_items, SEGMENT_METRICS)},
        foretold=judged.foretold,
        rating_errors=_rating_errors(recommender, test),
    )


def _rating_errors(recommender: RecommenderWrapper, test: Interactions) -> dict[str, float]:
    errors = recommender.rating_errors(test)
    return {} if errors is None else {"rmse": errors.rmse, "mae": errors.mae}


def _history(known: TrainingData, user_index: npt.NDArray[np.int64]) -> Matrix:
    """(n, n_items) what the users rated in training; nothing for unknown ones."""
    inside = np.flatnonzero(user_index != UNKNOWN)
    row, item = stored(known.history.indptr, known.history.indices, user_index[inside])
    count = np.bincount(inside[row], minlength=len(user_index))
    indptr = np.append(0, np.cumsum(count))
    return sparse.csr_array((np.ones(len(item), np.float32), item, indptr), shape=(len(user_index), len(known.items)))


def _without(truth: Matrix, history: Matrix) -> Matrix:
    """Truth less what the user had rated in training already: that is never recommended."""
    row_start = np.arange(truth.shape[0], dtype=np.int64) * truth.shape[1]
    relevant, rated = (np.repeat(row_start, np.diff(matrix.indptr)) + matrix.indices for matrix in (truth, history))
    # Ascending, as both are sorted by row and column.
    place = np.searchsorted(rated, relevant)
    kept = np.append(rated, -1)[place] != relevant
    if kept.all():
        return truth
    indptr = np.append(0, np.cumsum(kept))[truth.indptr]
    return sparse.csr_array((truth.data[kept], truth.indices[kept], indptr), shape=truth.shape)


def _foretold(scores: npt.NDArray[np.float32], cold: npt.NDArray[np.bool_], relevant: Matrix) -> Foretold:
    """Of all scored pairs; cold users got popularity, which is no probability."""
    liked = np.zeros(scores.shape, np.bool_)
    user = np.repeat(np.arange(len(scores)), np.diff(relevant.indptr))
    inside = relevant.indices < scores.shape[1]
    liked[user[inside], relevant.indices[inside]] = True
    scored = ~np.isnan(scores) & ~cold[:, np.newaxis]
    return Foretold.of(liked[scored], scores[scored])


def _item_segments(known: TrainingData, items: IdIndex, test: Interactions) -> dict[Segment, npt.NDArray[np.bool_]]:
    """Segments of the truth's items, those that the model does not know included: these are new."""
    unknown = items.ids[len(known.items) :]
    popularity = np.concatenate([known.popularity, np.zeros(len(unknown), np.float32)])
    place = popularity_segment(popularity)
    found = {Segment("items", name): place == number for number, name in enumerate(ITEM_SEGMENTS)}
    told = pd.concat([_genres(known), test.genres[test.genres["item_id"].isin(unknown)]], ignore_index=True)
    genre, names = pd.factorize(told["genre"], sort=True)
    of_genre = np.zeros((len(items), len(names)), np.bool_)
    of_genre[items.index_of(told["item_id"].to_numpy()), genre] = True
    return {**found, **{Segment("genre", name): of_genre[:, number] for number, name in enumerate(names)}}


def _genres(known: TrainingData) -> pd.DataFrame:
    """A row per item of the model and genre: item_id, genre."""
    genres = known.catalogue[["item_id"]].assign(genre=known.catalogue["genres"].str.split("|")).explode("genre")
    return genres[genres["genre"] != ""]
