"""Segments of users and items, and what their metrics are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from evaluation.ranking import evaluate_ranking, find_hits
from evaluation.segments import (
    ITEM_SEGMENTS,
    USER_SEGMENTS,
    Segment,
    popularity_segment,
    segment_metrics,
    user_segments,
)
from evaluation.summary import summarise, summarise_each


def test_every_user_is_in_one_segment() -> None:
    n_ratings = np.array([0, 1, 19, 20, 99, 100, 5000])
    found = user_segments(n_ratings)
    assert [segment.name for segment in found] == [name for name, _ in USER_SEGMENTS]
    assert np.array(list(found.values())).sum(axis=0).tolist() == [1] * 7
    assert [int(who.sum()) for who in found.values()] == [1, 2, 2, 2]
    assert user_segments(np.array([], dtype=int)) == {}


def test_the_head_has_half_of_the_ratings_as_soon_as_it_can() -> None:
    rng = np.random.default_rng(0)
    popularity = rng.permutation(np.append(np.floor(3000 / np.arange(1, 400)), np.zeros(20)))
    place = popularity_segment(popularity)
    total = popularity.sum()
    head, torso, tail, new = (popularity[place == number] for number in range(len(ITEM_SEGMENTS)))
    assert head.sum() >= total / 2 > head.sum() - head.min()
    assert head.sum() + torso.sum() >= 0.8 * total > head.sum() + torso.sum() - torso.min()
    assert head.min() >= torso.max() >= torso.min() >= tail.max()
    assert (tail > 0).all()
    assert len(new) == 20


@pytest.mark.parametrize("counts", [[], [0, 0], [1], [5, 5]])
def test_few_items(counts: list[int]) -> None:
    place = popularity_segment(np.array(counts))
    assert [ITEM_SEGMENTS[number] for number in place] == {
        0: [],
        1: ["head"],
        2: ["new", "new"] if not any(counts) else ["head", "torso"],
    }[len(counts)]


def test_metrics_of_items_are_those_of_the_truth_restricted_to_them() -> None:
    rng = np.random.default_rng(0)
    n_users, n_items, k = 30, 50, 10
    lists = np.array([rng.permutation(n_items)[:k] for _ in range(n_users)])
    lists[3, 5:] = -1
    truth = sparse.csr_array((rng.random((n_users, n_items)) < 0.1) * 1.0)
    segments = {Segment("genre", name): rng.random(n_items) < share for name, share in (("a", 0.5), ("b", 0.1))}
    segments[Segment("genre", "nobody's")] = np.zeros(n_items, bool)
    found = segment_metrics(find_hits(lists, truth, k), lists, truth, segments, ("ndcg", "recall"))
    assert [segment.name for segment in found] == ["a", "b"]
    for segment, of_segment in found.items():
        restricted = sparse.csr_array(truth.toarray() * segments[segment])
        expected = evaluate_ranking(lists, restricted, k)
        for metric, values in of_segment.items():
            np.testing.assert_allclose(values, expected[metric])
    assert segment_metrics(find_hits(lists, truth, k), lists, truth, {}, ("ndcg",)) == {}


def test_all_items_as_a_segment_are_the_whole() -> None:
    lists, truth = np.array([[0, 1], [2, 3]]), sparse.csr_array([[1, 0, 0, 0], [0, 1, 1, 0]])
    everything = {Segment("items", "all"): np.ones(4, bool)}
    [found] = segment_metrics(find_hits(lists, truth, 2), lists, truth, everything, ("ndcg",)).values()
    np.testing.assert_allclose(found["ndcg"], evaluate_ranking(lists, truth, 2)["ndcg"])


def test_each_segment_is_summarised_over_its_own_users() -> None:
    values = np.random.default_rng(0).random(200)
    everyone = {"all": values}
    assert summarise_each(everyone, seed=3)["all"] == pytest.approx((*summarise(everyone, seed=3)["all"][:4], "ok"))
    half = np.where(np.arange(200) % 2, values, np.nan)
    found = summarise_each({"half": half, "one": np.where(np.arange(200) == 4, values, np.nan)}, seed=3)
    assert found["half"].n_users == 100
    assert found["half"].ci_lower < found["half"].mean == pytest.approx(np.nanmean(half))
    # About the width that the normal interval of a hundred users has.
    width = found["half"].ci_upper - found["half"].ci_lower
    assert width == pytest.approx(2 * 1.96 * np.nanstd(half) / 10, rel=0.15)
    assert (found["one"].n_users, found["one"].status) == (1, "no_variance")
    nobody = summarise_each({"nobody": np.full(3, np.nan)}, seed=0)["nobody"]
    assert (nobody.n_users, nobody.status) == (0, "no_units")
    assert summarise_each({}, seed=0) == {}
    assert summarise_each({"empty": np.empty(0)}, seed=0)["empty"].status == "no_units"
