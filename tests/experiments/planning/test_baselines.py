"""What power is planned from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError
from experiments.inference.estimates import Estimate, Status, mean_estimate, proportion_estimate, ratio_estimate
from experiments.inference.moments import Moments
from experiments.planning.baselines import (
    Baseline,
    estimated_baseline,
    mean_baseline,
    proportion_baseline,
    quantile_baseline,
    ratio_baseline,
)


def test_ratio_agrees_with_its_estimate() -> None:
    rng = np.random.default_rng(15)
    impressions = rng.poisson(10, 5000) + 1.0
    clicks = rng.binomial(impressions.astype(int), 0.2).astype(float)
    estimated = estimated_baseline(ratio_estimate(Moments.from_rows(np.column_stack([clicks, impressions]))))
    planned = ratio_baseline(
        clicks.mean(), impressions.mean(), clicks.std(ddof=1), impressions.std(ddof=1),
        float(np.corrcoef(clicks, impressions)[0, 1]),
    )  # fmt: skip
    assert planned == pytest.approx(estimated)


def test_from_estimates_at_hand() -> None:
    assert estimated_baseline(proportion_estimate(200, 20), share=True) == pytest.approx(proportion_baseline(0.1))
    found = estimated_baseline(mean_estimate(Moments.from_rows([1.0, 2.0, 6.0])))
    assert found == pytest.approx(mean_baseline(3.0, math.sqrt(7.0)))


def test_median_of_a_normal() -> None:
    """The sampling variance of the median is π / 2 times the mean's."""
    assert quantile_baseline(0.0, 0.5, 1 / math.sqrt(2 * math.pi)).variance == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("baseline", "status"),
    [
        (mean_baseline(1.0, 0.0), "no_variance"),
        (mean_baseline(math.nan, 1.0), "not_finite"),
        (mean_baseline(1.0, math.inf), "not_finite"),
        (proportion_baseline(0.0), "no_variance"),
        (proportion_baseline(math.nan), "not_finite"),
        (ratio_baseline(1.0, 0.0, 1.0, 1.0, 0.5), "undefined_ratio"),
        (ratio_baseline(1.0, 2.0, 1.0, 2.0, 1.0), "no_variance"),
        (estimated_baseline(Estimate(math.nan, math.nan, 0, "no_units")), "no_units"),
        (estimated_baseline(Estimate(1.0, math.nan, 1, "too_few_units")), "too_few_units"),
    ],
)
def test_what_cannot_be_planned_from_says_so(baseline: Baseline, status: Status) -> None:
    assert baseline.status == status


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(ConfigError, match="sd == -1"):
        mean_baseline(0.0, -1.0)
    with pytest.raises(ConfigError, match=r"share == 1\.1"):
        proportion_baseline(1.1)
    with pytest.raises(ConfigError, match="correlation == 2"):
        ratio_baseline(1.0, 1.0, 1.0, 1.0, 2.0)
    with pytest.raises(ConfigError, match="probability == 1"):
        quantile_baseline(1.0, 1.0, 1.0)
    with pytest.raises(ConfigError, match="density == 0"):
        quantile_baseline(1.0, 0.5, 0.0)
