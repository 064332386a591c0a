"""EASE where users are fewer than items: fitted and kept through the users, against the textbook way through the items.

    python -m benchmarks.ease_fit [--data ml-latest-small.zip]

The textbook way (Steck 2019, the program on page 3) inverts the dense n_items squared Gram matrix; here it gets the
same LAPACK routines in float32 that we use. Bars: fit in at most 0.2x its time and keep at most 0.05x its bytes, with
the same scores. Without ``--data``: synthetic ratings of ml-latest-small's size.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from wrappers.ease import Ease
from wrappers.positive_definite import gram_plus_diagonal, invert
from wrappers.training_data import TrainingData

FIT_CEILING, SIZE_CEILING, TOLERANCE = 0.2, 0.05, 1e-4


def textbook_weights(known: TrainingData, reg: float) -> npt.NDArray[np.float32]:
    """(n_items, n_items) B by inverting the item Gram matrix."""
    weights = invert(gram_plus_diagonal(known.history.T.tocsr(), reg), of="textbook")
    weights /= -np.diagonal(weights).copy()
    np.fill_diagonal(weights, 0.0)
    return weights


def fit_seconds(known: TrainingData) -> float:
    """Wall time of one fit of ours: so short that another process can disturb it, unlike the textbook's."""
    start = time.perf_counter()
    Ease().fit_known(known)
    return time.perf_counter() - start


def main() -> int:
    """Print our figures, the textbook's and the ratios; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip with fewer users than items")
    data = options.parse_args().data
    known = TrainingData.of((LocalDataLoader(data) if data else SyntheticDataLoader()).train())
    ours = min(fit_seconds(known) for _ in range(5))
    ease = Ease().fit_known(known)
    start = time.perf_counter()
    weights = textbook_weights(known, ease.config.reg)
    theirs = time.perf_counter() - start

    users = np.arange(min(200, len(known.users)))
    expected = known.history[users] @ weights
    difference = float(np.abs(ease.score(users) - expected).max() / np.abs(expected).max())
    kept = sum(array.nbytes for array in ease.state().values())
    rows = (("fit", ours, theirs, "s", FIT_CEILING), ("kept", kept / 1e6, weights.nbytes / 1e6, "MB", SIZE_CEILING))
    print(f"{len(known.users):,} users, {len(known.items):,} items, {known.history.nnz:,} ratings")
    for what, here, there, unit, most in rows:
        print(f"{what:<5} {here:8.3f} {unit:<3} textbook {there:8.3f} {unit:<3} ratio {here / there:.4f} (<= {most})")
    print(f"largest difference of a score, over the largest score: {difference:.1e} (<= {TOLERANCE})")
    held = ours <= FIT_CEILING * theirs and kept <= SIZE_CEILING * weights.nbytes and difference <= TOLERANCE
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
