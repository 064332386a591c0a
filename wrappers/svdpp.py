"""SVD++: matrix factorisation that predicts ratings also from which items a user chose to rate at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wrappers.rating_posterior import Traits
from wrappers.rating_predictor import RatingPredictor, RatingPredictorConfig
from wrappers.truncated_svd import Directions


class SVDppConfig(RatingPredictorConfig):
    """Hyperparameters of SVD++, chosen as the base says."""


class SVDpp(RatingPredictor):
    """Matrix factorisation with implicit parts, for users (Koren 2008, eq. 15) and, flipped, for items (Rendle, Zhang &
    Koren 2019).

    A rating is mean + b_u + c_i + x_u'y_i with

        x_u = what is u's own + |N(u)|^(-1/2) sum over j in N(u) of z_j,    N(u) = the items that u rated,
        y_i = what is i's own + sum over v in N(i) of w_v,                  N(i) = the users who rated i,

    and b_u, c_i made up likewise. The sums are what is expected of a user and an item before any rating's value is
    looked at; an item's is not divided, because how many rated it tells how good it is. z and w lie in the leading
    ``directions`` V and P of who rated what (X = P S V'): so many of them are learned, not one per item and user.
    """

    name = "svdpp"
    Config = SVDppConfig

    def _traits(self, together: Directions) -> Traits:
        n_rated = np.diff(self.known.history.indptr)[:, np.newaxis]
        # X V = P S: what the user rated, in these directions. Every user has a rating.
        users = together.left.astype(np.float64) * together.strength / np.sqrt(n_rated)
        return Traits(_orthogonal(users), together.right.astype(np.float64) * together.strength)


def _orthogonal(columns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, k) orthogonal columns that span the same, turned only, so that distances between rows stay."""
    turned: npt.NDArray[np.float64] = columns @ np.linalg.eigh(columns.T @ columns)[1]
    return turned
