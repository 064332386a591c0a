"""Arms that differed before the start, and earlier experiments that still show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from core.errors import ConfigError, DataError
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.grouped_moments import grouped_moments
from experiments.inference.moments import Moments
from experiments.over_time.carry_over import carry_over, pre_period

NAMES = ("none", "a", "b")
EMPTY = Estimate(math.nan, math.nan, 0, "no_units")


def arms(
    rng: np.random.Generator, earlier: list[float], interaction: list[float] | None = None, n: int = 900
) -> list[dict[str, Estimate]]:
    """Treatment and control, units dealt to both experiments independently; outcome by the earlier arm."""
    current, past = rng.integers(0, 2, n), rng.integers(0, 3, n)
    extra = np.array(interaction or [0.0] * 3)
    outcome = rng.normal(0, 1, n) + np.array(earlier)[past] + extra[past] * (current == 0)
    found = [mean_estimate(moments) for moments in grouped_moments(current * 3 + past, outcome, 6)]
    return [dict(zip(NAMES, part, strict=True)) for part in (found[:3], found[3:])]


def test_an_earlier_arm_that_still_acts_is_found() -> None:
    rng = np.random.default_rng(1)
    found = [carry_over(*arms(rng, [0.0, 0.0, 0.4])) for _ in range(40)]
    assert np.mean([one.alarm and one.pvalue < 0.01 for one in found]) > 0.9
    # It acts on both arms alike: no interaction, a fair comparison.
    assert np.mean([one.interaction.pvalue < 0.01 for one in found]) < 0.15


def test_an_interaction_is_found_as_one() -> None:
    rng = np.random.default_rng(2)
    found = [carry_over(*arms(rng, [0.0] * 3, [0.0, 0.0, 0.9])) for _ in range(40)]
    assert np.mean([one.interaction.pvalue < 0.01 for one in found]) > 0.9


def test_assignment_that_hangs_on_the_earlier_arm_is_found() -> None:
    counts = np.array([[300, 300, 400], [300, 300, 300]])
    table = [{name: Estimate(0.0, 1 / n, n) for name, n in zip(NAMES, row, strict=True)} for row in counts.tolist()]
    found = carry_over(*table)
    assert found.balance_pvalue == pytest.approx(stats.chi2_contingency(counts).pvalue)
    assert found.pvalue == 1.0


@pytest.mark.parametrize("n_runs", [700, pytest.param(8000, marks=pytest.mark.long)])
def test_false_alarms_of_sound_experiments(n_runs: int) -> None:
    rng = np.random.default_rng(3)
    alpha = 0.05
    found = [carry_over(*arms(rng, [0.0] * 3), alpha=alpha) for _ in range(n_runs)]
    bound = alpha + 3 * math.sqrt(alpha * (1 - alpha) / n_runs)
    assert np.mean([one.alarm for one in found]) <= bound
    for pvalues in (
        [one.pvalue for one in found],
        [one.interaction.pvalue for one in found],
        [one.balance_pvalue for one in found],
    ):
        assert np.mean(np.array(pvalues) < alpha) <= bound
        assert np.mean(np.array(pvalues) < alpha) > 0.02


def test_statistic_is_the_sum_over_arms() -> None:
    one = {"a": Estimate(0.0, 0.01, 100), "b": Estimate(0.2, 0.01, 100)}
    other = {"a": Estimate(0.0, 0.01, 100), "b": Estimate(0.4, 0.01, 100)}
    found = carry_over(one, other)
    # Q of two: d² / (v + v).
    assert found.statistic == pytest.approx(0.04 / 0.02 + 0.16 / 0.02)
    assert found.df == 2
    assert found.pvalue == pytest.approx(stats.chi2.sf(10, 2))
    assert found.interaction.statistic == pytest.approx(0.04 / 0.04)


def test_pre_period_alarms_at_arms_that_were_unlike() -> None:
    rng = np.random.default_rng(4)
    n_runs, alpha = 2000, 0.05
    same, unlike = (
        [
            pre_period(*(mean_estimate(Moments.from_rows(rng.normal(shift, 1, 200))) for shift in shifts), alpha=alpha)
            for _ in range(n_runs)
        ]
        for shifts in ((0.0, 0.0), (0.4, 0.0))
    )
    assert np.mean([one.alarm for one in same]) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / n_runs)
    assert np.mean([one.alarm for one in unlike]) > 0.95


def test_degenerate_arms_have_a_status_and_no_alarm() -> None:
    fine = Estimate(0.1, 0.01, 100)
    assert not pre_period(EMPTY, fine).alarm
    assert pre_period(EMPTY, fine).comparison.status == "no_units"
    for arm in ({}, {"a": fine}, {"a": fine, "b": EMPTY}, {"a": fine, "b": Estimate(0.1, 0.0, 9)}):
        found = carry_over(arm, arm)
        assert (found.status, found.alarm) == ("too_few_groups", False)
        assert math.isnan(found.pvalue)
    half = carry_over({"a": fine, "b": EMPTY}, {"a": fine, "b": fine})
    assert (half.status, half.df, half.interaction.status) == ("ok", 1, "too_few_groups")


def test_what_is_not_allowed_is_refused() -> None:
    fine = {"a": Estimate(0.1, 0.01, 100)}
    with pytest.raises(ConfigError, match="alpha == 0"):
        carry_over(fine, fine, alpha=0)
    with pytest.raises(ConfigError, match="alpha"):
        pre_period(fine["a"], fine["a"], alpha=1.5)
    with pytest.raises(DataError, match="earlier arms"):
        carry_over(fine, {})
