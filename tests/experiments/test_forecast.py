"""Predictions held against outcomes, one by one and over experiments."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from core.errors import ConfigError, DataError
from experiments.forecast import (
    ForecastError,
    Outcome,
    Prediction,
    calibration_by_source,
    forecast_calibration,
    forecast_error,
    prediction_from_document,
    prediction_from_draws,
)

NAN = math.nan


def symmetric(effect: float, se: float, source: str = "simulation", alpha: float = 0.05) -> Prediction:
    half = -stats.norm.ppf(alpha / 2) * se
    return Prediction(source, effect, effect - half, effect + half, alpha)


def test_error_by_hand() -> None:
    found = forecast_error(symmetric(0.05, 0.01), Outcome(0.02, 0.02))
    assert found.error == pytest.approx(0.03)
    assert found.z == pytest.approx(0.03 / math.hypot(0.01, 0.02))
    assert (found.covered, found.inside, found.same_sign, found.status) == (True, False, True, "ok")


def test_a_lopsided_interval_is_judged_on_the_outcomes_side() -> None:
    prediction = Prediction("off_policy:dr", 0.0, -0.01, 0.05)
    assert forecast_error(prediction, Outcome(0.04, 0.0)).covered
    assert not forecast_error(prediction, Outcome(-0.04, 0.0)).covered


@given(st.floats(-1, 1), st.floats(0.001, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(1e-3, 1e3))
def test_signs_and_units(effect: float, se: float, observed: float, outcome_se: float, unit: float) -> None:
    found = forecast_error(symmetric(effect, se), Outcome(observed, outcome_se))
    mirrored = forecast_error(symmetric(-effect, se), Outcome(-observed, outcome_se))
    scaled = forecast_error(symmetric(unit * effect, unit * se), Outcome(unit * observed, unit * outcome_se))
    assert mirrored.z == pytest.approx(-found.z, abs=1e-9)
    assert scaled.z == pytest.approx(found.z, rel=1e-6, abs=1e-9)
    if found.inside:
        assert found.covered


@pytest.mark.parametrize(
    ("prediction", "outcome", "status"),
    [
        (Prediction("s", NAN, NAN, NAN), Outcome(0.1, 0.1), "no_prediction"),
        (Prediction("s", 0.1, NAN, NAN), Outcome(0.1, 0.1), "no_prediction"),
        (symmetric(0.1, 0.1), Outcome(NAN, NAN), "no_outcome"),
        (symmetric(0.1, 0.1), Outcome(0.1, NAN), "no_outcome"),
    ],
)
def test_missing_figures(prediction: Prediction, outcome: Outcome, status: str) -> None:
    found = forecast_error(prediction, outcome)
    assert found.status == status
    assert found.covered is None
    document = json.loads(json.dumps(found.as_document()))
    assert (document["z"], document["covered"], document["status"]) == (None, None, status)


def test_nothing_uncertain() -> None:
    exact = Prediction("s", 0.1, 0.1, 0.1)
    assert forecast_error(exact, Outcome(0.1, 0.0)).covered
    apart = forecast_error(exact, Outcome(0.2, 0.0))
    assert (apart.z, apart.covered) == (-math.inf, False)
    assert json.loads(json.dumps(apart.as_document()))["z"] is None


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(DataError, match="outside its own interval"):
        forecast_error(Prediction("s", 0.1, 0.2, 0.3), Outcome(0.1, 0.1))
    with pytest.raises(DataError, match="se is -1"):
        forecast_error(symmetric(0.1, 0.1), Outcome(0.1, -1))
    with pytest.raises(ConfigError, match="alpha == 0"):
        forecast_error(Prediction("s", 0.1, 0.0, 0.2, 0), Outcome(0.1, 0.1))


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 0.5))
def test_predictions_survive_json(effect: float, se: float, alpha: float) -> None:
    kept = symmetric(effect, se, alpha=alpha)
    assert prediction_from_document(json.loads(json.dumps(kept.as_document()))) == kept


def test_a_prediction_without_figures_survives_json() -> None:
    back = prediction_from_document(json.loads(json.dumps(Prediction("s", NAN, NAN, NAN).as_document())))
    assert (back.source, back.alpha) == ("s", 0.05)
    assert math.isnan(back.effect_size)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"effect_size": "much"}, "effect_size is 'much', must be a number or null"),
        ({"ci_lower": True}, "ci_lower is True"),
        ({"ci_upper": -1.0}, "outside its own interval"),
    ],
)
def test_a_document_that_is_no_prediction_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        prediction_from_document({**symmetric(0.1, 0.1).as_document(), **changed})
    with pytest.raises(DataError, match="the prediction has no ci_upper, alpha"):
        prediction_from_document({"source": "s", "effect_size": 0, "ci_lower": 0})


def test_draws_give_their_mean_and_quantiles() -> None:
    draws = np.random.default_rng(1).normal(0.02, 0.01, 5000)
    found = prediction_from_draws("simulation", draws, alpha=0.1)
    assert found.effect_size == pytest.approx(draws.mean())
    assert (found.ci_lower, found.ci_upper) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))
    assert math.isnan(prediction_from_draws("simulation", []).effect_size)
    with pytest.raises(DataError, match="1 of 2 simulated uplifts"):
        prediction_from_draws("simulation", [0.1, NAN])


def errors(n: int, seed: int, *, bias: float = 0.0, claimed: float = 0.01, source: str = "s") -> list[ForecastError]:
    """Predictions off by N(bias, .01²) that claim ``claimed``, of effects N(0, .03²), observed with se .005."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(0, 0.03, n)
    told, seen = effect + rng.normal(bias, 0.01, n), effect + rng.normal(0, 0.005, n)
    return [
        forecast_error(symmetric(p, claimed, source), Outcome(o, 0.005))
        for p, o in zip(told.tolist(), seen.tolist(), strict=True)
    ]


