"""RMSE and MAE against their sums, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.rating_errors import rating_errors

RATINGS = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=30)


@given(RATINGS)
def test_equal_the_sums_written_out(pairs: list[tuple[float, float]]) -> None:
    predicted, actual = np.array(pairs).T
    errors = rating_errors(predicted, actual)
    assert errors.rmse == pytest.approx(math.sqrt(sum((p - a) ** 2 for p, a in pairs) / len(pairs)))
    assert errors.mae == pytest.approx(sum(abs(p - a) for p, a in pairs) / len(pairs))
    assert errors.n == len(pairs)
    assert errors.mae <= errors.rmse + 1e-12


def test_float32_ratings_are_summed_in_float64() -> None:
    actual = np.full(200_000, 1000.0, np.float32)
    assert rating_errors(actual + np.float32(0.5), actual).rmse == 0.5


def test_no_ratings_have_no_error() -> None:
    errors = rating_errors([], [])
    assert math.isnan(errors.rmse)
    assert math.isnan(errors.mae)
    assert errors.n == 0


def test_a_missing_prediction_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 errors are NaN or infinite"):
        rating_errors([3.0, math.nan], [3.0, 4.0])


@pytest.mark.parametrize("predicted", [[3.0], [[3.0, 4.0]], 3.0])
def test_other_shapes_are_refused(predicted: object) -> None:
    with pytest.raises(ValueError, match=r"actual \(2,\); both must be \(n,\)"):
        rating_errors(predicted, [3.0, 4.0])  # type: ignore[arg-type]
