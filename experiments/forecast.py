"""Forecast against outcome: what simulation and off-policy evaluation said of an uplift, and what the live test found.

Predictions are made, and kept as JSON, before the test; each is held against the outcome after it; over many
experiments that tells which source may be believed. Offline metrics, which have no uplift to predict, are held against
the outcome in ``experiments.foretelling``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from core.errors import DataError
from experiments.inference.comparison import check_alpha
from experiments.json_document import json_document

#: ``ok``; ``no_prediction``: the source gave no figures; ``no_outcome``: the test gave none.
ForecastStatus = Literal["ok", "no_prediction", "no_outcome"]
#: ``ok``; ``no_experiments``: nothing to judge; ``one_experiment``: no spread, hence no interval of the mean error.
CalibrationStatus = Literal["ok", "no_experiments", "one_experiment"]


class Prediction(NamedTuple):
    """An uplift told beforehand.

    Attributes:
        source: Who says so, e.g. ``simulation``, ``off_policy:dr``.
        effect_size: The uplift, absolute or relative, but the outcome's must be of the same kind; NaN: it has none.
        ci_lower: Lower end of its 1 - alpha interval.
        ci_upper: Upper end.
        alpha: The interval misses the true uplift with this probability, as the source claims.
    """

    source: str
    effect_size: float
    ci_lower: float
    ci_upper: float
    alpha: float = 0.05

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        return json_document(self._asdict())


class Outcome(NamedTuple):
    """The uplift that the live test found.

    Attributes:
        effect_size: NaN where the test gave none.
        se: Its standard error, >= 0.
    """

    effect_size: float
    se: float


class ForecastError(NamedTuple):
    """One prediction beside its outcome.

    Attributes:
        source: Of the prediction.
        predicted: The uplift told.
        observed: The uplift found.
        error: predicted - observed.
        z: error / the standard error of it, the prediction's and the outcome's together.
        covered: Whether the two agree: |z| is at most the prediction's own normal quantile. None without figures. The
            outcome is itself uncertain; a prediction is not to blame for that.
        inside: Whether the observed uplift lies in the interval as it was told, the outcome taken as exact.
        same_sign: Whether both are above 0 or both are not.
        alpha: Of the prediction.
        status: Of ``ForecastStatus``; all but ``ok`` have NaN and None.
    """

    source: str
    predicted: float
    observed: float
    error: float
    z: float
    covered: bool | None
    inside: bool | None
    same_sign: bool | None
    alpha: float
    status: ForecastStatus

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        return json_document(self._asdict())


class ForecastCalibration(NamedTuple):
    """How one source did over experiments.

    Attributes:
        source: Its name.
        n: Experiments with a prediction and an outcome.
        n_missing: Experiments without either.
        n_covered: Of the n those where prediction and outcome agree.
        coverage: n_covered / n; NaN without experiments, as are all figures below.
        coverage_lower: Lower end of its 95 % Wilson interval.
        coverage_upper: Upper end.
        nominal: What the coverage ought to be: 1 - mean alpha.
        mean_error: Mean of predicted - observed; above 0 the source promises too much.
        mean_error_lower: Lower end of its 95 % t interval; NaN with one experiment.
        mean_error_upper: Upper end.
        rmse: Root mean squared error.
        mean_squared_z: Mean of z², 1 where the intervals have the right width, above it where they are too narrow.
        rank_agreement: Kendall's tau-b of predicted and observed, -1 … 1; NaN with fewer than two or where all are
            equal.
        sign_agreement: Share with the same sign.
        status: Of ``CalibrationStatus``.
    """

    source: str
    n: int
    n_missing: int
    n_covered: int
    coverage: float
    coverage_lower: float
    coverage_upper: float
    nominal: float
    mean_error: float
    mean_error_lower: float
    mean_error_upper: float
    rmse: float
    mean_squared_z: float
    rank_agreement: float
    sign_agreement: float
    status: CalibrationStatus

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values, null for what is no number."""
        return json_document(self._asdict())


