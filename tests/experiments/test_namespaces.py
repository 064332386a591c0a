"""Mutual exclusion: GrowthBook's published cases and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from experiments.namespaces import Namespace, namespace_bucket, namespace_buckets

text = st.text(st.characters(exclude_categories=[]), max_size=12)
# GrowthBook SDK tests/cases.json, "inNamespace": unit, namespace, start, end, whether it is in.
IN_NAMESPACE = [
    ("1", "namespace1", 0, 0.4, False),
    ("1", "namespace1", 0.4, 1, True),
    ("1", "namespace2", 0, 0.4, False),
    ("1", "namespace2", 0.4, 1, True),
    ("2", "namespace1", 0, 0.4, False),
    ("2", "namespace1", 0.4, 1, True),
    ("2", "namespace2", 0, 0.4, False),
    ("2", "namespace2", 0.4, 1, True),
    ("3", "namespace1", 0, 0.4, False),
    ("3", "namespace1", 0.4, 1, True),
    ("3", "namespace2", 0, 0.4, True),
    ("3", "namespace2", 0.4, 1, False),
    ("4", "namespace1", 0, 0.4, False),
    ("4", "namespace1", 0.4, 1, True),
    ("4", "namespace2", 0, 0.4, True),
    ("4", "namespace2", 0.4, 1, False),
]


@pytest.mark.parametrize(("unit", "namespace", "start", "end", "inside"), IN_NAMESPACE)
def test_growthbook_cases(unit: str, namespace: str, start: float, end: float, inside: bool) -> None:
    assert (start <= namespace_bucket(namespace, unit) < end) == inside


def fnv(data: bytes) -> int:
    """FNV-1a as its authors define it, written here independently."""
    state = 2166136261
    for byte in data:
        state = (state ^ byte) * 16777619 % 2**32
    return state


# The same file, "hash", version 1: unit and seed are one text.
@pytest.mark.parametrize(
    ("whole", "place"),
    [("a", 220), ("b", 77), ("ab", 946), ("def", 652), ("8952klfjas09ujkasdf", 549), ("123", 11), ('___)((*":&', 563)],
)
def test_the_independent_hash_is_growthbooks(whole: str, place: int) -> None:
    assert fnv(whole.encode()) % 1000 == place


@given(text, st.lists(text, max_size=20))
def test_any_unicode_one_by_one_and_many_at_once(namespace: str, units: list[str]) -> None:
    expected = [fnv(f"{unit}__{namespace}".encode("utf-8", "surrogatepass")) % 1000 / 1000 for unit in units]
    assert namespace_buckets(namespace, units).tolist() == expected
    assert [namespace_bucket(namespace, unit) for unit in units] == expected


def test_places_spread_evenly() -> None:
    counts = np.histogram(namespace_buckets("home", [f"u{i}" for i in range(40_000)]), bins=20, range=(0, 1))[0]
    # 99.99 % quantile of chi-squared on 19 degrees of freedom.
    assert float(((counts - 2000) ** 2 / 2000).sum()) < 50.8


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_overlap_is_what_a_grid_of_places_says(a: float, b: float, c: float, d: float) -> None:
    one, two = sorted((a, b)), sorted((c, d))
    if one[0] == one[1] or two[0] == two[1]:
        return
    shared = any(one[0] <= place < one[1] and two[0] <= place < two[1] for place in (*one, *two))
    assert Namespace("n", *one).overlaps(Namespace("n", *two)) == shared
    assert not Namespace("n", *one).overlaps(Namespace("m", *two))


@pytest.mark.parametrize(
    ("name", "start", "end", "field"),
    [("", 0, 1, "namespace.id"), ("n", 0.5, 0.5, "range"), ("n", -0.1, 1, "range"), ("n", 0, 1.1, "range")],
)
def test_what_is_not_allowed_is_refused(name: str, start: float, end: float, field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        Namespace(name, start, end)


def test_nan_is_no_border() -> None:
    with pytest.raises(ConfigError, match="range"):
        Namespace("n", 0, float("nan"))
