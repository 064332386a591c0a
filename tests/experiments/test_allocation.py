"""A/B/n assignment: order of the steps, shares, independence, and the published cases."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError
from experiments.allocation import (
    REASONS,
    Allocation,
    Assignment,
    Holdout,
    Recorded,
    allocate,
    allocate_many,
    check_exclusive,
    ramp,
)
from experiments.assignment import bucket
from experiments.namespaces import Namespace

text = st.text(st.characters(exclude_categories=[]), max_size=8)
EVEN = Allocation("checkout", ("control", "treatment"), (0.5, 0.5))
UNITS = [f"user-{number}" for number in range(20_000)]


# GrowthBook SDK tests/cases.json, "hash", version 2.
@pytest.mark.parametrize(
    ("seed", "unit", "place"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 0.124),
        ("90850943850283058242805", "123", 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 0.0128),
    ],
)
def test_growthbook_hash_cases(seed: str, unit: str, place: float) -> None:
    assert allocate(replace(EVEN, salt=seed), unit).bucket == place


# The same file, "getBucketRange". Coverage or weights out of range, which it repairs, are refused here.
@pytest.mark.parametrize(
    ("coverage", "weights", "ranges"),
    [
        (1, (0.5, 0.5), [(0, 0.5), (0.5, 1)]),
        (0.5, (0.5, 0.5), [(0, 0.25), (0.5, 0.75)]),
        (0, (0.5, 0.5), [(0, 0), (0.5, 0.5)]),
        (1, (0.25, 0.25, 0.25, 0.25), [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]),
        (1, (0.4, 0.6), [(0, 0.4), (0.4, 1)]),
        (1, (0.2, 0.3, 0.5), [(0, 0.2), (0.2, 0.5), (0.5, 1)]),
        (0.2, (0.2, 0.3, 0.5), [(0, 0.04), (0.2, 0.26), (0.5, 0.6)]),
    ],
)
def test_growthbook_range_cases(coverage: float, weights: tuple[float, ...], ranges: list[tuple[float, float]]) -> None:
    variants = tuple("abcd"[: len(weights)])
    found = Allocation("e", variants, weights, coverage).ranges
    assert np.array(found) == pytest.approx(np.array(ranges), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": (0.4, 0.1)}, r"weights == \[0.4, 0.1\], must be >= 0 and add up to 1, not 0.5; lower coverage"),
        ({"weights": (0.7, 0.6)}, "weights .* not 1.3"),
        ({"weights": (0.4, 0.5999)}, "weights .* not 0.9999"),
        ({"weights": (1.5, -0.5)}, "weights"),
        ({"weights": (float("nan"), 1.0)}, "weights"),
        ({"weights": (1.0,)}, "1 weights for 2 variants"),
        ({"coverage": -0.2}, r"coverage == -0.2, must lie in 0 … 1"),
        ({"coverage": 1.5}, "coverage == 1.5"),
        ({"coverage": float("nan")}, "coverage"),
        ({"variants": ("a", "a")}, "variants"),
        ({"variants": ("a", "")}, "variants"),
        ({"variants": ("a",), "weights": (1.0,)}, "variants"),
        ({"forced": {"tester": "gone"}}, r"forced\['tester'\] == 'gone', must be one of the variants control, treat"),
        ({"name": ""}, "name"),
        ({"holdouts": (Holdout("checkout", 0.1),)}, "holdout.salt == 'checkout' is the experiment's own"),
        ({"bucket_version": 1, "min_bucket_version": 2}, "min_bucket_version == 2"),
        ({"min_bucket_version": -1}, "min_bucket_version == -1"),
    ],
)
def test_bad_fields_are_refused_not_repaired(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(EVEN, **change)


@pytest.mark.parametrize(("salt", "share"), [("", 0.1), ("s", -0.1), ("s", 1.1), ("s", float("nan"))])
def test_bad_holdouts_are_refused(salt: str, share: float) -> None:
    with pytest.raises(ConfigError, match="holdout"):
        Holdout(salt, share)


@pytest.mark.parametrize(("version", "propensity"), [(0, 0.0), (0, 1.1), (0, float("nan")), (-1, 0.5)])
def test_bad_records_are_refused(version: int, propensity: float) -> None:
    with pytest.raises(ConfigError, match="recorded"):
        Recorded("control", version, propensity)


recorded = st.builds(Recorded, st.sampled_from(["a", "b", "gone"]), st.integers(0, 3), st.floats(0.01, 1))
allocations = st.builds(
    Allocation,
    name=text.filter(bool),
    variants=st.just(("a", "b", "c")),
    weights=st.sampled_from([(0.2, 0.3, 0.5), (1 / 3, 1 / 3, 1 / 3), (0.0, 1.0, 0.0)]),
    coverage=st.floats(0, 1),
    namespace=st.none() | st.just(Namespace("home", 0.2, 0.7)),
    holdouts=st.lists(st.builds(Holdout, st.just("a holdout's salt"), st.floats(0, 1)), max_size=2).map(tuple),
    forced=st.dictionaries(text, st.sampled_from(["a", "b", "c"]), max_size=3),
    bucket_version=st.integers(1, 2),
    min_bucket_version=st.integers(0, 1),
)


@given(allocations, st.lists(text, max_size=12), st.data())
def test_one_by_one_equals_many_at_once(allocation: Allocation, units: list[str], data: st.DataObject) -> None:
    units += list(allocation.forced)
    records = {unit: data.draw(recorded) for unit in units if data.draw(st.booleans())}
    many = allocate_many(allocation, units, records)
    assert [many[place] for place in range(len(many))] == [
        allocate(allocation, unit, records.get(unit)) for unit in units
    ]


def test_the_steps_in_their_order() -> None:
    """Each step is switched off in turn and the next one decides."""
    unit = next(unit for unit in UNITS if bucket("checkout", unit) < 0.1 and bucket("layer", unit) < 0.5)
    full = Allocation(
        "checkout",
        ("control", "treatment"),
        (0.5, 0.5),
        coverage=0.5,
        namespace=Namespace("home", 0.0, 0.001),
        holdouts=(Holdout("layer", 0.5),),
        forced={unit: "treatment"},
        bucket_version=2,
        min_bucket_version=1,
    )
    place = bucket("checkout", unit)
    old, current, between = (Recorded("treatment", version, 0.3) for version in (0, 2, 1))
    assert allocate(full, unit, old) == Assignment("treatment", place, 1.0, "forced")
    full = replace(full, forced={})
    assert allocate(full, unit, current) == Assignment(None, place, 1.0, "holdout")
    full = replace(full, holdouts=())
    assert allocate(full, unit, old) == Assignment(None, place, 1.0, "blocked")
    assert allocate(full, unit, current) == Assignment("treatment", place, 0.3, "sticky")
    assert allocate(full, unit, between) == Assignment(None, place, 1.0, "namespace")
    full = replace(full, namespace=None)
    assert allocate(full, unit, between) == Assignment("control", place, 0.25, "assigned")
    assert allocate(full, unit, Recorded("gone", 2, 0.3)).reason == "assigned"
    assert allocate(replace(full, coverage=0.0), unit) == Assignment(None, place, 1.0, "not_covered")


def test_sticky_units_stay_whatever_changes() -> None:
    first = allocate_many(EVEN, UNITS)
    records = {unit: Recorded(str(first[i].variant), 0, first[i].propensity) for i, unit in enumerate(UNITS[:2000])}
    changed = replace(EVEN, weights=(0.1, 0.9), coverage=0.2, namespace=Namespace("home", 0, 0.001))
    later = allocate_many(changed, UNITS[:2000], records)
    assert (later.variant_index == first.variant_index[:2000]).all()
    assert set(later.propensity) == {0.5}
    # Dealt anew, they no longer are.
    anew = allocate_many(replace(changed, bucket_version=1), UNITS[:2000], records)
    assert np.count_nonzero(anew.variant_index >= 0) < 20


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=5).map(sorted), st.sampled_from([(0.2, 0.3, 0.5), (0.7, 0.1, 0.2)])
)
def test_a_ramp_moves_nobody_between_variants(coverages: list[float], weights: tuple[float, ...]) -> None:
    units = UNITS[:500]
    allocation = Allocation("ramped", ("a", "b", "c"), weights, coverages[0])
    before = allocate_many(allocation, units).variant_index
    for coverage in coverages[1:]:
        allocation = ramp(allocation, coverage)
        after = allocate_many(allocation, units).variant_index
        assert (after[before >= 0] == before[before >= 0]).all()
        before = after


@pytest.mark.parametrize("coverage", [0.1, float("nan"), 1.2])
def test_a_ramp_only_rises(coverage: float) -> None:
    with pytest.raises(ConfigError, match="coverage"):
        ramp(replace(EVEN, coverage=0.2), coverage)


@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=5).map(lambda parts: tuple(part / sum(parts) for part in parts)),
    st.floats(0, 1),
)
def test_propensities_are_the_share_of_buckets(weights: tuple[float, ...], coverage: float) -> None:
    allocation = Allocation("e", tuple("abcde"[: len(weights)]), weights, coverage)
    places = np.arange(10_000) / 10_000
    held = [int(((places >= start) & (places < end)).sum()) for start, end in allocation.ranges]
    assert [round(share * 10_000) for share in allocation.propensities] == held
    # A range holds at most one bucket more or less than its width.
    assert np.array(allocation.propensities) == pytest.approx(coverage * np.array(weights), abs=1.01e-4)


def test_shares_are_the_weights() -> None:
    allocation = Allocation("shares", ("a", "b", "c"), (0.2, 0.3, 0.5), coverage=0.6)
    result = allocate_many(allocation, UNITS)
    counts = np.bincount(result.variant_index + 1, minlength=4)
    expected = len(UNITS) * np.array([0.4, 0.12, 0.18, 0.3])
    assert stats.chisquare(counts, expected).pvalue > 1e-4
    assert sorted(set(result.propensity)) == [0.12, 0.18, 0.3, 0.4]


@pytest.mark.parametrize("n_salts", [300, pytest.param(2000, marks=pytest.mark.long)])
def test_experiments_are_independent_of_each_other(n_salts: int) -> None:
    """Chi-squared of the 3 x 2 table of two experiments' variants, over pairs of salts: p-values uniform."""
    units = UNITS[:4000]
    pvalues = []
    for number in range(n_salts):
        one = allocate_many(Allocation(f"exp-{number}", ("a", "b", "c"), (0.2, 0.3, 0.5)), units).variant_index
        two = allocate_many(Allocation(f"exp-{number + 1}", ("a", "b"), (0.5, 0.5)), units).variant_index
        table = np.bincount(one * 2 + two, minlength=6).reshape(3, 2)
        pvalues.append(stats.chi2_contingency(table).pvalue)
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3
    assert min(pvalues) > 1e-3 / n_salts


