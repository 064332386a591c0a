"""Traffic by window: counts, shares and regret against pandas and by hand; who lost least."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from core.errors import DataError
from experiments.over_time.regret_curves import counted_regret, simulated_regret
from experiments.over_time.traffic_windows import TrafficCells, least_regret, traffic_windows

MEANS = np.array([0.1, 0.4, 0.25])


def cells_of(rng: np.random.Generator, n_runs: int = 3, m: int = 4) -> TrafficCells:
    """Every run has 100 sessions in each of m windows, in a random order of rows."""
    counts = rng.multinomial(100, [0.2, 0.5, 0.3], (n_runs, m))
    run, window, arm = np.nonzero(counts)
    shown = counts[run, window, arm].astype(float)
    order = rng.permutation(len(run))
    clicks = rng.binomial(shown.astype(int), 0.3).astype(float)
    return TrafficCells(*(one[order] for one in (600 * window, run, arm, shown, clicks, 0.5 * shown)))


def test_windows_add_up_to_the_cells() -> None:
    cells = cells_of(np.random.default_rng(1))
    found = traffic_windows(cells, MEANS, n_runs=3)
    assert found.starts.tolist() == [0, 600, 1200, 1800]
    assert found.impressions.sum() == cells.impressions.sum() == 1_200
    assert found.clicks.sum() == cells.clicks.sum()
    here = (cells.start == 600) & (cells.arm == 2)
    assert found.ctr[1, 2] == pytest.approx(cells.clicks[here].sum() / cells.impressions[here].sum())
    assert found.share.sum(axis=1) == pytest.approx(np.ones(4))
    assert found.propensity == pytest.approx(np.full((4, 3), 0.5))
    of_run = (cells.run == 1) & (cells.arm == 0)
    assert found.run_ctr[1, 0] == pytest.approx(cells.clicks[of_run].sum() / cells.impressions[of_run].sum())


def test_regret_is_that_of_the_choices_themselves() -> None:
    """``counted_regret`` of counts and ``simulated_regret`` of the choices that were counted."""
    rng = np.random.default_rng(2)
    choices = rng.integers(0, 3, (4, 50))
    counts = np.stack([[np.bincount(part, minlength=3) for part in np.split(run, 5)] for run in choices])
    one, two = simulated_regret(choices, MEANS, every=10), counted_regret(counts, MEANS)
    for name in ("ends", "interval", "cumulative", "cumulative_lower", "interval_upper"):
        assert getattr(one, name) == pytest.approx(getattr(two, name))
    assert (one.best_arm, one.status) == (two.best_arm, two.status) == (1, "ok")


def test_what_nobody_was_shown_is_not_a_number() -> None:
    cells = TrafficCells(*(np.array(one) for one in ([0], [0], [1], [5.0], [2.0], [5.0])))
    found = traffic_windows(cells, MEANS, n_runs=1)
    assert np.isnan(found.ctr[0, [0, 2]]).all()
    assert found.share.tolist() == [[0.0, 1.0, 0.0]]
    assert (found.regret.status, found.run_regret.tolist()) == ("too_few_runs", [0.0])
    empty = TrafficCells(*(np.zeros(0, kind) for kind in (int, int, int, float, float, float)))
    nothing = traffic_windows(empty, MEANS, n_runs=2)
    assert (len(nothing.starts), nothing.regret.status) == (0, "no_choices")
    assert counted_regret(np.zeros((0, 3, 3)), MEANS).status == "no_choices"


def test_contradicting_counts_are_refused() -> None:
    cells = cells_of(np.random.default_rng(3))
    with pytest.raises(DataError, match="run runs from 0 to 2, must be 0 … 1"):
        traffic_windows(cells, MEANS, n_runs=2)
    with pytest.raises(DataError, match="arm runs from 0 to 2, must be 0 … 1"):
        traffic_windows(cells, MEANS[:2], n_runs=3)
    with pytest.raises(DataError, match="as many choices in an interval"):
        counted_regret([[[1, 2]], [[1, 3]]], [0.1, 0.2])
    with pytest.raises(DataError, match="counts has shape"):
        counted_regret([[1, 2]], [0.1, 0.2])
    with pytest.raises(DataError, match="finite"):
        counted_regret([[[1, 2]]], [0.1, math.nan])


def test_who_lost_least_is_a_paired_t_test() -> None:
    rng = np.random.default_rng(4)
    luck = rng.normal(0, 50, 8)
    regrets = {"far": luck + 90, "near": luck + 5 + rng.normal(0, 1, 8), "least": luck + rng.normal(0, 1, 8)}
    found = least_regret(regrets)
    assert (found.strategy, found.next) == ("least", "near")
    expected = stats.ttest_rel(regrets["near"], regrets["least"]).confidence_interval(0.95)
    assert (found.ci_lower, found.ci_upper) == pytest.approx((expected.low, expected.high))
    assert found.told_apart
    assert not least_regret({"a": luck, "b": luck[::-1] + 0.1}).told_apart
    alone = least_regret({"a": luck})
    assert (alone.strategy, alone.next, alone.told_apart) == ("a", "", False)
    assert math.isnan(least_regret({"a": luck[:1], "b": luck[:1]}).ci_lower)
    with pytest.raises(DataError):
        least_regret({})
