"""What stacked scores are combined by: log odds that are linear in columns, and trees that correct them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Meta = Literal["lambdarank", "classification", "logreg"]


class LinearOdds(NamedTuple):
    """Log odds of being liked: ``intercept + sum of coefficients (column - mean)``.

    Attributes:
        coefficients: (n_columns,) float32.
        mean: (n_columns,) float32.
        intercept: (1,) float32.
    """

    coefficients: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    intercept: npt.NDArray[np.float32]

    @classmethod
    def identity(cls) -> LinearOdds:
        """Of one column that is taken as log odds itself."""
        return cls(np.ones(1, np.float32), np.zeros(1, np.float32), np.zeros(1, np.float32))

    @classmethod
    def fitted(
        cls, columns: npt.NDArray[np.float32], positive: npt.NDArray[np.bool_], reg: float, epochs: int
    ) -> LinearOdds:
        """Logistic regression with a ridge penalty on coefficients of standardised columns.

        Args:
            columns: (n, n_columns) float32 without NaN.
            positive: (n,) bool, both kinds.
            reg: The penalty.
            epochs: Iterations of the solver at most.
        """
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        mean = columns.mean(axis=0, dtype=np.float64).astype(np.float32)
        z = columns - mean
        deviation = np.sqrt(np.einsum("nc,nc->c", z, z, dtype=np.float64) / len(z))
        scale = np.where(deviation > 0, deviation, 1.0).astype(np.float32)
        z /= scale
        # The same coefficients on every machine: threads of BLAS add up in an order that depends on their number.
        with threadpool_limits(1, "blas"):
            found = LogisticRegression(C=1.0 / reg, max_iter=epochs).fit(z, positive)
        return cls((found.coef_[0] / scale).astype(np.float32), mean, found.intercept_.astype(np.float32))

    def of(self, columns: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Log odds of columns that broadcast against each other, added one by one: the same for any number of rows."""
        odds = np.full(np.broadcast_shapes(*(column.shape for column in columns)), self.intercept[0], np.float32)
        for coefficient, mean, column in zip(self.coefficients, self.mean, columns, strict=True):
            if coefficient:
                odds += coefficient * (column - mean)
        return odds


class TreeConfig(NamedTuple):
    """How trees are grown.

    Attributes:
        meta: What they minimise.
        epochs: Trees.
        learning_rate: Share of each tree's correction that is taken.
        leaves: Leaves of a tree at most.
        min_rows: Rows in a leaf at least.
        reg: Ridge penalty on the leaves' values.
        seed: Of the columns that a tree may use.
    """

    meta: Meta
    epochs: int
    learning_rate: float
    leaves: int
    min_rows: int
    reg: float
    seed: int


#: Share of the columns, drawn at random, that a tree may use.
_COLUMN_SHARE = 0.7
#: Places at the top of a list that LambdaMART compares with all others.
_TRUNCATION = 15


def grown_trees(
    config: TreeConfig,
    columns: npt.NDArray[np.float32],
    positive: npt.NDArray[np.bool_],
    per_list: npt.NDArray[np.int64],
    odds: npt.NDArray[np.float32],
) -> str:
    """LightGBM's text of trees that add to given log odds what these miss (Friedman 2001; Burges 2010 for lists).

    Args:
        config: How.
        columns: (n, n_columns) float32, list after list.
        positive: (n,) bool.
        per_list: (n_lists,) int64 rows of each list.
        odds: (n,) float32 to begin with.
    """
    import lightgbm

    parameters = {
        "objective": "lambdarank" if config.meta == "lambdarank" else "binary",
        "lambdarank_truncation_level": _TRUNCATION,
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.min_rows,
        "lambda_l2": config.reg,
        "feature_fraction": _COLUMN_SHARE,
        "seed": config.seed,
        # The same trees in every run.
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(columns, positive.astype(np.float32), group=per_list, init_score=odds.astype(np.float64))
    return str(lightgbm.train(parameters, data, config.epochs).model_to_string())


class Trees:
    """Trees as LightGBM wrote them; none where the text is empty.

    Args:
        text: What :func:`grown_trees` returned: also right after training, so that trees just grown and those loaded
            are the same to the bit.
        n_columns: Columns they look at.

    Raises:
        ValueError: The text is no booster's, or one of other columns.
    """

    def __init__(self, text: str, n_columns: int) -> None:
        self.text = text
        self._booster: Any = _booster(text) if text else None
        if self._booster is not None and self._booster.num_feature() != n_columns:
            raise ValueError(f"the trees have {self._booster.num_feature()} columns, must have {n_columns}")

    def corrections(self, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, c) float32 to be added to log odds, of (n, c, n_columns) float32."""
        n, c, n_columns = columns.shape
        if self._booster is None:
            return np.zeros((n, c), np.float32)
        found = self._booster.predict(columns.reshape(n * c, n_columns), raw_score=True, num_threads=1)
        return np.asarray(found, np.float32).reshape(n, c)


def _booster(text: str) -> Any:
    from lightgbm import Booster
    from lightgbm.basic import LightGBMError

    try:
        return Booster(model_str=text)
    except LightGBMError as error:
        raise ValueError(f"trees.txt is no booster of LightGBM: {error}") from error
