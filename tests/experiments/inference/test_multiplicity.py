"""Corrections for several tests, against statsmodels and by what they promise."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from core.errors import ConfigError
from experiments.inference.multiplicity import benjamini_hochberg, bonferroni, corrected, holm

CORRECTIONS = {"bonferroni": bonferroni, "holm": holm, "fdr_bh": benjamini_hochberg}
Correction = Callable[[npt.ArrayLike], npt.NDArray[np.float64]]


@pytest.mark.parametrize("method", CORRECTIONS)
@given(pvalues=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_agrees_with_statsmodels(method: str, pvalues: list[float]) -> None:
    # Of "holm" it collects all garbage at every call: a second each in a process that has loaded much.
    with mock.patch("gc.collect"):
        expected = multipletests(pvalues, method=method)[1]
    np.testing.assert_allclose(CORRECTIONS[method](pvalues), expected, atol=1e-12)


@pytest.mark.parametrize("correct", CORRECTIONS.values())
def test_what_is_no_test_does_not_count(correct: Correction) -> None:
    nan = float("nan")
    corrected = correct([nan, 0.01, 0.2, nan])
    np.testing.assert_array_equal(np.isnan(corrected), [True, False, False, True])
    np.testing.assert_array_equal(corrected[1:3], correct([0.01, 0.2]))
    assert correct([]).shape == (0,)
    assert np.isnan(correct([nan])).all()


@pytest.mark.parametrize("correct", CORRECTIONS.values())
@pytest.mark.parametrize("pvalues", [[0.5, 1.5], [-0.1]])
def test_what_is_no_probability_is_refused(correct: Correction, pvalues: list[float]) -> None:
    with pytest.raises(ValueError, match="must be 0 … 1"):
        correct(pvalues)


def test_holm_bounds_the_chance_of_any_false_finding_and_raw_pvalues_do_not() -> None:
    # Ten true hypotheses, independent tests: raw p-values below .05 turn up in 40 % of the rounds.
    raw = np.random.default_rng(0).random((2000, 10))
    corrected = np.array([holm(row) for row in raw])
    error = 3 * np.sqrt(0.05 * 0.95 / len(raw))
    assert np.mean((corrected <= 0.05).any(axis=1)) <= 0.05 + error
    assert np.mean((raw <= 0.05).any(axis=1)) > 0.35


def test_corrections_by_name() -> None:
    pvalues = [0.01, 0.04, 0.03, np.nan]
    for name, correct in (("holm", holm), ("bonferroni", bonferroni), ("bh", benjamini_hochberg)):
        np.testing.assert_array_equal(corrected(pvalues, name), correct(pvalues))  # type: ignore[arg-type]
    np.testing.assert_array_equal(corrected(pvalues, "none"), pvalues)
    with pytest.raises(ConfigError, match="correction == 'most', must be one of holm, bonferroni, bh, none"):
        corrected(pvalues, "most")  # type: ignore[arg-type]
