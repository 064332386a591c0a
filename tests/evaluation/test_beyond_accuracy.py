"""What lists are worth beyond being right: by hand, against slow loops, and for lists drawn at random."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse

from evaluation.beyond_accuracy import (
    average_popularity,
    coverage,
    exposure,
    gini,
    intra_list_diversity,
    novelty,
    popular_anyway,
    popularity_lift,
    profile_popularity,
    serendipity,
)

N_USERS, N_ITEMS, K = 25, 40, 6


def random_lists(seed: int) -> np.ndarray:
    """Different items in each list; some lists are short, one is empty."""
    rng = np.random.default_rng(seed)
    lists = np.array([rng.permutation(N_ITEMS)[: K + 2] for _ in range(N_USERS)])
    lists[np.arange(K + 2) >= rng.integers(0, K + 3, (N_USERS, 1))] = -1
    lists[0] = -1
    return lists


def test_coverage_by_hand() -> None:
    lists = np.array([[0, 1, 9], [1, 2, -1]])
    assert coverage(lists, n_items=10, k=2) == 0.3
    assert coverage(lists, n_items=10, k=3) == 0.4
    assert exposure(lists, n_items=10, k=2).tolist() == [1, 2, 1, 0, 0, 0, 0, 0, 0, 0]


def test_nothing_recommended_covers_nothing() -> None:
    assert coverage(np.full((3, 2), -1), n_items=4, k=2) == 0.0
    assert coverage(np.empty((0, 5), dtype=np.int64), n_items=4, k=5) == 0.0
    assert math.isnan(coverage(np.full((3, 2), -1), n_items=0, k=2))


@pytest.mark.parametrize(("lists", "k"), [([[0, 4]], 2), ([[0, -2]], 2), ([[0, 1]], 0)])
def test_what_is_outside_the_catalogue_is_refused(lists: list[list[int]], k: int) -> None:
    for measure in (
        lambda: coverage(np.array(lists), n_items=4, k=k),
        lambda: intra_list_diversity(np.array(lists), np.eye(4), k),
        lambda: novelty(np.array(lists), np.ones(4), 1, k),
        lambda: popular_anyway(np.array(lists), np.ones(4), sparse.csr_array((1, 4)), k),
    ):
        with pytest.raises(ValueError, match="must be"):
            measure()


def test_gini_is_the_mean_difference_over_twice_the_mean() -> None:
    shown = np.random.default_rng(0).integers(0, 30, 50)
    differences = np.abs(shown[:, np.newaxis] - shown).mean()
    assert gini(shown) == pytest.approx(differences / (2 * shown.mean()))
    assert gini(np.full(7, 3)) == 0.0
    assert gini(np.array([0] * 99 + [5])) == pytest.approx(0.99)
    assert math.isnan(gini(np.zeros(4)))


@pytest.mark.parametrize("seed", range(3))
def test_diversity_is_the_mean_over_pairs(seed: int) -> None:
    genres = (np.random.default_rng(seed).random((N_ITEMS, 5)) < 0.3).astype(float)
    lists = random_lists(seed)
    found = intra_list_diversity(lists, genres, K)
    for user in range(N_USERS):
        known = [genres[item] for item in lists[user, :K] if item >= 0 and genres[item].any()]
        pairs = [1 - a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in combinations(known, 2)]
        assert found[user] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_novelty_and_popularity_are_means_over_the_list(seed: int) -> None:
    rng = np.random.default_rng(seed)
    popularity, lists = rng.integers(0, 80, N_ITEMS), random_lists(seed)
    surprise, common = novelty(lists, popularity, 80, K), average_popularity(lists, popularity, 80, K)
    for user in range(N_USERS):
        shares = [popularity[item] / 80 for item in lists[user, :K] if item >= 0]
        bits = [-math.log2(max(share, 1 / 80)) for share in shares]
        assert surprise[user] == pytest.approx(np.mean(bits) if bits else np.nan, nan_ok=True)
        assert common[user] == pytest.approx(np.mean(shares) if shares else np.nan, nan_ok=True)


def test_lists_drawn_from_the_users_own_past_have_no_popularity_lift() -> None:
    rng = np.random.default_rng(0)
    history = sparse.csr_array((rng.random((200, N_ITEMS)) < np.linspace(0.6, 0.05, N_ITEMS)) * 1.0)
    popularity = np.asarray(history.sum(axis=0)).ravel()
    profile = profile_popularity(history, popularity, 200)
    own = np.array([rng.choice(row.indices, 5) for row in (history[[user]] for user in range(200))])
    lift = popularity_lift(average_popularity(own[:, :1], popularity, 200, 1), profile)
    assert lift == pytest.approx(0, abs=0.1)
    most_popular = np.tile(np.argsort(-popularity)[:5], (200, 1))
    assert popularity_lift(average_popularity(most_popular, popularity, 200, 5), profile) > 0.3


def test_profiles_by_hand() -> None:
    history = sparse.csr_array([[1, 1, 0], [0, 0, 0], [1, 0, 0]])
    popularity = np.array([2, 1, 0])
    np.testing.assert_allclose(profile_popularity(history, popularity, 4), [0.375, np.nan, 0.5])
    assert math.isnan(popularity_lift(np.array([np.nan]), np.array([0.5])))


@pytest.mark.parametrize("seed", range(3))
def test_popular_anyway_is_the_popular_list_of_each_user(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different counts, so that ties are decided by the item's place.
    popularity, lists = rng.integers(0, 5, N_ITEMS), random_lists(seed)
    seen = rng.random((N_USERS, N_ITEMS)) < 0.4
    found = popular_anyway(lists, popularity, sparse.csr_array(seen * 1.0), K)
    for user in range(N_USERS):
        order = [item for item in np.argsort(-popularity, kind="stable") if not seen[user, item]][:K]
        for place in range(K):
            item = lists[user, place]
            if item < 0 or not seen[user, item]:
                assert found[user, place] == (item in order)


def test_lists_shorter_than_k() -> None:
    found = popular_anyway(np.array([[2], [0]]), np.array([5, 4, 3]), sparse.csr_array((2, 3)), 2)
    assert found.tolist() == [[False, False], [True, False]]


def test_the_popular_list_itself_is_never_serendipitous() -> None:
    rng = np.random.default_rng(1)
    popularity = rng.integers(0, 50, N_ITEMS)
    lists = np.tile(np.argsort(-popularity, kind="stable")[:K], (N_USERS, 1))
    expected = popular_anyway(lists, popularity, sparse.csr_array((N_USERS, N_ITEMS)), K)
    assert expected.all()
    hits = rng.random((N_USERS, K)) < 0.5
    assert not serendipity(hits, expected).any()
    np.testing.assert_allclose(serendipity(hits, ~expected), hits.mean(axis=1))
    with pytest.raises(ValueError, match="both must be"):
        serendipity(hits, expected[:, :2])
