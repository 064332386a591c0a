"""A stack: what collaborative and content models say, popularity and context, combined by a model learned on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wrappers.artifact import Artifact
from wrappers.ensemble_selection import list_judge
from wrappers.meta_learner import LinearOdds, Meta, TreeConfig, Trees, grown_trees
from wrappers.out_of_fold import StackRows
from wrappers.recommender import Arrays
from wrappers.search_space import Choices, Numbers
from wrappers.stack_context import CONTEXT_COLUMNS
from wrappers.stacked import LIST_LENGTH, StackedConfig, StackedWrapper

#: None first: of equals the least is taken.
_SHARES = (np.float32(0.0), np.float32(0.5), np.float32(1.0))


class HybridConfig(StackedConfig):
    """Hyperparameters, by trials inside ml-latest-small's training part. The grid in benchmarks/model_defaults.py
    was not run to its end.
    """

    meta: Meta = "lambdarank"
    """What corrects the ensemble: trees that learn each user's order, trees that learn the probability that an item is
    liked, or logistic regression, which learns that too."""
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


class Hybrid(StackedWrapper):
    """Stacked generalisation (Wolpert 1992), with features beside the scores (Sill et al. 2009).

    Corrects an ensemble (``wrappers.stacked``) of collaborative models and content by what a meta-learner sees in their
    out-of-fold scores, and in the context as of the fold: popularity, its trend, age and activity
    (``wrappers.stack_context``). Trees are grown on one half of the users first and judged on the other, and the other
    way round: what does not improve lists there is not taken.

    Scores are log odds for "lambdarank", which orders one user's items, and the probability that the user likes the
    item for the other two.
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

    #: Of "logreg" alone.
    _linear: LinearOdds | None
    _trees: Trees
    #: Of the trees' corrections that is taken.
    _share: np.float32

    @property
    def gives_probabilities(self) -> bool:
        """Whether scores are probabilities, and not only an order. See the base."""
        return bool(self.config.meta != "lambdarank")

    def _learn_corrections(self, rows: StackRows, odds: npt.NDArray[np.float32]) -> None:
        self._linear, self._trees, self._share = None, Trees("", self._n_columns), np.float32(0.0)
        if not rows.tell_apart:
            return
        every = _columns(rows.standard, self._blend(np.moveaxis(rows.standard, -1, 0)), rows.context)
        if self.config.meta == "logreg":
            there = ~rows.padding
            table = np.stack(_with_products(every[there]), axis=-1)
            self._linear = LinearOdds.fitted(table, rows.positive[there], self.config.reg, self.config.epochs)
            return
        self._share = self._share_that_helps(rows, every, odds)
        if self._share:
            self._trees = self._grown(rows, every, odds, np.ones(len(odds), np.bool_))

    def _share_that_helps(
        self, rows: StackRows, every: npt.NDArray[np.float32], odds: npt.NDArray[np.float32]
    ) -> np.float32:
        """How much of their correction improves the lists of users that trees did not learn from: all, half or none."""
        users, of_list = np.unique(rows.user_ids, return_inverse=True)
        is_first = np.random.default_rng(self.config.seed).random(len(users))[of_list] < 0.5
        corrections = np.zeros(odds.shape, np.float32)
        for learned in (is_first, ~is_first):
            if not rows.positive[learned].any() or learned.all():
                return np.float32(0.0)
            corrections[~learned] = self._grown(rows, every, odds, learned).corrections(every[~learned])
        judged = list_judge(rows, LIST_LENGTH)
        return max(_SHARES, key=lambda share: judged(odds + share * corrections))

    def _grown(
        self,
        rows: StackRows,
        every: npt.NDArray[np.float32],
        odds: npt.NDArray[np.float32],
        learned: npt.NDArray[np.bool_],
    ) -> Trees:
        """Trees of some of the lists; ``learned`` is (n,) bool."""
        there = ~rows.padding & learned[:, np.newaxis]
        per_list = there.sum(axis=1)[learned]
        text = grown_trees(self._tree_config(), every[there], rows.positive[there], per_list, odds[there])
        return Trees(text, self._n_columns)

    def _corrections(
        self, standard: npt.NDArray[np.float32], blend: npt.NDArray[np.float32], context: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        columns = _columns(standard, blend, context)
        if self._linear is None:
            return self._share * self._trees.corrections(columns)
        return self._linear.of(_with_products(columns)) - self._odds.of([blend])

    @property
    def _n_columns(self) -> int:
        return len(self.component_names) + 1 + len(CONTEXT_COLUMNS)

    def _tree_config(self) -> TreeConfig:
        config = self.config
        return TreeConfig(
            config.meta, config.epochs, config.learning_rate, config.leaves, config.min_rows, config.reg, config.seed
        )

    def state(self) -> Arrays:
        """The base's, and ``share`` (1,) of the trees' corrections; for "logreg" also the log odds of all columns."""
        linear = {} if self._linear is None else self._linear._asdict()
        share = {"share": np.array([self._share])}
        return {**super().state(), **share, **{f"linear_{name}": array for name, array in linear.items()}}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what the base has, and the log odds of all columns where there are any."""
        super().restore(state)
        self._linear, self._share = None, state["share"][0]
        if "linear_mean" in state:
            self._linear = LinearOdds(*(state[f"linear_{name}"] for name in LinearOdds._fields))
            n_columns = self._n_columns + 1 + len(CONTEXT_COLUMNS)
            expected, shapes = ((n_columns,), (n_columns,), (1,)), tuple(array.shape for array in self._linear)
            if shapes != expected:
                raise ValueError(f"the linear part has shapes {shapes}, must have {expected}")

    def _artifact(self) -> Artifact:
        return replace(super()._artifact(), texts={"trees": self._trees.text})

    def _take_back(self, artifact: Artifact) -> None:
        super()._take_back(artifact)
        self._trees = Trees(artifact.texts["trees"], self._n_columns)


def _columns(
    standard: npt.NDArray[np.float32], blend: npt.NDArray[np.float32], context: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(n, c, n_columns) float32: the components' scores, their ensemble, the context."""
    return np.concatenate([standard, blend[..., np.newaxis], context], axis=-1)


def _with_products(columns: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """The columns, and the ensemble's products with itself and the context: where it is to be trusted more."""
    every = list(np.moveaxis(columns, -1, 0))
    first = len(every) - len(CONTEXT_COLUMNS) - 1
    return [*every, *(every[first] * column for column in every[first:])]
