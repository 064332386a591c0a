"""Effects by segment, corrected, and whether segments differ at all."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests

from core.errors import ConfigError, DataError
from experiments.inference.estimates import Estimate, mean_estimate
from experiments.inference.grouped_moments import grouped_moments
from experiments.inference.multiplicity import Correction
from experiments.inference.segments import SegmentReport, cochran_q, compare_segments
from experiments.looks.confidence_sequences import sequential_comparison

effects = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 3)), min_size=2, max_size=8)
NAMES = ("a", "b", "c", "d", "e", "f")


def arm(rng: np.random.Generator, means: list[float], n: int = 300) -> dict[str, Estimate]:
    """An arm of n units a segment, standard deviation 1."""
    segment = np.repeat(np.arange(len(means)), n)
    values = rng.normal(np.repeat(means, n), 1.0)
    return dict(zip(NAMES, map(mean_estimate, grouped_moments(segment, values, len(means))), strict=False))


@pytest.mark.parametrize("k", range(2, 12))
def test_cochran_q_parity_with_statsmodels(k: int) -> None:
    rng = np.random.default_rng(k)
    effect, se = rng.normal(0, 1, k), rng.uniform(0.1, 2, k)
    found, theirs = cochran_q(effect, se), combine_effects(effect, se**2)
    assert found.statistic == pytest.approx(theirs.q, rel=1e-6, abs=1e-9)
    assert found.df == theirs.df == k - 1
    assert found.pooled_effect == pytest.approx(theirs.mean_effect_fe, rel=1e-6, abs=1e-9)
    assert found.pooled_se == pytest.approx(theirs.sd_eff_w_fe, rel=1e-6)
    assert found.pvalue == pytest.approx(stats.chi2.sf(theirs.q, theirs.df), rel=1e-6, abs=1e-9)
    assert found.i_squared == pytest.approx(max(0.0, theirs.i2))


@given(effects, st.floats(1e-6, 1e6), st.floats(-10, 10))
def test_cochran_q_does_not_change_with_scale_sign_or_a_common_effect(
    parts: list[tuple[float, float]], scale: float, common: float
) -> None:
    effect, se = (np.array(column) for column in zip(*parts, strict=True))
    one, two = cochran_q(effect, se), cochran_q(-(effect + common) * scale, se * scale)
    assert two.pvalue == pytest.approx(one.pvalue, rel=1e-5, abs=1e-9)
    assert 0 <= one.pvalue <= 1
    assert 0 <= one.i_squared <= 1


def test_cochran_q_leaves_out_what_it_cannot_weigh() -> None:
    whole = cochran_q([1.0, 2.0, math.nan, 4.0, 5.0], [1.0, 2.0, 1.0, 0.0, math.nan])
    assert whole == cochran_q([1.0, 2.0], [1.0, 2.0])
    for effect, se in (([1.0], [1.0]), ([], []), ([1.0, 2.0], [0.0, 0.0])):
        found = cochran_q(effect, se)
        assert found.status == "too_few_groups"
        assert math.isnan(found.pvalue)
    assert cochran_q([1.0, 1.0], [1e-200, 1e-200]).pvalue == 1.0


@pytest.mark.parametrize(("correction", "theirs"), [("holm", "holm"), ("bh", "fdr_bh"), ("bonferroni", "bonferroni")])
@pytest.mark.parametrize("scale", ["absolute", "relative"])
def test_corrected_pvalues_are_statsmodels(correction: Correction, theirs: str, scale: str) -> None:
    rng = np.random.default_rng(3)
    treatment, control = arm(rng, [1.2, 1.0, 1.1, 1.3]), arm(rng, [1.0] * 4)
    report = compare_segments(treatment, control, correction=correction, scale=scale)  # type: ignore[arg-type]
    raw = [one.comparison.rel_pvalue if scale == "relative" else one.comparison.pvalue for one in report.segments]
    expected = multipletests(raw, method=theirs)[1]
    assert [one.pvalue_adjusted for one in report.segments] == pytest.approx(expected)
    effect = [
        one.comparison.rel_effect_size if scale == "relative" else one.comparison.effect_size for one in report.segments
    ]
    assert min(effect) < report.heterogeneity.pooled_effect < max(effect)


def test_a_planted_segment_is_found_and_named() -> None:
    rng = np.random.default_rng(4)
    report = compare_segments(arm(rng, [0.0, 0.0, 0.5, 0.0]), arm(rng, [0.0] * 4))
    assert [one.segment for one in report.segments if one.pvalue_adjusted < 0.05] == ["c"]
    assert report.heterogeneity.pvalue < 0.01


def false_alarms(correction: Correction, n_runs: int) -> tuple[float, float, float]:
    """Share of A/A experiments with any segment found: corrected, not corrected, and with heterogeneity found."""
    rng = np.random.default_rng(5)
    reports: list[SegmentReport] = [
        compare_segments(arm(rng, [0.0] * 6, n=60), arm(rng, [0.0] * 6, n=60), correction=correction)
        for _ in range(n_runs)
    ]
    return (
        float(np.mean([min(one.pvalue_adjusted for one in report.segments) < 0.05 for report in reports])),
        float(np.mean([min(one.comparison.pvalue for one in report.segments) < 0.05 for report in reports])),
        float(np.mean([report.heterogeneity.pvalue < 0.05 for report in reports])),
    )


@pytest.mark.parametrize("n_runs", [700, pytest.param(8000, marks=pytest.mark.long)])
@pytest.mark.parametrize("correction", ["holm", "bonferroni", "bh"])
def test_false_alarms_under_a_a(correction: Correction, n_runs: int) -> None:
    bound = 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_runs)
    corrected, fished, heterogeneous = false_alarms(correction, n_runs)
    assert corrected <= bound
    # Q takes 60 units' errors for known, which costs it half a point.
    assert heterogeneous <= bound + 0.005
    assert fished > 0.18, "six looks without correction are the negative control"


def test_segments_are_compared_as_asked() -> None:
    one, two = {"a": Estimate(1.2, 0.01, 300)}, {"a": Estimate(1.0, 0.01, 300)}
    compare = partial(sequential_comparison, n_star=500)
    (found,) = compare_segments(one, two, compare=compare, correction="none").segments
    assert found.comparison == pytest.approx(compare(one["a"], two["a"]), nan_ok=True)
    assert found.pvalue_adjusted == found.comparison.pvalue


def test_segments_of_one_arm_and_degenerate_ones_have_a_status() -> None:
    fine = Estimate(1.0, 0.01, 100)
    report = compare_segments(
        {"both": fine, "new": fine, "flat": Estimate(1.0, 0.0, 50), "one": Estimate(2.0, math.nan, 1, "too_few_units")},
        {"old": fine, "both": fine, "flat": Estimate(1.0, 0.0, 50), "one": fine},
    )
    assert [(one.segment, one.comparison.status) for one in report.segments] == [
        ("old", "no_units"),
        ("both", "ok"),
        ("flat", "no_variance"),
        ("one", "too_few_units"),
        ("new", "no_units"),
    ]
    assert [math.isnan(one.pvalue_adjusted) for one in report.segments] == [True, False, True, True, True]
    assert report.heterogeneity.status == "too_few_groups"
    nothing = compare_segments({}, {})
    assert (nothing.segments, nothing.heterogeneity.status) == ((), "too_few_groups")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correction": "most"}, "correction == 'most', must be one of holm, bonferroni, bh, none"),
        ({"scale": "log"}, "scale == 'log'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    fine = {"a": Estimate(1.0, 0.01, 100)}
    with pytest.raises(ConfigError, match=message):
        compare_segments(fine, fine, **options)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="effects has shape"):
        cochran_q([1.0, 2.0], [1.0])
