"""Weights of models in a sum, chosen by the list's quality itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from evaluation.ranking import metrics_of_hits
from wrappers.out_of_fold import StackRows


def selected_weights(rows: StackRows, *, k: int, steps: int) -> npt.NDArray[np.float64]:
    """Ensemble selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models").

    Begins with the best model alone; then adds, step by step, the one whose scores, added to the sum so far, raise
    NDCG@k most. The weights of the best sum met on the way are returned: counts over their sum, never negative, and 0
    for models that do not help.

    Args:
        rows: Out-of-fold scores.
        k: Length of the list that is judged.
        steps: Additions at most; one moves the weights by a part in so many at the end.

    Returns:
        (n_components,) float64 that sum to 1; equal ones where there is nothing to learn from.
    """
    n_components = rows.standard.shape[-1]
    if not rows.tell_apart:
        return np.full(n_components, 1.0 / n_components)
    judged = list_judge(rows, k)
    singles = [judged(rows.standard[..., one]) for one in range(n_components)]
    counts = np.zeros(n_components)
    first = int(np.argmax(singles))
    counts[first], total = 1.0, rows.standard[..., first].copy()
    best, best_counts = singles[first], counts.copy()
    for _ in range(steps):
        found = [judged(total + rows.standard[..., one]) for one in range(n_components)]
        added = int(np.argmax(found))
        counts[added] += 1.0
        total += rows.standard[..., added]
        if found[added] > best:
            best, best_counts = found[added], counts.copy()
    weights: npt.NDArray[np.float64] = best_counts / best_counts.sum()
    return weights


def list_judge(rows: StackRows, k: int) -> Callable[[npt.NDArray[np.float32]], float]:
    """(n, c) float32 scores of the candidates to mean NDCG@k of the lists."""
    width = min(k, rows.positive.shape[1])
    n_relevant = rows.n_positive.astype(np.float64)
    row = np.arange(len(n_relevant))[:, np.newaxis]

    def judge(scores: npt.NDArray[np.float32]) -> float:
        keyed = np.where(rows.padding, -np.inf, scores)
        best = np.argpartition(-keyed, width - 1, axis=1)[:, :width]
        best = best[row, np.argsort(-keyed[row, best], axis=1, kind="stable")]
        hits = np.zeros((len(best), k), np.bool_)
        hits[:, :width] = rows.positive[row, best]
        return float(np.mean(metrics_of_hits(hits, n_relevant)["ndcg"]))

    return judge
