"""Nearest items by faiss: as many of the best as is said, on queries that it was not tuned on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import ConfigError, DataError
from wrappers.vector_index import IndexPlan, VectorIndex, exact_search, n_lists

Floats = npt.NDArray[np.float32]
SMALL = IndexPlan(exact_below=1_000, quantise_from=20_000, recall=0.9, n_queries=200)
#: The best of what is found are picked by whole numbers.
DEEP = replace(SMALL, depth=100)


def world(n: int, *, n_queries: int = 600) -> tuple[Floats, Floats]:
    """Items around 300 tastes, and users of the same shape."""
    rng = np.random.default_rng(7)
    scale = np.exp(-np.arange(16) / 6)
    tastes = rng.normal(size=(300, 16)) * scale
    items = tastes[rng.integers(300, size=n)] + rng.normal(size=(n, 16)) * scale * 0.3
    return items.astype(np.float32), (rng.normal(size=(n_queries, 16)) * scale).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "kind", "plan"),
    [
        (800, "exact", SMALL),
        (6_000, "inverted", SMALL),
        (24_000, "quantised", SMALL),
        (24_000, "product_quantised", DEEP),
    ],
)
def test_it_finds_as_many_of_the_best_as_it_says(n: int, kind: str, plan: IndexPlan) -> None:
    items, users = world(n)
    index = VectorIndex.build(items, plan=plan, queries=users)
    assert (index.kind, index.n_items, index.dimension) == (kind, n, 16)
    fresh = world(10, n_queries=1_200)[1][600:]
    found, best = index.search(fresh, index.spare * max(10, plan.depth)), exact_search(items, fresh, 10)
    hits = (found.item_index[:, :, np.newaxis] == best.item_index[:, np.newaxis, :]).any(axis=1).mean()
    # It was measured on 200 queries: 4 standard errors, .15 the spread of a query's share.
    assert hits >= index.recall - 4 * 0.15 / np.sqrt(200)
    assert index.recall >= (1 if kind == "exact" else SMALL.recall - 4 * 0.15 / np.sqrt(200))
    assert (0 < index.n_probe < n_lists(n)) == (kind != "exact"), "not every list was looked through"
    if not kind.endswith("quantised"):
        own = np.einsum("nd,nkd->nk", fresh, items[found.item_index])
        np.testing.assert_allclose(found.score, own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n", "plan"), [(800, SMALL), (6_000, SMALL), (24_000, SMALL), (24_000, DEEP)])
def test_it_is_the_same_after_it_was_written_down(n: int, plan: IndexPlan) -> None:
    items, users = world(n)
    index = VectorIndex.build(items, plan=plan, queries=users)
    again = VectorIndex.from_arrays(index.arrays())
    assert (again.kind, again.recall, again.n_probe) == (index.kind, index.recall, index.n_probe)
    for one, other in zip(index.search(users, 5), again.search(users, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_builds_the_same_index() -> None:
    items, users = world(6_000)
    one, other = (VectorIndex.build(items, plan=SMALL, queries=users).search(users, 10) for _ in range(2))
    np.testing.assert_array_equal(one.item_index, other.item_index)


def test_more_than_there_are_is_filled_up() -> None:
    items, users = world(3)
    for found in (VectorIndex.build(items).search(users[:2], 5), exact_search(items, users[:2], 5)):
        assert (found.item_index[:, 3:] == -1).all()
        assert np.isneginf(found.score[:, 3:]).all()
        assert (np.sort(found.item_index[:, :3]) == [0, 1, 2]).all()


def test_an_exact_search_in_parts_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    items, users = world(1_000)
    monkeypatch.setattr("wrappers.vector_index._EXACT_ROWS", 64)
    wanted = np.sort(users @ items.T, axis=1)[:, ::-1][:, :7]
    np.testing.assert_allclose(exact_search(items, users, 7).score, wanted, rtol=1e-5)


def test_what_cannot_be_done_is_one_line() -> None:
    items, users = world(2_000)
    spoilt = items.copy()
    spoilt[5, 5] = np.nan
    index = VectorIndex.build(items[:10])
    for given, told in ((spoilt, "hold NaN"), (items[:0], "with at least one"), (items[0], "must be (n, d)")):
        with pytest.raises(DataError) as error:
            VectorIndex.build(given)
        assert told in str(error.value)
    with pytest.raises(DataError, match="queries have 15 numbers"):
        VectorIndex.build(items, queries=users[:, :15])
    with pytest.raises(DataError, match="queries have 15 numbers"):
        index.search(users[:, :15], 3)
    with pytest.raises(ConfigError, match="k == 0"):
        index.search(users, 0)
    with pytest.raises(ConfigError, match="recall == 0"):
        IndexPlan(recall=0)
    with pytest.raises(ValueError, match="no vector index"):
        VectorIndex.from_arrays({**index.arrays(), "index": np.zeros(9, np.uint8)})
    with pytest.raises(ValueError, match="kind 'odd', must be one of exact, inverted, quantised"):
        VectorIndex.from_arrays({**index.arrays(), "kind": np.array("odd")})


def test_half_a_byte_per_number_takes_less_memory() -> None:
    items, users = world(24_000)
    byte, half = (VectorIndex.build(items, plan=plan, queries=users).arrays()["index"].size for plan in (SMALL, DEEP))
    # Lists are filled up to multiples of 32, which weighs where they hold 47 items on average.
    assert byte - half > 24_000 * 16 / 2 * 0.6


@pytest.mark.parametrize("plan", [SMALL, DEEP], ids=["byte", "half a byte"])
def test_candidates_are_picked_by_whole_numbers_among_some_rows(plan: IndexPlan) -> None:
    """Of the items that an index was built from, as many of the best as it says, named by their places among all."""
    items, users = world(30_000)
    rows = np.flatnonzero(np.arange(len(items)) % 5)
    index = VectorIndex.build(items[rows], plan=plan, queries=users)
    fresh = world(10, n_queries=900)[1][600:]
    best = rows[exact_search(items[rows], fresh, 10).item_index]
    found = [index.candidates(user, 100, items, rows) for user in fresh]
    assert all(len(one) == len(set(one.tolist())) <= 100 for one in found)
    share = np.mean([np.isin(wanted, one).mean() for wanted, one in zip(best, found, strict=True)])
    assert share >= index.recall - 4 * 0.15 / np.sqrt(200)


def test_where_half_a_byte_loses_too_much_a_whole_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrappers.vector_index._SPARE_FINDS", 1)
    items, users = world(24_000)
    index = VectorIndex.build(items, plan=replace(DEEP, recall=0.999), queries=users)
    assert index.kind == "quantised"
    assert index.recall > 0.99


def test_quantisation_that_loses_too_much_is_told() -> None:
    """A byte per number cannot tell items apart that differ in the fourth digit."""
    rng = np.random.default_rng(0)
    items = (1 + rng.normal(size=(3_000, 4)) * 1e-4).astype(np.float32)
    items[0] = 100
    with pytest.raises(ConfigError, match="raise quantise_from"):
        VectorIndex.build(items, plan=IndexPlan(100, 1_000, recall=1.0, n_queries=50), queries=items[1:])
