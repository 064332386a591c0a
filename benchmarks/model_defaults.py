"""How the models' default hyperparameters were chosen: on a validation split of the training part, never on the test.

    python -m benchmarks.model_defaults [--data ml-latest-small.zip]

Holds out each user's last ten ratings, throws them away, holds out the ten before those, and prints NDCG@10 and
recall@10 on them for a grid. The defaults (marked) are small values on the plateau, not the grid's lucky maximum:
standard errors here are about .004. Without ``--data``: the synthetic ratings, which only show that it runs.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

from core.interactions import Interactions
from core.protocols import DataLoader
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.base import EvaluationConfig
from wrappers.offline import evaluate_recommender
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model

GRIDS: dict[str, dict[str, list[Any]]] = {
    "popularity": {},
    "ease": {"reg": [20, 50, 100, 200, 300, 500, 1000]},
    "item_knn": {"neighbours": [10, 20, 50, 100, 200], "shrinkage": [0, 20, 100, 200, 400]},
}
SPLIT = SplitRule("leave_last_n", n=10)


def validation_split(loader: DataLoader) -> tuple[Interactions, Interactions]:
    """Fit and validation parts of the training ratings, cut by the rule that cut off the test part."""
    training = loader.train()
    split = SPLIT.apply(training.ratings)
    return training.take(split.train), training.take(split.test)


def main() -> None:
    """Print the grid."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    data = options.parse_args().data
    loader = LocalDataLoader(data, split=SPLIT) if data else SyntheticDataLoader(0, split=SPLIT)
    fit, validation = validation_split(loader)
    for name, grid in GRIDS.items():
        for values in product(*grid.values()):
            config = dict(zip(grid, values, strict=True))
            recommender = model(name)(config)
            assert isinstance(recommender, RecommenderWrapper)
            means = evaluate_recommender(recommender.fit(fit), validation, EvaluationConfig()).means
            chosen = "  <- default" if recommender.config == model(name)().config else ""
            given = " ".join(f"{option}={value}" for option, value in config.items())
            print(f"{name:<11} {given:<32} ndcg {means['ndcg_at_10']:.4f}  recall {means['recall_at_10']:.4f}{chosen}")


if __name__ == "__main__":
    main()
