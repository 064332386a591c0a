"""Spending functions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError
from experiments.looks.spending import Spending

spendings = st.one_of(
    st.sampled_from([Spending(), Spending("pocock")]),
    st.builds(Spending, st.just("power"), st.floats(0.1, 10)),
    st.builds(Spending, st.just("hwang_shih_decani"), st.floats(-10, 10)),
)


@given(spendings, st.floats(0, 1.5), st.floats(0, 1.5), st.floats(0.0001, 0.5))
def test_rises_from_nothing_to_all(spending: Spending, one: float, two: float, error: float) -> None:
    first, second = (spending.spent(fraction, error) for fraction in sorted((one, two)))
    assert 0 <= first <= second * (1 + 1e-12)
    assert second <= error * (1 + 1e-12)
    assert spending.spent(0, error) == 0
    assert spending.spent(1, error) == pytest.approx(error, rel=1e-12)
    assert spending.spent(0.999999999, error) == pytest.approx(error, rel=1e-6)


def test_values_by_hand() -> None:
    assert Spending().spent(0.2, 0.025) == pytest.approx(2 * stats.norm.sf(stats.norm.isf(0.0125) / math.sqrt(0.2)))
    assert Spending("pocock").spent(0.2, 0.05) == pytest.approx(0.05 * math.log(1 + (math.e - 1) * 0.2))
    assert Spending("power", 3).spent(0.5, 0.04) == pytest.approx(0.005)
    assert Spending("hwang_shih_decani", 0).spent(0.3, 0.05) == pytest.approx(0.015)
    assert Spending("hwang_shih_decani", -4).spent(0.5, 0.025) == pytest.approx(
        0.025 * (1 - math.exp(2)) / (1 - math.exp(4))
    )


@pytest.mark.parametrize(
    ("kind", "shape", "named"),
    [
        ("obf", math.nan, "obf"),
        ("power", math.nan, "shape == nan"),
        ("power", 0.0, "shape == 0"),
        ("hwang_shih_decani", math.nan, "shape == nan"),
        ("pocock", 2.0, "has none"),
    ],
)
def test_unknown_kinds_and_shapes_are_refused(kind: str, shape: float, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Spending(kind, shape)  # type: ignore[arg-type]


@pytest.mark.parametrize(("fraction", "error"), [(-0.1, 0.05), (math.nan, 0.05), (0.5, 1.5)])
def test_fractions_and_errors_out_of_range_are_refused(fraction: float, error: float) -> None:
    with pytest.raises(ConfigError, match="fraction"):
        Spending().spent(fraction, error)
