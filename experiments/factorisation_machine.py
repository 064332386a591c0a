"""A factorisation machine of ratings (Rendle 2010, "Factorization machines", equation 1) by alternating least squares.

It is the taste of the simulated users (experiments/click_model.py). It must never be entered as a contestant:
a model that shares its class with the world it is judged in starts with an advantage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]

#: Rows whose normal equations are held at once; bounds the memory on large data.
_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class FactorisationMachine:
    """A fitted machine, with every item's own and feature weights already summed.

    Attributes:
        mean: Mean rating.
        user_bias: (n_users,) float64, rating units.
        user_factors: (n_users, embedding_size) float64.
        item_bias: (n_items,) float64: the item's own bias plus those of its features.
        item_factors: (n_items, embedding_size) float64: the item's own vector plus those of its features.
    """

    mean: float
    user_bias: Floats
    user_factors: Floats
    item_bias: Floats
    item_factors: Floats

    def deviation(self, user: Indexes, item: Indexes) -> Floats:
        """How far a user's rating of an item is expected to lie above the mean rating.

        Args:
            user: (n,) user indexes.
            item: (n, k) item indexes, k of each user.

        Returns:
            (n, k) float64, rating units; not clipped to the rating scale.
        """
        crossed = np.einsum("nd,nkd->nk", self.user_factors[user], self.item_factors[item])
        return np.asarray(crossed + self.item_bias[item] + self.user_bias[user][:, None], dtype=np.float64)


def fit_factorisation_machine(
    ratings: sparse.csr_array[Any, Any],
    features: sparse.csr_array[Any, Any],
    *,
    embedding_size: int = 24,
    epochs: int = 5,
    reg: float = 20.0,
    bias_reg: float = 4.0,
    seed: int = 0,
) -> FactorisationMachine:
    """Fit by alternating least squares: users, then items and features together, each solved exactly.

    With x = one user, one item and the item's features, the machine's equation 1 is
    ``mean + b_u + c_i + p_u · q_i`` with ``q_i = v_i + Σ_f v_f`` and ``c_i = w_i + Σ_f w_f``; pairs within the
    item (item × feature, feature × feature) only move the item's own free bias and are left out. Given the
    item side each user's (p_u, b_u) is a ridge regression; given the users, all (v, w) together are one. Features
    are thus what an item with few ratings shrinks towards.

    Args:
        ratings: (n_users, n_items); every stored entry is a rating, stored zeros included.
        features: (n_items, n_features), e.g. one-hot genres and decades.
        embedding_size: Length d of the factor vectors.
        epochs: Passes over users and items.
        reg: Ridge penalty of factor vectors, in squared rating units.
        bias_reg: Ridge penalty of biases.
        seed: Seed of the starting vectors.

    Returns:
        The fitted machine; without any rating every deviation is 0.
    """
    n_users, n_items = ratings.shape
    generator = np.random.default_rng(seed)
    mean = float(ratings.data.mean()) if ratings.nnz else 0.0
    by_user = _values(ratings, ratings.data.astype(np.float64) - mean)
    by_item = by_user.T.tocsr()
    penalty = np.diag([reg] * embedding_size + [bias_reg])
    item_side = np.hstack([generator.normal(0.0, 0.1, (n_items, embedding_size)), np.zeros((n_items, 1))])
    user_side = np.zeros((n_users, embedding_size + 1))
    for _ in range(epochs):
        user_side = _solve_users(by_user, item_side, penalty)
        item_side = _solve_items(by_item, features, user_side, penalty)
    return FactorisationMachine(
        mean=mean,
        user_bias=user_side[:, -1],
        user_factors=user_side[:, :-1],
        item_bias=item_side[:, -1],
        item_factors=item_side[:, :-1],
    )


def _values(matrix: sparse.csr_array[Any, Any], data: Floats) -> sparse.csr_array[Any, Any]:
    """The same pattern with other values; a stored zero stays stored."""
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _normal_equations(
    target: sparse.csr_array[Any, Any], inputs: Floats, offset: Floats
) -> Iterator[tuple[slice, Floats, Floats]]:
    """Gram matrix and right-hand side of each row's regression of (target - offset) on the inputs, in blocks.

    Args:
        target: (n, m); row r is regressed over its stored columns.
        inputs: (m, d) the columns' regressors.
        offset: (m,) what each column explains by itself.

    Yields:
        rows, (rows, d, d) Gram matrices, (rows, d) right-hand sides.
    """
    size = inputs.shape[1]
    first, second = np.triu_indices(size)
    products = inputs[:, first] * inputs[:, second]
    explained = inputs * offset[:, None]
    for begin in range(0, target.shape[0], _BLOCK):
        rows = slice(begin, min(begin + _BLOCK, target.shape[0]))
        block = target[rows]
        present = _values(block, np.ones(block.nnz))
        upper = present @ products
        gram = np.empty((upper.shape[0], size, size))
        gram[:, first, second] = upper
        gram[:, second, first] = upper
        yield rows, gram, block @ inputs - present @ explained


def _with_one(factors: Floats) -> Floats:
    """Factors with a last column of ones: the regressor of the other side's bias."""
    return np.hstack([factors[:, :-1], np.ones((len(factors), 1))])


