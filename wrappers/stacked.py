"""The base of composites that begin with an ensemble and learn where it is wrong."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit

from core.interactions import Interactions
from wrappers.base import ModelConfig
from wrappers.composite import CompositeConfig, CompositeWrapper
from wrappers.ensemble import weighted_sum
from wrappers.ensemble_selection import selected_weights
from wrappers.meta_learner import LinearOdds
from wrappers.out_of_fold import StackRows
from wrappers.recommender import Arrays
from wrappers.stack_context import StackContext
from wrappers.top_k import PADDING, top_k

#: Weights are chosen for lists of this length.
LIST_LENGTH = 10
_SELECTION_STEPS = 30
#: Of one column there is nothing to shrink.
_ALMOST_NO_REG, _ITERATIONS = 1e-3, 100


class StackedConfig(CompositeConfig):
    """What is corrected."""

    n_corrected: int = Field(500, ge=1)
    """Best items of each user by the ensemble, whose scores are corrected; the others get the least correction among
    these."""


class StackedWrapper(CompositeWrapper):
    """Learns corrections of an ensemble from out-of-fold scores and context. Subclasses write ``_learn_corrections``
    and ``_corrections``.

        e(u, i) = sum of weight_c s_c(u, i), by ensemble selection (``wrappers.ensemble_selection``)
        odds(u, i) = intercept + slope e(u, i) + correction(s(u, i), e(u, i), context(u, i))

    What corrects begins where the ensemble ends, since neither trees of a few leaves nor a small network rebuild its
    fine order. Contributions are those of e.
    """

    Config: ClassVar[type[ModelConfig]] = StackedConfig

    _weights: npt.NDArray[np.float32]
    _odds: LinearOdds
    _context: StackContext

    @abstractmethod
    def _learn_corrections(self, rows: StackRows, odds: npt.NDArray[np.float32]) -> None:
        """Learn what to add to log odds.

        Args:
            rows: With positive and negative candidates, or empty: then there is nothing to correct.
            odds: (n, c) float32 log odds to begin with.
        """

    @abstractmethod
    def _corrections(
        self, standard: npt.NDArray[np.float32], blend: npt.NDArray[np.float32], context: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(n, c) float32 of (n, c, n_components) scores, the (n, c) ensemble of them and (n, c, n_context)."""

    @property
    def weights(self) -> dict[str, float]:
        """Component to its weight in the ensemble that is corrected; they sum to 1."""
        return dict(zip(self.component_names, self._weights.tolist(), strict=True))

    def _fit_details(self, interactions: Interactions) -> None:
        super()._fit_details(interactions)
        self._context = StackContext.of(interactions, self.known)

    def _learn(self, rows: StackRows) -> None:
        self._weights = selected_weights(rows, k=LIST_LENGTH, steps=_SELECTION_STEPS).astype(np.float32)
        blend = self._blend(np.moveaxis(rows.standard, -1, 0))
        if rows.tell_apart:
            there = ~rows.padding
            table, positive = blend[there][:, np.newaxis], rows.positive[there]
            self._odds = LinearOdds.fitted(table, positive, _ALMOST_NO_REG, _ITERATIONS)
        else:
            self._odds = LinearOdds.identity()
        self._learn_corrections(rows, self._odds.of([blend]))

    def _combined(
        self, user_index: npt.NDArray[np.int64], standard: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        odds = self._corrected(user_index, standard)
        return expit(odds) if self.gives_probabilities else odds

    def _corrected(
        self, user_index: npt.NDArray[np.int64], standard: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 log odds."""
        blend, hidden = self._blend(standard), self._components.seen(user_index)
        depth = min(self.config.n_corrected, blend.shape[1])
        best, _ = top_k(np.where(hidden, np.float32(np.nan), blend), depth)
        row, padding = np.arange(len(best))[:, np.newaxis], best == PADDING
        scores = standard[:, row, best].transpose(1, 2, 0)
        corrections = self._corrections(scores, blend[row, best], self._context.columns(user_index, best))
        least = np.where(padding, np.float32(np.inf), corrections).min(axis=1, keepdims=True, initial=np.inf)
        least[np.isinf(least)] = 0.0
        added = np.broadcast_to(least, blend.shape).copy()
        added[np.broadcast_to(row, best.shape)[~padding], best[~padding]] = corrections[~padding]
        added += self._odds.of([blend])
        return added

    def _blend(self, standard: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, m) float32 ensemble of (n_components, n, m) scores."""
        return weighted_sum(self._weights, standard)

    def _component_weights(self, user_index: int) -> dict[str, float]:
        return self.weights

    def state(self) -> Arrays:
        """``weights`` (n_components,), the log odds of the ensemble, and the context."""
        odds = {f"odds_{name}": array for name, array in self._odds._asdict().items()}
        return {"weights": self._weights, **odds, **self._context.arrays()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back weights, log odds and context."""
        self._weights = state["weights"]
        self._odds = LinearOdds(*(state[f"odds_{name}"] for name in LinearOdds._fields))
        expected = ((len(self.component_names),), (1,), (1,), (1,))
        shapes = tuple(array.shape for array in (self._weights, *self._odds))
        if shapes != expected:
            raise ValueError(f"weights and log odds have shapes {shapes}, must have {expected}")
        self._context = StackContext.from_arrays(state, self.known)
