"""Curves from recorded updates."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from experiments.bandits.curves import bound_curves, share_curves
from experiments.bandits.kl_ucb import KLUCB
from experiments.bandits.ucb1 import UCB1


@pytest.mark.parametrize("kind", [UCB1, KLUCB])
def test_each_point_is_what_the_policy_said_then(kind: type[UCB1] | type[KLUCB]) -> None:
    rng = np.random.default_rng(1)
    arms, rewards = rng.choice(["a", "b", "c"], 60).tolist(), rng.integers(0, 2, 60).astype(float)
    curves = bound_curves(kind(["a", "b", "c"]), arms, rewards, n_points=60)
    assert curves.steps.tolist() == list(range(1, 61))
    policy = kind(["a", "b", "c"])
    for step, (arm, reward) in enumerate(zip(arms, rewards.tolist(), strict=True)):
        policy.update(arm, reward)
        seen = policy.statistics()
        known = seen.n > 0
        assert np.isnan(curves.upper[step, ~known]).all()
        assert np.isnan(curves.mean[step, ~known]).all()
        if known.all():
            assert curves.mean[step] == pytest.approx(seen.mean)
            assert curves.upper[step] == pytest.approx(policy.upper_bound(seen))
    assert known.all()


def test_shares_by_hand() -> None:
    curves = share_curves(["a", "a", "b", "a", "b", "b", "b", "b"], ["a", "b"], n_points=3)
    # Points 1, 4 (4.5 rounded to the even number) and 8.
    assert curves.steps.tolist() == [1, 4, 8]
    assert curves.cumulative == pytest.approx(np.array([[1, 0], [3 / 4, 1 / 4], [3 / 8, 5 / 8]]))
    assert curves.interval == pytest.approx(np.array([[1, 0], [2 / 3, 1 / 3], [0, 1]]))


@pytest.mark.filterwarnings("error")
def test_nothing_recorded() -> None:
    assert bound_curves(UCB1(["a"]), [], []).upper.shape == (0, 1)
    assert share_curves([], ["a", "b"]).cumulative.shape == (0, 2)
    assert share_curves(["a", "a"], ["a"], n_points=1).steps.tolist() == [2]


def test_records_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="unknown arm 'z'"):
        share_curves(["z"], ["a"])
    with pytest.raises(DataError, match="1 arms for 2 rewards"):
        bound_curves(UCB1(["a"]), ["a"], [1.0, 0.0])
    with pytest.raises(ConfigError, match="n_points"):
        share_curves(["a"], ["a"], n_points=0)
