"""The negative control: the right items in an order that means nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput, ConfigError
from tests.small_interactions import random_interactions
from wrappers.artifact import load_wrapper
from wrappers.ease import Ease
from wrappers.shuffled import Shuffled


def test_recommends_the_top_of_its_base_and_nothing_else() -> None:
    ease = Ease().fit(random_interactions(30, 80))
    shuffled = Shuffled({"base_config": {"reg": 300.0}, "depth": 12}).fit_known(ease.known)
    users = ease.known.users.ids
    best = ease.recommend(users, 12).item_index
    lists = shuffled.recommend(users, 12).item_index
    np.testing.assert_array_equal(np.sort(lists, axis=1), np.sort(best, axis=1))
    several = (best >= 0).sum(axis=1) >= 5
    assert (lists != best).any(axis=1)[several].all()


def test_the_order_is_random_over_users_and_seeds() -> None:
    """The base's best item lands on each of the 10 places about equally often."""
    ease = Ease().fit(random_interactions(300, 60))
    users = ease.known.users.ids
    best = ease.recommend(users, 10).item_index[:, :1]
    full = (ease.recommend(users, 10).item_index >= 0).all(axis=1)
    place = []
    for seed in range(5):
        shuffled = Shuffled({"depth": 10, "seed": seed}).fit_known(ease.known)
        lists = shuffled.recommend(users, 10).item_index
        place.append(np.nonzero((lists == best)[full])[1])
    counts = np.bincount(np.concatenate(place), minlength=10)
    expected = counts.sum() / 10
    # Chi-square with 9 degrees of freedom: 27.9 is exceeded with probability .001.
    assert ((counts - expected) ** 2 / expected).sum() < 27.9
    assert not np.array_equal(place[0], place[1])


def test_can_be_put_around_a_loaded_artifact(tmp_path: Path) -> None:
    Ease({"reg": 7.0}).fit(random_interactions()).save(tmp_path / "ease")
    ease = load_wrapper(tmp_path / "ease")
    assert isinstance(ease, Ease)
    around = Shuffled.around(ease, seed=3)
    around.save(tmp_path / "shuffled")
    loaded = Shuffled.load(tmp_path / "shuffled")
    trained = Shuffled({"base_config": {"reg": 7.0}, "seed": 3}).fit(random_interactions())
    for other in (loaded, trained):
        for here, there in zip(around.recommend(range(1, 31), 8), other.recommend(range(1, 31), 8), strict=True):
            np.testing.assert_array_equal(here, there)


def test_its_base_must_be_another_model() -> None:
    with pytest.raises(ConfigError, match="base == 'shuffled', must be another recommender"):
        Shuffled({"base": "shuffled"})
    with pytest.raises(BadInput, match="unknown model 'easy'"):
        Shuffled({"base": "easy"})
    with pytest.raises(ConfigError, match="ease: unknown option neighbours == 5"):
        Shuffled({"base_config": {"neighbours": 5}})
