"""SVD: biased matrix factorisation that predicts ratings, as a Bayesian fits it."""

from __future__ import annotations

import numpy as np

from wrappers.rating_posterior import Traits
from wrappers.rating_predictor import RatingPredictor, RatingPredictorConfig
from wrappers.truncated_svd import Directions


class SVDConfig(RatingPredictorConfig):
    """Hyperparameters of SVD, chosen as the base says."""


class SVD(RatingPredictor):
    """Biased matrix factorisation, learned from the ratings' values alone.

    A rating is (Koren, Bell & Volinsky 2009, eq. 4)

        mean + b_u + c_i + x_u'y_i

    averaged over draws of b, c, x and y instead of fitted once by gradient descent.
    """

    name = "svd"
    Config = SVDConfig

    def _traits(self, together: Directions) -> Traits:
        return Traits(np.empty((len(together.left), 0)), np.empty((len(together.right), 0)))
