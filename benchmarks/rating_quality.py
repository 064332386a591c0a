"""How far predicted ratings are off, beside simple predictors: the mean, biases, and plain matrix factorisation.

    python -m benchmarks.rating_quality [--data ml-latest-small.zip] [--folds 5]

The folds are those of ``screentest benchmark rating5``, which judges registered models on any MovieLens release. Biases
and the factorisation are fitted by alternating least squares (Zhou et al. 2008) with a ridge penalty per rating that is
chosen on a fifth of the first fold's training part. Without ``--data``: the synthetic ratings, which only show that it
runs.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from core.interactions import Interactions, to_csr
from evaluation.folds import kfold
from evaluation.rating_errors import RatingErrors, rating_errors
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.padded_rows import padded_rows
from wrappers.rating_predictor import RatingPredictor
from wrappers.registry import model
from wrappers.vector_draws import draw_vectors
from wrappers.vector_prior import Prior

SIZES = {"mean": -1, "biases": 0, "als, 16 factors": 16}
PENALTIES = [1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0]
ALTERNATIONS, FOLDS, SEED, VALIDATION_SEED = 20, 5, 0, 1


def least_squares(train: Interactions, test: Interactions, size: int, penalty: float) -> RatingErrors:
    """Of mean + biases + products of factors; of the mean alone where ``size`` is below 0."""
    users, items = train.user_index(), train.item_index()
    ratings = to_csr(train.ratings, users, items, binary=False)
    mean = ratings.data.mean()
    ratings.data -= mean
    user = users.index_of(test.ratings["user_id"].to_numpy())
    item = items.index_of(test.ratings["item_id"].to_numpy())
    # The row behind the last is nobody's: where -1, the unknown one's index, points.
    x, y = (np.zeros((len(ids) + 1, size + 1), np.float32) for ids in (users, items))
    if size >= 0:
        y[:-1, :-1] = np.random.default_rng(SEED).normal(0, 0.1, (len(items), size))
        _alternate(padded_rows(ratings), padded_rows(ratings.T.tocsr()), x[:-1], y[:-1], penalty)
    bias = x[user, -1] + y[item, -1] if size >= 0 else 0.0
    predicted = mean + bias + np.einsum("nd,nd->n", x[user, :-1], y[item, :-1])
    given = train.ratings["rating"]
    return rating_errors(np.clip(predicted, given.min(), given.max()), test.ratings["rating"].to_numpy())


def _alternate(by_user: list, by_item: list, x: npt.NDArray, y: npt.NDArray, penalty: float) -> None:
    """Solve in place for users and items in turn: the expected value of a draw, without the chance in it."""
    precision = penalty * np.eye(x.shape[1])
    rng = np.random.default_rng(SEED)
    of_users, of_items = (np.ones(len(vectors)) for vectors in (x, y))
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ALTERNATIONS):
            x[:] = draw_vectors(by_user, Prior(np.zeros(x.shape), precision), y, of_users, of_items, rng, pool).means
            y[:] = draw_vectors(by_item, Prior(np.zeros(y.shape), precision), x, of_items, of_users, rng, pool).means


def best_penalty(train: Interactions, size: int) -> float:
    """The penalty with the lowest RMSE on a fifth of the training part."""
    fold = kfold(len(train), FOLDS, VALIDATION_SEED)[0]
    fit, held_out = train.take(fold.train), train.take(fold.test)
    return min(PENALTIES, key=lambda penalty: least_squares(fit, held_out, size, penalty).rmse)


def judged(name: str, train: Interactions, test: Interactions) -> RatingErrors:
    """A registered rating predictor with its defaults."""
    predictor = model(name)()
    assert isinstance(predictor, RatingPredictor)
    with redirect_stdout(StringIO()):
        predictor.fit(train)
    return predictor.rating_errors(test)


def _line(name: str, errors: list[RatingErrors], seconds: float) -> str:
    rmse, mae = (fmean(getattr(one, metric) for one in errors) for metric in ("rmse", "mae"))
    return f"{name:<16} rmse {rmse:.4f}  mae {mae:.4f}  {seconds / len(errors):6.1f} s a fold"


def main() -> None:
    """Print a line per predictor."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    options.add_argument("--folds", type=int, default=FOLDS, help="how many of the five to judge on")
    given = options.parse_args()
    everything = (LocalDataLoader(given.data) if given.data else SyntheticDataLoader(0)).load()
    folds = kfold(len(everything), FOLDS, SEED)[: given.folds]
    parts = [(everything.take(fold.train), everything.take(fold.test)) for fold in folds]
    for name, size in SIZES.items():
        penalty = best_penalty(parts[0][0], size) if size >= 0 else 0.0
        began = time.perf_counter()
        errors = [least_squares(*part, size, penalty) for part in parts]
        print(_line(name, errors, time.perf_counter() - began), f"penalty {penalty:g}" if penalty else "", flush=True)
    for name in ("svd", "svdpp"):
        began = time.perf_counter()
        errors = [judged(name, *part) for part in parts]
        print(_line(name, errors, time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
