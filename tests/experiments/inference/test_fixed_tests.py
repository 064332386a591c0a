"""The tests that may be chosen, each against scipy or a hand computation, and what they are not of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from core.errors import ConfigError
from experiments.analysis import AnalysisPlan, MetricArms, analyse
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate
from experiments.inference.fixed_tests import NOBODY, TESTS, ChosenTest, Sample, Test, check_test, fixed_comparison
from experiments.inference.moments import Moments
from experiments.inference.value_counts import ValueCounts
from experiments.metrics import Metric

RNG = np.random.default_rng(3)
NEW, OLD = RNG.exponential(1.2, 300).round(2), RNG.exponential(1.0, 280).round(2)
PAID, BOUGHT = Metric("paid", "mean", "paid"), Metric("bought", "proportion", "bought")
RATE, WAIT = Metric("rate", "ratio", "clicks"), Metric("wait", "quantile", "wait")


def sample(values: list[float] | np.ndarray) -> Sample:
    rows = np.asarray(values, float)
    return Sample(mean_estimate(Moments.from_rows(rows)), ValueCounts.from_rows(rows), rows[:, np.newaxis])


def share(n: int, hits: int) -> Sample:
    return Sample(proportion_estimate(n, hits), ValueCounts.from_table([0.0, 1.0], [n - hits, hits]))


def test_each_mean_test_agrees_with_scipy() -> None:
    arms = sample(NEW), sample(OLD)
    means = CompareMeans(DescrStatsW(NEW), DescrStatsW(OLD))
    for test, expected in (
        ("auto", stats.ttest_ind(NEW, OLD, equal_var=False).pvalue),
        ("welch", stats.ttest_ind(NEW, OLD, equal_var=False).pvalue),
        ("z", means.ztest_ind(usevar="unequal")[1]),
        ("mann-whitney", stats.mannwhitneyu(NEW, OLD).pvalue),
        ("brunner-munzel", stats.brunnermunzel(NEW, OLD).pvalue),
    ):
        assert fixed_comparison(*arms, ChosenTest(test)).pvalue == pytest.approx(expected, rel=1e-9), test
    found = fixed_comparison(*arms, ChosenTest("mann-whitney"))
    superiority = stats.mannwhitneyu(NEW, OLD).statistic / (300 * 280)
    assert found.effect_size == pytest.approx(superiority)
    assert found.ci_lower < superiority < found.ci_upper
    assert (found.treatment_value, found.control_value) == pytest.approx((NEW.mean(), OLD.mean()))
    assert math.isnan(found.rel_effect_size)


@pytest.mark.parametrize("arms", [((100, 55), (100, 40)), ((12, 9), (11, 2))])
def test_each_test_of_shares_agrees_with_scipy(arms: tuple[tuple[int, int], tuple[int, int]]) -> None:
    (n, hits), (control_n, control_hits) = arms
    table = [[hits, n - hits], [control_hits, control_n - control_hits]]
    pair = share(n, hits), share(control_n, control_hits)
    chi, fisher = (fixed_comparison(*pair, ChosenTest(test)) for test in ("chi-squared", "fisher"))
    assert chi.pvalue == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    assert fisher.pvalue == pytest.approx(stats.fisher_exact(table).pvalue)
    expected = confint_proportions_2indep(hits, n, control_hits, control_n, method="newcomb", compare="diff")
    for found in (chi, fisher):
        assert (found.ci_lower, found.ci_upper) == pytest.approx(expected)
        assert found.effect_size == pytest.approx(hits / n - control_hits / control_n)
        assert found.rel_effect_size == pytest.approx(hits / n / (control_hits / control_n) - 1)


def test_the_bootstrap_agrees_with_scipy_and_its_seed_decides() -> None:
    arms = sample(NEW), sample(OLD)
    found, again, other = (fixed_comparison(*arms, ChosenTest("bootstrap", 4_000, seed)) for seed in (1, 1, 2))
    assert found == again
    assert found.ci_lower != other.ci_lower
    expected = stats.bootstrap(
        (NEW, OLD),
        lambda one, two, axis: one.mean(axis) - two.mean(axis),
        n_resamples=4_000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (found.ci_lower, found.ci_upper) == pytest.approx((expected.low, expected.high), abs=0.012)
    clicks = np.stack([NEW, np.arange(300) % 5 + 1], axis=1)
    ratio = Sample(Estimate(math.nan, math.nan, 0), units=clicks)
    found = fixed_comparison(ratio, ratio, ChosenTest("bootstrap"), is_ratio=True)
    assert found.treatment_value == pytest.approx(clicks[:, 0].sum() / clicks[:, 1].sum())


@pytest.mark.parametrize(
    ("test", "treatment", "control", "status", "tested"),
    [
        ("mann-whitney", sample([3.0, 4.0]), sample([1.0, 2.0]), "no_overlap", True),
        ("brunner-munzel", sample([3.0, 4.0]), sample([1.0, 2.0]), "no_overlap", False),
        ("mann-whitney", sample([1.0, 1.0]), sample([1.0, 1.0]), "no_variance", False),
        ("mann-whitney", sample([3.0]), sample([1.0, 2.0]), "too_few_units", True),
        ("mann-whitney", sample([3.0]), NOBODY, "no_units", False),
        ("bootstrap", sample([3.0]), sample([1.0, 2.0]), "too_few_units", False),
        ("bootstrap", sample([1.0, 1.0]), sample([1.0, 1.0]), "no_variance", False),
        ("bootstrap", sample([1.0, 2.0]), NOBODY, "no_units", False),
        ("fisher", share(4, 4), share(4, 0), "zero_baseline", True),
        ("fisher", share(4, 0), share(4, 4), "ok", True),
        ("fisher", share(1, 1), share(9, 3), "ok", True),
        ("chi-squared", share(9, 9), share(9, 9), "no_variance", False),
        ("chi-squared", share(9, 9), NOBODY, "no_units", False),
    ],
)
def test_degenerate_arms_have_a_status(
    test: Test, treatment: Sample, control: Sample, status: str, tested: bool
) -> None:
    found = fixed_comparison(treatment, control, ChosenTest(test))
    assert found.status == status
    assert math.isfinite(found.pvalue) is tested
    if not tested:
        assert math.isnan(found.ci_lower)
        assert math.isnan(found.ci_upper)


def test_which_tests_are_of_which_metric() -> None:
    allowed = {metric.kind: [test for test in TESTS if _is_of(metric, test)] for metric in (PAID, BOUGHT, RATE, WAIT)}
    assert allowed == {
        "mean": ["auto", "welch", "z", "mann-whitney", "brunner-munzel", "bootstrap"],
        "proportion": list(TESTS),
        "ratio": ["auto", "welch", "z", "bootstrap"],
        "quantile": ["auto", "welch", "z"],
    }
    with pytest.raises(
        ConfigError, match="'fisher' is of proportion metrics, 'paid' is a mean; take one of auto, welch"
    ):
        check_test(PAID, ChosenTest("fisher"))


def _is_of(metric: Metric, test: Test) -> bool:
    try:
        check_test(metric, ChosenTest(test))
    except ConfigError:
        return False
    return True


def test_an_analysis_takes_them_for_one_look_and_without_covariate() -> None:
    samples = {"a": sample(OLD), "b": sample(NEW)}
    estimates = {name: one.estimate for name, one in samples.items()}
    units = {"a": 280, "b": 300}
    ranks = MetricArms(PAID, estimates, {}, {}, test=ChosenTest("mann-whitney"), samples=samples)
    (one, other) = analyse(AnalysisPlan("a"), units, [ranks, MetricArms(PAID, estimates, {}, {})]).findings
    assert (one.test, one.effect_kind, other.test, other.effect_kind) == (
        "mann-whitney", "probability_of_superiority", "welch", "difference",
    )  # fmt: skip
    assert one.comparison.pvalue == pytest.approx(stats.mannwhitneyu(NEW, OLD).pvalue)
    # Corrected together, whatever the tests.
    assert min(one.pvalue_adjusted, other.pvalue_adjusted) == pytest.approx(
        2 * min(one.comparison.pvalue, other.comparison.pvalue)
    )
    with pytest.raises(ConfigError, match="is for one look, method 'sequential' brings its own"):
        analyse(AnalysisPlan("a", method="sequential"), units, [ranks])
    with pytest.raises(ConfigError, match="takes no covariate and no strata"):
        analyse(AnalysisPlan("a"), units, [ranks._replace(adjusted={"b": (estimates["b"], estimates["a"])})])


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_better_is_seen_from_one_half(lower_is_better: bool) -> None:
    samples = {"a": sample(NEW), "b": sample(OLD)}
    metric = Metric("paid", "mean", "paid", lower_is_better=lower_is_better)
    arms = MetricArms(
        metric, {name: one.estimate for name, one in samples.items()}, {}, {}, ChosenTest("brunner-munzel"), samples
    )
    (found,) = analyse(AnalysisPlan("a"), {"a": 300, "b": 280}, [arms]).findings
    # Less than one half, and above 0.
    assert 0 < found.comparison.effect_size < 0.5
    assert found.better is lower_is_better


def test_what_is_missing_is_refused() -> None:
    bare = Sample(Estimate(1.0, 0.1, 9))
    for test, told in (("mann-whitney", "give Sample.counts"), ("bootstrap", "give Sample.units")):
        with pytest.raises(ConfigError, match=told):
            fixed_comparison(bare, bare, ChosenTest(test))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="test == 'anova', must be one of auto, welch"):
        ChosenTest("anova")  # type: ignore[arg-type]
