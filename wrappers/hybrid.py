"""A stack: what collaborative and content models say, with the context, combined by a model learned on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit

from core.interactions import Interactions
from wrappers.artifact import Artifact
from wrappers.composite import CompositeConfig, CompositeWrapper
from wrappers.ensemble import weighted_sum
from wrappers.ensemble_selection import selected_weights
from wrappers.meta_learner import LinearOdds, Meta, TreeConfig, Trees, grown_trees
from wrappers.out_of_fold import StackRows
from wrappers.recommender import Arrays
from wrappers.search_space import Choices, Numbers
from wrappers.stack_context import CONTEXT_COLUMNS, StackContext
from wrappers.top_k import PADDING, top_k

_LIST_LENGTH, _SELECTION_STEPS = 10, 30


class HybridConfig(CompositeConfig):
    """Hyperparameters, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    meta: Meta = "lambdarank"
    """What combines: trees that learn each user's order, trees that learn the probability that an item is liked, or
    logistic regression, which does so too."""
    epochs: int = Field(100, ge=1)
    """Trees, or iterations of logistic regression at most."""
    learning_rate: float = Field(0.05, gt=0, le=1)
    """Share of each tree's correction that is taken."""
    leaves: int = Field(7, ge=2)
    """Leaves of a tree at most."""
    min_rows: int = Field(200, ge=1)
    """Rows in a leaf at least."""
    reg: float = Field(10.0, gt=0)
    """Ridge penalty on leaves' values, or on logistic regression's coefficients."""
    n_corrected: int = Field(500, ge=1)
    """Best items of each user, before trees, that trees correct; the others get the least of these corrections."""


