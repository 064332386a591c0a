from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import average_precision_score, ndcg_score

from evaluation.ranking import METRICS, PADDING, evaluate_ranking

# One user, four places, hits at 1 and 3, three relevant items.
LIST, RELEVANT = [5, 0, 7, 1], [5, 7, 9]


def _truth(rows: list[list[int]], n_items: int = 10) -> sparse.csr_array[Any, Any]:
    matrix = np.zeros((len(rows), n_items), np.float32)
    for row, items in enumerate(rows):
        matrix[row, items] = 1
    return sparse.csr_array(matrix)


def _one(recommended: list[int], relevant: list[int], k: int) -> dict[str, float]:
    figures = evaluate_ranking(np.array([recommended], dtype=np.int64), _truth([relevant]), k)
    assert tuple(figures) == METRICS
    return {name: float(values[0]) for name, values in figures.items()}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ndcg", (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3) + 1 / math.log2(4))),
        ("recall", 2 / 3),
        ("precision", 2 / 4),
        ("map", (1 / 1 + 2 / 3) / 3),
        ("mrr", 1.0),
        ("hit_rate", 1.0),
    ],
)
def test_values_by_hand(metric: str, expected: float) -> None:
    assert _one(LIST, RELEVANT, k=4)[metric] == pytest.approx(expected, abs=1e-15)


def test_only_the_first_k_places_count() -> None:
    figures = _one(LIST, RELEVANT, k=2)
    assert figures["precision"] == 1 / 2
    assert figures["recall"] == 1 / 3
    assert figures["ndcg"] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_list_shorter_than_k_misses_the_rest() -> None:
    assert _one([5, 7], RELEVANT, k=4) == _one([5, 7, PADDING, PADDING], RELEVANT, k=4)
    assert _one([5, 7], RELEVANT, k=4)["precision"] == 2 / 4


def test_an_empty_place_keeps_its_rank() -> None:
    assert _one([PADDING, 5], RELEVANT, k=4)["mrr"] == 1 / 2


def test_the_reciprocal_rank_is_that_of_the_first_hit() -> None:
    assert _one([0, 1, 9, 7], RELEVANT, k=4)["mrr"] == 1 / 3


@pytest.mark.parametrize("recommended", [[], [PADDING, PADDING], [0, 1, 2]])
def test_an_empty_or_wrong_list_scores_zero(recommended: list[int]) -> None:
    assert set(_one(recommended, RELEVANT, k=3).values()) == {0.0}


def test_a_user_without_relevant_items_has_no_value() -> None:
    figures = evaluate_ranking(np.array([[1, 2], [1, 2]]), _truth([[], [1]]), k=2)
    assert all(math.isnan(values[0]) and values[1] > 0 for values in figures.values())


def test_no_users_and_no_truth_at_all() -> None:
    assert all(len(values) == 0 for values in evaluate_ranking(np.empty((0, 3), int), _truth([]), k=3).values())
    nobody = evaluate_ranking(np.array([[1, 2]]), sparse.csr_array((1, 10)), k=2)
    assert all(np.isnan(values).all() for values in nobody.values())


def test_a_truth_that_is_not_canonical_counts_the_same_and_is_left_alone() -> None:
    values, columns, starts = np.array([1.0, 0.0, 0.5, 0.5]), np.array([7, 3, 5, 5]), np.array([0, 4])
    untidy = sparse.csr_array((values, columns, starts), shape=(1, 10))
    figures = evaluate_ranking(np.array([[5, 3, 7]]), untidy, k=3)
    assert figures["recall"].tolist() == [1.0]
    assert figures["precision"].tolist() == [2 / 3]
    assert untidy.indices.tolist() == [7, 3, 5, 5]


