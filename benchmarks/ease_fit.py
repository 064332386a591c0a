"""EASE in both forms, against the textbook way and against the bare linear algebra.

    python -m benchmarks.ease_fit [--data ml-latest-small.zip]

Where users are fewer than items it is fitted and kept through the users. The textbook way (Steck 2019, the program on
page 3) inverts the dense n_items squared Gram matrix; here it gets the same LAPACK routines in float32 that we use.
Bars: fit in at most 0.2x its time and keep at most 0.05x its bytes, with the same scores. Without ``--data``: synthetic
ratings of ml-latest-small's size.

Where users are more than items, on synthetic ratings of ML-1M's size, it does the textbook's work. Bar: fit in at most
1.3x the time of the three steps that nobody can leave out: Gram matrix (sparse product, made dense), Cholesky (potrf)
and inverse (potri).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from loaders.synthetic_shapes import ML_1M
from wrappers.ease import Ease
from wrappers.positive_definite import gram_plus_diagonal, invert
from wrappers.training_data import TrainingData

FIT_CEILING, SIZE_CEILING, TOLERANCE = 0.2, 0.05, 1e-4
BARE_CEILING = 1.3


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


def bare_seconds(known: TrainingData, reg: float) -> tuple[float, float, float]:
    """Wall times of Gram matrix, Cholesky and inverse over the items, nothing else."""
    moments = [time.perf_counter()]
    gram = (known.history.T @ known.history).toarray()
    gram[np.diag_indices_from(gram)] += reg
    moments.append(time.perf_counter())
    factor, _ = lapack.spotrf(gram.T, lower=0, overwrite_a=1, clean=0)
    moments.append(time.perf_counter())
    lapack.spotri(factor, lower=0, overwrite_c=1)
    moments.append(time.perf_counter())
    of_gram, of_factor, of_inverse = np.diff(moments).tolist()
    return of_gram, of_factor, of_inverse


def through_users(known: TrainingData) -> bool:
    """Print the figures where users are fewer than items; whether the bars hold."""
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
    for what, here, there, unit, most in rows:
        print(f"{what:<5} {here:8.3f} {unit:<3} textbook {there:8.3f} {unit:<3} ratio {here / there:.4f} (<= {most})")
    print(f"largest difference of a score, over the largest score: {difference:.1e} (<= {TOLERANCE})")
    return ours <= FIT_CEILING * theirs and kept <= SIZE_CEILING * weights.nbytes and difference <= TOLERANCE


def through_items(known: TrainingData) -> bool:
    """Print the figures where users are more than items; whether the bar holds."""
    # In turn, so that what else the machine does disturbs both alike.
    runs = [(fit_seconds(known), bare_seconds(known, Ease().config.reg)) for _ in range(5)]
    ours = min(fit for fit, _ in runs)
    theirs = min((bare for _, bare in runs), key=sum)
    gram, factor, inverse = theirs
    print(
        f"fit   {ours:8.3f} s   bare     {sum(theirs):8.3f} s   ratio {ours / sum(theirs):.4f} (<= {BARE_CEILING}); "
        f"Gram {gram:.3f}, potrf {factor:.3f}, potri {inverse:.3f} s"
    )
    return ours <= BARE_CEILING * sum(theirs)


def main() -> int:
    """Print our figures, the others' and the ratios; 1 if a bar does not hold."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, help="a MovieLens folder or zip with fewer users than items")
    data = options.parse_args().data
    held = []
    for loader, judge in (
        (LocalDataLoader(data) if data else SyntheticDataLoader(), through_users),
        (SyntheticDataLoader(shape=ML_1M), through_items),
    ):
        known = TrainingData.of(loader.train())
        print(f"{len(known.users):,} users, {len(known.items):,} items, {known.history.nnz:,} ratings")
        held.append(judge(known))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
