"""Bootstrap of the difference of two arms, for metrics whose distribution nobody wants to assume anything of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy import special

from core.errors import ConfigError, DataError
from experiments.inference.comparison import Alternative, Comparison, check_alpha, check_alternative
from experiments.inference.estimates import Status

Floats = npt.NDArray[np.float64]
#: From (…, p) means of what the units bring to (…) values, elementwise.
Metric = Callable[[Floats], Floats]
#: ``bca``: corrected for bias and skewness; ``percentile``: the quantiles of the resamples as they are.
BootstrapMethod = Literal["bca", "percentile"]
BOOTSTRAP_METHODS: tuple[BootstrapMethod, ...] = get_args(BootstrapMethod)

_FEWEST_RESAMPLES = 100
#: Where skewness carries an end beyond every resample, it is the outermost one.
_LEAST_SHRINK = 1e-9


def mean_metric(means: Floats) -> Floats:
    """The mean of the first number a unit brings.

    >>> mean_metric(np.array([[2.0], [3.0]])).tolist()
    [2.0, 3.0]

    Args:
        means: (…, p).
    """
    return means[..., 0]


def ratio_metric(means: Floats) -> Floats:
    """The ratio of the sums of the first two numbers, e.g. clicks and impressions; not finite where the second is 0.

    >>> ratio_metric(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [0.5, 0.75]

    Args:
        means: (…, p), p >= 2.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return means[..., 0] / means[..., 1]


def bootstrap_difference(
    treatment: npt.ArrayLike,
    control: npt.ArrayLike,
    metric: Metric = mean_metric,
    *,
    seed: int,
    n_resamples: int = 2000,
    method: BootstrapMethod = "bca",
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    block: int = 1_000_000,
) -> Comparison:
    """Bootstrap the absolute and relative difference of a metric between two arms.

    Whole units are drawn, as many as the arm has, so that what is correlated within a unit stays so. The ends of the
    interval are quantiles of the resampled differences at Φ(z_α) (``percentile``), or for ``bca`` at
    Φ(z₀ + (z₀ + z_α) / (1 - a (z₀ + z_α))) (Efron & Tibshirani 1993, An Introduction to the Bootstrap, eq. 14.10), with
    z₀ = Φ⁻¹ of the share of resamples below the estimate (eq. 14.14) and a = Σ U³ / (6 (Σ U²)^1.5), summed over the
    jackknife influences U of the units of both arms, each over its arm's units (eq. 14.15, for two samples). The
    p-value is the level at which the interval touches 0; it is never below 1 / (n_resamples + 1).
    Heavy tails in few units make it too narrow: 95 % intervals of 150 lognormal units an arm cover .91.

    >>> rng = np.random.default_rng(0)
    >>> found = bootstrap_difference(rng.exponential(1.5, 300), rng.exponential(1.0, 300), seed=1)
    >>> found.status, found.ci_lower < found.effect_size < found.ci_upper, found.pvalue < 0.01
    ('ok', True, True)

    Args:
        treatment: (n, p) what each unit brings, or (n,) for p = 1.
        control: The control's.
        metric: ``mean_metric``, ``ratio_metric``, or another smooth function of the means of what units bring.
        seed: The same seed gives the same figures, whatever ``block`` is.
        n_resamples: At least 100; an interval wants 1,000 or more.
        method: Of ``BOOTSTRAP_METHODS``.
        alpha: The interval misses with this probability.
        alternative: What is to be shown of treatment - control.
        block: Units drawn at once, over resamples: what bounds the memory.

    Returns:
        The comparison; ``statistic`` and ``df`` are NaN. ``negative_baseline``: the control is below 0;
        ``zero_baseline``: it, or any resample of it, is not above 0; ``not_finite`` or ``undefined_ratio``: the metric
        has no value in some resample.

    Raises:
        ConfigError: A parameter is not allowed.
        DataError: A number is not finite, or the arms do not bring as many numbers a unit.
    """
    check_alpha(alpha)
    check_alternative(alternative)
    _check_parameters(n_resamples, method, block)
    one, two = _rows(treatment), _rows(control)
    if one.shape[1] != two.shape[1]:
        raise DataError(f"treatment brings {one.shape[1]} numbers a unit, control {two.shape[1]}; need as many")
    values, sizes = (_value(one, metric), _value(two, metric)), (len(one), len(two))
    if min(sizes) < 2:
        return _comparison(values, sizes, "too_few_units" if min(sizes) else "no_units")
    arms = _drawn((one, two), metric, n_resamples, block, seed)
    if not all(np.isfinite(figures).all() for figures in (*values, *arms.drawn)):
        return _comparison(values, sizes, "undefined_ratio" if metric is ratio_metric else "not_finite")
    return _compared(arms, sizes, _Plan(method, alpha, alternative))


class _Arms(NamedTuple):
    """Of treatment and control: their values, resampled ones, and those without each unit in turn."""

    values: tuple[float, float]
    drawn: tuple[Floats, Floats]
    left_out: tuple[Floats, Floats]


def _drawn(rows: tuple[Floats, Floats], metric: Metric, n_resamples: int, block: int, seed: int) -> _Arms:
    one, two = rows
    stream, control_stream = np.random.default_rng(seed).spawn(2)
    return _Arms(
        (_value(one, metric), _value(two, metric)),
        (
            _resampled(one, metric, n_resamples, block, stream),
            _resampled(two, metric, n_resamples, block, control_stream),
        ),
        (_jackknife(one, metric), _jackknife(two, metric)),
    )


class _Plan(NamedTuple):
    method: BootstrapMethod
    alpha: float
    alternative: Alternative


class _Reading(NamedTuple):
    se: float
    ci_lower: float
    ci_upper: float
    pvalue: float


def _compared(arms: _Arms, sizes: tuple[int, int], plan: _Plan) -> Comparison:
    (one, two), drawn, left_out = arms
    absolute = _read(one - two, drawn[0] - drawn[1], (left_out[0] - two, one - left_out[1]), plan)
    if absolute is None:
        return _comparison(arms.values, sizes, "no_variance")
    if two < 0:
        return _comparison(arms.values, sizes, "negative_baseline", absolute)
    if not min(two, float(drawn[1].min()), float(left_out[1].min())) > 0:
        return _comparison(arms.values, sizes, "zero_baseline", absolute)
    relative = _read(one / two - 1, drawn[0] / drawn[1] - 1, (left_out[0] / two - 1, one / left_out[1] - 1), plan)
    return _comparison(arms.values, sizes, "ok", absolute, relative)


_UNREAD = _Reading(math.nan, math.nan, math.nan, math.nan)


def _read(effect: float, drawn: Floats, left_out: tuple[Floats, Floats], plan: _Plan) -> _Reading | None:
    """The resampled effects read; None where all are the same."""
    spread = float(drawn.max() - drawn.min())
    if not spread > 64 * np.finfo(np.float64).eps * float(np.abs(drawn).max()):
        return None
    bias, skew = _corrections(effect, drawn, left_out) if plan.method == "bca" else (0.0, 0.0)

    def end(probability: float) -> float:
        z = bias + float(special.ndtri(probability))
        return float(np.quantile(drawn, special.ndtr(bias + z / max(1 - skew * z, _LEAST_SHRINK))))

    tail = plan.alpha / 2 if plan.alternative == "two-sided" else plan.alpha
    return _Reading(
        se=float(drawn.std(ddof=1)),
        ci_lower=-math.inf if plan.alternative == "less" else end(tail),
        ci_upper=math.inf if plan.alternative == "greater" else end(1 - tail),
        pvalue=_pvalue(drawn, bias, skew, plan.alternative),
    )


def _corrections(effect: float, drawn: Floats, left_out: tuple[Floats, Floats]) -> tuple[float, float]:
    """Bias z₀ and acceleration a."""
    below = np.count_nonzero(drawn < effect) + 0.5 * np.count_nonzero(drawn == effect)
    # Half a resample is left on either side: a bias that cannot be measured is a large one, not an infinite one.
    bias = float(special.ndtri(min(max(below, 0.5), len(drawn) - 0.5) / len(drawn)))
    cubes = squares = 0.0
    for arm in left_out:
        influence = (len(arm) - 1) * (arm.mean() - arm) / len(arm)
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    return bias, cubes / (6 * squares**1.5) if squares > 0 else 0.0


def _pvalue(drawn: Floats, bias: float, skew: float, alternative: Alternative) -> float:
    """The level at which an end of the interval is 0: the ends' formula solved for z_α."""
    resamples = len(drawn)
    below = np.count_nonzero(drawn < 0) + 0.5 * np.count_nonzero(drawn == 0)
    reached = float(special.ndtri((below + 0.5) / (resamples + 1))) - bias
    tail = float(special.ndtr(reached / max(1 + skew * reached, _LEAST_SHRINK) - bias))
    least = 1 / (resamples + 1)
    if alternative == "two-sided":
        return min(max(2 * min(tail, 1 - tail), least), 1.0)
    return max(tail if alternative == "greater" else 1 - tail, least)


def _resampled(rows: Floats, metric: Metric, n_resamples: int, block: int, stream: np.random.Generator) -> Floats:
    """(n_resamples,) the metric of as many units as there are, drawn with replacement."""
    n, size = rows.shape
    at_once = max(1, block // n)
    found = np.empty(n_resamples)
    for start in range(0, n_resamples, at_once):
        stop = min(start + at_once, n_resamples)
        drawn = stream.integers(n, size=(stop - start, n))
        means = np.stack([rows[:, column][drawn].mean(axis=1) for column in range(size)], axis=1)
        found[start:stop] = metric(means)
    return found


def _jackknife(rows: Floats, metric: Metric) -> Floats:
    """(n,) the metric without each unit in turn."""
    n = len(rows)
    return np.asarray(metric((rows.mean(axis=0) * n - rows) / (n - 1)), np.float64)


def _value(rows: Floats, metric: Metric) -> float:
    return float(metric(rows.mean(axis=0))) if len(rows) else math.nan


def _rows(rows: npt.ArrayLike) -> Floats:
    table = np.asarray(rows, np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2:
        raise DataError(f"rows has shape {table.shape}, must be (n,) or (n, p)")
    wrong = int(np.count_nonzero(~np.isfinite(table).all(axis=1)))
    if wrong:
        raise DataError(f"{wrong} of {len(table)} units have a number that is not finite; leave them out first")
    return table


def _check_parameters(n_resamples: int, method: str, block: int) -> None:
    if n_resamples < _FEWEST_RESAMPLES:
        raise ConfigError(f"n_resamples == {n_resamples}, must be >= {_FEWEST_RESAMPLES}")
    if method not in BOOTSTRAP_METHODS:
        raise ConfigError(f"method == {method!r}, must be one of {', '.join(BOOTSTRAP_METHODS)}")
    if block < 1:
        raise ConfigError(f"block == {block}, must be >= 1")


def _comparison(
    values: tuple[float, float],
    sizes: tuple[int, int],
    status: Status,
    absolute: _Reading | None = None,
    relative: _Reading | None = None,
) -> Comparison:
    one, two = values
    found, rel = absolute or _UNREAD, relative or _UNREAD
    return Comparison(
        effect_size=one - two,
        se=found.se,
        ci_lower=found.ci_lower,
        ci_upper=found.ci_upper,
        pvalue=found.pvalue,
        rel_effect_size=one / two - 1 if relative else math.nan,
        rel_se=rel.se,
        rel_ci_lower=rel.ci_lower,
        rel_ci_upper=rel.ci_upper,
        rel_pvalue=rel.pvalue,
        control_value=two,
        treatment_value=one,
        control_n=sizes[1],
        treatment_n=sizes[0],
        statistic=math.nan,
        df=math.nan,
        status=status,
    )
