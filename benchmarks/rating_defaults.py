"""How the rating predictors' defaults were chosen: by RMSE inside the training part, never on the test part.

    python -m benchmarks.rating_defaults [--data ml-latest-small.zip] [--models svd,svdpp]

Deals all ratings into five folds as ``screentest benchmark rating5`` does, puts the first away, deals the other four
fifths into five again, and prints the mean RMSE on the first two of those for a grid, with the seconds of a fit. The
defaults (marked) are small values on the plateau. What makes lists only (reg, rating_effect) is chosen by NDCG in
benchmarks/model_defaults.py. Without ``--data``: the synthetic ratings, which only show that it runs.
"""

from __future__ import annotations

import argparse
import time
from contextlib import redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from core.interactions import Interactions
from evaluation.folds import kfold
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.rating_predictor import RatingPredictor
from wrappers.registry import model

GRIDS: dict[str, dict[str, list[Any]]] = {
    "svd": {"embedding_size": [4, 8, 16, 32], "epochs": [75, 150, 300]},
    "svdpp": {"embedding_size": [8, 16, 32], "directions": [50, 200]},
}
FOLDS, SEED, VALIDATION_SEED, VALIDATED = 5, 0, 1, 2


def validation_folds(everything: Interactions) -> list[tuple[Interactions, Interactions]]:
    """Pairs of fit and validation parts of the first fold's training ratings."""
    training = everything.take(kfold(len(everything), FOLDS, SEED)[0].train)
    folds = kfold(len(training), FOLDS, VALIDATION_SEED)[:VALIDATED]
    return [(training.take(fold.train), training.take(fold.test)) for fold in folds]


def rmse(name: str, config: dict[str, Any], fit: Interactions, held_out: Interactions) -> float:
    """Of a model of the grid, trained on one part and judged on another."""
    predictor = model(name)(config)
    assert isinstance(predictor, RatingPredictor)
    with redirect_stdout(StringIO()):
        predictor.fit(fit)
    return predictor.rating_errors(held_out).rmse


def main() -> None:
    """Print the grid."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    options.add_argument("--models", type=lambda text: text.split(","), default=list(GRIDS), help="some of them only")
    given = options.parse_args()
    loader = LocalDataLoader(given.data) if given.data else SyntheticDataLoader(0)
    folds = validation_folds(loader.load())
    for name in given.models:
        for values in product(*GRIDS[name].values()):
            config = dict(zip(GRIDS[name], values, strict=True))
            began = time.perf_counter()
            mean = fmean(rmse(name, config, fit, held_out) for fit, held_out in folds)
            seconds = (time.perf_counter() - began) / len(folds)
            default = "  <- default" if model(name)(config).config == model(name)().config else ""
            words = " ".join(f"{option}={value}" for option, value in config.items())
            print(f"{name:<6} {words:<36} rmse {mean:.4f}  fit {seconds:5.1f} s{default}", flush=True)


if __name__ == "__main__":
    main()
