"""How the models' default hyperparameters were chosen: on a validation split of the training part, never on the test.

    python -m benchmarks.model_defaults [--data ml-latest-small.zip] [--report-test] [--models logreg,lightgbm]

Holds out a random fifth of each user's ratings, as Screentest does by default, and puts it away; holds out a random
fifth of what is left, three times with other seeds, and prints the mean NDCG@10 and recall@10 on those for a grid. The
defaults (marked) are small values on the plateau, not the grid's lucky maximum: the standard error of a difference
between neighbours in the grid, paired by user, is .001 (ease) to .003 (item_knn). Figures are lower here than on the
test part, because what users like there may be recommended here and counts as a miss. ``--report-test`` adds the test
part's NDCG@10 of the marked lines, for the record; nothing is chosen by it. Without ``--data``: the synthetic ratings,
which only show that it runs.

The grids of ials, bpr, ensemble and hybrid were not run to their end: those defaults come from fewer trials.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from core.interactions import Interactions
from core.protocols import DataLoader
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.base import EvaluationConfig
from wrappers.offline import OfflineEvaluation, evaluate_recommender
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model

GRIDS: dict[str, dict[str, list[Any]]] = {
    "popularity": {"half_life_days": [0, 365, 1000, 4000]},
    "ease": {"reg": [20, 50, 100, 200, 300, 500, 1000], "dropout": [0, 0.3, 0.6]},
    "item_knn": {"neighbours": [20, 30, 50, 70, 100], "shrinkage": [0, 20, 50, 100, 200]},
    "user_knn": {"neighbours": [50, 100, 200], "shrinkage": [0, 20, 50, 100]},
    "ials": {"embedding_size": [64, 128], "reg": [0.005, 0.01, 0.02], "unobserved_weight": [0.1, 0.3, 0.6]},
    "bpr": {"embedding_size": [64, 128], "reg": [0.01, 0.02, 0.05], "candidate_share": [0, 0.001, 0.002, 0.005]},
    "sequence_knn": {"window": [5, 10, 20, 40], "shrinkage": [0, 5, 20], "recency": [0.0, 0.3]},
    "als": {"embedding_size": [16, 32, 64], "reg": [10, 30, 50], "confidence": [2, 5, 10]},
    # What predicted ratings depend on is chosen by RMSE: benchmarks/rating_defaults.py.
    "svd": {"reg": [100, 300, 600], "rating_effect": [0, 3]},
    "svdpp": {"reg": [100, 300, 600], "rating_effect": [0, 3]},
    "logreg": {"retriever": ["popularity", "item_knn", "als", "ease"], "liked_rating": [0.5, 4], "reg": [1, 100]},
    "lightgbm": {"retriever": ["als", "ease"], "objective": ["classification", "lambdarank"], "leaves": [4, 7, 15]},
    "ncf": {"variant": ["gmf", "neumf"], "embedding_size": [64, 128]},
    "two_tower": {"learning_rate": [0.01, 0.02], "dropout": [0.3, 0.5]},
    "wide_deep": {"embedding_size": [8, 32], "dropout": [0.3, 0.5]},
    # Chosen for items that nobody rated: benchmarks/new_items.py.
    "content": {"min_items": [2, 5, 10], "background": [0.0, 1.0], "rating_weight": [0.0, 0.5]},
    "ensemble": {"n_folds": [3, 4, 8]},
    "hybrid": {"meta": ["lambdarank", "classification", "logreg"], "leaves": [4, 7, 15]},
    "deep_content": {"learning_rate": [0.002, 0.005], "dropout": [0.2, 0.4]},
}
SPLIT = SplitRule("random_per_user", test_fraction=0.2, seed=42)
VALIDATION = [SplitRule("random_per_user", test_fraction=0.2, seed=seed) for seed in (43, 44, 45)]


def validation_splits(loader: DataLoader) -> list[tuple[Interactions, Interactions]]:
    """Pairs of fit and validation parts of the training ratings."""
    training = loader.train()
    splits = [rule.apply(training.ratings) for rule in VALIDATION]
    return [(training.take(split.train), training.take(split.test)) for split in splits]


def judged(name: str, config: dict[str, Any], fit: Interactions, held_out: Interactions) -> OfflineEvaluation:
    """A model of the grid, trained on one part and judged on another."""
    recommender = model(name)(config)
    assert isinstance(recommender, RecommenderWrapper)
    return evaluate_recommender(recommender.fit(fit), held_out, EvaluationConfig())


def main() -> None:
    """Print the grid."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    options.add_argument("--report-test", action="store_true", help="also judge the defaults on the test part")
    options.add_argument("--models", type=lambda text: text.split(","), default=list(GRIDS), help="some of them only")
    given = options.parse_args()
    loader = LocalDataLoader(given.data, split=SPLIT) if given.data else SyntheticDataLoader(0, split=SPLIT)
    parts = validation_splits(loader)
    for name in given.models:
        grid = GRIDS[name]
        for values in product(*grid.values()):
            config = dict(zip(grid, values, strict=True))
            means = [judged(name, config, fit, validation).means for fit, validation in parts]
            ndcg, recall = (fmean(one[metric] for one in means) for metric in ("ndcg_at_10", "recall_at_10"))
            line = f"ndcg {ndcg:.4f}  recall {recall:.4f}"
            if model(name)(config).config == model(name)().config:
                line += "  <- default"
                if given.report_test:
                    test = judged(name, config, loader.train(), loader.test())
                    line += f", on the test part ndcg {test.means['ndcg_at_10']:.4f}"
            words = " ".join(f"{option}={value}" for option, value in config.items())
            print(f"{name:<11} {words:<56} {line}", flush=True)


if __name__ == "__main__":
    main()
