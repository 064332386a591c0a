"""Items described by numbers, as a network takes them: what is written about them, their genres and their year."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from core.ids import UNKNOWN
from core.interactions import Interactions
from wrappers.item_terms import FIELDS, item_terms
from wrappers.training_data import TrainingData

#: (n) texts to (n, size) float32, e.g. a model of sentences (``wrappers.sentence_encoder``).
TextEncoder = Callable[[Sequence[str]], npt.NDArray[np.float32]]

#: Items that must have a term for it to count.
_LEAST_ITEMS = 5
_YEARS_BETWEEN_KNOTS = 5


class ItemFeatures(NamedTuple):
    """What items are.

    Attributes:
        text: (n_items, n_text) float32, of typical size 1.
        numeric: (n_items, n_genres + n_knots) float32: 1 for each genre; the year as two shares that sum to 1, of the
            knots it lies between; 0 where nothing is known.
    """

    text: npt.NDArray[np.float32]
    numeric: npt.NDArray[np.float32]


def item_features(
    interactions: Interactions, known: TrainingData, *, text_size: int, seed: int, encode: TextEncoder | None = None
) -> ItemFeatures:
    """Describe all items of a model.

    Args:
        interactions: Item table and tags; tags only of ratings that may be known.
        known: The items, in whose order.
        text_size: Numbers per text, unless there is an encoder, which knows itself.
        seed: Of the reduction to them.
        encode: Makes numbers of texts; None: latent semantic analysis of their terms (``wrappers.item_terms``).
    """
    if encode is None:
        terms = item_terms(interactions, known.items, weights=dict.fromkeys(FIELDS, 1.0), min_items=_LEAST_ITEMS)
        text = latent_vectors(terms.matrix, text_size, seed)
    else:
        text = encode(item_texts(interactions, known))
    numeric = [known.genre_flags.astype(np.float32), year_shares(known.catalogue["year"])]
    return ItemFeatures(_of_typical_size(text), np.hstack(numeric))


def latent_vectors(matrix: sparse.csr_array[Any, Any], size: int, seed: int) -> npt.NDArray[np.float32]:
    """(n, size) float32: rows in the directions in which they differ most (Deerwester et al. 1990), else 0.

    A truncated singular value decomposition U S V', of which U S is kept; the same seed gives the same numbers.
    """
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    found = np.zeros((matrix.shape[0], size), np.float32)
    rank = min(size, *matrix.shape)
    if rank:
        # More threads would round differently.
        with threadpool_limits(1, "blas"):
            left, values, _ = randomized_svd(sparse.csr_matrix(matrix), rank, random_state=seed)
        found[:, :rank] = left * values
    return found


def item_texts(interactions: Interactions, known: TrainingData) -> list[str]:
    """(n_items) sentences for an encoder: ``Heat (1995). Action, Crime. heist, tense``."""
    catalogue, tags = known.catalogue, interactions.tags
    item = known.items.index_of(tags["item_id"].to_numpy())
    tagged = pd.DataFrame({"item": item, "tag": tags["tag"].astype(str)})[item != UNKNOWN].drop_duplicates()
    tag = tagged.groupby("item")["tag"].agg(", ".join).reindex(range(len(known.items)), fill_value="")
    parts = [catalogue["title"].astype(str), catalogue["genres"].str.replace("|", ", ", regex=False), tag]
    return [". ".join(filter(None, texts)) for texts in zip(*parts, strict=True)]


def year_shares(year: pd.Series[Any]) -> npt.NDArray[np.float32]:
    """(n, n_knots) float32: where each year lies between knots five years apart; 0 where it is missing.

    >>> year_shares(pd.Series([1990, 1992, None], dtype="Int16")).tolist()
    [[1.0, 0.0], [0.6000000238418579, 0.4000000059604645], [0.0, 0.0]]
    """
    given = year.to_numpy(np.float64, na_value=np.nan)
    if np.isnan(given).all():
        return np.zeros((len(given), 0), np.float32)
    knots = np.arange(np.nanmin(given), np.nanmax(given) + _YEARS_BETWEEN_KNOTS, _YEARS_BETWEEN_KNOTS)
    shares = 1 - np.abs(given[:, np.newaxis] - knots) / _YEARS_BETWEEN_KNOTS
    return np.nan_to_num(np.maximum(shares, 0)).astype(np.float32)


def _of_typical_size(text: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scaled as a whole, so that rows that tell something have length 1 on average."""
    length = np.linalg.norm(text, axis=1)
    told = length > 0
    return text / length[told].mean() if told.any() else text
