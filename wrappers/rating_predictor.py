"""What every model shares that predicts how a user would rate an item, and how such a model makes lists."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.sparse.linalg import aslinearoperator
from threadpoolctl import threadpool_limits

from core.ids import UNKNOWN
from core.interactions import Interactions, to_csr
from core.progress import report
from evaluation.rating_errors import RatingErrors, rating_errors
from wrappers.rating_posterior import RatingFactors, Sampling, Traits, expected_ratings
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.search_space import Choices, Numbers, SearchSpace
from wrappers.top_k import stored
from wrappers.truncated_svd import Directions, truncated_svd


class RatingPredictorConfig(RecommenderConfig):
    """Hyperparameters of a rating predictor, chosen inside ml-latest-small's training part: what ratings depend on by
    RMSE (benchmarks/rating_defaults.py), what lists alone do by NDCG@10 (benchmarks/model_defaults.py).
    """

    embedding_size: int = Field(16, ge=1)
    """Numbers that describe a user, and an item, in each draw of the sampler."""
    epochs: int = Field(150, ge=1)
    """Draws of the sampler that are averaged. How much to smooth is drawn too: there is no penalty to choose."""
    burn_in: int = Field(30, ge=0)
    """Draws before those, which still depend on where the sampler began."""
    directions: int = Field(200, ge=1)
    """Directions of who rated what that lists are made from, and the implicit parts of SVD++."""
    reg: float = Field(300.0, gt=0)
    """Ridge penalty on who goes with what in lists, in users: more smooths more. Predicted ratings do not depend on
    it."""
    rating_effect: float = Field(3.0, ge=0, le=50)
    """How much the predicted rating counts in lists: from the lowest to the highest it multiplies an item's score by
    exp(rating_effect). 0: who rates what alone."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the sampler, and of the search for directions."""
    threads: int = Field(2, ge=1)
    """Processor cores to train on; the result does not depend on them."""


