"""Logistic regression on features: policy A of the seed comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit

from wrappers.ranker import RankerConfig, RankerWrapper
from wrappers.recommender import Arrays
from wrappers.search_space import Choices, Numbers

if TYPE_CHECKING:
    from wrappers.ranker_training import TrainingRows


class LogRegConfig(RankerConfig):
    """Hyperparameters of the logistic regression, chosen inside ml-latest-small's training part
    (benchmarks/model_defaults.py).
    """

    reg: float = Field(1.0, gt=0)
    """Ridge penalty on the coefficients of standardised columns: more smooths more. 1 / C in scikit-learn."""
    epochs: int = Field(1000, ge=1)
    """Iterations of the solver (lbfgs) at most."""


class LogReg(RankerWrapper):
    """Ranks candidates by the probability that the user likes them, linear in the features.

    With z the columns standardised by their mean and standard deviation among the training rows:

        P(liked) = 1 / (1 + exp(-(intercept + sum over columns of coefficient x z)))

    Fitted by scikit-learn with a ridge penalty. A column that is constant in training has no say.
    """

    name = "logreg"
    search_space = {
        "reg": Numbers(0.1, 1000, log=True),
        "n_candidates": Numbers(50, 500, log=True, whole=True),
        "liked_rating": Choices((0.5, 4.0)),
        "retriever_config.reg": Numbers(30, 1000, log=True),
    }
    alias = "PolicyA"
    gives_probabilities = True
    Config = LogRegConfig

    #: (n_columns,) float32 each: of standardised columns, and what standardises them.
    _coefficients: npt.NDArray[np.float32]
    _mean: npt.NDArray[np.float32]
    _scale: npt.NDArray[np.float32]
    _intercept: np.float32

    @property
    def coefficients(self) -> dict[str, float]:
        """Column to its coefficient, per standard deviation of the column, in log odds; largest effect first."""
        order = np.argsort(-np.abs(self._coefficients), kind="stable")
        return {self.column_names[place]: float(self._coefficients[place]) for place in order}

    def _learn(self, rows: TrainingRows) -> None:
        n_columns = rows.columns.shape[1]
        self._mean, self._scale = np.zeros(n_columns, np.float32), np.ones(n_columns, np.float32)
        self._coefficients, self._intercept = np.zeros(n_columns, np.float32), np.float32(0.0)
        if not rows.tell_apart:
            return
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        self._mean = rows.columns.mean(axis=0, dtype=np.float64).astype(np.float32)
        # In place, and not by numpy's std: it would make a float64 copy of everything.
        z = rows.columns - self._mean
        deviation = np.sqrt(np.einsum("nc,nc->c", z, z, dtype=np.float64) / len(z)).astype(np.float32)
        self._scale = np.where(deviation > 0, deviation, 1).astype(np.float32)
        z /= self._scale
        fitted = LogisticRegression(C=1.0 / self.config.reg, max_iter=self.config.epochs)
        # The same coefficients on every machine: threads of BLAS add up in an order that depends on their number.
        with threadpool_limits(1, "blas"):
            fitted.fit(z, rows.positive)
        self._coefficients = fitted.coef_[0].astype(np.float32)
        self._intercept = np.float32(fitted.intercept_[0])

    def _rank(self, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # Centred first: a sum of products with years and counts in the thousands would lose the digits that matter.
        return expit((columns - self._mean) @ (self._coefficients / self._scale) + self._intercept)

    def _effects(self, columns: npt.NDArray[np.float32], listed: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        # Exact in log odds: summands of the difference to the mean candidate.
        return (columns[listed] - columns.mean(axis=0)) * (self._coefficients / self._scale)

    def state(self) -> Arrays:
        """The base's, and ``coefficients``, ``mean``, ``scale`` (n_columns,) and ``intercept`` (1,)."""
        return {
            **super().state(),
            "coefficients": self._coefficients,
            "mean": self._mean,
            "scale": self._scale,
            "intercept": np.array([self._intercept]),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back rows and coefficients."""
        super().restore(state)
        self._coefficients, self._mean, self._scale = (state[name] for name in ("coefficients", "mean", "scale"))
        expected = (len(self.column_names),)
        for name in ("coefficients", "mean", "scale"):
            if state[name].shape != expected:
                raise ValueError(f"{name} has shape {state[name].shape}, must have {expected}")
        self._intercept = state["intercept"][0]
