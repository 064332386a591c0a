"""Guardrails of the challenger's health."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.guardrails import OVERWHELMING, broken_guardrails
from experiments.spec_metrics import Guardrails

LIMITS = Guardrails(max_error_rate=0.02, max_empty_rate=0.01, latency_budget_ms=500)


def broken(sessions: int, errors: int = 0, empty: int = 0, latency: float = 20.0) -> tuple[str, ...]:
    return broken_guardrails(LIMITS, 100, sessions, errors, empty, latency)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"sessions": 100}, ()),
        ({"sessions": 100, "errors": 2}, ()),
        ({"sessions": 100, "errors": 3}, ("error_rate",)),
        ({"sessions": 99, "errors": 3}, ()),
        ({"sessions": 100, "empty": 1}, ()),
        ({"sessions": 100, "empty": 2}, ("empty_rate",)),
        ({"sessions": 100, "latency": 500.0}, ()),
        ({"sessions": 100, "latency": 500.1}, ("latency",)),
        ({"sessions": 99, "latency": 9000.0}, ()),
        ({"sessions": 100, "latency": math.nan}, ()),
        ({"sessions": 0}, ()),
        ({"sessions": 200, "errors": 200, "empty": 3, "latency": 501.0}, ("error_rate", "empty_rate", "latency")),
        # Too few sessions for a rate, yet nobody needs a hundred failures to know.
        ({"sessions": 3, "errors": 3}, ()),
        ({"sessions": 4, "errors": 4}, ("error_rate",)),
        ({"sessions": 50, "errors": 50}, ("error_rate",)),
        ({"sessions": 50, "empty": 25}, ("empty_rate",)),
    ],
)
def test_table(seen: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert broken(**seen) == expected


@given(st.integers(1, 99), st.integers(1, 99))
def test_early_rule_is_the_binomial_tail(sessions: int, errors: int) -> None:
    errors = min(errors, sessions)
    tail = stats.binom.sf(errors - 1, sessions, LIMITS.max_error_rate)
    assert (broken(sessions, errors) == ("error_rate",)) == (tail < OVERWHELMING)


def test_a_limit_of_zero_allows_nothing_a_limit_of_one_everything() -> None:
    strict = Guardrails(max_error_rate=0)
    assert broken_guardrails(strict, 100, sessions=1, errors=1, empty=0, latency_p95_ms=1.0) == ("error_rate",)
    lenient = Guardrails(max_error_rate=1)
    assert broken_guardrails(lenient, 100, sessions=500, errors=500, empty=0, latency_p95_ms=1.0) == ()
