"""What every matrix factorisation shares: numbers that describe users and items, whose products are the scores.

Where there are very many items, candidates are searched for first (:mod:`wrappers.retrieval`), and only those are
scored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from core.interactions import Interactions
from wrappers.artifact import Artifact
from wrappers.asked import Asked
from wrappers.list_qualities import depth_of
from wrappers.recommender import Arrays, Recommendations, RecommenderWrapper
from wrappers.retrieval.source import Scored
from wrappers.retrieval.two_stage import TwoStage
from wrappers.top_k import stored
from wrappers.training_data import TrainingData
from wrappers.vector_index import IndexPlan

#: Before the names of what finds candidates, among what the model keeps.
_RETRIEVAL = "retrieval."


class FactorRecommender(RecommenderWrapper):
    """Scores are products of user and item factors. Subclasses learn both, ``embedding_size`` wide, in ``_fit``."""

    _user_factors: npt.NDArray[np.float32]
    _item_factors: npt.NDArray[np.float32]
    #: None where all items are scored.
    _two_stage: TwoStage | None = None
    _gram_of: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None = None

    @abstractmethod
    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        """Learn both; see the base."""

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 products of factors. See :meth:`RecommenderWrapper.score`."""
        # One product per user, in C: a single one of all would round differently with the number of users.
        return (self._user_factors[user_index, np.newaxis] @ self._item_factors.T)[:, 0]

    def fit(self, interactions: Interactions) -> Self:
        """Learn from ratings at hand. See :meth:`RecommenderWrapper.fit`."""
        super().fit(interactions)
        self.build_retrieval()
        return self

    def fit_known(self, known: TrainingData) -> Self:
        """Learn from ratings that are indexed already. See :meth:`RecommenderWrapper.fit_known`."""
        super().fit_known(known)
        self.build_retrieval()
        return self

    def build_retrieval(self) -> None:
        """Make what finds candidates, if there are so many items that they are searched for: once, after learning."""
        large = len(self.known.items) >= self.config.retrieve_from
        self._two_stage = TwoStage(self._scored(), self.config) if large else None

    def warm_up(self) -> None:
        """Make a list of a known user, and think of its reasons, as a first request would."""
        with_history = np.flatnonzero(np.diff(self.known.history.indptr))
        if len(with_history):
            user = int(with_history[0])
            found = self.recommend(self.known.users.ids[user : user + 1])
            self.contributions(user, found.item_index[0, :1])

    def best(self, asked: Asked) -> Recommendations:
        """Lists by all items' scores, or in two stages where there are very many. See the base."""
        if self._two_stage is None:
            return super().best(asked)
        rows = range(len(asked.user_index))
        return Recommendations.joined([self._found(self._two_stage, asked.part(row, row + 1)) for row in rows], asked.k)

    def best_and_scores(self, asked: Asked) -> tuple[Recommendations, npt.NDArray[np.float32]]:
        """Lists as of :meth:`best`, and all items' scores. See the base."""
        found, scores = super().best_and_scores(asked)
        return (found if self._two_stage is None else self.best(asked)), scores

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Cosines of item factors: which of what the user rated is like each item. See the base.

        Subclasses whose scores are sums over what the user rated give the summands.
        """
        rated = self._rated(user_index)
        return rated, self._unit(item_index) @ self._unit(rated).T

    def state(self) -> Arrays:
        """``user_factors`` (n_users, width), ``item_factors`` (n_items, width), and what finds candidates."""
        found = {} if self._two_stage is None else self._two_stage.state()
        retrieval = {f"{_RETRIEVAL}{name}": array for name, array in found.items()}
        return {"user_factors": self._user_factors, "item_factors": self._item_factors, **retrieval}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the factors."""
        users, items = state["user_factors"], state["item_factors"]
        expected = tuple((n, self._width()) for n in self.known.history.shape)
        if (users.shape, items.shape) != expected:
            raise ValueError(f"factors have shapes {users.shape} and {items.shape}, must have {expected}")
        self._user_factors, self._item_factors = users, items
        found = {name.removeprefix(_RETRIEVAL): state[name] for name in state if name.startswith(_RETRIEVAL)}
        # A model of a time before there were candidates goes on as it was judged: it scores all items.
        self._two_stage = TwoStage(self._scored(), self.config, found) if found else None

    def retrieval_told(self) -> dict[str, Any]:
        """What was measured when candidate sources were built, by their names; empty where all items are scored."""
        return {} if self._two_stage is None else self._two_stage.told()

    def _artifact(self) -> Artifact:
        made, told = super()._artifact(), self.retrieval_told()
        return replace(made, header={**made.header, "retrieval": told}) if told else made

    def _found(self, two_stage: TwoStage, asked: Asked) -> Recommendations:
        """One user's list, by the scores of candidates alone; by those of all items where they are too few."""
        item, score, enough = two_stage.of(asked, depth=depth_of(asked.k) if self.config.shapes_lists else asked.k)
        if not enough:
            return super().best_and_scores(asked)[0]
        user = asked.user_index
        cold = (user < 0) | (self.known.history.indptr[user + 1] == self.known.history.indptr[user])
        return self._listed(score[np.newaxis], cold, asked.k, item[np.newaxis])

    def _scored(self) -> Scored:
        config = self.config
        vectors = self._user_factors, self._item_factors
        plan = IndexPlan(recall=config.index_recall, depth=config.candidates_per_source)
        return Scored(self.known, *vectors, plan, with_new=config.explore_slots > 0)

    def _unit(self, item_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Item factors of length 1, or 0."""
        factors = self._item_factors[item_index, : self.config.embedding_size]
        return factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    def _gram(self) -> npt.NDArray[np.float32]:
        """(width, width) products of the item factors' columns; remembered, because each reason needs it."""
        if self._gram_of is None or self._gram_of[0] is not self._item_factors:
            self._gram_of = (self._item_factors, self._item_factors.T @ self._item_factors)
        return self._gram_of[1]

    def _width(self) -> int:
        """Numbers per user and item."""
        width: int = self.config.embedding_size
        return width

    def _rated(self, user_index: int) -> npt.NDArray[np.int64]:
        """(h,) items of a user's history."""
        _, rated = stored(self.known.history.indptr, self.known.history.indices, np.array([user_index]))
        return rated


def smoother(
    normal: npt.NDArray[np.floating[Any]],
    rated: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """How much each rated item did for each wanted one where a user's factors solve a ridge regression on the items'.

    With A the matrix of the user's normal equations, x = A^-1 (sum of y_i over what the user rated) up to a weight, so
    that a score y_j' x is a sum over the rated items (Hu, Koren & Volinsky 2008, section 5):

        score(j) = sum of y_j' A^-1 y_i

    Args:
        normal: (d, d) A, positive definite.
        rated: (h, d) factors of the items rated, times their weight.
        wanted: (m, d) factors of the items wanted.

    Returns:
        (m, h) float32 summands.
    """
    summands: npt.NDArray[np.float32] = (wanted @ np.linalg.solve(normal, rated.T)).astype(np.float32)
    return summands