def test_variants_are_independent_of_namespace_and_holdout() -> None:
    """Among the units that a namespace or holdout leaves, the split is what it was."""
    pvalues = []
    for number in range(200):
        allocation = Allocation(
            f"exp-{number}",
            ("a", "b"),
            (0.5, 0.5),
            namespace=Namespace(f"page-{number % 7}", 0.3, 0.8),
            holdouts=(Holdout(f"layer-{number % 5}", 0.2),),
        )
        index = allocate_many(allocation, UNITS[:4000]).variant_index
        counts = np.bincount(index[index >= 0], minlength=2)
        assert 1300 < counts.sum() < 1900
        pvalues.append(stats.chisquare(counts).pvalue)
    # Counts are whole numbers: a uniform law holds but roughly.
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3


def test_exclusion_really_excludes() -> None:
    namespace = [Namespace("home", 0, 0.25), Namespace("home", 0.25, 0.6), Namespace("home", 0.6, 1)]
    experiments = [replace(EVEN, name=f"exp-{i}", namespace=part) for i, part in enumerate(namespace)]
    check_exclusive(experiments)
    taken = np.array([allocate_many(experiment, UNITS).variant_index >= 0 for experiment in experiments])
    assert (taken.sum(axis=0) == 1).all()
    assert taken.mean(axis=1) == pytest.approx([0.25, 0.35, 0.4], abs=0.015)
    with pytest.raises(ConfigError, match=r"namespace 'home': exp-0 has \[0, 0.25\), late \[0.2, 1\)"):
        check_exclusive([*experiments[:1], EVEN, replace(EVEN, name="late", namespace=Namespace("home", 0.2, 1))])