def prediction_from_document(document: Mapping[str, Any]) -> Prediction:
    """Read a prediction that was kept as JSON; the inverse of ``Prediction.as_document``.

    >>> kept = Prediction("simulation", 0.03, 0.01, 0.05)
    >>> prediction_from_document(kept.as_document()) == kept
    True

    Raises:
        DataError: A field is missing or is no number, or the interval's ends are in the wrong order.
    """
    missing = [name for name in ("source", "effect_size", "ci_lower", "ci_upper", "alpha") if name not in document]
    if missing:
        raise DataError(f"the prediction has no {', '.join(missing)}; keep what Prediction.as_document gives")
    figures = []
    for name in ("effect_size", "ci_lower", "ci_upper", "alpha"):
        value = document[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise DataError(f"the prediction's {name} is {value!r}, must be a number or null")
        figures.append(math.nan if value is None else float(value))
    found = Prediction(str(document["source"]), *figures)
    _check(found)
    return found


def prediction_from_draws(source: str, effects: npt.ArrayLike, *, alpha: float = 0.05) -> Prediction:
    """Prediction from simulated live tests: their mean uplift and its central 1 - alpha quantiles.

    >>> prediction_from_draws("simulation", [0.0, 0.01, 0.02, 0.03, 0.04], alpha=0.5)
    Prediction(source='simulation', effect_size=0.02, ci_lower=0.01, ci_upper=0.03, alpha=0.5)

    Args:
        source: Its name.
        effects: (n,) uplifts, one a simulated world; without any the prediction is NaN.
        alpha: Of the interval.

    Raises:
        ConfigError: alpha is not allowed.
        DataError: An uplift is not finite.
    """
    check_alpha(alpha)
    drawn = np.asarray(effects, np.float64).ravel()
    if not np.isfinite(drawn).all():
        raise DataError(f"{np.count_nonzero(~np.isfinite(drawn))} of {len(drawn)} simulated uplifts are not finite")
    if len(drawn) == 0:
        return Prediction(source, math.nan, math.nan, math.nan, alpha)
    lower, upper = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    return Prediction(source, float(drawn.mean()), float(lower), float(upper), alpha)


def forecast_error(prediction: Prediction, outcome: Outcome) -> ForecastError:
    """Hold a prediction against the outcome.

    z = (p - o) / √(s_p² + s_o²). The prediction's standard error s_p is its interval's length on the outcome's side
    over the normal quantile of 1 - alpha / 2, so that a lopsided interval is judged on the side that is tested.

    >>> found = forecast_error(Prediction("simulation", 0.03, 0.01, 0.05), Outcome(0.02, 0.005))
    >>> round(found.error, 3), round(found.z, 3), found.covered
    (0.01, 0.88, True)

    Args:
        prediction: Made beforehand.
        outcome: Found afterwards, of the same kind (absolute or relative).

    Raises:
        ConfigError: The prediction's alpha is not allowed.
        DataError: Its interval does not hold its effect, or the outcome's se is negative.
    """
    _check(prediction)
    if outcome.se < 0:
        raise DataError(f"the outcome's se is {outcome.se}, must be >= 0")
    source, predicted, lower, upper, alpha = prediction
    observed = outcome.effect_size
    if not math.isfinite(predicted + lower + upper):
        return _no_error(prediction, outcome, "no_prediction")
    if not math.isfinite(observed + outcome.se):
        return _no_error(prediction, outcome, "no_outcome")
    quantile = -float(special.ndtri(alpha / 2))
    error = predicted - observed
    half = predicted - lower if error > 0 else upper - predicted
    se = math.hypot(half / quantile, outcome.se)
    # Nothing uncertain on either side: they agree exactly or not at all.
    z = error / se if se > 0 else math.copysign(math.inf, error) if error else 0.0
    return ForecastError(
        source,
        predicted,
        observed,
        error,
        z,
        covered=abs(z) <= quantile,
        inside=lower <= observed <= upper,
        same_sign=(predicted > 0) == (observed > 0),
        alpha=alpha,
        status="ok",
    )


def forecast_calibration(source: str, errors: Sequence[ForecastError]) -> ForecastCalibration:
    """How a source did over experiments: coverage, bias, order.

    Wilson's interval of the coverage (1927, JASA 22:209), Kendall's tau-b (1945, Biometrika 33:239). Intervals take the
    experiments as independent.

    >>> outcomes = [Outcome(0.02, 0.005), Outcome(0.00, 0.005), Outcome(-0.01, 0.005)]
    >>> told = [Prediction("dr", *figures) for figures in [(0.03, 0.01, 0.05), (0.01, 0.0, 0.02), (0.05, 0.04, 0.06)]]
    >>> found = forecast_calibration("dr", [forecast_error(*pair) for pair in zip(told, outcomes)])
    >>> found.n_covered, round(found.coverage_lower, 2), round(found.coverage_upper, 2), round(found.mean_error, 3)
    (2, 0.21, 0.94, 0.027)

    Args:
        source: Whose predictions they are.
        errors: One an experiment; those of other sources are left aside.

    Returns:
        The calibration; ``no_experiments`` and NaN where nothing can be compared.
    """
    own = [one for one in errors if one.source == source]
    told = [one for one in own if one.status == "ok"]
    if not told:
        return _no_calibration(source, len(own))
    n, n_covered = len(told), sum(one.covered is True for one in told)
    wilson = stats.binomtest(n_covered, n).proportion_ci(0.95, method="wilson")
    error = np.array([one.error for one in told])
    half = math.nan
    if n > 1:
        half = -float(special.stdtrit(n - 1, 0.025)) * float(error.std(ddof=1)) / math.sqrt(n)
    return ForecastCalibration(
        source=source,
        n=n,
        n_missing=len(own) - n,
        n_covered=n_covered,
        coverage=n_covered / n,
        coverage_lower=float(wilson.low),
        coverage_upper=float(wilson.high),
        nominal=1 - float(np.mean([one.alpha for one in told])),
        mean_error=float(error.mean()),
        mean_error_lower=float(error.mean()) - half,
        mean_error_upper=float(error.mean()) + half,
        rmse=float(np.sqrt(np.mean(error**2))),
        mean_squared_z=float(np.mean([one.z**2 for one in told])),
        rank_agreement=_rank_agreement(told),
        sign_agreement=sum(one.same_sign is True for one in told) / n,
        status="ok" if n > 1 else "one_experiment",
    )


def calibration_by_source(errors: Sequence[ForecastError]) -> tuple[ForecastCalibration, ...]:
    """``forecast_calibration`` of every source, by name; empty where there are none."""
    return tuple(forecast_calibration(source, errors) for source in sorted({one.source for one in errors}))


def _no_calibration(source: str, n_missing: int) -> ForecastCalibration:
    nothing = math.nan
    return ForecastCalibration(
        source=source,
        n=0,
        n_missing=n_missing,
        n_covered=0,
        coverage=nothing,
        coverage_lower=nothing,
        coverage_upper=nothing,
        nominal=nothing,
        mean_error=nothing,
        mean_error_lower=nothing,
        mean_error_upper=nothing,
        rmse=nothing,
        mean_squared_z=nothing,
        rank_agreement=nothing,
        sign_agreement=nothing,
        status="no_experiments",
    )


def _rank_agreement(told: Sequence[ForecastError]) -> float:
    predicted, observed = [one.predicted for one in told], [one.observed for one in told]
    if len(set(predicted)) < 2 or len(set(observed)) < 2:
        return math.nan
    return float(stats.kendalltau(predicted, observed).statistic)


def _check(prediction: Prediction) -> None:
    check_alpha(prediction.alpha)
    lower, effect, upper = prediction.ci_lower, prediction.effect_size, prediction.ci_upper
    if math.isfinite(lower + effect + upper) and not lower <= effect <= upper:
        raise DataError(f"prediction {effect} of {prediction.source!r} is outside its own interval {lower} … {upper}")


def _no_error(prediction: Prediction, outcome: Outcome, status: ForecastStatus) -> ForecastError:
    return ForecastError(
        prediction.source,
        prediction.effect_size,
        outcome.effect_size,
        error=math.nan,
        z=math.nan,
        covered=None,
        inside=None,
        same_sign=None,
        alpha=prediction.alpha,
        status=status,
    )