def _solve_users(by_user: sparse.csr_array[Any, Any], item_side: Floats, penalty: Floats) -> Floats:
    """(n_users, d + 1) each user's factors and bias, given the items'."""
    solved = np.empty((by_user.shape[0], item_side.shape[1]))
    for rows, gram, right in _normal_equations(by_user, _with_one(item_side), item_side[:, -1]):
        solved[rows] = np.linalg.solve(gram + penalty, right[..., None])[..., 0]
    return solved


def _solve_items(
    by_item: sparse.csr_array[Any, Any], features: sparse.csr_array[Any, Any], user_side: Floats, penalty: Floats
) -> Floats:
    """(n_items, d + 1) each item's factors and bias, its features' share included, given the users'.

    Solves for all items' own weights z and the features' weights v together. Of item i with Gram matrix G and
    right-hand side h, z = (G + Λ)^-1 (h - G Fv) is put into the equations of v, which leaves a system the size of the
    features alone: Σ_i f f' ⊗ (S G) + Λ with right-hand side Σ_i f ⊗ (S h) and S = Λ (G + Λ)^-1.
    """
    n_items, size = by_item.shape[0], user_side.shape[1]
    n_features = features.shape[1]
    alone = np.empty((n_items, size))
    shrinkage = np.empty((n_items, size, size))
    left = np.zeros((n_features, size, n_features, size))
    left[np.arange(n_features), :, np.arange(n_features), :] = penalty
    right = np.zeros((n_features, size))
    for rows, gram, target in _normal_equations(by_item, _with_one(user_side), user_side[:, -1]):
        inverse = np.linalg.inv(gram + penalty)
        alone[rows] = (inverse @ target[..., None])[..., 0]
        shrinkage[rows] = inverse @ penalty
        block = features[rows]
        right += block.T @ (alone[rows] @ penalty)
        _add_feature_grams(left, block, penalty @ inverse @ gram)
    if n_features == 0:
        return alone
    weights = np.linalg.solve(left.reshape(n_features * size, -1), right.ravel())
    shared = features @ np.asarray(weights, dtype=np.float64).reshape(n_features, size)
    # z + Fv = (G + Λ)^-1 h + (I - (G + Λ)^-1 G) Fv, and the bracket is (G + Λ)^-1 Λ.
    return np.asarray(alone + (shrinkage @ shared[..., None])[..., 0], dtype=np.float64)


def _add_feature_grams(left: Floats, block: sparse.csr_array[Any, Any], gram: Floats) -> None:
    """Add Σ_i (f_i f_iᵀ) ⊗ G_i to ``left`` in place; its axes are feature, factor, feature, factor."""
    size = gram.shape[1]
    flat = gram.reshape(len(gram), -1)
    by_feature = block.T.tocsr()
    for feature in range(by_feature.shape[0]):
        span = slice(by_feature.indptr[feature], by_feature.indptr[feature + 1])
        items = by_feature.indices[span]
        weighted = flat[items] * by_feature.data[span][:, None]
        left[feature] += (block[items].T @ weighted).reshape(-1, size, size).transpose(1, 0, 2)