def test_holdout_is_in_no_experiment_of_the_layer_and_only_extends() -> None:
    small, large = (
        np.array(
            [
                allocate_many(replace(EVEN, name=f"e{i}", holdouts=(Holdout("layer", share),)), UNITS).variant_index < 0
                for i in range(3)
            ]
        )
        for share in (0.05, 0.1)
    )
    assert (small == small[0]).all()
    assert small[0].mean() == pytest.approx(0.05, abs=0.006)
    assert (small <= large).all()


def test_a_holdout_ends_before_its_share() -> None:
    """A unit whose bucket is the share itself is out of it, as a variant's range is half-open."""
    share = bucket("layer", "u")
    plan = replace(EVEN, holdouts=(Holdout("layer", share),))
    assert allocate(plan, "u") == allocate_many(plan, ["u"])[0] == allocate(EVEN, "u")
    wider = replace(EVEN, holdouts=(Holdout("layer", share + 1e-4),))
    assert allocate(wider, "u").reason == allocate_many(wider, ["u"])[0].reason == "holdout"


ODD_UNITS = ["", "\0", "a\0", "a", "\ud83d\ude00", "😀", "\ud800", "사용자", "e\u0301", "é", "x" * 3000]


def test_any_unicode_id_is_a_unit() -> None:
    many = allocate_many(replace(EVEN, forced={"a\0": "treatment"}), ODD_UNITS)
    reasons = [REASONS[index] for index in many.reason_index]
    assert reasons == ["assigned"] * 2 + ["forced"] + ["assigned"] * 8
    assert len(set(many.bucket.tolist())) > 8


def test_identical_across_processes_and_hash_seeds() -> None:
    program = (
        "from experiments.allocation import Allocation, allocate_many\n"
        "plan = Allocation('p', ('a', 'b', 'c'), (.2, .3, .5), .9, forced={'7': 'a', 'x': 'b'})\n"
        f"found = allocate_many(plan, {ODD_UNITS!a} + list(map(str, range(200))))\n"
        "print(found.variant_index.tolist(), found.bucket.tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    plan = Allocation("p", ("a", "b", "c"), (0.2, 0.3, 0.5), 0.9, forced={"7": "a", "x": "b"})
    here = allocate_many(plan, ODD_UNITS + list(map(str, range(200))))
    assert outputs == {f"{here.variant_index.tolist()} {here.bucket.tolist()}\n"}


def test_no_units_give_no_assignments() -> None:
    full = replace(EVEN, forced={"a": "control"}, holdouts=(Holdout("h", 0.5),), namespace=Namespace("n", 0, 0.5))
    assert len(allocate_many(full, [], {"a": Recorded("control", 0, 1.0)})) == 0
