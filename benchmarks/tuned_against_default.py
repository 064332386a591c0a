"""Whether tuning is worth its time: tuned hyperparameters against the defaults, on test ratings nobody has seen.

    python -m benchmarks.tuned_against_default [--data ml-latest-small.zip] [--protocol ms75] [--trials 20]

Hyperparameters are searched for as ``screentest benchmark`` does, inside the training part. Differences are paired by
user, with 95 % bootstrap intervals. Bar: an interval above 0 for at least three models. The models' defaults were
chosen for another split and another measure of relevance than ms75's (benchmarks/model_defaults.py), as defaults are in
real use. Without ``--data``: the synthetic ratings.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evaluation.paired import paired_bootstrap
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.protocols.benchmarking import run_protocol
from wrappers.protocols.protocol import BenchmarkData
from wrappers.protocols.registry import protocol
from wrappers.protocols.releases import release_of
from wrappers.tuning import Search

_BAR = 3


def main() -> int:
    """Print each model's figures; 1 if the bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a MovieLens folder or zip; otherwise synthetic ratings")
    parser.add_argument("--protocol", default="ms75", help="how to split and judge (%(default)s)")
    parser.add_argument("--models", default="als,content,lightgbm,logreg,ease,bpr", help="which (%(default)s)")
    parser.add_argument("--trials", type=int, default=20, help="for each model (%(default)s)")
    given = parser.parse_args()
    interactions = (LocalDataLoader(given.data) if given.data else SyntheticDataLoader()).load()
    data = BenchmarkData(release_of(interactions), interactions)
    chosen, names = protocol(given.protocol), given.models.split(",")
    proven = 0
    for name in names:
        (default,) = run_protocol(chosen, data, [name], None)
        (tuned,) = run_protocol(chosen, data, [name], Search(given.trials))
        metric = chosen.metrics[0]
        found = paired_bootstrap(tuned.per_unit[metric], default.per_unit[metric], seed=0)
        proven += found.status == "ok" and found.ci_lower > 0
        print(
            f"{name:<10} {metric} default {default.metrics[metric]:.4f}  tuned {tuned.metrics[metric]:.4f}  "
            f"{found.effect_size:+.4f} ({found.ci_lower:+.4f} … {found.ci_upper:+.4f})  "
            f"{tuned.search_seconds:.0f} s of search",
            flush=True,
        )
    print(f"proven better: {proven} of {len(names)} models (bar: at least {_BAR})")
    return 0 if proven >= _BAR else 1


if __name__ == "__main__":
    sys.exit(main())
