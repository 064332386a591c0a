"""Whether combining models is worth it: NDCG@10 of each alone, and of the hybrids against each of them.

    python -m benchmarks.hybrid_quality [--data ml-latest-small.zip] [--split ms75] [--core 20] [--models hybrid]

Default hyperparameters, which were chosen inside the training part. Every rating is a positive, as ``ms75`` has it.
``--core 20`` keeps items and users with at least so many ratings. Differences are paired by user, with 95 % bootstrap
intervals. It fails unless every hybrid is above every single model with an interval that excludes 0; that is no bar on
synthetic ratings (without ``--data``), where time means nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.interactions import Interactions
from evaluation.paired import paired_bootstrap
from evaluation.ranks import rank_within
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.base import EvaluationConfig
from wrappers.contestants import as_recommender
from wrappers.offline import evaluate_recommender
from wrappers.registry import model

SINGLES = ("popularity", "content", "item_knn", "user_knn", "sequence_knn", "als", "bpr", "ncf", "ials", "ease")
HYBRIDS = ("ensemble", "hybrid", "attention_hybrid")
_JUDGED = EvaluationConfig(k=10, relevant_rating=0.0)


def core(interactions: Interactions, least: int) -> Interactions:
    """Only ratings of items, then of users, with at least so many."""
    for column in ("item_id", "user_id"):
        ids = interactions.ratings[column].to_numpy()
        interactions = interactions.take(np.flatnonzero(rank_within(ids).size >= least))
    return interactions


def judged(name: str, train: Interactions, test: Interactions) -> npt.NDArray[np.float64]:
    """Each user's NDCG@10; prints the means."""
    began = time.perf_counter()
    recommender = as_recommender(model(name)()).fit(train)
    seconds = time.perf_counter() - began
    found = evaluate_recommender(recommender, test, _JUDGED)
    means = found.means
    line = f"{name:<17} NDCG@10 {means['ndcg_at_10']:.4f}  MAP@10 {means['map_at_10']:.4f}  fitted in {seconds:.1f} s"
    weights = getattr(recommender, "weights", None)
    if weights is not None:
        line += "  " + " ".join(f"{component} {weight:.2f}" for component, weight in weights.items())
    print(line, flush=True)
    return found.per_user["ndcg"]


def main() -> int:
    """Print the figures; 1 where a hybrid is not proven better than every single model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a MovieLens folder or zip; otherwise synthetic ratings")
    parser.add_argument("--split", default="ms75", help="kind of split (%(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of the split and of synthetic ratings (%(default)s)")
    parser.add_argument("--core", type=int, default=0, help="least ratings of an item, and of a user (%(default)s)")
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(HYBRIDS), help="some hybrids only")
    given = parser.parse_args()
    split = SplitRule(given.split, seed=given.seed)
    loader = LocalDataLoader(given.data, split=split) if given.data else SyntheticDataLoader(given.seed, split=split)
    interactions = core(loader.load(), given.core)
    rows = split.apply(interactions.ratings)
    train, test = interactions.take(rows.train), interactions.take(rows.test)
    print(f"{len(train):,} training and {len(test):,} test ratings of {len(interactions.user_index()):,} users")
    singles = {name: judged(name, train, test) for name in SINGLES}
    is_proven = True
    for name in given.models:
        values = judged(name, train, test)
        for single, baseline in singles.items():
            found = paired_bootstrap(values, baseline, seed=0)
            is_proven &= found.ci_lower > 0
            print(f"  against {single:<13} {found.effect_size:+.4f} ({found.ci_lower:+.4f} … {found.ci_upper:+.4f})")
    return 0 if is_proven or not given.data else 1


if __name__ == "__main__":
    sys.exit(main())
