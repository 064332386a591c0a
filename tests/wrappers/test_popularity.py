"""Popularity, and what age leaves of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from core.interactions import Interactions
from tests.small_interactions import interactions_of, random_interactions
from wrappers.artifact import load_wrapper
from wrappers.popularity import Popularity

DAY = 86_400


def rated_on_days(users: list[int], items: list[int], days: list[int]) -> Interactions:
    data = interactions_of(users, items)
    return Interactions(data.ratings.assign(timestamp=np.array(days, np.int64) * DAY), data.items, data.genres)


# Item 1 was rated three times long ago, item 2 twice on the last day, item 3 once in between.
FASHION = rated_on_days([1, 2, 3, 4, 5, 4], [1, 1, 1, 2, 2, 3], [0, 0, 0, 20, 20, 10])


def test_without_a_half_life_every_rating_counts_1() -> None:
    model = Popularity().fit(FASHION)
    assert model.score(np.array([0])).tolist() == [[3.0, 2.0, 1.0]]
    assert model.state() == {}


def test_with_one_a_rating_of_that_age_counts_half() -> None:
    model = Popularity({"half_life_days": 10}).fit(FASHION)
    np.testing.assert_allclose(model.score(np.array([0, 3])), [[0.75, 2.0, 0.5]] * 2)
    assert model.contributions(0, np.array([1])) is None


def test_a_pair_rated_twice_counts_once_at_its_last_row() -> None:
    model = Popularity({"half_life_days": 5}).fit(rated_on_days([1, 1, 2], [1, 1, 2], [0, 5, 10]))
    np.testing.assert_allclose(model.score(np.array([0])), [[0.5, 1.0]])


def test_who_is_cold_gets_the_same_order() -> None:
    model = Popularity({"half_life_days": 10}).fit(FASHION)
    found = model.recommend([10**9, 1], 3, filter_seen=False)
    assert found.cold.tolist() == [True, False]
    assert found.item_index.tolist() == [[1, 0, 2]] * 2
    np.testing.assert_array_equal(found.scores[0], found.scores[1])


def test_ages_beyond_float32_count_nothing_without_a_warning() -> None:
    model = Popularity({"half_life_days": 0.01}).fit(FASHION)
    assert model.score(np.array([0])).tolist() == [[0.0, 2.0, 0.0]]


def test_half_lives_need_times() -> None:
    known = Popularity().fit(random_interactions()).known
    with pytest.raises(ConfigError, match=r"popularity: half_life_days == 7.0 needs to know when .* use fit, or"):
        Popularity({"half_life_days": 7}).fit_known(known)


def test_the_round_trip_keeps_them(tmp_path: Path) -> None:
    model = Popularity({"half_life_days": 10}).fit(FASHION)
    model.save(tmp_path / "decayed")
    loaded = load_wrapper(tmp_path / "decayed")
    assert isinstance(loaded, Popularity)
    np.testing.assert_array_equal(loaded.score(np.array([0])), model.score(np.array([0])))
    with pytest.raises(ValueError, match=r"decayed has shape \(2,\), must have \(3,\)"):
        loaded.restore({"decayed": np.ones(2, np.float32)})


def test_retraining_without_forgets_the_times() -> None:
    model = Popularity({"half_life_days": 10}).fit(FASHION)
    model.config = Popularity.Config()
    assert model.fit(FASHION).score(np.array([0])).tolist() == [[3.0, 2.0, 1.0]]


def test_warming_up_scores_one_user(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    model = Popularity().fit(random_interactions())
    monkeypatch.setattr(model, "score", lambda users: scored.extend(users.tolist()))
    model.warm_up()
    assert scored == [0]
