"""Figures of a metric: shares and numbers of every size, intervals with and without ends."""

from __future__ import annotations

import math

import pytest

from experiments.metric_figures import effect_text, interval_text, relative_text, value_text
from experiments.metrics import Metric

BOUGHT = Metric("bought", "proportion", "bought")
PAID = Metric("paid", "mean", "paid")


def test_intervals_without_ends_and_shares_in_points() -> None:
    assert interval_text(PAID, -math.inf, 0.5, "en") == "no limit to +0.5000"
    assert interval_text(PAID, math.nan, 0.5, "en") == "–"
    assert interval_text(BOUGHT, -0.01, 0.02, "ko") == "−1.00 ~ +2.00"
    assert effect_text(BOUGHT, 0.0123, "en") == "+1.23 points"
    assert effect_text(PAID, 12345.6, "en") == "+12,346"


@pytest.mark.parametrize(
    ("value", "told", "difference"),
    [
        (1e200, "1e+200", "+1e+200"),
        (-2.5e6, "−2,500,000", "−2,500,000"),
        (12345.6, "12,346", "+12,346"),
        (1e-12, "1e-12", "+1e-12"),
        (0.0, "0", "0.0"),
        (-5.25, "−5.25", "−5.250"),
        (math.inf, "–", "–"),
    ],
)
def test_numbers_of_any_size_stay_short_and_are_not_lost(value: float, told: str, difference: str) -> None:
    assert value_text(PAID, value, "en") == told
    assert effect_text(PAID, value, "en") == difference


def test_small_shares_are_not_told_as_nothing() -> None:
    assert value_text(BOUGHT, 0.0000123, "ko") == "0.00123%"
    assert [value_text(BOUGHT, value, "en") for value in (0, 0.0995, 0.1, 1)] == [
        "0.0 %",
        "9.95 %",
        "10.0 %",
        "100.0 %",
    ]
    assert effect_text(BOUGHT, 0.00002, "en") == "+0.002 points"
    assert interval_text(BOUGHT, -0.00003, 0.02, "en") == "−0.003 to +2.000"
    assert relative_text(0.00031, "en") == "+0.03 %"
