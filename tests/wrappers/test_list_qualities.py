"""Lists that differ, keep genres in bounds and make room for new items: against a list-by-list account of the rules."""

from __future__ import annotations

import copy
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import wrappers.recommender
from core.errors import ConfigError
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from tests.small_interactions import interactions_of, random_interactions
from wrappers.artifact import load_wrapper
from wrappers.ease import Ease
from wrappers.item_knn import ItemKNN
from wrappers.list_qualities import ItemTraits, exploration_slots, shaped_lists
from wrappers.logreg import LogReg
from wrappers.recommender import RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.shuffled import Shuffled
from wrappers.training_data import TrainingData

Scores = npt.NDArray[np.float32]


def likeness(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> np.float32:
    """Jaccard index of two items' genres."""
    either = np.count_nonzero(one | other)
    return np.float32(np.count_nonzero(one & other)) / np.float32(either) if either else np.float32(1)


def told_step_by_step(scores: Scores, k: int, traits: ItemTraits, qualities: RecommenderConfig) -> list[int]:
    """One user's list, as the module's docstring tells it."""
    left = sorted(np.flatnonzero(~np.isnan(scores)).tolist(), key=lambda item: (-scores[item], item))
    near = left[: max(5 * k, 100)]
    if not near:
        return []
    lowest, highest = scores[near[-1]], scores[near[0]]
    relevance = (scores - lowest) / (highest - lowest if highest > lowest else 1)
    most = math.ceil(qualities.max_genre_share * k - 1e-9)
    listed: list[int] = []
    at_end: list[int] = []

    def worth(item: int) -> Any:
        alike = max((likeness(traits.genres[item], traits.genres[one]) for one in listed), default=np.float32(0))
        return (1 - qualities.diversity) * relevance[item] - qualities.diversity * alike

    for place in range(k):
        used_up = traits.genres[listed].sum(axis=0) >= most
        free = [item for item in left if most >= k or not (traits.genres[item].astype(bool) & used_up).any()]
        near_free = [item for item in free if item in near]
        choices = [near_free, free, left]
        if place >= k - qualities.explore_slots:
            choices = [[item for item in some if traits.is_new[item]] for some in (free, left)] + choices
        among = next((some for some in choices if some), None)
        if among is None:
            break
        chosen = max(among, key=worth)
        if place >= k - qualities.explore_slots and traits.is_new[chosen]:
            at_end.append(chosen)
        listed.append(chosen)
        left.remove(chosen)
    return [item for item in listed if item not in at_end] + at_end


def made_up(seed: int, n_users: int = 4, n_items: int = 160) -> tuple[Scores, ItemTraits]:
    """Ties, items that cannot be scored, items without a genre, and one genre that nearly everything good has."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 60, (n_users, n_items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    genres = (rng.random((n_items, 5)) < 0.3).astype(np.uint8)
    genres[np.nanmean(scores, axis=0) > 28, 0] = 1
    scores[0] += 100 * genres[:, 0]
    return scores, ItemTraits(genres, rng.random(n_items) < 0.1)


QUALITIES = [
    {"diversity": 0.3},
    {"diversity": 1.0},
    {"max_genre_share": 0.25},
    {"max_genre_share": 0.01},
    {"explore_slots": 2},
    {"explore_slots": 100},
    {"diversity": 0.6, "max_genre_share": 0.4, "explore_slots": 3},
]


@pytest.mark.parametrize("qualities", QUALITIES, ids=str)
@pytest.mark.parametrize("k", [1, 8, 21])
def test_lists_are_what_the_rules_say(qualities: dict[str, Any], k: int) -> None:
    scores, traits = made_up(seed=k)
    wanted = RecommenderConfig.parse(qualities, of="test")
    everything = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    items, listed = shaped_lists(scores, everything, k, traits, wanted)
    for user, row in enumerate(items):
        assert row[row >= 0].tolist() == told_step_by_step(scores[user], k, traits, wanted)
    there = items >= 0
    np.testing.assert_array_equal(listed[there], np.take_along_axis(scores, items, axis=1)[there])
    assert np.isnan(listed[~there]).all()


def test_fewer_items_than_places_are_all_listed() -> None:
    scores, traits = made_up(seed=1, n_items=6)
    scores[2] = np.nan
    wanted = RecommenderConfig(diversity=0.5, max_genre_share=0.1, explore_slots=4)
    items, _ = shaped_lists(scores, np.broadcast_to(np.arange(6), scores.shape), 9, traits, wanted)
    for row, of_user in zip(items, scores, strict=True):
        n = np.count_nonzero(~np.isnan(of_user))
        assert sorted(row[:n]) == np.flatnonzero(~np.isnan(of_user)).tolist()
        assert (row[n:] == -1).all()


def test_where_everything_is_of_one_genre_the_share_gives_way() -> None:
    scores = np.arange(20, dtype=np.float32)[np.newaxis]
    traits = ItemTraits(np.ones((20, 1), np.uint8), np.zeros(20, np.bool_))
    items, _ = shaped_lists(scores, np.arange(20)[np.newaxis], 5, traits, RecommenderConfig(max_genre_share=0.2))
    assert items.tolist() == [[19, 18, 17, 16, 15]]


def test_others_are_looked_for_in_the_whole_catalogue() -> None:
    """The hundred best are of one genre: the others stand far behind them."""
    genres = np.zeros((300, 2), np.uint8)
    genres[:, 0] = np.arange(300) < 290
    genres[:, 1] = ~genres[:, 0].astype(bool)
    scores = -np.arange(300, dtype=np.float32)[np.newaxis]
    traits = ItemTraits(genres, np.zeros(300, np.bool_))
    items, _ = shaped_lists(scores, np.arange(300)[np.newaxis], 4, traits, RecommenderConfig(max_genre_share=0.5))
    assert items.tolist() == [[0, 1, 290, 291]]


def test_slots_are_where_new_items_stand_at_the_end() -> None:
    is_new = np.array([True, False, True, True])
    assert exploration_slots(np.array([0, 1, 2, 3]), 4, is_new, 2).tolist() == [False, False, True, True]
    assert exploration_slots(np.array([0, 2, 1]), 4, is_new, 3).tolist() == [False, True, False]
    assert exploration_slots(np.array([0, 1]), 2, is_new, 0).tolist() == [False, False]


def test_new_is_the_tenth_that_fewest_rated_and_genres_are_those_of_the_catalogue() -> None:
    counts = np.array([1, 2, 2, *range(3, 20)])
    users = np.concatenate([np.arange(n) for n in counts])
    known = TrainingData.of(interactions_of(users, np.repeat(np.arange(20), counts)))
    assert known.is_new.tolist() == [True, True, True] + [False] * 17
    assert known.genre_flags.tolist() == [[1, 1]] * 20


@pytest.fixture(scope="module")
def trained() -> dict[type[RecommenderWrapper], RecommenderWrapper]:
    """Each without qualities, on the same ratings."""
    made: list[RecommenderWrapper] = [Ease(), ItemKNN(), LogReg({"n_candidates": 20}), Shuffled()]
    return {type(one): one.fit(random_interactions(n_items=40)) for one in made}


def shaped(plain: RecommenderWrapper, **qualities: Any) -> RecommenderWrapper:
    """The same trained model, asked for other lists."""
    made = copy.copy(plain)
    made.config = plain.Config.parse({**plain.config.model_dump(), **qualities}, of=plain.name)
    return made


KINDS = [Ease, ItemKNN, LogReg, Shuffled]


@pytest.mark.parametrize("kind", KINDS)
def test_without_qualities_lists_are_not_shaped(
    kind: type[RecommenderWrapper],
    trained: dict[type[RecommenderWrapper], RecommenderWrapper],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("no quality is asked for")

    monkeypatch.setattr(wrappers.recommender, "shaped_lists", never)
    assert len(trained[kind].predict([{"user_id": 1, "k": 3}])[0]["items"]) == 3


WITH_QUALITIES = {"diversity": 0.4, "max_genre_share": 0.5, "explore_slots": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_the_rules_of_every_recommender_hold(
    kind: type[RecommenderWrapper], trained: dict[type[RecommenderWrapper], RecommenderWrapper]
) -> None:
    plain, made = trained[kind], shaped(trained[kind], **WITH_QUALITIES)
    users = [*range(1, 31), 10**9]
    lengths = [3 + user % 3 for user in users]
    asked = [
        {"user_id": user, "k": k, "exclude_items": [105, 106, 139]} for user, k in zip(users, lengths, strict=True)
    ]
    answers = made.predict(asked)
    # As if each had been asked for alone, whatever the lengths of the others.
    assert answers == [made.predict([one])[0] for one in asked]
    seen = made.known.history.toarray().astype(bool)
    scores, _ = plain.scores_or_popularity(plain.known.users.index_of(users))
    may_be_listed = ~np.isin(made.known.items.ids, [105, 106, 139])
    for place, (answer, k) in enumerate(zip(answers, lengths, strict=True)):
        index = made.known.items.index_of([item["item_id"] for item in answer["items"]])
        assert len(set(index.tolist())) == len(index)
        assert not {105, 106, 139} & {item["item_id"] for item in answer["items"]}
        assert place == 30 or not seen[place, index].any()
        left = may_be_listed if place == 30 else may_be_listed & ~seen[place]
        assert len(index) == min(k, np.count_nonzero(left))
        n_new = min(2, np.count_nonzero(left & made.known.is_new))
        assert np.count_nonzero(made.known.is_new[index]) >= n_new
        own = scores[place, index]
        # A ranker's new items may be none of its candidates.
        assert kind is LogReg or not np.isnan(own).any()
        given = np.array([item["score"] for item in answer["items"]], np.float32)
        np.testing.assert_array_equal(np.where(np.isnan(own), own, given), own)


def test_a_ranker_gets_new_items_beyond_its_candidates(
    trained: dict[type[RecommenderWrapper], RecommenderWrapper],
) -> None:
    plain = trained[LogReg]
    made = shaped(plain, explore_slots=1)
    users = plain.known.users.ids
    candidates, listed = plain.recommend(users, 20), made.recommend(users, 5)
    last = listed.item_index[:, -1:]
    beyond = (last[:, 0] >= 0) & ~(last == candidates.item_index).any(axis=1)
    assert beyond.any()
    assert made.known.is_new[last[beyond]].all()
    np.testing.assert_array_equal(np.isnan(listed.scores), listed.item_index == -1)


def test_a_retriever_has_no_qualities_of_its_own() -> None:
    with pytest.raises(ConfigError, match="retriever_config must leave out diversity, max_genre"):
        LogReg({"retriever_config": {"diversity": 0.5}})


def test_artifacts_from_before_there_were_qualities_load(tmp_path: Path) -> None:
    made = Ease().fit(random_interactions())
    made.save(tmp_path / "saved")
    header = tmp_path / "saved/model.json"
    document = json.loads(header.read_text())
    for option in RecommenderConfig.model_fields:
        del document["config"][option]
    header.write_text(json.dumps(document))
    loaded = load_wrapper(tmp_path / "saved")
    assert loaded.config == made.config
    assert loaded.predict([{"user_id": 1}]) == made.predict([{"user_id": 1}])


def test_qualities_are_stored_with_the_model(tmp_path: Path) -> None:
    made = Ease(WITH_QUALITIES).fit(random_interactions())
    made.save(tmp_path / "saved")
    assert load_wrapper(tmp_path / "saved").predict([{"user_id": 1}]) == made.predict([{"user_id": 1}])


@pytest.fixture(scope="module")
def loader(movielens: Path) -> LocalDataLoader:
    return LocalDataLoader(movielens, split=SplitRule("random_per_user", test_fraction=0.2, seed=42))


@pytest.fixture(scope="module")
def ease(loader: LocalDataLoader) -> Ease:
    return Ease().train(loader)


def mean_diversity(made: RecommenderWrapper) -> float:
    """Mean over the users of one minus the mean likeness of their lists' pairs."""
    genres = made.known.genre_flags[made.recommend(made.known.users.ids, 10).item_index].astype(np.float32)
    shared = genres @ genres.transpose(0, 2, 1)
    count = genres.sum(axis=2)
    either = count[:, :, np.newaxis] + count[:, np.newaxis] - shared
    alike = np.where(either > 0, shared / np.maximum(either, 1), 1)
    first, second = np.triu_indices(10, 1)
    return float(1 - alike[:, first, second].mean())


@pytest.mark.real_data
def test_lists_differ_the_more_the_stronger_on_real_ratings(
    loader: LocalDataLoader, ease: Ease, record_property: Any
) -> None:
    strengths = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
    models = [shaped(ease, diversity=strength) for strength in strengths]
    diversity = [mean_diversity(made) for made in models]
    ndcg = [made.evaluate(loader).means["ndcg_at_10"] for made in models]
    record_property("diversity", dict(zip(strengths, diversity, strict=True)))
    record_property("ndcg_at_10", dict(zip(strengths, ndcg, strict=True)))
    assert all(low < high for low, high in pairwise(diversity)), diversity
    # What it costs: a fortieth of NDCG at .25 here, and at any price no more than a third.
    assert ndcg[2] >= 0.96 * ndcg[0], ndcg
    assert ndcg[0] > ndcg[-1] >= 0.6 * ndcg[0], ndcg


@pytest.mark.real_data
@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
def test_no_genre_takes_more_than_its_share_on_real_ratings(ease: Ease, share: float) -> None:
    made = shaped(ease, max_genre_share=share)
    items = made.recommend(made.known.users.ids, 10).item_index
    assert (items >= 0).all()
    assert made.known.genre_flags[items].sum(axis=1).max() <= 10 * share


@pytest.mark.real_data
def test_slots_hold_new_items_on_real_ratings(ease: Ease) -> None:
    made = shaped(ease, explore_slots=2)
    plain = ease.recommend(ease.known.users.ids, 10).item_index
    items = made.recommend(made.known.users.ids, 10).item_index
    np.testing.assert_array_equal(items[:, :8], plain[:, :8])
    assert made.known.is_new[items[:, 8:]].all()
    assert made.known.popularity[items[:, 8:]].max() == 1
