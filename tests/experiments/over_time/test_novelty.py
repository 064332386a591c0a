"""Effects that fade or grow with days since first exposure."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.over_time.novelty import Shape, novelty

DAYS = np.arange(14)
series = st.lists(st.tuples(st.floats(-2, 2), st.floats(0.1, 2)), min_size=4, max_size=20)


@pytest.mark.parametrize("shape", ["log", "linear"])
def test_parity_with_weighted_least_squares_of_statsmodels(shape: Shape) -> None:
    rng = np.random.default_rng(1)
    effect, se = rng.normal(0.1, 0.02, 14) - 0.004 * DAYS, rng.uniform(0.01, 0.03, 14)
    x = np.log1p(DAYS) if shape == "log" else DAYS
    theirs = sm.WLS(effect, sm.add_constant(x), weights=1 / se**2).fit()
    found = novelty(DAYS, effect, se, shape=shape)
    assert found.slope == pytest.approx(theirs.params[1])
    assert found.se == pytest.approx(theirs.bse[1])
    assert found.pvalue == pytest.approx(theirs.pvalues[1])
    assert [found.first_effect, found.last_effect] == pytest.approx(theirs.fittedvalues[[0, -1]])


@given(series, st.floats(1e-3, 1e3))
def test_signs_and_scale(parts: list[tuple[float, float]], scale: float) -> None:
    effect, se = (np.array(column) for column in zip(*parts, strict=True))
    days = np.arange(len(parts))
    one, other = novelty(days, effect, se), novelty(days, -effect * scale, se * scale)
    assert other.status == one.status
    assert other.slope == pytest.approx(-one.slope * scale, rel=1e-6, abs=1e-9 * scale)
    if one.status == "ok":
        assert 0 <= one.pvalue <= 1
        assert other.pvalue == pytest.approx(one.pvalue, rel=1e-6)
        assert other.trend == one.trend


@pytest.mark.parametrize("sign", [1, -1])
def test_planted_novelty_and_learning(sign: int) -> None:
    """A lift that halves every three days fades; one that is learnt grows; whichever way it points."""
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.01, (2, 50, 14))
    fading = sign * 0.10 * 0.5 ** (DAYS / 3) + noise[0]
    learnt = sign * 0.10 * (1 - 0.5 ** ((DAYS + 1) / 3)) + noise[1]
    se = np.full(14, 0.01)
    assert np.mean([novelty(DAYS, effect, se).trend == "fades" for effect in fading]) > 0.95
    assert np.mean([novelty(DAYS, effect, se).trend == "grows" for effect in learnt]) > 0.95


@pytest.mark.parametrize("n_runs", [1500, pytest.param(20_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("common", [0.0, 0.02])
@pytest.mark.parametrize("shape", ["log", "linear"])
def test_false_alarms_of_a_steady_effect(shape: Shape, common: float, n_runs: int) -> None:
    """Also where all days share an error, as they do when they share their units."""
    rng = np.random.default_rng(3)
    se = rng.uniform(0.005, 0.02, 14)
    shared = rng.normal(0, common, (n_runs, 1)) if common else np.zeros((n_runs, 1))
    found = [novelty(DAYS, effect, se, shape=shape) for effect in 0.05 + shared + rng.normal(0, se, (n_runs, 14))]
    alarms = np.mean([one.trend != "steady" for one in found])
    assert alarms <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)
    assert alarms > 0.02, "a test that never finds anything has no level"


def test_what_cannot_be_fitted_has_a_status() -> None:
    few = novelty([0, 1, 2, 3], [0.1, 0.2, math.nan, 0.3], [0.1, 0.1, 0.1, 0.0])
    assert (few.status, few.n_days, few.trend) == ("too_few_days", 2, "unknown")
    assert math.isnan(few.pvalue)
    assert novelty([], [], []).status == "too_few_days"
    assert novelty([3, 3, 3], [0.1, 0.2, 0.3], [0.1] * 3).status == "too_few_days"
    exact = novelty([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4], [0.1] * 4, shape="linear")
    assert (exact.status, exact.trend) == ("no_variance", "unknown")
    assert exact.slope == pytest.approx(0.1)
    assert novelty(range(5), [0.0] * 5, [0.1] * 5).status == "no_variance"
    assert novelty(range(5), [1.0, 2.0, 1.0, 2.0, 1.0], [1e-200] * 5).status == "ok"


@pytest.mark.parametrize(("options", "message"), [({"shape": "cubic"}, "shape == 'cubic'"), ({"alpha": 0}, "alpha")])
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        novelty([0, 1, 2], [0.1, 0.2, 0.4], [0.1] * 3, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("days", [[-1, 0, 1], [0, math.nan, 1], [0, 1]])
def test_days_that_are_none_are_refused(days: list[float]) -> None:
    with pytest.raises(DataError, match="days"):
        novelty(days, [0.1, 0.2, 0.4], [0.1] * 3)
