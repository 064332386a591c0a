"""Gradient-boosted trees on features: policy B of the seed comparison.

Not in a file ``lightgbm.py``, which would shadow the library for whoever has this folder on the path.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wrappers.artifact import Artifact
from wrappers.ranker import RankerConfig, RankerWrapper
from wrappers.search_space import Choices, Numbers

if TYPE_CHECKING:
    from wrappers.ranker_training import TrainingRows

#: Of the retriever's score and place, the last columns: what it finds better is never worse for that.
_DIRECTIONS = [1, -1]
_OBJECTIVES = {"classification": "binary", "lambdarank": "lambdarank"}


class LightGBMConfig(RankerConfig):
    """Hyperparameters of the trees, chosen inside ml-latest-small's training part (benchmarks/model_defaults.py)."""

    objective: Literal["classification", "lambdarank"] = "classification"
    """Learn the probability that a candidate is liked, or the order of each user's candidates (NDCG)."""
    epochs: int = Field(150, ge=1)
    """Trees."""
    learning_rate: float = Field(0.05, gt=0, le=1)
    """Share of each tree's correction that is taken."""
    leaves: int = Field(7, ge=2)
    """Leaves of a tree at most."""
    min_rows: int = Field(20, ge=1)
    """Rows in a leaf at least."""
    reg: float = Field(1.0, ge=0)
    """Ridge penalty on the leaves' values."""
    column_share: float = Field(0.5, gt=0, le=1)
    """Share of the columns, drawn at random, that a tree may use."""


class LightGBM(RankerWrapper):
    """Ranks candidates by gradient-boosted trees (Ke et al. 2017), as LightGBM computes them.

    The score is the probability that the user likes the item, or for ``lambdarank`` (Burges 2010) a number that only
    orders one user's items. Trees may not count a better score or place by the retriever against an item. Kept as
    LightGBM's own text.
    """

    name = "lightgbm"
    search_space = {
        "objective": Choices(("classification", "lambdarank")),
        "leaves": Numbers(3, 31, log=True, whole=True),
        "n_candidates": Numbers(50, 500, log=True, whole=True),
        "liked_rating": Choices((0.5, 4.0)),
        "retriever_config.reg": Numbers(30, 1000, log=True),
    }
    alias = "PolicyB"
    packages = ("lightgbm",)
    Config = LightGBMConfig

    #: LightGBM's text; empty where there was nothing to learn.
    _text: str
    _booster: Any

    @property
    def gives_probabilities(self) -> bool:
        """Whether it learned probabilities, and not only an order. See the base."""
        return bool(self.config.objective == "classification")

    @property
    def importances(self) -> dict[str, float]:
        """Column to the loss that its splits took away in training; largest first."""
        if self._booster is None:
            return dict.fromkeys(self.column_names, 0.0)
        gain = self._booster.feature_importance("gain")
        return {self.column_names[place]: float(gain[place]) for place in np.argsort(-gain, kind="stable")}

    def _learn(self, rows: TrainingRows) -> None:
        import lightgbm

        if not rows.tell_apart:
            self._take_text("")
            return
        data = lightgbm.Dataset(rows.columns, rows.positive.astype(np.float32), group=rows.per_user)
        self._take_text(lightgbm.train(self._parameters(), data, self.config.epochs).model_to_string())

    def _parameters(self) -> dict[str, Any]:
        config = self.config
        return {
            "objective": _OBJECTIVES[config.objective],
            "learning_rate": config.learning_rate,
            "num_leaves": config.leaves,
            "min_data_in_leaf": config.min_rows,
            "lambda_l2": config.reg,
            "feature_fraction": config.column_share,
            "monotone_constraints": [0] * (len(self.column_names) - len(_DIRECTIONS)) + _DIRECTIONS,
            "seed": config.seed,
            # The same trees in every run.
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def _rank(self, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        n, c, n_columns = columns.shape
        if self._booster is None:
            return np.zeros((n, c), np.float32)
        scores: npt.NDArray[np.float64] = self._booster.predict(columns.reshape(n * c, n_columns), num_threads=1)
        return scores.reshape(n, c).astype(np.float32)

    def _effects(self, columns: npt.NDArray[np.float32], listed: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        if self._booster is None:
            return np.zeros((len(listed), columns.shape[1]), np.float32)
        # Exact Shapley values of the trees (Lundberg et al. 2020) in what they sum up; the last column is their base.
        shapley = self._booster.predict(columns, pred_contrib=True, num_threads=1)[:, :-1]
        effects: npt.NDArray[np.float32] = (shapley[listed] - shapley.mean(axis=0)).astype(np.float32)
        return effects

    def _artifact(self) -> Artifact:
        return replace(super()._artifact(), texts={"booster": self._text})

    def _take_back(self, artifact: Artifact) -> None:
        super()._take_back(artifact)
        self._take_text(artifact.texts["booster"])
        if self._booster is not None and self._booster.num_feature() != len(self.column_names):
            n_columns = self._booster.num_feature()
            raise ValueError(f"the trees have {n_columns} columns, must have {len(self.column_names)}")

    def _take_text(self, text: str) -> None:
        """Trees always come from the text, so that those just trained and those loaded are the same to the bit."""
        from lightgbm import Booster
        from lightgbm.basic import LightGBMError

        try:
            self._booster = Booster(model_str=text) if text else None
        except LightGBMError as error:
            raise ValueError(f"booster.txt is no booster of LightGBM: {error}") from error
        self._text = text
