"""A ratio metric under A/A: right by the delta method, wrong when events are taken for independent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.inference.estimates import proportion_estimate, ratio_estimate
from experiments.inference.frequentist import welch, z_test
from experiments.inference.moments import Moments


def false_positives(runs: int, n_users: int) -> tuple[float, float]:
    """Of the delta method over users, and of the z test over their events.

    Events a user are geometric with mean 10, the users' click rates Beta(2, 18): a click's variance is inflated by
    1 + 18 / 21, so that |z| > 1.96 comes with probability 2 Φ(-1.96 / √1.857) = .150.
    """
    rng = np.random.default_rng(1)
    delta = events = 0
    for _ in range(runs):
        views = rng.geometric(0.1, 2 * n_users)
        clicks = rng.binomial(views, rng.beta(2.0, 18.0, 2 * n_users))
        arms = np.stack([clicks, views], axis=1)[:n_users], np.stack([clicks, views], axis=1)[n_users:]
        delta += welch(*(ratio_estimate(Moments.from_rows(arm)) for arm in arms)).pvalue < 0.05
        sums = [arm.sum(axis=0).tolist() for arm in arms]
        events += z_test(*(proportion_estimate(n, hits) for hits, n in sums)).pvalue < 0.05
    return delta / runs, events / runs


def test_false_positives_of_a_ratio() -> None:
    runs = 2000
    delta, events = false_positives(runs, 500)
    slack = 3 * math.sqrt(0.05 * 0.95 / runs)
    assert 0.05 - slack <= delta <= 0.05 + slack
    assert events == pytest.approx(0.149, abs=3 * math.sqrt(0.149 * 0.851 / runs))


@pytest.mark.long
def test_false_positives_of_a_ratio_in_full() -> None:
    delta, events = false_positives(20_000, 1000)
    assert 0.04 <= delta <= 0.06
    assert events == pytest.approx(0.149, abs=0.01)
