"""Bayesian matrix factorisation of ratings: what remains of many draws is one matrix of expected ratings."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator
from threadpoolctl import threadpool_limits

from wrappers.padded_rows import padded_rows
from wrappers.truncated_svd import truncated_svd
from wrappers.vector_draws import Drawn, draw_vectors
from wrappers.vector_prior import VectorPrior

#: Shape of the Gamma prior, of mean 1, of how precisely a user rates against others: worth twice as many ratings.
_PRECISION_SHAPE = 3.0
#: The least noise a rating is taken to have, a hundredth of the ratings' standard deviation, as a precision. No star is
#: as exact; ratings without any noise would drive the precision to where float32 solves nothing any more.
_FINEST = 1e4
#: Standard deviation of the vectors to begin with.
_START = 0.1
#: Numbers per user and item that are kept of the expected ratings, for each that a draw has. On ml-latest-small a
#: fold's RMSE is less than 0.0002 from that of all of them.
_KEPT = 2


class Traits(NamedTuple):
    """What is known of users and items beside their ratings, in orthogonal columns; no column = nothing.

    Attributes:
        users: (n_users, k) float64.
        items: (n_items, l) float64.
    """

    users: npt.NDArray[np.float64]
    items: npt.NDArray[np.float64]


class RatingFactors(NamedTuple):
    """Expected ratings: mean + user_bias + item_bias + user_factors . item_factors.

    The last row of each belongs to anyone unknown: a user or an item without ratings.

    Attributes:
        user_factors: (n_users + 1, r) float32.
        item_factors: (n_items + 1, r) float32.
        user_bias: (n_users + 1,) float32.
        item_bias: (n_items + 1,) float32.
    """

    user_factors: npt.NDArray[np.float32]
    item_factors: npt.NDArray[np.float32]
    user_bias: npt.NDArray[np.float32]
    item_bias: npt.NDArray[np.float32]


class Sampling(NamedTuple):
    """How to draw.

    Attributes:
        embedding_size: Numbers per user and item in a draw.
        epochs: Draws that are averaged.
        burn_in: Draws before those, which still depend on where the vectors began.
        seed: Of everything random.
        threads: Processor cores; the result does not depend on them.
    """

    embedding_size: int
    epochs: int
    burn_in: int
    seed: int
    threads: int


def expected_ratings(
    ratings: sparse.csr_array[Any, Any], traits: Traits, sampling: Sampling, progress: Callable[[int, int], None]
) -> RatingFactors:
    """Expected ratings given the ratings there are, averaged over draws of a Gibbs sampler.

    The model is BPMF (Salakhutdinov & Mnih 2008) with biases as numbers of the vectors (as Rendle, Zhang & Koren 2019
    advise, "On the Difficulty of Evaluating Baselines"), priors that traits shift, and noise that differs by user
    (Lakshminarayanan, Bouchard & Archambeau 2011, "Robust Bayesian Matrix Factorisation"):

        rating of u for i ~ N(mean + b_u + c_i + x_u'y_i, 1 / (a w_u)),   a ~ Gamma(1, 1),   w_u ~ Gamma(3, 3)

    with a w_u at most ``_FINEST``.
    A draw counts with the users' conditional means in place of their vectors, which has the same expectation and less
    variance (Rao & Blackwell). The draws' factors side by side are one product of rank epochs x embedding_size; of that
    its strongest 2 x embedding_size directions are kept.

    Args:
        ratings: (n_users, n_items), at least one stored; a stored 0 is a rating.
        traits: Of the users and items.
        sampling: How to draw. The factors of all draws are in memory: 4 bytes x epochs x embedding_size per user and
            item, 93 MB for 150 draws of 16 numbers for 9,700 of them.
        progress: Told after each draw how many are done, and of how many.

    Returns:
        In the ratings' units, not yet limited to their range.
    """
    mean = ratings.data.mean(dtype=np.float64)
    # All ratings alike have no spread to measure them by.
    scale = ratings.data.std(dtype=np.float64) or 1.0
    standard = _with_unknown(ratings, (ratings.data - mean) / scale)
    # Threads over blocks, not inside a product: the matrices are too small to share, and sums keep their order.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(sampling.threads) as pool:
        kept = _draws(standard, traits, sampling, pool, progress)
        users, items = kept.product(_KEPT * sampling.embedding_size, sampling.seed)
    root = np.float32(np.sqrt(scale))
    return RatingFactors(
        users * root,
        items * root,
        (kept.user_bias * scale + mean).astype(np.float32),
        (kept.item_bias * scale).astype(np.float32),
    )


class _Side:
    """The users, or the items.

    Args:
        ratings: (n_rows, n_columns), this side's in the rows.
        traits: (n_rows - 1, k) of all but the unknown one, who has none.
        size: Numbers of a vector without its bias.
        rng: Where chance comes from.
    """

    def __init__(
        self,
        ratings: sparse.csr_array[Any, Any],
        traits: npt.NDArray[np.float64],
        size: int,
        rng: np.random.Generator,
    ) -> None:
        n = ratings.shape[0]
        self.vectors = rng.normal(0.0, _START, (n, size + 1)).astype(np.float32)
        self.n_rated = np.diff(ratings.indptr)
        self._blocks = padded_rows(ratings)
        self._prior = VectorPrior(size + 1, np.concatenate([traits, np.zeros((1, traits.shape[1]))]))

    def draw(
        self,
        other: _Side,
        precision: npt.NDArray[np.float64],
        other_precision: npt.NDArray[np.float64],
        rng: np.random.Generator,
        pool: Executor,
    ) -> Drawn:
        """Draw the prior, then the vectors, given the other side's."""
        prior = self._prior.draw(self.vectors, rng)
        drawn = draw_vectors(self._blocks, prior, other.vectors, precision, other_precision, rng, pool)
        self.vectors = drawn.vectors
        return drawn


class _Kept:
    """What the draws that count add up to."""

    def __init__(self, n_draws: int) -> None:
        self._share = 1.0 / n_draws
        self._users: list[npt.NDArray[np.float32]] = []
        self._items: list[npt.NDArray[np.float32]] = []
        self.user_bias: npt.NDArray[np.float64] = np.zeros(1)
        self.item_bias: npt.NDArray[np.float64] = np.zeros(1)

    def add(self, users: npt.NDArray[np.float32], items: npt.NDArray[np.float32]) -> None:
        """A draw's vectors, bias last."""
        self._users.append(users[:, :-1])
        self._items.append(items[:, :-1])
        self.user_bias = self.user_bias + self._share * users[:, -1]
        self.item_bias = self.item_bias + self._share * items[:, -1]

    def product(self, size: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(n_users, r) and (n_items, r) whose product is the mean of the draws' products, in its r <= size strongest
        directions.
        """
        left, right = (np.concatenate(draws, axis=1) for draws in (self._users, self._items))
        mean = truncated_svd(aslinearoperator(left) @ aslinearoperator(right.T), size, passes=2, seed=seed)
        root = np.sqrt(self._share * mean.strength)
        return (mean.left * root).astype(np.float32), (mean.right * root).astype(np.float32)


def _draws(
    ratings: sparse.csr_array[Any, Any],
    traits: Traits,
    sampling: Sampling,
    pool: Executor,
    progress: Callable[[int, int], None],
) -> _Kept:
    rng = np.random.default_rng(sampling.seed)
    users = _Side(ratings, traits.users, sampling.embedding_size, rng)
    items = _Side(ratings.T.tocsr(), traits.items, sampling.embedding_size, rng)
    kept = _Kept(sampling.epochs)
    precision = 1.0
    of_user, of_item = (np.ones(n) for n in ratings.shape)
    total = sampling.burn_in + sampling.epochs
    for number in range(total):
        items.draw(users, precision * of_item, of_user, rng, pool)
        drawn = users.draw(items, precision * of_user, of_item, rng, pool)
        errors = drawn.squared_errors
        of_user = rng.gamma(_PRECISION_SHAPE + users.n_rated / 2) / (_PRECISION_SHAPE + precision * errors / 2)
        precision = min(rng.gamma(1.0 + ratings.nnz / 2) / (1.0 + float(errors @ of_user) / 2), _FINEST)
        of_user = np.minimum(of_user, _FINEST / precision)
        if number >= sampling.burn_in:
            kept.add(drawn.means, items.vectors)
        progress(number + 1, total)
    return kept


def _with_unknown(ratings: sparse.csr_array[Any, Any], values: npt.NDArray[np.float64]) -> sparse.csr_array[Any, Any]:
    """These values in place of the ratings, and a user and an item more, without any: those that are unknown."""
    n_users, n_items = ratings.shape
    indptr = np.append(ratings.indptr, ratings.indptr[-1])
    return sparse.csr_array((values, ratings.indices, indptr), shape=(n_users + 1, n_items + 1))
