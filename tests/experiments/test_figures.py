"""Numbers as readers see them."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import figures


def test_docstring_examples() -> None:
    result = doctest.testmod(figures)
    assert result.attempted > 10
    assert result.failed == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_dash(value: float) -> None:
    written = [
        figures.percent(value, "en"),
        figures.points(value, "ko"),
        figures.relative(value, "en"),
        figures.signed(value),
        figures.pvalue(value),
        figures.chance(value, "ko"),
        figures.per_thousand(value, "en"),
        figures.milliseconds(value),
        figures.seconds(value, "en"),
    ]
    assert set(written) == {figures.MISSING}


@given(st.floats(-1, 1), st.integers(1, 4))
def test_the_sign_is_that_of_what_is_shown(effect: float, digits: int) -> None:
    shown = figures.signed(100 * effect, digits)
    number = float(shown.replace("−", "-"))
    assert number == pytest.approx(100 * effect, abs=0.51 * 10**-digits)
    assert shown[0] == ("+" if number > 0 else "−" if number < 0 else "0")


@given(st.floats(0.0002, 1), st.floats(0.0002, 1))
def test_an_interval_above_zero_never_looks_as_if_it_touched_zero(lower: float, width: float) -> None:
    ends = [100 * lower, 100 * (lower + width)]
    text = figures.interval(lower, lower + width, "en", figures.digits_needed(ends))
    assert all(float(end) > 0 for end in text.split(" to "))


@given(st.floats(0, 1))
def test_a_chance_is_never_certain(probability: float) -> None:
    assert figures.chance(probability, "en", brief=True) not in ("0.0 %", "100.0 %")


@pytest.mark.parametrize(("value", "shown"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (119, "119 s"), (125.4, "2 min 5 s")])
def test_durations(value: float, shown: str) -> None:
    assert figures.seconds(value, "en") == shown
