"""Whole analyses: every method, corrections, sample ratios, directions, and what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from experiments.analysis import METHODS, Analysis, AnalysisPlan, Method, MetricArms, analyse
from experiments.bayes.bayesian_lift import NormalPrior
from experiments.inference.estimates import Estimate, mean_estimate, proportion_estimate
from experiments.inference.frequentist import welch
from experiments.inference.moments import Moments
from experiments.looks.confidence_sequences import sequential_comparison
from experiments.metrics import Metric
from experiments.verdict import VERDICT_REASONS, verdict

BOUGHT = Metric("bought", "proportion", "bought")
WAITED = Metric("waited", "mean", "waited", lower_is_better=True)


def arms(metric: Metric, estimates: Mapping[str, Estimate]) -> MetricArms:
    return MetricArms(metric, estimates, {}, {})


def shares(**successes: int) -> dict[str, Estimate]:
    return {variant: proportion_estimate(10_000, count) for variant, count in successes.items()}


def seen(metrics: list[MetricArms], plan: AnalysisPlan | None = None, **units: int) -> Analysis:
    return analyse(plan or AnalysisPlan("a"), units or dict.fromkeys(metrics[0].estimates, 10000), metrics)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_its_own_comparison_and_the_bayesian_reading_beside(method: Method) -> None:
    estimates = shares(a=1_000, b=1_100)
    (found,) = seen([arms(BOUGHT, estimates)], AnalysisPlan("a", method=method, look=2, looks=4)).findings
    expected = {
        "fixed": welch(estimates["b"], estimates["a"]),
        "bayesian": welch(estimates["b"], estimates["a"]),
        "sequential": sequential_comparison(estimates["b"], estimates["a"], n_star=5_000),
    }.get(method)
    if expected is not None:
        assert found.comparison == pytest.approx(expected, nan_ok=True)
    else:
        # Half-way O'Brien-Fleming asks for more than a single look does.
        assert found.comparison.pvalue > welch(estimates["b"], estimates["a"]).pvalue
    assert found.bayesian.chance_to_win > 0.98
    assert found.better


def test_pvalues_are_corrected_over_metrics_and_variants() -> None:
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_080, c=1_050)), arms(WAITED, shares(a=500, b=500, c=430))]
    raw = [finding.comparison.pvalue for finding in seen(metrics).findings]
    for correction, factor in (("none", 1), ("bonferroni", 4)):
        adjusted = [f.pvalue_adjusted for f in seen(metrics, AnalysisPlan("a", correction=correction)).findings]
        assert adjusted == pytest.approx([min(1.0, factor * pvalue) for pvalue in raw])
    held = [finding.pvalue_adjusted for finding in seen(metrics).findings]
    assert all(one <= other <= min(1.0, 4 * one) + 1e-12 for one, other in zip(raw, held, strict=True))


def test_the_covariate_s_estimates_are_the_ones_compared() -> None:
    estimates = shares(a=1_000, b=1_100)
    reduced = {name: one._replace(variance=one.variance / 4) for name, one in estimates.items()}
    with_it = MetricArms(BOUGHT, estimates, {"b": (reduced["b"], reduced["a"])}, {"b": 0.75})
    (plain,), (found,) = seen([arms(BOUGHT, estimates)]).findings, seen([with_it]).findings
    assert found.comparison.se == pytest.approx(plain.comparison.se / 2)
    assert (found.variance_reduction, math.isnan(plain.variance_reduction)) == (0.75, True)


@pytest.mark.parametrize(
    ("units", "weights", "alarm"),
    [
        ({"a": 10_000, "b": 10_100}, None, False),
        ({"a": 10_000, "b": 11_000}, None, True),
        ({"a": 10_000, "b": 20_000}, {"a": 1, "b": 2}, False),
        ({"a": 10_000, "b": 10_000, "c": 3}, {"a": 1, "b": 1, "c": 0}, True),
    ],
)
def test_sample_ratios(units: dict[str, int], weights: dict[str, float] | None, alarm: bool) -> None:
    found = seen([arms(BOUGHT, shares(a=1_000, b=1_000))], AnalysisPlan("a", weights=weights), **units)
    assert found.srm_alarm is alarm
    assert (verdict(found).kind == "invalid") is alarm


def test_a_sequence_is_watched_by_a_sequential_sample_ratio() -> None:
    units = {"a": 10_000, "b": 10_420}
    found: dict[Method, float] = {
        method: seen([arms(BOUGHT, shares(a=1_000, b=1_000))], AnalysisPlan("a", method=method), **units).srm.pvalue
        for method in METHODS
    }
    assert found["fixed"] < 0.01 < found["sequential"]
    # Whatever may be looked at again is.
    assert found["sequential"] == found["group"] == found["bayesian"]


@pytest.mark.parametrize(
    ("method", "metrics", "reason"),
    [
        ("fixed", [arms(BOUGHT, shares(a=1_000, b=1_200))], "primary_better"),
        ("fixed", [arms(BOUGHT, shares(a=1_000, b=800))], "primary_worse"),
        ("fixed", [arms(BOUGHT, shares(a=1_000, b=1_010))], "no_difference_shown"),
        ("sequential", [arms(BOUGHT, shares(a=1_000, b=1_010))], "undecided"),
        ("fixed", [arms(WAITED, shares(a=1_000, b=800))], "primary_better"),
        ("fixed", [arms(BOUGHT, shares(a=1_000, b=1_200)), arms(WAITED, shares(a=500, b=700))], "guardrail_worse"),
        ("fixed", [arms(BOUGHT, shares(a=1_000, b=1_010)), arms(WAITED, shares(a=500, b=700))], "guardrail_worse"),
        # One of two is worse in the guardrail: the other may still win.
        (
            "fixed",
            [arms(BOUGHT, shares(a=1_000, b=1_300, c=1_200)), arms(WAITED, shares(a=500, b=700, c=500))],
            "primary_better",
        ),
        ("fixed", [arms(BOUGHT, shares(a=1_000, b=800, c=1_000))], "no_difference_shown"),
        ("bayesian", [arms(BOUGHT, shares(a=1_000, b=1_200))], "loss_small"),
        ("bayesian", [arms(BOUGHT, shares(a=1_000, b=800))], "control_loss_small"),
        ("bayesian", [arms(BOUGHT, shares(a=1_000, b=1_010))], "undecided"),
        ("bayesian", [arms(BOUGHT, shares(a=1_000, b=1_200)), arms(WAITED, shares(a=500, b=700))], "guardrail_worse"),
    ],
)
def test_verdicts(method: Method, metrics: list[MetricArms], reason: str) -> None:
    found = verdict(seen(metrics, AnalysisPlan("a", method=method)), frozenset({"waited"}))
    assert found.reason == reason
    assert found.kind == VERDICT_REASONS[reason]  # type: ignore[index]
    if reason == "primary_better" and len(metrics[0].estimates) == 3:
        assert found.variant == "c"


def test_a_metric_that_is_no_guardrail_may_get_worse() -> None:
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_200)), arms(WAITED, shares(a=500, b=700))]
    assert verdict(seen(metrics)).kind == "promote"


def test_what_cannot_be_compared_is_no_decision() -> None:
    one = {"a": proportion_estimate(10_000, 100), "b": mean_estimate(Moments.from_rows([1.0]))}
    assert verdict(seen([arms(BOUGHT, one)], a=1, b=1)).reason == "primary_undefined"
    early = {name: proportion_estimate(50, 20) for name in "ab"}
    found = seen([arms(BOUGHT, early)], AnalysisPlan("a", method="sequential"), a=50, b=50)
    assert (found.findings[0].comparison.status, verdict(found).reason) == ("burn_in", "too_few_units")
    nothing = {"a": Estimate(0.0, 1e-4, 900), "b": Estimate(0.1, 1e-4, 900)}
    (finding,) = seen([arms(WAITED, nothing)], a=900, b=900).findings
    assert (finding.comparison.status, finding.bayesian.kind) == ("zero_baseline", "absolute")
    assert finding.bayesian.chance_to_win < 0.01


def test_false_positives_over_many_metrics_stay_at_alpha() -> None:
    rng = np.random.default_rng(0)
    runs, wrong = 600, 0
    for _ in range(runs):
        metrics = [
            arms(Metric(f"m{number}", "mean", "x"), {v: Estimate(1 + rng.normal(0, 0.01), 1e-4, 5_000) for v in "abc"})
            for number in range(5)
        ]
        wrong += any(f.pvalue_adjusted < 0.05 for f in seen(metrics, a=5_000, b=5_000, c=5_000).findings)
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_what_is_not_allowed_is_refused() -> None:
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_000))]
    with pytest.raises(DataError, match="no unit has the control 'z'; variants found: a, b"):
        seen(metrics, AnalysisPlan("z"))
    with pytest.raises(DataError, match="there is nothing to compare it with"):
        seen(metrics, a=5)
    with pytest.raises(DataError, match="units of variant 'b' were found, which weights do not name: a"):
        seen(metrics, AnalysisPlan("a", weights={"a": 1.0}))
    for wrong, told in (
        ({"method": "weekly"}, "method == 'weekly', must be one of fixed"),
        ({"correction": "most"}, "correction == 'most', must be one of holm"),
        ({"alpha": 0.0}, "alpha == 0.0, must be"),
        ({"look": 3, "looks": 2}, "look == 3 of looks == 2; must be 1 … looks"),
    ):
        with pytest.raises(ConfigError, match=told):
            AnalysisPlan("a", **wrong)


def test_a_guardrail_of_one_variant_does_not_condemn_another() -> None:
    # b is harmed and has no primary figure; c is undecided and unharmed.
    primary = {**shares(a=1_000, c=1_010), "b": Estimate(math.nan, math.nan, 0, "no_units")}
    metrics = [arms(BOUGHT, primary), arms(WAITED, shares(a=500, b=700, c=500))]
    found = verdict(seen(metrics, a=10_000, b=10_000, c=10_000), frozenset({"waited"}))
    assert (found.reason, found.variant) == ("no_difference_shown", "c")
    # The variant told is the one that won and must not be promoted.
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_000, c=1_300)), arms(WAITED, shares(a=500, b=720, c=700))]
    assert verdict(seen(metrics), frozenset({"waited"})).variant == "c"


def test_by_loss_a_sound_variant_wins_and_harm_everywhere_is_rolled_back() -> None:
    plan = AnalysisPlan("a", method="bayesian")
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_300, c=1_200)), arms(WAITED, shares(a=500, b=700, c=500))]
    found = verdict(seen(metrics, plan), frozenset({"waited"}))
    assert (found.reason, found.variant) == ("loss_small", "c")
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_010)), arms(WAITED, shares(a=500, b=700))]
    assert verdict(seen(metrics, plan), frozenset({"waited"})).reason == "guardrail_worse"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_loss_is_a_share_of_a_baseline_of_any_sign(scale: float) -> None:
    def decided(control: float, treatment: float, se: float) -> tuple[str, float]:
        pair = {"a": Estimate(control * scale, (se * scale) ** 2, 900), "b": Estimate(treatment * scale, 0.0, 900)}
        plan = AnalysisPlan("a", method="bayesian", prior=NormalPrior(0.0, 0.05))
        found = seen([arms(Metric("profit", "mean", "profit"), pair)], plan, a=900, b=900)
        return verdict(found).reason, found.findings[0].bayesian.effect_size / scale

    # A rise of 3 % with a standard error of 1 %, above and below 0: the prior draws both in by as much.
    assert decided(-100, -97, 1)[0] == decided(100, 103, 1)[0] == "loss_small"
    assert decided(-100, -97, 1)[1] == pytest.approx(3 / (1 + 0.2**2))
    # Losing .4 of 100 is too much.
    assert decided(-100, -100, 1)[0] == "undecided"
    # A share of the treatment where the baseline is 0, and of nothing where both are.
    assert decided(0, 10, 1)[0] == "loss_small"
    assert decided(0, 0, 1)[0] == "undecided"


def guarded(margin: float | None, **successes: int) -> MetricArms:
    """The share that must not fall."""
    kept = Metric("kept", "proportion", "kept")
    return MetricArms(kept, shares(**successes), {}, {}, guardrail=True, margin=margin)


@pytest.mark.parametrize(
    ("method", "guardrail", "reason"),
    [
        ("fixed", guarded(0.05, a=5_000, b=5_000), "primary_better"),
        # Shown to be worse, but by less than the margin.
        ("fixed", guarded(0.10, a=5_000, b=4_800), "primary_better"),
        ("fixed", guarded(None, a=5_000, b=4_800), "guardrail_worse"),
        ("fixed", guarded(0.05, a=5_000, b=4_500), "guardrail_worse"),
        ("fixed", guarded(0.02, a=5_000, b=4_950), "guardrail_unproven"),
        ("sequential", guarded(0.02, a=5_000, b=4_950), "guardrail_open"),
        ("sequential", guarded(0.10, a=5_000, b=4_950), "primary_better"),
        ("sequential", guarded(0.05, a=5_000, b=4_000), "guardrail_worse"),
        ("bayesian", guarded(0.02, a=5_000, b=4_950), "guardrail_open"),
        ("bayesian", guarded(0.10, a=5_000, b=4_950), "loss_small"),
        ("bayesian", guarded(0.05, a=5_000, b=4_000), "guardrail_worse"),
    ],
)
def test_a_margin_must_be_shown_to_hold(method: Method, guardrail: MetricArms, reason: str) -> None:
    metrics = [arms(BOUGHT, shares(a=1_000, b=1_300)), guardrail]
    found = seen(metrics, AnalysisPlan("a", method=method))
    assert verdict(found, frozenset({"kept"})).reason == reason
    assert (found.findings[1].safety is None) is (guardrail.margin is None)
    assert found.findings[0].safety is None


def test_a_variant_whose_margin_holds_goes_before_a_better_one() -> None:
    metrics = [
        arms(BOUGHT, shares(a=1_000, b=1_400, c=1_300)),
        guarded(0.03, a=5_000, b=4_950, c=5_100),
    ]
    found = verdict(seen(metrics), frozenset({"kept"}))
    assert (found.reason, found.variant) == ("primary_better", "c")


def test_what_is_not_safe_is_seldom_called_so() -> None:
    rng = np.random.default_rng(1)
    runs, wrong = 2_000, 0
    for _ in range(runs):
        # The treatment loses just what is not allowed to be lost.
        pair = {
            "a": Estimate(1 + rng.normal(0, 0.01), 1e-4, 5_000),
            "b": Estimate(0.95 + rng.normal(0, 0.01), 1e-4, 5_000),
        }
        kept = MetricArms(Metric("kept", "mean", "kept"), pair, {}, {}, guardrail=True, margin=0.05)
        safety = seen([kept], a=5_000, b=5_000).findings[0].safety
        wrong += safety is not None and safety.verdict == "non_inferior"
    assert wrong / runs <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / runs)


def test_a_guardrail_under_bayesian_may_be_looked_at_again_and_again() -> None:
    rng = np.random.default_rng(2)
    runs, looks, step = 300, 20, 500
    alarms = {True: 0, False: 0}
    plan = AnalysisPlan("a", method="bayesian")
    for _ in range(runs):
        sums = {arm: np.cumsum(rng.normal(0, math.sqrt(step), looks)) for arm in "ab"}
        for guardrail in alarms:
            seen_harm = False
            for look in range(1, looks + 1):
                n = look * step
                pair = {arm: Estimate(5 + float(sums[arm][look - 1]) / n, 1 / n, n) for arm in "ab"}
                kept = MetricArms(Metric("kept", "mean", "kept"), pair, {}, {}, guardrail=guardrail)
                (finding,) = seen([kept], plan, a=n, b=n).findings
                assert finding.test == ("sequential" if guardrail else "welch")
                seen_harm |= finding.comparison.pvalue < 0.05
            alarms[guardrail] += seen_harm
    # Welch's test at every look finds harm where there is none in far more than 5 % of experiments.
    assert alarms[False] / runs > 0.15
    assert alarms[True] / runs < 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
