"""The statistical bars, shortened here; in full by ``python -m benchmarks.statistical_guarantees``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from experiments.inference.srm import sequential_srm
from experiments.looks.confidence_sequences import critical_values
from experiments.looks.group_sequential import spending_boundary
from experiments.looks.guarantees import binomial_bound, sample_ratio_alarms, share_left, share_left_by_means

ROOT = Path(__file__).parents[3]
EVERY_UNIT = range(100, 10_001)
SEQUENCE = critical_values(2.0 * np.array(EVERY_UNIT), n_star=10_000)
Z = 1.959963984540054
RUNS = 1000
#: Expected .024 to .036: a run of 1000 is above the bar of .065 by chance less than once in a million times.
BAR = 0.065


@pytest.mark.parametrize(
    ("n_looks", "share"), [(1, 0.050), (5, 0.142), (10, 0.194), (20, 0.249), (50, 0.321), (100, 0.374)]
)
def test_naive_peeking_errs_as_often_as_is_known(n_looks: int, share: float) -> None:
    looks = [10_000 * (look + 1) // n_looks for look in range(n_looks)]
    found = share_left(0.1, 0.1, looks, Z, n_runs=20_000, seed=n_looks)
    # Three standard errors of 20,000 runs are at most .0103, at .05 they are .0046.
    assert found.ever == pytest.approx(share, abs=0.0125)


def test_a_look_at_every_observation() -> None:
    """The sequence holds the bar that naive peeking fails, on the same clicks."""
    held = share_left(0.1, 0.1, EVERY_UNIT, SEQUENCE, n_runs=RUNS, seed=1)
    assert held.ever <= BAR
    naive = share_left(0.1, 0.1, EVERY_UNIT, Z, n_runs=RUNS, seed=1)
    assert naive.ever > 0.4 > BAR
    one_sided = critical_values(2.0 * np.array(EVERY_UNIT), n_star=10_000, alternative="greater")
    assert share_left(0.1, 0.1, EVERY_UNIT, one_sided, n_runs=RUNS, seed=1).above <= binomial_bound(0.05, RUNS)
    assert (one_sided < SEQUENCE).all()


@pytest.mark.parametrize(("relative", "value"), [(False, 0.02), (True, 0.2)])
def test_time_uniform_coverage(relative: bool, value: float) -> None:
    found = share_left(0.1, 0.12, EVERY_UNIT, SEQUENCE, value=value, relative=relative, n_runs=RUNS, seed=2)
    assert 1 - found.ever >= 0.935
    wrong = share_left(0.1, 0.12, EVERY_UNIT, SEQUENCE, value=0.0, relative=relative, n_runs=100, seed=2)
    assert wrong.above > 0.9, "an effect of none is not what is covered"


def test_skewed_means() -> None:
    looks = range(100, 4001, 20)
    critical = critical_values(2.0 * np.array(looks), n_star=10_000)
    assert share_left_by_means(looks, critical, sigma=1.0, n_runs=300, seed=3).ever <= BAR
    assert share_left_by_means(looks, Z, sigma=1.0, n_runs=300, seed=3).ever > BAR


@pytest.mark.parametrize(
    ("delta", "least", "fixed"), [(0.0125, 0.44, 0.818), (0.015, 0.66, 0.929), (0.02, 0.88, 0.995)]
)
def test_power(delta: float, least: float, fixed: float) -> None:
    looks = [10_000 * (look + 1) // 30 for look in range(30)]
    critical = critical_values(2.0 * np.array(looks), n_star=10_000)
    assert share_left(0.1, 0.1 + delta, looks, critical, n_runs=5000, seed=4).above >= least
    once = share_left(0.1, 0.1 + delta, looks[-1:], Z, n_runs=20_000, seed=4).above
    assert once == pytest.approx(fixed, abs=0.01)


def test_group_sequential_looks_keep_alpha() -> None:
    boundary = spending_boundary([0.2, 0.4, 0.6, 0.8, 1.0])
    looks = [2000, 4000, 6000, 8000, 10_000]
    found = share_left(0.1, 0.1, looks, boundary.upper, n_runs=20_000, seed=5)
    assert found.ever <= binomial_bound(0.05, 20_000)
    assert found.above == pytest.approx(found.below, abs=0.01)


def test_sample_ratio_alarms_at_every_unit() -> None:
    every = range(1, 5001)
    assert sample_ratio_alarms(0.5, every, alpha=0.05, n_runs=500, seed=6) <= 0.05
    assert sample_ratio_alarms(0.5, every, alpha=0.05, sequential=False, n_runs=500, seed=6) > 0.3
    uneven = sample_ratio_alarms(0.2, every, intended=0.2, alpha=0.05, n_runs=500, seed=7)
    assert uneven <= binomial_bound(0.05, 500)
    assert sample_ratio_alarms(0.45, every, alpha=0.001, n_runs=200, seed=8) > 0.9


def test_sample_ratio_over_arrays_is_the_one_in_use() -> None:
    """The level at which a run alarms at its one look is its p-value."""
    for seed in range(5):
        n = 400
        first = int(np.random.default_rng(seed).binomial(n, 0.6, (1, 1))[0, 0])
        pvalue = sequential_srm([first, n - first], [0.5, 0.5]).pvalue
        for factor, alarm in ((1.001, 1.0), (0.999, 0.0)):
            found = sample_ratio_alarms(0.6, [n], alpha=min(pvalue * factor, 2.0), n_runs=1, seed=seed)
            assert found == alarm or pvalue == 1.0


def test_same_seed_same_figures_and_blocks_do_not_matter() -> None:
    one, two = (share_left(0.1, 0.1, [500, 1000], 1.0, n_runs=300, seed=9) for _ in range(2))
    assert one == two
    assert one.ever == pytest.approx(one.above + one.below, abs=0.2)
    assert one.ever <= one.above + one.below


def test_looks_without_any_success_leave_nothing() -> None:
    assert share_left(0.0, 0.0, [1, 2, 3], Z, n_runs=10, seed=10).ever == 0
    assert share_left(0.0, 0.0, [1, 2, 3], Z, relative=True, n_runs=10, seed=10).ever == 0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: share_left(0.1, 0.1, [], Z, n_runs=1, seed=1), "0 looks"),
        (lambda: share_left(0.1, 0.1, [5, 5], Z, n_runs=1, seed=1), "later"),
        (lambda: share_left(1.1, 0.1, [5], Z, n_runs=1, seed=1), "control == 1.1"),
        (lambda: share_left_by_means([0], Z, sigma=1.0, n_runs=1, seed=1), "later"),
        (lambda: sample_ratio_alarms(0.5, [10], alpha=0.05, intended=1.0, n_runs=1, seed=1), "intended == 1"),
    ],
)
def test_what_is_not_allowed_is_refused(call: object, named: str) -> None:
    assert callable(call)
    with pytest.raises(ConfigError, match=named):
        call()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_bars_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.statistical_guarantees"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "must fail" in done.stdout
    assert "MISSED" not in done.stdout
