"""Rules that end an experiment early."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.looks.early_stopping import REASONS, Better, StopReason, early_stop
from experiments.looks.sequential import Interval

intervals = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(lambda ends: Interval(min(ends), max(ends)))
sizes = st.one_of(st.none(), st.floats(0.01, 1))


@pytest.mark.parametrize(
    ("interval", "options", "reason"),
    [
        (Interval(math.nan, math.nan), {}, "no_interval"),
        (Interval(0.01, 0.05), {}, "better"),
        (Interval(-0.05, -0.01), {}, "worse"),
        (Interval(-0.05, 0.05), {}, "undecided"),
        (Interval(0.0, 0.05), {}, "undecided"),
        (Interval(-0.01, 0.01), {"equivalence": 0.02}, "practically_equivalent"),
        (Interval(0.005, 0.01), {"equivalence": 0.02}, "practically_equivalent"),
        (Interval(-0.01, -0.005), {"equivalence": 0.02}, "practically_equivalent"),
        (Interval(-0.01, 0.02), {"equivalence": 0.02}, "undecided"),
        (Interval(-0.03, 0.01), {"mde": 0.02}, "mde_out_of_reach"),
        (Interval(0.005, 0.01), {"mde": 0.02}, "better"),
        (Interval(-0.05, 0.05), {"conditional_power": 0.05}, "unlikely_to_succeed"),
        (Interval(-0.05, 0.05), {"conditional_power": math.nan}, "undecided"),
        (Interval(-0.05, 0.05), {"conditional_power": 0.3, "least_power": 0.5}, "unlikely_to_succeed"),
        (Interval(0.01, math.inf), {}, "better"),
        (Interval(-math.inf, math.inf), {"mde": 0.01, "equivalence": 0.01}, "undecided"),
    ],
)
def test_what_an_interval_says(interval: Interval, options: dict[str, float], reason: StopReason) -> None:
    found = early_stop(interval, **options)  # type: ignore[arg-type]
    assert found.reason == reason
    assert found.kind == REASONS[reason]
    assert found.stops == (found.kind != "continue")


@given(intervals, sizes, sizes)
def test_lower_is_better_is_the_mirror(interval: Interval, equivalence: float | None, mde: float | None) -> None:
    mirrored = Interval(-interval.upper, -interval.lower)
    there = early_stop(interval, better="higher", equivalence=equivalence, mde=mde)
    assert there == early_stop(mirrored, better="lower", equivalence=equivalence, mde=mde)
    if there.kind == "effect":
        assert early_stop(interval, better="lower", equivalence=equivalence, mde=mde).kind == "harm"


@given(intervals, st.sampled_from(["higher", "lower"]), sizes, sizes)
def test_an_interval_around_zero_never_shows_an_effect_or_harm(
    interval: Interval, better: Better, equivalence: float | None, mde: float | None
) -> None:
    if interval.lower <= 0 <= interval.upper:
        found = early_stop(interval, better=better, equivalence=equivalence, mde=mde)
        assert found.kind in ("continue", "futility")


@pytest.mark.parametrize(
    ("interval", "options", "named"),
    [
        (Interval(0, 1), {"better": "up"}, "'up'"),
        (Interval(0, 1), {"equivalence": 0.0}, "equivalence == 0"),
        (Interval(0, 1), {"mde": -1.0}, "mde == -1"),
        (Interval(0, 1), {"least_power": 2.0}, "least_power == 2"),
        (Interval(1, 0), {}, "must not be above"),
    ],
)
def test_what_is_not_allowed_is_refused(interval: Interval, options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        early_stop(interval, **options)  # type: ignore[arg-type]
