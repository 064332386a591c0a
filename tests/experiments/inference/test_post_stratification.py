"""Post-stratification: by hand, the variance it takes away, strata that are too small, and CUPED on top."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from experiments.inference.cuped import cuped_means, cuped_ratios
from experiments.inference.estimates import mean_estimate, ratio_estimate
from experiments.inference.frequentist import welch
from experiments.inference.grouped_moments import grouped_moments
from experiments.inference.moments import Moments
from experiments.inference.post_stratification import post_stratified

STRATA = st.lists(st.lists(st.integers(-5, 5), max_size=5), min_size=3, max_size=3)


def of(strata: list[list[float]]) -> list[Moments]:
    return [Moments.from_rows(rows) if rows else Moments.empty() for rows in strata]


def test_by_hand() -> None:
    one, two = of([[1.0, 2.0, 3.0], [11.0, 13.0]]), of([[1.0, 3.0], [10.0, 11.0, 12.0]])
    found = post_stratified(one, two)
    # Half of all units are in either stratum; s²/n is 1/3 and 2/2, 2/2 and 1/3.
    assert mean_estimate(found.treatment)[:2] == pytest.approx((7.0, 0.25 * (1 / 3 + 1)))
    assert mean_estimate(found.control)[:2] == pytest.approx((6.5, 0.25 * (1 + 1 / 3)))
    assert (found.treatment.n, found.control.n) == (5, 5)
    assert (found.weights, found.strata, found.note) == ((0.5, 0.5), ((0,), (1,)), "stratified")


def drawn(rng: np.random.Generator, n: int, effect: float = 0.0) -> tuple[Moments, ...]:
    """Outcome and covariate of units in three strata, which explain most of the outcome."""
    stratum = rng.choice(3, size=n, p=[0.6, 0.3, 0.1])
    before = rng.normal(size=n)
    outcome = np.array([0.0, 2.0, 6.0])[stratum] + before + rng.normal(size=n) + effect
    return grouped_moments(stratum, np.stack([outcome, before], axis=1), 3)


def whole(strata: tuple[Moments, ...]) -> Moments:
    return strata[0].merge(strata[1]).merge(strata[2])


def test_false_positives_and_the_variance_taken_away() -> None:
    rng = np.random.default_rng(0)
    runs = 800
    wrong = np.zeros(2)
    effects = np.empty((runs, 3))
    for run in range(runs):
        one, two = drawn(rng, 150), drawn(rng, 150)
        found = post_stratified(one, two)
        adjusted = cuped_means(found.treatment, found.control)
        compared = [
            welch(mean_estimate(found.treatment), mean_estimate(found.control)),
            welch(adjusted.treatment, adjusted.control),
            welch(mean_estimate(whole(one)), mean_estimate(whole(two))),
        ]
        wrong += [seen.pvalue < 0.05 for seen in compared[:2]]
        effects[run] = [seen.effect_size for seen in compared]
    assert (wrong / runs <= 0.055 + 3 * math.sqrt(0.0475 / runs)).all()
    # Within the strata variance 2 is left of 2 + 3.24, and 1 once the covariate is taken out.
    spread = effects.var(axis=0) / effects[:, 2].var()
    assert spread[0] == pytest.approx(2 / 5.24, rel=0.2)
    assert spread[1] == pytest.approx(1 / 5.24, rel=0.2)


@pytest.mark.long
def test_false_positives_in_full() -> None:
    rng = np.random.default_rng(1)
    runs, wrong, combined = 20_000, 0, 0
    for _ in range(runs):
        found = post_stratified(drawn(rng, 300), drawn(rng, 200))
        adjusted = cuped_means(found.treatment, found.control)
        wrong += welch(mean_estimate(found.treatment), mean_estimate(found.control)).pvalue < 0.05
        combined += welch(adjusted.treatment, adjusted.control).pvalue < 0.05
    assert 0.04 <= wrong / runs <= 0.06
    assert 0.04 <= combined / runs <= 0.06


def test_an_effect_is_found_where_it_is() -> None:
    rng = np.random.default_rng(2)
    found = post_stratified(drawn(rng, 5000, 0.2), drawn(rng, 3000))
    compared = welch(mean_estimate(found.treatment), mean_estimate(found.control))
    assert compared.ci_lower < 0.2 < compared.ci_upper
    assert compared.ci_lower > 0
    assert sum(found.weights) == pytest.approx(1.0)


def test_ratios_and_their_covariates_go_the_same_way() -> None:
    rng = np.random.default_rng(3)

    def arm(n: int) -> tuple[Moments, ...]:
        stratum = rng.integers(0, 2, n)
        taste = np.where(stratum == 1, 0.5, 0.1) * rng.beta(8, 2, n)
        views, before = rng.geometric(0.1, n), rng.geometric(0.1, n)
        rows = np.stack([rng.binomial(views, taste), views, rng.binomial(before, taste), before], axis=1)
        return grouped_moments(stratum, rows, 2)

    one, two = arm(4000), arm(4000)
    found = post_stratified(one, two)
    merged = ratio_estimate(one[0].merge(one[1]))
    stratified = ratio_estimate(found.treatment)
    assert stratified.value == pytest.approx(merged.value, rel=0.05)
    assert stratified.variance < 0.8 * merged.variance
    adjusted = cuped_ratios(found.treatment, found.control)
    assert adjusted.note == "adjusted"
    assert adjusted.treatment.variance < stratified.variance


def test_small_strata_are_taken_together_and_nobody_is_left_out() -> None:
    one = of([[1.0, 2.0, 3.0, 4.0], [5.0], [7.0, 8.0], [], []])
    two = of([[1.0, 2.0, 3.0, 5.0], [5.0, 6.0], [], [9.0], []])
    found = post_stratified(one, two)
    assert (found.note, found.strata) == ("collapsed", ((0,), (1, 2, 3)))
    assert (found.treatment.n, found.control.n) == (7, 7)
    assert found.treatment.mean[0] == pytest.approx(8 / 14 * 2.5 + 6 / 14 * 20 / 3)


def test_a_rest_that_is_too_small_takes_in_the_smallest_stratum() -> None:
    one = of([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0], [7.0]])
    two = of([[1.0, 2.0, 3.0, 5.0], [5.0, 6.0], []])
    found = post_stratified(one, two)
    assert (found.note, found.strata) == ("collapsed", ((0,), (1, 2)))
    alone = post_stratified(of([[1.0, 2.0], [3.0]]), of([[1.0, 4.0], []]))
    assert (alone.note, alone.strata) == ("one_stratum", ((0, 1),))
    assert alone.treatment.mean[0] == pytest.approx(2.0)


@given(STRATA, STRATA)
def test_what_holds_for_any_strata(first: list[list[int]], second: list[list[int]]) -> None:
    one, two = of(first), of(second)  # type: ignore[arg-type]
    found = post_stratified(one, two)
    rows = [[value for stratum in arm for value in stratum] for arm in (first, second)]
    assert (found.treatment.n, found.control.n) == (len(rows[0]), len(rows[1]))
    if found.note == "no_units":
        assert not rows[0] or not rows[1]
        return
    assert sum(found.weights) == pytest.approx(1.0)
    filled = {place for place in range(3) if first[place] or second[place]}
    assert {place for group in found.strata for place in group} == filled
    for moments, values in ((found.treatment, rows[0]), (found.control, rows[1])):
        estimate = mean_estimate(moments)
        assert min(values) - 1e-9 <= estimate.value <= max(values) + 1e-9
        assert estimate.status == ("ok" if len(values) > 1 else "too_few_units")
    swapped = post_stratified(two, one)
    assert swapped.strata == found.strata
    assert swapped.control.mean == pytest.approx(found.treatment.mean)
    if found.note == "one_stratum":
        assert found.treatment.mean[0] == pytest.approx(np.mean(rows[0]))


def test_one_stratum_changes_nothing_and_no_units_have_a_note() -> None:
    arm = Moments.from_rows([1.0, 2.0, 5.0])
    found = post_stratified([arm], [arm])
    assert (found.note, found.treatment) == ("one_stratum", arm)
    nobody = post_stratified([arm, arm], [Moments.empty(), Moments.empty()])
    assert (nobody.note, nobody.control.n, nobody.weights) == ("no_units", 0, ())
    assert mean_estimate(nobody.control).status == "no_units"


def test_a_billion_units() -> None:
    stratum = Moments(5 * 10**8, np.array([1.0]), np.array([[5e8]]))
    found = mean_estimate(post_stratified([stratum, stratum], [stratum, stratum]).treatment)
    assert (found.n, found.variance) == (10**9, pytest.approx(1e-9))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="treatment has 1 strata, control 2"):
        post_stratified([Moments.empty()], [Moments.empty()] * 2)
    with pytest.raises(DataError, match="treatment has 0 strata"):
        post_stratified([], [])
    with pytest.raises(DataError, match="units bring 1 or 2 numbers"):
        post_stratified([Moments.empty(1)], [Moments.empty(2)])