class RatingPredictor(RecommenderWrapper):
    """Predicts ratings by Bayesian matrix factorisation (``wrappers/rating_posterior.py``). Subclasses say by their
    traits what else is known of users and items.

    ``predict_ratings`` answers for any pair, in the range of the training ratings. Items and users with few ratings are
    near what their prior expects, as far as their few ratings do not tell: no other shrinkage is needed.

    Lists are not made by predicted ratings alone: what is rated highest if it is rated at all is mostly what hardly
    anyone looks at (Cremonesi, Koren & Turrin 2010). They are made by what is expected of showing the item,

        score = p exp(rating_effect v)

    with v the predicted rating between the lowest (0) and the highest (1) of the training ratings, 0 where these are
    all alike, and p how well the item goes with what the user rated at all: the user's history x, rebuilt by a ridge
    regression of the histories X on themselves in their leading directions (X = P S V', so B = (X'X + reg I)^-1 X'X):

        p = x' V diag(s^2 / (s^2 + reg)) V'

    Where p < 0 the factor divides, so that a higher rating never lowers a score.
    """

    needs_details = True
    Config = RatingPredictorConfig
    #: The last two matter to lists alone.
    search_space: ClassVar[SearchSpace] = {
        "embedding_size": Choices((8, 16, 32)),
        "reg": Numbers(30, 1000, log=True),
        "rating_effect": Numbers(0, 6),
    }

    _factors: RatingFactors
    #: (n_items, r) float32 B such that p = x'B B'.
    _goes_with: npt.NDArray[np.float32]
    #: The lowest and the highest training rating.
    _range: npt.NDArray[np.float32]

    @abstractmethod
    def _traits(self, together: Directions) -> Traits:
        """What else the ratings' prior is told of users and items, from the directions of who rated what."""

    def _fit_details(self, interactions: Interactions) -> None:
        config, known = self.config, self.known
        ratings = to_csr(interactions.ratings, known.users, known.items, binary=False)
        self._range = np.array([ratings.data.min(), ratings.data.max()], np.float32)
        # The same directions on any number of cores: threads of BLAS add up in an order that depends on how many.
        with threadpool_limits(1, "blas"):
            together = truncated_svd(aslinearoperator(known.history), config.directions, passes=4, seed=config.seed)
            traits = self._traits(together)
        shrunk = together.strength / np.sqrt(together.strength**2 + config.reg)
        self._goes_with = (together.right * shrunk).astype(np.float32)
        sampling = Sampling(config.embedding_size, config.epochs, config.burn_in, config.seed, config.threads)
        self._factors = expected_ratings(ratings, traits, sampling, self._tell)

    def _tell(self, done: int, total: int) -> None:
        """A line every tenth of the draws: nobody reads one for each."""
        if done == total or done % max(total // 10, 1) == 0:
            report("fit", done, total, f"draws of {self.name}")

    def predict_ratings(
        self, user_ids: Iterable[Any] | npt.NDArray[Any], item_ids: Iterable[Any] | npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """How each user would rate the item beside her.

        Args:
            user_ids: (n,) external ids; an unknown user is expected to be like all.
            item_ids: (n,) external ids; an unknown item is expected to be like all.

        Returns:
            (n,) float32, between the lowest and the highest training rating.

        Raises:
            ValueError: Not as many users as items.
        """
        user, item = self.known.users.index_of(user_ids), self.known.items.index_of(item_ids)
        if len(user) != len(item):
            raise ValueError(f"{len(user)} user_ids, {len(item)} item_ids; must be pairs")
        # The last row is the unknown one's, and that is where UNKNOWN (-1) points.
        assert UNKNOWN == -1
        factors = self._factors
        products = np.einsum("nd,nd->n", factors.user_factors[user], factors.item_factors[item])
        ratings: npt.NDArray[np.float32] = factors.user_bias[user] + factors.item_bias[item] + products
        return ratings.clip(*self._range)

    def rating_errors(self, test: Interactions) -> RatingErrors:
        """RMSE and MAE on held-out ratings, those of unknown users and items included."""
        ratings = test.ratings
        predicted = self.predict_ratings(ratings["user_id"].to_numpy(), ratings["item_id"].to_numpy())
        return rating_errors(predicted, ratings["rating"].to_numpy())

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32. See the class and :meth:`RecommenderWrapper.score`."""
        profiles = self.known.history[user_index] @ self._goes_with
        # One product per user, in C: a single one of all would round differently with the number of users.
        goes_with = (profiles[:, np.newaxis] @ self._goes_with.T)[:, 0]
        return goes_with * self._factor(user_index, goes_with)

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Each score's summands: p is a sum over what the user rated, and the rating multiplies all of it. See the
        base.
        """
        history = self.known.history
        _, rated = stored(history.indptr, history.indices, np.array([user_index]))
        summands = self._goes_with[item_index] @ self._goes_with[rated].T
        goes_with = np.zeros((1, history.shape[1]), np.float32)
        goes_with[0, item_index] = summands.sum(axis=1)
        factor = self._factor(np.array([user_index]), goes_with)[0, item_index]
        return rated, summands * factor[:, np.newaxis]

    def _factor(self, user_index: npt.NDArray[np.int64], goes_with: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, n_items) what the predicted rating multiplies p by."""
        factors, (lowest, highest) = self._factors, self._range
        ratings = (factors.user_factors[user_index, np.newaxis] @ factors.item_factors[:-1].T)[:, 0]
        ratings += factors.user_bias[user_index, np.newaxis] + factors.item_bias[:-1]
        # Ratings all alike are all 0 above the lowest.
        height = (np.clip(ratings, lowest, highest) - lowest) / max(highest - lowest, np.float32(1e-6))
        factor: npt.NDArray[np.float32] = np.exp(np.copysign(np.float32(self.config.rating_effect), goes_with) * height)
        return factor

    def state(self) -> Arrays:
        """The factors and biases (``RatingFactors``), ``goes_with`` (n_items, r) and ``range`` (2,)."""
        return {**self._factors._asdict(), "goes_with": self._goes_with, "range": self._range}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the factors."""
        factors = RatingFactors(*(state[name] for name in RatingFactors._fields))
        n_users, n_items = self.known.history.shape
        kept = factors.user_factors.shape[-1]
        expected = ((n_users + 1, kept), (n_items + 1, kept), (n_users + 1,), (n_items + 1,))
        shapes = tuple(array.shape for array in factors)
        if shapes != expected:
            raise ValueError(f"factors and biases have shapes {shapes}, must have {expected}")
        if len(state["goes_with"]) != n_items:
            raise ValueError(f"goes_with has {len(state['goes_with'])} rows, must have one per item: {n_items}")
        self._factors, self._goes_with, self._range = factors, state["goes_with"], state["range"]
