"""Our ALS against `implicit` called directly: what the wrapper around it costs.

    python -m benchmarks.als_fit [--data ml-1m.zip]

The same hyperparameters, threads and ratings. Bars: fit in at most 1.1x its time, from the same indexed ratings, with
the same factors. Without ``--data``: synthetic ratings of ML-1M's size.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from loaders.synthetic_shapes import ML_1M
from wrappers.als import ALS
from wrappers.training_data import TrainingData

CEILING, RUNS = 1.1, 5


def ours(known: TrainingData) -> tuple[float, ALS]:
    """Wall time of a fit, and the model."""
    start = time.perf_counter()
    model = ALS().fit_known(known)
    return time.perf_counter() - start, model


def theirs(history: sparse.csr_matrix) -> tuple[float, AlternatingLeastSquares]:
    """The same of implicit, with the threads of BLAS off, as it asks for."""
    config = ALS().config
    start = time.perf_counter()
    model = AlternatingLeastSquares(
        factors=config.embedding_size,
        regularization=config.reg,
        alpha=config.confidence,
        iterations=config.epochs,
        num_threads=config.threads,
        random_state=config.seed,
    )
    model.fit(history, show_progress=False)
    return time.perf_counter() - start, model


def main() -> int:
    """Print our time, theirs and the ratio; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip")
    data = options.parse_args().data
    known = TrainingData.of((LocalDataLoader(data) if data else SyntheticDataLoader(shape=ML_1M)).train())
    history = sparse.csr_matrix(known.history)
    print(f"{len(known.users):,} users, {len(known.items):,} items, {known.history.nnz:,} ratings")
    with threadpool_limits(1, "blas"):
        # In turn, so that what else the machine does disturbs both alike; the first of each only warms up.
        runs = [(ours(known), theirs(history)) for _ in range(1 + RUNS)][1:]
    here, there = (min(run[side][0] for run in runs) for side in (0, 1))
    same = np.array_equal(runs[0][0][1].state()["item_factors"], runs[0][1][1].item_factors)
    print(
        f"fit   {here:8.3f} s   implicit {there:8.3f} s   ratio {here / there:.4f} (<= {CEILING}); same factors: {same}"
    )
    return 0 if here <= CEILING * there and same else 1


if __name__ == "__main__":
    sys.exit(main())
