"""The simulated users: the stated formula, the stated click rate, and numbers that depend on (seed, session) only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.integrate import quad
from scipy.special import expit

from core.errors import ConfigError
from core.interactions import to_csr
from experiments import counter_noise as noise
from experiments.click_fit import fit_click_model, item_features, popular_lists
from experiments.click_model import (
    CHANNELS,
    DEVICES,
    NO_ITEM,
    ClickConfig,
    HeldOut,
    _Stream,
    visitor_id,
)
from tests.small_click_world import SEED, small_split, small_world, some_lists

MANY = 40_000


def test_sessions_do_not_depend_on_where_the_run_begins() -> None:
    world = small_world()
    long, short = world.sessions(0, 500), world.sessions(317, 320)
    for name in ("number", "visitor", "parent", "effect", "timestamp", "device", "channel"):
        np.testing.assert_array_equal(getattr(long, name)[317:320], getattr(short, name))


def test_who_comes_is_pinned() -> None:
    # Integer hashing: the same on every platform, and a change here changes every figure ever recorded.
    sessions = small_world().sessions(0, 6)
    assert sessions.visitor.tolist() == [1674, 1936, 912, 862, 1357, 265]
    assert sessions.parent.tolist() == [11, 2, 20, 13, 59, 44]


def test_sessions_are_spread_over_visitors_parents_devices_and_time() -> None:
    world = small_world()
    sessions = world.sessions(0, MANY)
    assert len(np.unique(sessions.visitor)) == world.config.n_visitors
    assert set(sessions.parent) == set(range(len(world.users)))
    assert (np.diff(sessions.timestamp) > 0).all()
    assert sessions.timestamp[0] >= world.start
    devices = np.bincount(sessions.device, minlength=len(DEVICES)) / MANY
    channels = np.bincount(sessions.channel, minlength=len(CHANNELS)) / MANY
    np.testing.assert_allclose(devices, [0.6, 0.3, 0.1], atol=0.01)
    np.testing.assert_allclose(channels, [0.5, 0.4, 0.1], atol=0.01)


def test_a_visitor_keeps_parent_and_effect_over_sessions() -> None:
    world = small_world()
    sessions = world.sessions(0, MANY)
    parent = np.full(world.config.n_visitors, -1)
    parent[sessions.visitor] = sessions.parent
    np.testing.assert_array_equal(parent[sessions.visitor], sessions.parent)
    without_session = world.visitor_effects(sessions.visitor)
    assert (sessions.effect - without_session).std() == pytest.approx(world.config.session_sd, rel=0.02)
    assert world.visitor_effects(np.arange(MANY)).std() == pytest.approx(world.config.visitor_sd, rel=0.02)


def test_an_empty_run_has_no_sessions() -> None:
    assert len(small_world().sessions(5, 5)) == len(small_world().sessions(5, 3)) == 0


def test_the_click_probability_is_the_stated_formula() -> None:
    world = small_world()
    sessions = world.sessions(11, 12)
    parent, visitor = int(sessions.parent[0]), int(sessions.visitor[0])
    items = [int(place) for place in world.held_out.pair[:3] % len(world.items)] + [5, 17]
    probability = world.click_probabilities(sessions, np.array([items]))[0]
    session_noise = noise.normal(noise.extend(noise.start(SEED, _Stream.SESSION_EFFECT), np.array([11])))[0]
    visitor_noise = noise.normal(noise.extend(noise.start(SEED, _Stream.VISITOR_EFFECT), np.array([visitor])))[0]
    for place, item in enumerate(items):
        own = noise.extend(noise.extend(noise.start(SEED, _Stream.ITEM_NOISE), np.array([visitor])), np.array([item]))
        held_out = dict(zip(world.held_out.pair.tolist(), world.held_out.liked.tolist(), strict=True))
        logit = (
            world.intercept
            + 0.35 * world.taste.deviation(np.array([parent]), np.array([[item]]))[0, 0]
            + 2.5 * held_out.get(parent * len(world.items) + item, 0.0)
            + 0.6 * visitor_noise
            + 0.4 * session_noise
            + 0.5 * noise.normal(own)[0]
        )
        assert probability[place] == pytest.approx((place + 1) ** -0.7 / (1 + math.exp(-logit)), rel=1e-12)


def test_held_out_ratings_speak_for_their_own_pair_only() -> None:
    train, test = small_split()
    world = small_world()
    user = world.users.index_of(test.ratings["user_id"].to_numpy())
    item = world.items.index_of(test.ratings["item_id"].to_numpy())
    said = world.held_out(user, item[:, None])[:, 0]
    np.testing.assert_array_equal(said, np.where(test.ratings["rating"] >= 4, 1.0, -1.0))
    seen = world.items.index_of(train.ratings["item_id"].to_numpy())
    of = world.users.index_of(train.ratings["user_id"].to_numpy())
    assert not world.held_out(of, seen[:, None]).any()


def test_without_held_out_ratings_nobody_likes_or_dislikes() -> None:
    nothing = HeldOut(np.empty(0, np.int64), np.empty(0), n_items=9)
    np.testing.assert_array_equal(nothing(np.array([0, 1]), np.array([[1, 2], [3, 8]])), np.zeros((2, 2)))


def test_popular_lists_have_the_stated_click_rate() -> None:
    world = small_world()
    train, _ = small_split()
    popular = popular_lists(to_csr(train.ratings, world.users, world.items), world.config.k)
    assert world.per_user_click_probability(popular).mean() == pytest.approx(0.25, abs=1e-6)
    sessions = world.sessions(0, MANY)
    assert world.clicks(sessions, popular[sessions.parent]).any(axis=1).mean() == pytest.approx(0.25, abs=0.005)


def test_the_average_over_sessions_is_the_integral_over_their_effect() -> None:
    world = small_world()
    lists = some_lists(world, len(world.users))
    averaged = world.per_user_click_probability(lists)
    visitor = np.arange(5)
    items = lists[world.parents(visitor)]
    logits = world.item_logits(visitor, world.parents(visitor), items)
    logits += (world.intercept + world.visitor_effects(visitor))[:, None]
    looked_at = np.arange(1, 11) ** -0.7

    def density(effect: float, row: int) -> float:
        any_click = 1.0 - np.prod(1.0 - looked_at * expit(logits[row] + effect))
        return float(any_click * stats.norm.pdf(effect, scale=0.4))

    for row in visitor:
        assert averaged[row] == pytest.approx(quad(density, -4, 4, args=(row,), epsabs=1e-12)[0], abs=1e-9)


def test_sessions_come_to_that_average() -> None:
    world = small_world()
    lists = some_lists(world, len(world.users))
    sessions = world.sessions(0, MANY)
    by_session = world.session_click_probability(sessions, lists[sessions.parent])
    difference = by_session - world.per_user_click_probability(lists)[sessions.visitor]
    assert difference.mean() == pytest.approx(0.0, abs=4 * difference.std() / math.sqrt(MANY))


def test_each_item_is_clicked_as_often_as_its_probability_says() -> None:
    world = small_world()
    sessions = world.sessions(0, MANY)
    lists = some_lists(world, len(world.users))[sessions.parent]
    probability = world.click_probabilities(sessions, lists)
    clicked = world.clicks(sessions, lists)
    margin = 4 * np.sqrt((probability * (1 - probability)).mean(axis=0) / MANY)
    assert (np.abs(clicked.mean(axis=0) - probability.mean(axis=0)) < margin).all()
    pairs = (clicked[:, 0] & clicked[:, 1]).mean()
    expected = (probability[:, 0] * probability[:, 1]).mean()
    assert pairs == pytest.approx(expected, abs=4 * math.sqrt(expected / MANY))


@pytest.mark.parametrize("multiplier", [1.0, 1.15, 0.9])
def test_a_multiplier_moves_exactly_the_sessions_click_probability(multiplier: float) -> None:
    world = small_world()
    sessions = world.sessions(0, MANY)
    lists = some_lists(world, len(world.users))[sessions.parent]
    wanted = np.minimum(1.0, multiplier * world.session_click_probability(sessions, lists))
    happened = world.clicks(sessions, lists, multiplier).any(axis=1)
    assert happened.mean() == pytest.approx(wanted.mean(), abs=4 * math.sqrt((wanted * (1 - wanted)).mean() / MANY))


def test_a_larger_multiplier_only_adds_clicked_sessions() -> None:
    world = small_world()
    sessions = world.sessions(0, MANY)
    lists = some_lists(world, len(world.users))[sessions.parent]
    less, same, more = (world.clicks(sessions, lists, multiplier) for multiplier in (0.9, 1.0, 1.15))
    for fewer, larger in ((less, same), (same, more)):
        both = fewer.any(axis=1)
        assert both.sum() < larger.any(axis=1).sum()
        np.testing.assert_array_equal(fewer[both], larger[both])
    per_session = np.where(np.arange(MANY) % 2, 1.15, 0.9)
    mixed = world.clicks(sessions, lists, per_session)
    np.testing.assert_array_equal(mixed, np.where((np.arange(MANY) % 2)[:, None], more, less))


def test_a_probability_is_capped_at_one() -> None:
    world = small_world()
    sessions = world.sessions(0, 100)
    assert world.clicks(sessions, some_lists(world, 100), 1e9).any(axis=1).all()


def test_one_session_is_drawn_as_in_bulk_whatever_the_order() -> None:
    world = small_world()
    sessions = world.sessions(0, 400)
    lists = some_lists(world, 400)
    together = world.clicks(sessions, lists, 1.15)
    assert together.any()
    for row in reversed(range(400)):
        np.testing.assert_array_equal(world.clicks(sessions.one(row), lists[row][None], 1.15)[0], together[row])


def test_short_and_empty_lists() -> None:
    world = small_world()
    sessions = world.sessions(0, 300)
    lists = some_lists(world, 300)
    lists[:, 4:] = NO_ITEM
    probability = world.click_probabilities(sessions, lists)
    np.testing.assert_array_equal(probability[:, 4:], 0.0)
    np.testing.assert_allclose(probability[:, :4], world.click_probabilities(sessions, lists[:, :4]))
    np.testing.assert_array_equal(world.clicks(sessions, lists, 2.0)[:, :4], world.clicks(sessions, lists[:, :4], 2.0))
    for nothing in (np.full((300, 10), NO_ITEM), np.empty((300, 0), np.int64)):
        assert not world.clicks(sessions, nothing, 1e9).any()
        np.testing.assert_array_equal(world.session_click_probability(sessions, nothing), 0.0)


def test_the_order_of_the_ratings_does_not_matter() -> None:
    train, _ = small_split()
    n_ratings = len(train) * 5 // 4
    other = fit_click_model(
        *small_split(np.random.default_rng(0).permutation(n_ratings)), seed=SEED, config=ClickConfig(n_visitors=2_000)
    )
    world = small_world()
    assert other.intercept == pytest.approx(world.intercept, abs=1e-9)
    sessions, lists = world.sessions(0, 2_000), some_lists(world, 2_000)
    np.testing.assert_array_equal(other.clicks(sessions, lists), world.clicks(sessions, lists))


def test_another_seed_is_another_world() -> None:
    sessions, others = small_world().sessions(0, 1_000), small_world(8).sessions(0, 1_000)
    assert (sessions.visitor != others.visitor).mean() > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_popular_lists_are_the_most_rated_unseen_items(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.random((12, 15)) < rng.random((12, 1))
    seen[:, 3] = False
    seen[0, np.arange(15) != 3] = True
    count = seen.sum(axis=0)
    found = popular_lists(sparse.csr_array(seen.astype(np.float32)), 6)
    for user in range(12):
        wanted = sorted((item for item in range(15) if count[item] and not seen[user, item]), key=lambda i: -count[i])
        assert found[user].tolist() == (wanted + [NO_ITEM] * 6)[:6]


def test_features_are_genres_and_decades() -> None:
    train, _ = small_split()
    features = item_features(small_world().items, train).toarray()
    assert features.shape == (120, 2 + 6)
    np.testing.assert_array_equal(features.sum(axis=1), 2.0)
    np.testing.assert_array_equal(features[:20, 2], 1.0)


def test_items_without_genre_and_year_have_no_feature() -> None:
    train, _ = small_split()
    bare = type(train)(train.ratings)
    assert item_features(small_world().items, bare).shape == (120, 0)
    assert fit_click_model(bare, bare.take(np.empty(0, np.int64)), seed=1, config=ClickConfig(n_visitors=50)).intercept


def test_an_id_to_hash() -> None:
    assert [visitor_id(number) for number in (0, 123, 1_234_567)] == ["sim-000000", "sim-000123", "sim-1234567"]


def test_what_cannot_be_fitted_is_refused() -> None:
    train, test = small_split()
    with pytest.raises(ConfigError, match="need training ratings"):
        fit_click_model(train.take(np.empty(0, np.int64)), test, seed=1)
    with pytest.raises(ConfigError, match="seed == -1, must be >= 0"):
        fit_click_model(train, test, seed=-1)
    with pytest.raises(ConfigError, match=r"target_click_rate == 1\.0 cannot be reached"):
        fit_click_model(train, test, seed=1, config=ClickConfig(n_visitors=50, target_click_rate=1.0))
