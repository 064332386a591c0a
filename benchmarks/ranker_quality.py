"""Whether ranking on features is worth it: NDCG@10 of each model, and of each ranker against its retriever alone.

    python -m benchmarks.ranker_quality [--data ml-latest-small.zip] [--seed 42]

The default split and the default hyperparameters, which were chosen inside the training part. Differences are paired by
user, with 95 % bootstrap intervals, not corrected for there being two. There is no bar: a ranker that is not proven
better is told as such.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.paired import paired_bootstrap
from loaders.base import BaseLoader, SplitRule
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.contestants import as_recommender
from wrappers.registry import model

MODELS = ("popularity", "item_knn", "als", "ease", "lightgbm", "logreg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a MovieLens folder or zip; otherwise synthetic ratings")
    parser.add_argument("--seed", type=int, default=42, help="of the split, and of synthetic ratings (%(default)s)")
    given = parser.parse_args()
    split = SplitRule(seed=given.seed)
    loader: BaseLoader = (
        LocalDataLoader(given.data, split=split) if given.data else SyntheticDataLoader(given.seed, split=split)
    )
    per_user = {}
    for name in MODELS:
        trained = as_recommender(model(name)()).train(loader)
        judged = trained.evaluate(loader)
        per_user[name] = judged.per_user["ndcg"]
        line = f"{name:<10}  NDCG@10 {judged.means['ndcg_at_10']:.4f}"
        if trained.needs_features:
            retriever = trained.config.retriever
            found = paired_bootstrap(per_user[name], per_user[retriever], seed=0)
            line += (
                f"  against {retriever} alone {found.effect_size:+.4f} "
                f"({found.ci_lower:+.4f} … {found.ci_upper:+.4f}, p {found.pvalue:.3f})"
            )
        print(line, flush=True)


if __name__ == "__main__":
    main()
