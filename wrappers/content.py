"""Content-based recommendation: items like those the user rated, by what they are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from core.errors import ConfigError
from core.interactions import Interactions, to_csr
from wrappers.blocks import row_blocks
from wrappers.item_terms import FIELDS, ItemTerms, as_reason, item_terms
from wrappers.own_tags import without_foreign_tags
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.search_space import Numbers


class ContentConfig(RecommenderConfig):
    """Hyperparameters of content, chosen for new items in ml-latest-small's training part (benchmarks/new_items.py)."""

    genre_weight: float = Field(1.0, ge=0)
    """Weight of genres in an item's description; 0 leaves them out."""
    tag_weight: float = Field(1.0, ge=0)
    """Weight of tags that users gave items they rated; 0 leaves them out."""
    title_weight: float = Field(1.0, ge=0)
    """Weight of the words of titles; 0 leaves them out."""
    year_weight: float = Field(1.0, ge=0)
    """Weight of year and decade; 0 leaves them out."""
    min_items: int = Field(5, ge=1)
    """Items that must have a tag, word … for it to count."""
    background: float = Field(1.0, ge=0)
    """How much of the catalogue's mean is taken off what a user likes: 0 none, 1 all of it."""
    rating_weight: float = Field(0.5, ge=0)
    """How much more an item counts for each star above the user's mean rating, and less below; 0: all count 1."""