class Hybrid(CompositeWrapper):
    """Stacked generalisation (Wolpert 1992; Sill et al. 2009 with features beside the scores).

    The columns of user u and item i are the components' standard scores s_c, their ensemble e = sum of weight_c s_c
    (ensemble selection, ``wrappers.ensemble_selection``), the context (``wrappers.stack_context``), and for logistic
    regression products of e with it. All of them, and what was held out, are of ratings the components did not see.

        odds(u, i) = linear(columns) + trees(columns)
        score(u, i) = odds(u, i) for "lambdarank", and the probability 1 / (1 + exp(-odds(u, i))) for the others

    "logreg" has no trees. The others' linear part sees e alone: it begins where the ensemble ends, since trees of a few
    leaves cannot rebuild its fine order. Contributions are those of e.
    """

    name = "hybrid"
    packages = ("lightgbm", "scikit-learn")
    search_space = {
        "hold_out": Choices(("random", "latest")),
        "meta": Choices(("lambdarank", "classification", "logreg")),
        "epochs": Numbers(30, 300, log=True, whole=True),
        "leaves": Numbers(3, 31, log=True, whole=True),
    }
    Config = HybridConfig

    _weights: npt.NDArray[np.float32]
    _odds: LinearOdds
    _trees: Trees
    _context: StackContext

    @property
    def gives_probabilities(self) -> bool:
        """Whether scores are probabilities, and not only an order. See the base."""
        return bool(self.config.meta != "lambdarank")

    @property
    def weights(self) -> dict[str, float]:
        """Component to its weight in the ensemble that the rest is built on; they sum to 1."""
        return dict(zip(self.component_names, self._weights.tolist(), strict=True))

    def _fit_details(self, interactions: Interactions) -> None:
        super()._fit_details(interactions)
        self._context = StackContext.of(interactions, self.known)

    def _learn(self, rows: StackRows) -> None:
        self._weights = selected_weights(rows, k=_LIST_LENGTH, steps=_SELECTION_STEPS).astype(np.float32)
        n_linear, n_tree = self._n_columns()
        self._odds, self._trees = LinearOdds.flat(n_linear), Trees("", n_tree)
        if not rows.tell_apart:
            # Nothing to learn: the components count alike.
            self._odds.coefficients[0] = 1.0
            return
        there = ~rows.padding
        scores = [rows.standard[..., number] for number in range(len(self.component_names))]
        columns = self._columns(scores, [rows.context[..., number] for number in range(len(CONTEXT_COLUMNS))])
        positive, table = rows.positive[there], np.stack([column[there] for column in columns], axis=1)
        used = table if self.config.meta == "logreg" else table[:, :1]
        fitted = LinearOdds.fitted(used, positive, self._ridge(), self.config.epochs)
        missing = (0, n_linear - used.shape[1])
        self._odds = LinearOdds(np.pad(fitted.coefficients, missing), np.pad(fitted.mean, missing), fitted.intercept)
        if self.config.meta != "logreg":
            odds = self._odds.of(list(table.T))
            text = grown_trees(self._tree_config(), table[:, :n_tree], positive, there.sum(axis=1), odds)
            self._trees = Trees(text, n_tree)

    def _combined(
        self, user_index: npt.NDArray[np.int64], standard: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        blend = weighted_sum(self._weights, standard)
        if self.config.meta == "logreg":
            every = np.broadcast_to(np.arange(standard.shape[2]), standard.shape[1:])
            context = self._context.columns(user_index, every)
            return expit(self._odds.of(self._columns(list(standard), list(np.moveaxis(context, -1, 0)))))
        odds = self._odds.coefficients[0] * (blend - self._odds.mean[0]) + self._odds.intercept[0]
        self._correct(odds, user_index, standard, blend)
        return odds if self.config.meta == "lambdarank" else expit(odds)

    def _correct(
        self,
        odds: npt.NDArray[np.float32],
        user_index: npt.NDArray[np.int64],
        standard: npt.NDArray[np.float32],
        blend: npt.NDArray[np.float32],
    ) -> None:
        """Add to (n, n_items) log odds what the trees say of each user's best unseen items."""
        hidden = self._components.seen(user_index)
        best, _ = top_k(np.where(hidden, np.float32(np.nan), blend), min(self.config.n_corrected, odds.shape[1]))
        row = np.arange(len(best))[:, np.newaxis]
        context = self._context.columns(user_index, best)
        columns = [blend[row, best], *standard[:, row, best], *np.moveaxis(context, -1, 0)]
        corrections = self._trees.corrections(np.stack(columns, axis=-1))
        padding = best == PADDING
        least = np.where(padding, np.float32(np.inf), corrections).min(axis=1, keepdims=True, initial=np.inf)
        everywhere = np.broadcast_to(np.where(np.isinf(least), np.float32(0.0), least), odds.shape).copy()
        everywhere[np.broadcast_to(row, best.shape)[~padding], best[~padding]] = corrections[~padding]
        odds += everywhere

    def _columns(
        self, scores: list[npt.NDArray[np.float32]], context: list[npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """What is looked at: the ensemble, the components, the context; the ensemble's products with them last."""
        blend = weighted_sum(self._weights, scores)
        return [blend, *scores, *context, blend * blend, *(blend * column for column in context)]

    def _n_columns(self) -> tuple[int, int]:
        """How many the linear part looks at, and the first ones, which the trees look at."""
        n_tree = 1 + len(self.component_names) + len(CONTEXT_COLUMNS)
        return n_tree + 1 + len(CONTEXT_COLUMNS), n_tree

    def _ridge(self) -> float:
        # Of one column there is nothing to shrink: the penalty is the trees'.
        return float(self.config.reg) if self.config.meta == "logreg" else 1e-3

    def _tree_config(self) -> TreeConfig:
        config = self.config
        return TreeConfig(
            config.meta, config.epochs, config.learning_rate, config.leaves, config.min_rows, config.reg, config.seed
        )

    def _component_weights(self, user_index: int) -> dict[str, float]:
        return self.weights

    def state(self) -> Arrays:
        """``weights`` (n_components,), the linear part and the context."""
        odds = {f"odds_{name}": array for name, array in self._odds._asdict().items()}
        return {"weights": self._weights, **odds, **self._context.arrays()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back weights, linear part and context."""
        self._weights = state["weights"]
        self._odds = LinearOdds(*(state[f"odds_{name}"] for name in LinearOdds._fields))
        n_linear, _ = self._n_columns()
        expected = ((len(self.component_names),), (n_linear,), (n_linear,), (1,))
        shapes = tuple(array.shape for array in (self._weights, *self._odds))
        if shapes != expected:
            raise ValueError(f"weights and linear part have shapes {shapes}, must have {expected}")
        self._context = StackContext.from_arrays(state, self.known)

    def _artifact(self) -> Artifact:
        return replace(super()._artifact(), texts={"trees": self._trees.text})

    def _take_back(self, artifact: Artifact) -> None:
        super()._take_back(artifact)
        self._trees = Trees(artifact.texts["trees"], self._n_columns()[1])
