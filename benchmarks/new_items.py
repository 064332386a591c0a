"""How well items that nobody rated are ranked by what they are, and how those models' defaults were chosen.

    python -m benchmarks.new_items [--data ml-latest-small.zip] [--models content,deep_content] [--grid] [--report-test]

Holds out a random fifth of each user's ratings, as Screentest does by default, and puts it away. Of what is left, all
ratings of a random 15 % of the items are held out, twice with other seeds: new items, ranked among themselves for each
user (``wrappers.new_items``). Prints AUC (chance: .5), recall@10 and NDCG@10; ``--grid`` also for
hyperparameters around the defaults, which are chosen by these figures. ``--report-test`` takes the whole data in place
of the training part with a third seed, for the record; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.model_defaults import SPLIT
from core.interactions import Interactions
from evaluation.cold_items import hold_out_items
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.base import EvaluationConfig
from wrappers.new_items import evaluate_new_items
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model

#: Changed one at a time.
GRIDS: dict[str, dict[str, list[Any]]] = {
    "content": {
        "genre_weight": [0.3, 3.0],
        "tag_weight": [0.3, 3.0],
        "title_weight": [0.3, 3.0],
        "year_weight": [0.3, 3.0],
        "min_items": [2, 10],
        "background": [0.0, 0.5],
        "rating_weight": [0.0, 1.0],
    },
    "deep_content": {
        "learning_rate": [0.001, 0.005],
        "dropout": [0.2, 0.6],
        "item_dropout": [0.15, 0.5],
        "embedding_size": [32, 128],
    },
}
SHARE, SEEDS, TEST_SEED = 0.15, (43, 44), 45


def divided(interactions: Interactions, seeds: Iterable[int]) -> list[tuple[Interactions, Interactions]]:
    """Pairs of what is learned from and the ratings of new items."""
    item = interactions.ratings["item_id"].to_numpy()
    splits = [hold_out_items(item, SHARE, seed) for seed in seeds]
    return [(interactions.take(split.train), interactions.take(split.test)) for split in splits]


def figures(name: str, config: dict[str, Any], parts: list[tuple[Interactions, Interactions]]) -> dict[str, float]:
    """Means over users and splits."""
    found = []
    for fit, held_out in parts:
        recommender = model(name)(config)
        assert isinstance(recommender, RecommenderWrapper)
        found.append(evaluate_new_items(recommender.fit(fit), held_out, EvaluationConfig()))
    return {metric: fmean(float(np.nanmean(one[metric])) for one in found) for metric in ("auc", "recall", "ndcg")}


def configs(name: str, *, grid: bool) -> Iterator[dict[str, Any]]:
    """The default, and what differs from it in one hyperparameter."""
    yield {}
    if grid:
        yield from ({option: value} for option, values in GRIDS[name].items() for value in values)


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    options.add_argument("--models", type=lambda text: text.split(","), default=list(GRIDS), help="some of them only")
    options.add_argument("--grid", action="store_true", help="also around the defaults")
    options.add_argument("--report-test", action="store_true", help="on all data, with a seed nothing was chosen by")
    given = options.parse_args()
    loader = LocalDataLoader(given.data, split=SPLIT) if given.data else SyntheticDataLoader(0, split=SPLIT)
    parts = divided(loader.load(), [TEST_SEED]) if given.report_test else divided(loader.train(), SEEDS)
    for name in given.models:
        for config in configs(name, grid=given.grid):
            means = figures(name, config, parts)
            words = " ".join(f"{option}={value}" for option, value in config.items()) or "default"
            values = "  ".join(f"{metric} {value:.4f}" for metric, value in means.items())
            print(f"{name:<13} {words:<24} {values}", flush=True)


if __name__ == "__main__":
    main()