def test_calibration_by_hand() -> None:
    made = errors(30, 2)
    found = forecast_calibration("s", made)
    error = np.array([one.error for one in made])
    hits = sum(bool(one.covered) for one in made)
    assert (found.n, found.n_covered, found.status) == (30, hits, "ok")
    assert (found.coverage_lower, found.coverage_upper) == pytest.approx(proportion_confint(hits, 30, method="wilson"))
    assert found.mean_error == pytest.approx(error.mean())
    interval = stats.ttest_1samp(error, 0).confidence_interval()
    assert (found.mean_error_lower, found.mean_error_upper) == pytest.approx(tuple(interval))
    assert found.rmse == pytest.approx(math.sqrt((error**2).mean()))
    expected = stats.kendalltau([one.predicted for one in made], [one.observed for one in made]).statistic
    assert found.rank_agreement == pytest.approx(expected)
    assert json.loads(json.dumps(found.as_document()))["n"] == 30


def test_an_honest_source_a_boaster_and_an_overconfident_one() -> None:
    honest, boaster, narrow = (
        forecast_calibration("s", errors(2000, 3, **more)) for more in ({}, {"bias": 0.01}, {"claimed": 0.003})
    )
    # Four standard errors of a share.
    assert abs(honest.coverage - honest.nominal) < 4 * math.sqrt(0.05 * 0.95 / 2000)
    assert honest.mean_squared_z == pytest.approx(1, abs=4 * math.sqrt(2 / 2000))
    assert honest.mean_error_lower < 0 < honest.mean_error_upper
    assert boaster.mean_error_lower > 0.008
    assert narrow.coverage_upper < 0.8
    assert narrow.mean_squared_z > 2
    assert honest.rank_agreement > 0.7


def test_sources_are_told_apart_and_missing_ones_counted() -> None:
    made = [*errors(5, 4, source="simulation"), *errors(3, 5, source="off_policy")]
    made.append(forecast_error(symmetric(0.1, 0.1, "off_policy"), Outcome(NAN, NAN)))
    found = calibration_by_source(made)
    assert [(one.source, one.n, one.n_missing) for one in found] == [("off_policy", 3, 1), ("simulation", 5, 0)]
    assert calibration_by_source([]) == ()


def test_no_experiment_and_one() -> None:
    nothing = forecast_calibration("s", [])
    assert (nothing.status, nothing.n) == ("no_experiments", 0)
    assert math.isnan(nothing.coverage)
    only_missing = forecast_calibration("s", [forecast_error(symmetric(0.1, 0.1, "s"), Outcome(NAN, NAN))])
    assert (only_missing.status, only_missing.n_missing) == ("no_experiments", 1)
    one = forecast_calibration("s", errors(1, 6))
    assert one.status == "one_experiment"
    assert math.isnan(one.mean_error_lower)
    assert math.isnan(one.rank_agreement)
    assert 0 <= one.coverage_lower < one.coverage_upper <= 1


def test_equal_predictions_have_no_order() -> None:
    made = [forecast_error(symmetric(0.1, 0.1, "s"), Outcome(effect, 0.1)) for effect in (0.1, 0.2, 0.3)]
    assert math.isnan(forecast_calibration("s", made).rank_agreement)
