"""The hash and the canary's ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.assignment import (
    BUCKETS,
    bucket,
    bucket_ranges,
    buckets,
    propensity,
    rollout_variant,
    rollout_variants,
)

PERCENTS = (*range(51), 100)
EVERY_BUCKET = np.arange(BUCKETS) / BUCKETS
# Any code point, halves of surrogate pairs included.
text = st.text(st.characters(exclude_categories=[]), max_size=12)


@given(text, st.lists(text, max_size=20))
def test_many_at_once_equal_one_by_one(seed: str, ids: list[str]) -> None:
    assert buckets(seed, ids).tolist() == [bucket(seed, unit) for unit in ids]


def test_hash_beyond_ascii_is_over_utf8_bytes() -> None:
    """Equal to the FNV of the bytes, written here independently; a code-point hash would differ."""

    def fnv(data: bytes) -> int:
        state = 2166136261
        for byte in data:
            state = (state ^ byte) * 16777619 % 2**32
        return state

    expected = fnv(str(fnv("씨앗사용자".encode())).encode()) % 10000 / 10000
    assert bucket("씨앗", "사용자") == expected


def test_no_ids_give_no_buckets() -> None:
    assert buckets("seed", []).shape == (0,)


def test_ids_spread_evenly_and_salts_are_independent() -> None:
    ids = [f"user-{number}" for number in range(40_000)]
    one, two = buckets("salt-1", ids), buckets("salt-2", ids)
    counts = np.histogram(one, bins=20, range=(0, 1))[0]
    chi2 = float(((counts - 2000) ** 2 / 2000).sum())
    # 99.99 % quantile of chi-squared on 19 degrees of freedom.
    assert chi2 < 50.8
    # 4 standard errors of a correlation of independent uniforms.
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(len(ids))


@pytest.mark.parametrize("percent", PERCENTS)
def test_scalar_and_vector_agree_on_every_bucket(percent: int) -> None:
    assert rollout_variants(EVERY_BUCKET, percent).tolist() == [
        rollout_variant(place, percent) for place in EVERY_BUCKET.tolist()
    ]


@pytest.mark.parametrize("percent", PERCENTS)
def test_shares_are_exact_and_are_the_propensities(percent: int) -> None:
    variants = rollout_variants(EVERY_BUCKET, percent)
    for variant in ("challenger", "control", "champion"):
        assert (variants == variant).sum() == round(BUCKETS * propensity(variant, percent))


def test_control_is_as_large_as_the_challenger_up_to_50() -> None:
    for percent in range(51):
        assert propensity("control", percent) == propensity("challenger", percent) == percent / 100


def test_nobody_at_0_everybody_at_100() -> None:
    assert set(rollout_variants(EVERY_BUCKET, 0)) == {"champion"}
    assert set(rollout_variants(EVERY_BUCKET, 100)) == {"challenger"}


@given(st.floats(0, 1, exclude_max=True), st.lists(st.integers(0, 50), min_size=2, max_size=8).map(sorted))
def test_ranges_only_extend(place: float, rising: list[int]) -> None:
    """Once challenger or control, always that: nobody moves between the two, nobody falls back to the champion."""
    seen = [rollout_variant(place, percent) for percent in rising]
    left = [variant for variant in seen if variant != "champion"]
    assert len(set(left)) <= 1
    assert seen == ["champion"] * (len(seen) - len(left)) + left


def test_rollout_ranges_are_growthbook_ranges() -> None:
    for percent in range(51):
        (c_low, c_high), (k_low, k_high) = bucket_ranges(percent / 50, [0.5, 0.5])
        variants = rollout_variants(EVERY_BUCKET, percent)
        # Half a bucket off the borders, which the two ways to compute them may give a last bit apart.
        middle = EVERY_BUCKET + 0.5 / BUCKETS
        assert ((variants == "challenger") == ((middle >= c_low) & (middle < c_high))).all()
        assert ((variants == "control") == ((middle >= k_low) & (middle < k_high))).all()


@pytest.mark.parametrize("percent", [-1, 51, 75, 99, 101])
def test_other_percents_are_refused(percent: int) -> None:
    with pytest.raises(ConfigError, match=f"percent == {percent}, must be 0 … 50, or 100"):
        rollout_variant(0.3, percent)
    with pytest.raises(ConfigError, match="percent"):
        rollout_variants(EVERY_BUCKET, percent)
    with pytest.raises(ConfigError, match="percent"):
        propensity("control", percent)


@pytest.mark.parametrize(("coverage", "weights"), [(-0.1, [0.5]), (1.1, [0.5]), (0.5, [-0.1, 1.0]), (0.5, [0.8, 0.8])])
def test_bad_ranges_are_refused_not_repaired(coverage: float, weights: list[float]) -> None:
    with pytest.raises(ConfigError):
        bucket_ranges(coverage, weights)