class Content(RecommenderWrapper):
    """Recommends items like those the user rated, new ones included: nobody has to have rated them.

    Items are rows x of TF-IDF weighted genres, tags, words of titles and years (``wrappers.item_terms``). A user is
    what her items have beyond what any item has (Rocchio 1971; the whole catalogue stands in for what is disliked):

        p_u = sum over rated i of w_ui (x_i - background * mean(x)),  w_ui = 1 + rating_weight * (r_ui - mean(r_u))

    and a score is p_u' x_i / |p_u|, a cosine. Items that nothing tells from the others score 0. Tags are those of
    training ratings alone. On known items it ranks below popularity, which it does not look at: it is for new items,
    and a part of hybrids.
    """

    name = "content"
    Config = ContentConfig
    #: Weights of fields are shares: that of genres is the measure of the others.
    search_space = {
        "tag_weight": Numbers(0.0, 3.0),
        "title_weight": Numbers(0.0, 3.0),
        "background": Numbers(0.0, 1.0),
        "rating_weight": Numbers(0.0, 1.0),
    }
    needs_details = True
    recommends_unrated = True

    _terms: ItemTerms
    #: (n_users, n_items) float32, w_ui / |p_u| where there is a rating.
    _weighted: sparse.csr_array[Any, Any]
    #: (n_terms, n_items) of the description.
    _by_term: sparse.csr_array[Any, Any]
    #: (n_terms,) float32, what is taken off an item's description.
    _background: npt.NDArray[np.float32]
    #: (n_items,) float32, what that takes off its score for each unit of weight.
    _taken_off: npt.NDArray[np.float32]
    #: (n_users,) float32 sums of weights.
    _total: npt.NDArray[np.float32]

    def _fit_details(self, interactions: Interactions) -> None:
        config = self.config
        of_fields = {field: getattr(config, f"{field}_weight") for field in FIELDS}
        if not any(of_fields.values()):
            raise ConfigError(f"{self.name}: every field's weight is 0, so that nothing describes an item; raise one")
        own = without_foreign_tags(interactions)
        terms = item_terms(own, self.known.items, weights=of_fields, min_items=config.min_items)
        weights = self._weights(to_csr(interactions.ratings, self.known.users, self.known.items, binary=False))
        self._take(terms, weights)
        length = self._lengths()
        scale = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
        weights.data *= np.repeat(scale, np.diff(weights.indptr))
        self._take(terms, weights)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 cosines. See :meth:`RecommenderWrapper.score`."""
        scores = (self._weighted[user_index] @ self._terms.matrix @ self._by_term).toarray()
        scores -= self._total[user_index, np.newaxis] * self._taken_off
        return scores

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """What each rated item adds to the score: its weight times its likeness. See the base."""
        rated, weight = self._rated(user_index)
        likeness = (self._terms.matrix[item_index] @ self._terms.matrix[rated].T).toarray()
        return rated, (likeness - self._taken_off[item_index, np.newaxis]) * weight

    def shared_terms(self, user_index: int, item_index: npt.NDArray[np.int64], n: int = 5) -> list[list[str]]:
        """What items have in common with those that the user rated.

        Args:
            user_index: A known user.
            item_index: (m,) int64 items.
            n: How many terms at most for each.

        Returns:
            (m) lists of terms as ``field:value`` (see :func:`wrappers.item_terms.as_reason`) that raise the score, the
            one that does most first; empty where there is none. What is no reason to a reader, like an article of a
            title, is left out, whatever it does for the score.
        """
        rated, weight = self._rated(user_index)
        liked = weight @ self._terms.matrix[rated] - weight.sum() * self._background
        effect = self._terms.matrix[item_index].multiply(liked[np.newaxis]).tocsr()
        lists = []
        for start, stop in zip(effect.indptr[:-1], effect.indptr[1:], strict=True):
            column, value = effect.indices[start:stop], effect.data[start:stop]
            best = np.lexsort((column, -value))
            raising = (as_reason(self._terms.vocabulary[column[place]]) for place in best if value[place] > 0)
            lists.append(list(islice(filter(None, raising), n)))
        return lists

    def state(self) -> Arrays:
        """The items' description as CSR, its terms, and ``weights`` (n_ratings,) in the order of the history."""
        matrix = self._terms.matrix
        return {
            "indptr": matrix.indptr.astype(np.int64),
            "indices": matrix.indices.astype(np.int32),
            "values": matrix.data,
            "terms": np.array(self._terms.vocabulary, np.str_),
            "weights": self._weighted.data,
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back description and weights."""
        shape = (len(self.known.items), len(state["terms"]))
        matrix = sparse.csr_array((state["values"], state["indices"], state["indptr"]), shape=shape)
        matrix.check_format(full_check=True)
        history = self.known.history
        if state["weights"].shape != history.data.shape:
            raise ValueError(f"weights have shape {state['weights'].shape}, must have {history.data.shape}")
        weighted = sparse.csr_array((state["weights"], history.indices, history.indptr), shape=history.shape)
        self._take(ItemTerms(matrix, tuple(state["terms"].tolist())), weighted)

    def _take(self, terms: ItemTerms, weighted: sparse.csr_array[Any, Any]) -> None:
        """Description and weights, and what scoring needs of them."""
        self._terms, self._weighted = terms, weighted
        self._by_term = terms.matrix.T.tocsr()
        self._background = np.float32(self.config.background) * terms.matrix.mean(axis=0, dtype=np.float32)
        self._taken_off = terms.matrix @ self._background
        self._total = weighted.sum(axis=1)

    def _weights(self, ratings: sparse.csr_array[Any, Any]) -> sparse.csr_array[Any, Any]:
        """w_ui where there is a rating."""
        n_rated = np.diff(ratings.indptr)
        mean = ratings.sum(axis=1, dtype=np.float64) / np.maximum(n_rated, 1)
        weight = 1 + self.config.rating_weight * (ratings.data - np.repeat(mean, n_rated))
        return sparse.csr_array((weight.astype(np.float32), ratings.indices, ratings.indptr), shape=ratings.shape)

    def _lengths(self) -> npt.NDArray[np.float32]:
        """(n_users,) |p_u| of the weights at hand."""
        parts = [
            np.linalg.norm(
                (self._weighted[start:stop] @ self._terms.matrix).toarray()
                - np.outer(self._total[start:stop], self._background),
                axis=1,
            )
            for start, stop in row_blocks(len(self.known.users), len(self._terms.vocabulary))
        ]
        return np.concatenate(parts)

    def _rated(self, user_index: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """What a user rated, and the weight of each."""
        start, stop = self._weighted.indptr[user_index : user_index + 2]
        return self._weighted.indices[start:stop].astype(np.int64), self._weighted.data[start:stop]
