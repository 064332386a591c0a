"""Whole rollouts through the decision function: a short form of benchmarks/rollout_bars.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError
from experiments.inference.clusters import ClusterMoments
from experiments.result import DecisionKind
from experiments.simulation import _GrowingArm, heterogeneous_users, naive_peeking, simulate_rollouts
from experiments.spec import ExperimentSpec, Rollout, Step

SPEC = ExperimentSpec(
    name="simulation",
    variants={"champion": "models:/recommender/1", "challenger": "models:/recommender/2"},
)
SMALL = SPEC.model_copy(
    update={"rollout": Rollout(steps=(Step(percent=5, sessions=2000), Step(percent=50, sessions=3000)))}
)
USERS = heterogeneous_users(40_000, mean=0.25, spread=0.6, seed=20)


def three_errors(share: float, n_runs: int) -> float:
    return 3 * math.sqrt(share * (1 - share) / n_runs)


def test_population_is_as_described() -> None:
    assert USERS.mean() == pytest.approx(0.25)
    assert np.log(USERS / (1 - USERS)).std() == pytest.approx(0.6, rel=0.02)


@pytest.mark.long
def test_harmless_challengers_are_promoted_rarely_and_naive_peeking_fails_that_test() -> None:
    """A/A: at most 2.5 % promoted, plus three standard errors of as many runs."""
    n_runs = 300
    bound = 0.025 + three_errors(0.025, n_runs)
    honest = simulate_rollouts(USERS, USERS, SPEC, n_runs=n_runs, seed=20)
    assert honest.share("promote") <= bound
    assert honest.share("rollback") <= bound
    assert honest.share("invalid") <= 0.001 + three_errors(0.001, n_runs)
    naive = naive_peeking(USERS, USERS, SPEC, n_runs=n_runs, seed=20)
    assert naive.share("promote") > bound
    assert naive.share("rollback") > bound


@pytest.mark.parametrize(("multiplier", "fate"), [(1.15, "promote"), (0.9, "rollback"), (0.63, "rollback")])
def test_better_ones_are_promoted_worse_ones_rolled_back(multiplier: float, fate: DecisionKind) -> None:
    """At least 95 %, less three standard errors of as many runs."""
    n_runs = 150
    runs = simulate_rollouts(USERS, np.minimum(1, multiplier * USERS), SPEC, n_runs=n_runs, seed=21)
    assert runs.share(fate) >= 0.95 - three_errors(0.95, n_runs)


def test_a_harmful_challenger_meets_few_users() -> None:
    """Rolled back in the early steps, where it has 5 and 25 % of users."""
    runs = simulate_rollouts(USERS, 0.63 * USERS, SPEC, n_runs=50, seed=22)
    assert np.median(runs.looks) < 10
    assert np.median(runs.challenger_sessions) < 1500


def test_promotion_waits_for_the_last_step() -> None:
    runs = simulate_rollouts(USERS, np.minimum(1, 2 * USERS), SPEC, n_runs=10, seed=23)
    assert (runs.decisions == "promote").all()
    assert (runs.looks == 11).all()


def test_a_run_does_not_depend_on_who_runs_it() -> None:
    whole = simulate_rollouts(USERS, USERS, SMALL, n_runs=6, seed=24)
    parts = [simulate_rollouts(USERS, USERS, SMALL, n_runs=3, seed=24, first_run=first) for first in (0, 3)]
    for field in ("decisions", "looks", "sessions", "challenger_sessions"):
        joined = np.concatenate([getattr(part, field) for part in parts])
        assert joined.tolist() == getattr(whole, field).tolist()
    other = simulate_rollouts(USERS, USERS, SMALL, n_runs=6, seed=25)
    assert other.challenger_sessions.tolist() != whole.challenger_sessions.tolist()


def test_traffic_is_what_the_spec_says() -> None:
    runs = simulate_rollouts(USERS, USERS, SMALL, n_runs=20, seed=26)
    assert (runs.decisions == "keep").all()
    assert (runs.sessions == 5000).all()
    assert (runs.looks == 5).all()
    expected = 0.05 * 2000 + 0.5 * 3000
    assert abs(runs.challenger_sessions.mean() - expected) < 3 * math.sqrt(expected / 20)


def test_no_runs_have_no_share() -> None:
    runs = simulate_rollouts(USERS, USERS, SMALL, n_runs=0, seed=27)
    assert math.isnan(runs.share("promote"))


def test_incremental_moments_are_those_of_all_rows() -> None:
    rng = np.random.default_rng(28)
    growing, rows = _GrowingArm(n_users=30, n_steps=2), []
    for step in (0, 0, 1, 1, 1):
        user, clicked = rng.integers(30, size=25), rng.random(25) < 0.4
        growing.add(user, step, clicked)
        rows.append((user, np.full(25, step), clicked))
    user, steps, clicked = (np.concatenate(column) for column in zip(*rows, strict=True))
    whole = ClusterMoments.from_rows(user, steps, np.ones(len(user)), clicked, 2)
    assert growing.moments().n_clusters == whole.n_clusters
    assert growing.moments().sums.tolist() == whole.sums.tolist()
    assert growing.moments().cross.tolist() == whole.cross.tolist()


@pytest.mark.parametrize(
    ("champion", "challenger", "problem"),
    [
        (np.array([0.5]), np.array([0.5, 0.5]), "both must be"),
        (np.array([]), np.array([]), "not empty"),
        (np.array([0.5]), np.array([1.5]), "p_challenger holds values outside"),
        (np.array([np.nan]), np.array([0.5]), "p_champion holds values outside"),
    ],
)
def test_impossible_populations_are_refused(champion: np.ndarray, challenger: np.ndarray, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        simulate_rollouts(champion, challenger, SMALL, n_runs=1, seed=0)


def test_impossible_mean_is_refused() -> None:
    with pytest.raises(DataError, match="mean == 1"):
        heterogeneous_users(10, mean=1.0, spread=0.5, seed=0)