@pytest.mark.parametrize(
    ("recommended", "k", "problem"),
    [
        ([[1, 2]], 0, "k == 0, must be >= 1"),
        ([[1, 2], [1, 2]], 2, r"recommended.shape == \(2, 2\), must be \(1, m\)"),
        ([1, 2], 2, r"recommended.shape == \(2,\)"),
        ([[1, 10]], 2, r"item indexes 1 … 10, must be 0 … 9"),
        ([[1, -2]], 2, r"item indexes -2 … 1"),
        ([[1, 4, 1]], 3, "names an item twice for user_index 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(recommended: Any, k: int, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        evaluate_ranking(np.array(recommended), _truth([[1]]), k)


def test_twice_in_the_list_beyond_k_does_not_matter() -> None:
    assert evaluate_ranking(np.array([[1, 2, 1]]), _truth([[1]]), k=2)["recall"].tolist() == [1.0]


def _full_ranking(seed: int) -> tuple[Any, Any, Any]:
    """Random scores without ties, every item ranked, and a random truth in which every user has an item."""
    rng = np.random.default_rng(seed)
    n_users, n_items = 40, 25
    scores = rng.permuted(np.tile(np.arange(n_items, dtype=float), (n_users, 1)), axis=1)
    truth = rng.random((n_users, n_items)) < 0.2
    truth[np.arange(n_users), rng.integers(0, n_items, n_users)] = True
    return scores, truth, np.argsort(-scores, axis=1)


@pytest.mark.parametrize("k", [1, 5, 10, 25])
def test_ndcg_agrees_with_scikit_learn(k: int) -> None:
    scores, truth, ranking = _full_ranking(seed=k)
    ours = evaluate_ranking(ranking, sparse.csr_array(truth.astype(float)), k)["ndcg"]
    theirs = [ndcg_score(truth[[user]].astype(float), scores[[user]], k=k) for user in range(len(truth))]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_map_of_a_full_ranking_agrees_with_scikit_learn() -> None:
    scores, truth, ranking = _full_ranking(seed=0)
    ours = evaluate_ranking(ranking, sparse.csr_array(truth.astype(float)), truth.shape[1])["map"]
    theirs = [average_precision_score(truth[user], scores[user]) for user in range(len(truth))]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


N_ITEMS = 12
ITEMS = st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=N_ITEMS)
SOME_ITEMS = st.lists(st.integers(0, N_ITEMS - 1), unique=True, min_size=1, max_size=N_ITEMS)


def _judged(recommended: list[int], relevant: list[int], k: int) -> dict[str, float]:
    row = np.full((1, N_ITEMS), PADDING)
    row[0, : len(recommended)] = recommended
    figures = evaluate_ranking(row, _truth([relevant], N_ITEMS), k)
    return {name: float(values[0]) for name, values in figures.items()}


@given(recommended=ITEMS, relevant=SOME_ITEMS, k=st.integers(1, N_ITEMS))
def test_every_metric_lies_between_0_and_1(recommended: list[int], relevant: list[int], k: int) -> None:
    assert all(0 <= value <= 1 for value in _judged(recommended, relevant, k).values())


@given(relevant=SOME_ITEMS, k=st.integers(1, N_ITEMS))
def test_a_perfect_ranking_reaches_the_highest_possible_value(relevant: list[int], k: int) -> None:
    figures = _judged(relevant, relevant, k)
    reached = min(k, len(relevant))
    assert figures["ndcg"] == 1.0
    best = {"recall": reached / len(relevant), "precision": reached / k, "map": reached / len(relevant)}
    assert figures == pytest.approx({"ndcg": 1, "mrr": 1, "hit_rate": 1, **best})


@given(recommended=SOME_ITEMS, relevant=SOME_ITEMS, k=st.integers(1, N_ITEMS), data=st.data())
def test_moving_a_relevant_item_up_never_hurts(
    recommended: list[int], relevant: list[int], k: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(recommended) - 1))
    before = _judged(recommended, relevant, k)
    if place == 0 or recommended[place] not in relevant or recommended[place - 1] in relevant:
        return
    swapped = recommended.copy()
    swapped[place - 1], swapped[place] = swapped[place], swapped[place - 1]
    after = _judged(swapped, relevant, k)
    assert all(after[name] >= before[name] - 1e-12 for name in METRICS)


@given(recommended=ITEMS, relevant=SOME_ITEMS, k=st.integers(1, N_ITEMS), seed=st.integers(0, 99))
def test_only_the_order_of_the_list_counts_not_the_names_of_items(
    recommended: list[int], relevant: list[int], k: int, seed: int
) -> None:
    renamed = np.random.default_rng(seed).permutation(N_ITEMS)
    again = _judged([int(renamed[item]) for item in recommended], [int(renamed[item]) for item in relevant], k)
    assert again == pytest.approx(_judged(recommended, relevant, k))


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, N_ITEMS))
def test_users_are_judged_independently(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    ranking = rng.permuted(np.tile(np.arange(N_ITEMS), (6, 1)), axis=1)
    relevant = [np.flatnonzero(row).tolist() for row in rng.random((6, N_ITEMS)) < 0.3]
    together = evaluate_ranking(ranking, _truth(relevant, N_ITEMS), k)
    for user in range(6):
        alone = evaluate_ranking(ranking[[user]], _truth([relevant[user]], N_ITEMS), k)
        for name in METRICS:
            np.testing.assert_array_equal(together[name][[user]], alone[name])
