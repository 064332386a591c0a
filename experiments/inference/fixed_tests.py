"""The tests that may be chosen for one look, fixed beforehand, and which metrics each of them is of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.inference.binomial_intervals import newcombe
from experiments.inference.bootstrap import bootstrap_difference, mean_metric, ratio_metric
from experiments.inference.comparison import Comparison
from experiments.inference.estimates import Estimate, Status
from experiments.inference.frequentist import welch, z_test
from experiments.inference.proportion_tests import TableTest, chi_squared_test, fisher_exact_test
from experiments.inference.rank_tests import RankComparison, brunner_munzel, mann_whitney
from experiments.inference.value_counts import ValueCounts
from experiments.metrics import Metric, MetricKind

#: ``auto`` is what the method of the analysis has by itself: Welch's test for one look.
Test = Literal["auto", "welch", "z", "chi-squared", "fisher", "mann-whitney", "brunner-munzel", "bootstrap"]
TESTS: tuple[Test, ...] = get_args(Test)
#: What ``effect_size`` is: treatment - control in the metric's unit, or how often a unit of the treatment is above one
#: of the control, ties counted half, so that ½ is no effect.
EffectKind = Literal["difference", "probability_of_superiority"]
#: What a test asks of an arm: its estimate, the count of every value that units have, or the units themselves.
Need = Literal["estimate", "counts", "units"]
#: Resamples of a bootstrap where nobody said another number.
N_RESAMPLES = 2_000

_OF_MEANS: frozenset[MetricKind] = frozenset({"mean", "proportion"})
_OF_SHARES: frozenset[MetricKind] = frozenset({"proportion"})


class _Kind(NamedTuple):
    metrics: frozenset[MetricKind]
    need: Need
    effect: EffectKind
    #: Whether estimates with a covariate's share taken out may be put in.
    adjustable: bool


_KINDS: dict[Test, _Kind] = {
    "auto": _Kind(frozenset(get_args(MetricKind)), "estimate", "difference", True),
    "welch": _Kind(frozenset(get_args(MetricKind)), "estimate", "difference", True),
    "z": _Kind(frozenset(get_args(MetricKind)), "estimate", "difference", True),
    "chi-squared": _Kind(_OF_SHARES, "estimate", "difference", False),
    "fisher": _Kind(_OF_SHARES, "estimate", "difference", False),
    "mann-whitney": _Kind(_OF_MEANS, "counts", "probability_of_superiority", False),
    "brunner-munzel": _Kind(_OF_MEANS, "counts", "probability_of_superiority", False),
    "bootstrap": _Kind(_OF_MEANS | {"ratio"}, "units", "difference", False),
}


@dataclass(frozen=True)
class ChosenTest:
    """A test and what it needs to know beside the arms.

    Attributes:
        test: Of ``TESTS``.
        n_resamples: For ``bootstrap``, 100 or more.
        seed: For ``bootstrap``: the same seed gives the same figures.
    """

    test: Test = "auto"
    n_resamples: int = N_RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        if self.test not in TESTS:
            raise ConfigError(f"test == {self.test!r}, must be one of {', '.join(TESTS)}")

    @property
    def need(self) -> Need:
        """What it asks of an arm."""
        return _KINDS[self.test].need

    @property
    def effect_kind(self) -> EffectKind:
        """What its effect is."""
        return _KINDS[self.test].effect

    @property
    def no_effect(self) -> float:
        """The effect of arms that are alike."""
        return 0.5 if self.effect_kind == "probability_of_superiority" else 0.0

    @property
    def adjustable(self) -> bool:
        """Whether covariates and strata may be taken out before it."""
        return _KINDS[self.test].adjustable


class Sample(NamedTuple):
    """One arm as a test needs it.

    Attributes:
        estimate: Its value.
        counts: Every value that a unit has, and how many have it; None where the test does not need it.
        units: (n, p) float64, what each unit brings: its value, or numerator and denominator; None likewise.
    """

    estimate: Estimate
    counts: ValueCounts | None = None
    units: npt.NDArray[np.float64] | None = None


#: An arm without units.
NOBODY = Sample(Estimate(math.nan, math.nan, 0, "no_units"), ValueCounts.empty(), np.zeros((0, 1)))


def check_test(metric: Metric, chosen: ChosenTest) -> None:
    """Refuse a test of a metric that it is not of.

    Raises:
        ConfigError: It is of other kinds of metrics.
    """
    allowed = _KINDS[chosen.test].metrics
    if metric.kind not in allowed:
        others = ", ".join(test for test in TESTS if metric.kind in _KINDS[test].metrics)
        raise ConfigError(
            f"test == {chosen.test!r} is of {' and '.join(sorted(allowed))} metrics, {metric.name!r} is a "
            f"{metric.kind}; take one of {others}"
        )


def fixed_comparison(
    treatment: Sample, control: Sample, chosen: ChosenTest, *, is_ratio: bool = False, alpha: float = 0.05
) -> Comparison:
    """Treatment against control by the test that was chosen.

    - ``auto``, ``welch``, ``z``: ``experiments.inference.frequentist``;
    - ``chi-squared``, ``fisher``: p-value of ``proportion_tests`` (without Yates' correction), interval of the
      difference by Newcombe (1998, method 10), relative figures by ``z_test``;
    - ``mann-whitney``, ``brunner-munzel``: ``rank_tests``; effect and interval are those of the probability of
      superiority, relative figures NaN;
    - ``bootstrap``: BCa, ``bootstrap_difference``.

    >>> arms = [Sample(Estimate(hits / 100, hits / 100 * (1 - hits / 100) / 100, 100)) for hits in (55, 40)]
    >>> found = fixed_comparison(*arms, ChosenTest("chi-squared"))
    >>> round(found.pvalue, 4), round(found.effect_size, 2), found.status
    (0.0337, 0.15, 'ok')

    Args:
        treatment: With what the test needs (``ChosenTest.need``).
        control: Likewise.
        chosen: Which test.
        is_ratio: Whether units bring numerator and denominator; for ``bootstrap``.
        alpha: The interval misses with this probability.

    Returns:
        The comparison; where ``status`` is not ``ok``, what cannot be known is NaN. With ``no_overlap`` the p-value of
        Mann and Whitney's test stands.

    Raises:
        ConfigError: A parameter is not allowed, or a sample lacks what the test needs.
        DataError: A unit's number is not finite.
    """
    test = chosen.test
    if test in ("auto", "welch"):
        return welch(treatment.estimate, control.estimate, alpha=alpha)
    if test == "z":
        return z_test(treatment.estimate, control.estimate, alpha=alpha)
    if test in ("chi-squared", "fisher"):
        return _of_shares(treatment.estimate, control.estimate, test, alpha)
    if test in ("mann-whitney", "brunner-munzel"):
        rank = mann_whitney if test == "mann-whitney" else brunner_munzel
        if treatment.counts is None or control.counts is None:
            raise ConfigError(f"test == {test!r} needs the value of every unit; give Sample.counts")
        return _of_ranks(rank(treatment.counts, control.counts, alpha=alpha), treatment.estimate, control.estimate)
    if treatment.units is None or control.units is None:
        raise ConfigError(f"test == {test!r} needs the units themselves; give Sample.units")
    return bootstrap_difference(
        treatment.units,
        control.units,
        ratio_metric if is_ratio else mean_metric,
        seed=chosen.seed,
        n_resamples=chosen.n_resamples,
        alpha=alpha,
    )


def _of_shares(treatment: Estimate, control: Estimate, test: Test, alpha: float) -> Comparison:
    plain = z_test(treatment, control, alpha=alpha)
    if min(treatment.n, control.n) == 0:
        return plain
    one, two = _table(treatment), _table(control)
    found = _CHI_SQUARED_OR_FISHER[test](one, two)
    if found.status != "ok":
        return plain._replace(
            se=math.nan, ci_lower=math.nan, ci_upper=math.nan, pvalue=math.nan, statistic=math.nan, status=found.status
        )
    lower, upper = newcombe(one, two, alpha=alpha)
    # Two arms without spread of their own, all of one and none of the other, are enough for a table.
    status: Status = "ok" if two[0] else "zero_baseline"
    return plain._replace(
        ci_lower=lower,
        ci_upper=upper,
        pvalue=found.pvalue,
        statistic=found.statistic,
        df=found.df,
        status=status,
    )


def _chi_squared(treatment: tuple[int, int], control: tuple[int, int]) -> TableTest:
    return chi_squared_test((treatment[0], control[0]), (treatment[1], control[1]))


_CHI_SQUARED_OR_FISHER: dict[Test, Callable[[tuple[int, int], tuple[int, int]], TableTest]] = {
    "chi-squared": _chi_squared,
    "fisher": fisher_exact_test,
}


def _table(arm: Estimate) -> tuple[int, int]:
    return round(arm.value * arm.n), arm.n


def _of_ranks(found: RankComparison, treatment: Estimate, control: Estimate) -> Comparison:
    status = found.status
    if status == "no_variance" and found.effect_size in (0.0, 1.0):
        status = "no_overlap"
    nan = math.nan
    return Comparison(
        effect_size=found.effect_size,
        se=found.se,
        ci_lower=found.ci_lower,
        ci_upper=found.ci_upper,
        pvalue=found.pvalue,
        rel_effect_size=nan,
        rel_se=nan,
        rel_ci_lower=nan,
        rel_ci_upper=nan,
        rel_pvalue=nan,
        control_value=control.value,
        treatment_value=treatment.value,
        control_n=found.control_n,
        treatment_n=found.treatment_n,
        statistic=found.statistic,
        df=found.df,
        status=status,
    )
