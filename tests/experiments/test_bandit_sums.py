"""A live bandit's sums: the same in whatever order things came in, and what the policy would have learned by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from experiments.bandit_sums import HOUR_S, MOST_SEGMENTS, BanditSums, RewardedSession
from experiments.bandits.per_segment import PerSegment
from experiments.bandits.thompson_beta import ThompsonBeta
from experiments.context import context_vectors
from experiments.spec import ExperimentSpec, parse_spec
from experiments.spec_bandit import spec_bandit

CONTEXT = [{"kind": "number", "key": "hour", "mean": 12, "scale": 6}, {"kind": "category", "key": "d", "values": "ab"}]
ARMS = ("plain", "bold", "fresh")
START = 500_000 * HOUR_S


def spec(traffic: dict[str, Any], **more: Any) -> ExperimentSpec:
    if "context" in traffic:
        traffic = {**traffic, "context": [CONTEXT[0], {**CONTEXT[1], "values": ["a", "b"]}]}
    variants = {arm: f"models:/r/{number}" for number, arm in enumerate(ARMS, 1)}
    return parse_spec({"name": "b", "control": "plain", "variants": variants, "traffic": traffic, **more})


def sessions(n: int, seed: int = 0) -> list[RewardedSession]:
    rng = np.random.default_rng(seed)
    return [
        RewardedSession(
            ARMS[rng.integers(3)],
            START + float(rng.uniform(0, 60 * HOUR_S)),
            {
                "hour": float(rng.uniform(0, 24)),
                "d": "ab"[rng.integers(2)],
                "country": ("kr", "fr", None)[rng.integers(3)],
            },
            float(rng.integers(2)),
        )
        for _ in range(n)
    ]


def in_pieces(experiment: ExperimentSpec, whole: list[RewardedSession], seed: int) -> BanditSums:
    """All sessions come without reward first, in any order and in pieces; the rewards come later, in another order."""
    rng, sums = np.random.default_rng(seed), BanditSums(experiment)
    for place in rng.permutation(len(whole)):
        sums.add([whole[place]._replace(worth=0.0)])
    late = [one._replace(before=0.0) for one in whole]
    for part in np.array_split(rng.permutation(len(whole)), 7):
        sums.add([late[place] for place in part])
    return sums


POLICIES: list[dict[str, Any]] = [
    {"policy": "bandit"},
    {"policy": "bandit", "segment": "country"},
    {"policy": "bandit", "algorithm": "linucb", "context": True},
    {"policy": "bandit", "algorithm": "lints", "context": True, "segment": "country"},
    {"policy": "bandit", "algorithm": "ucb1", "options": {"window": 24, "panes": 6}},
    {"policy": "bandit", "algorithm": "thompson_gaussian", "options": {"discount": 0.98}},
]


@pytest.mark.parametrize("traffic", POLICIES)
@pytest.mark.parametrize("lower", [False, True])
def test_the_order_of_arrival_changes_no_bit(traffic: dict[str, Any], lower: bool) -> None:
    metric = {"name": "clicked", "event": "click", "lower_is_better": lower}
    experiment = spec(traffic, metrics={"primary": metric})
    whole = BanditSums(experiment)
    whole.add(sessions(300))
    for seed in (1, 2):
        parts = in_pieces(experiment, sessions(300), seed)
        assert parts == whole
        assert parts.policy().state() == whole.policy().state()
    other = BanditSums(experiment)
    other.add(sessions(299))
    assert other != whole


def test_the_sums_are_what_the_policy_would_have_learned_by_itself() -> None:
    experiment, whole = spec(POLICIES[2]), sessions(400)
    sums = BanditSums(experiment)
    sums.add(whole)
    own, ours = spec_bandit(experiment.traffic, experiment.variant_names), sums.policy()
    rows = context_vectors(experiment.traffic.context, [one.context for one in whole])
    own.update_many([one.variant for one in whole], [one.worth for one in whole], rows)
    seen = sums.vector({"hour": 3, "d": "b"})
    # Contexts are rounded to 2⁻¹².
    np.testing.assert_allclose(ours.propensities(seen), own.propensities(seen), atol=2e-4)
    np.testing.assert_allclose(ours.coefficients(), own.coefficients(), atol=2e-4)


def test_a_beta_posterior_by_hand() -> None:
    sums = BanditSums(spec(POLICIES[0]))
    sums.add([RewardedSession("bold", 0.0, {}, 1.0)] * 30 + [RewardedSession("bold", 0.0, {}, 0.0)] * 70)
    sums.add([RewardedSession("plain", 0.0, {}, 0.0)] * 50)
    sums.add([RewardedSession("plain", 0.0, {}, 1.0, before=0.0)] * 5)
    assert sums.totals() == {"plain": (50.0, 5.0), "bold": (100.0, 30.0), "fresh": (0.0, 0.0)}
    by_hand = ThompsonBeta(["plain", "bold", "fresh"])
    by_hand.update_many(["plain", "bold"], [5, 30], counts=[50, 100])
    np.testing.assert_array_equal(sums.policy().propensities(), by_hand.propensities())


def test_a_window_forgets_and_a_discount_fades() -> None:
    old = [RewardedSession("bold", START, {}, 1.0)] * 1000 + [RewardedSession("plain", START, {}, 0.0)] * 1000
    new = [RewardedSession("bold", START + 100 * HOUR_S, {}, 0.0)] * 50
    new += [RewardedSession("plain", START + 100 * HOUR_S, {}, 1.0)] * 50
    for options in ({"window": 24, "panes": 6}, {"discount": 0.9}):
        sums = BanditSums(spec({"policy": "bandit", "options": options}))
        sums.add(old)
        assert sums.policy().propensities(at=START / HOUR_S)[1] > 0.9
        sums.add(new)
        shares = sums.policy().propensities(at=(START + 100 * HOUR_S) / HOUR_S)
        assert shares[0] > 0.3 > shares[1], options
    everything = BanditSums(spec(POLICIES[0]))
    everything.add(old + new)
    assert everything.policy().propensities()[1] > 0.9


@pytest.mark.parametrize(
    ("options", "most"), [({"window": 24, "panes": 6}, 3 * 7), ({"discount": 0.5, "burn_in": 150}, 120)]
)
def test_what_counts_no_more_is_put_away_whatever_the_order(options: dict[str, float], most: int) -> None:
    experiment = spec({"policy": "bandit", "segment": "country", "options": options})
    months, rng = 90 * 24 * HOUR_S, np.random.default_rng(4)
    seen = [one._replace(ts=START + float(rng.uniform(0, months))) for one in sessions(2000)]
    now = (START + months) / HOUR_S
    seen += [RewardedSession("bold", START + months, {"country": "kr"}, 1.0)] * 30
    whole, parts = BanditSums(experiment), in_pieces(experiment, seen, 1)
    whole.add(seen)
    assert parts == whole
    assert parts.policy().state() == whole.policy().state()
    assert len(whole.fields()) <= most
    assert sum(n for n, _ in whole.totals().values()) == len(seen)
    # A bandit that was told of everything, one after another.
    told = spec_bandit(experiment.traffic, experiment.variant_names)
    assert isinstance(told, PerSegment)
    for one in sorted(seen, key=lambda one: one.ts):
        told.update(whole.segment(one.context), one.variant, one.worth, at=one.ts / HOUR_S)
    policy = whole.policy()
    assert isinstance(policy, PerSegment)
    np.testing.assert_allclose(policy.pooled.propensities(at=now), told.pooled.propensities(at=now), atol=0.01)


def test_a_segment_learns_its_own() -> None:
    sums = BanditSums(spec(POLICIES[1]))
    for country, best in (("kr", "bold"), ("fr", "fresh")):
        for arm in ARMS:
            worth = [float(arm == best)] * 40 + [0.0] * 60
            sums.add([RewardedSession(arm, 0.0, {"country": country}, one) for one in worth])
    policy = sums.policy()
    assert isinstance(policy, PerSegment)
    assert policy.segments == ("fr", "kr")
    assert policy.propensities("kr").argmax() == 1
    assert policy.propensities("fr").argmax() == 2
    assert sums.segment({"country": "x" * 65}) == sums.segment({"country": True}) == sums.segment({}) == ""


def test_more_segments_than_are_kept_learn_as_one() -> None:
    seen = [{"country": f"c{number}"} for number in range(MOST_SEGMENTS + 50)]
    sums = BanditSums(spec(POLICIES[1]))
    sums.add([RewardedSession("bold", 0.0, context, 1.0) for context in seen[:150]])
    # Read on from where it was kept, as another server does.
    sums = sums.with_fields(sums.fields())
    sums.add([RewardedSession("bold", 0.0, context, 0.0) for context in seen[150:]])
    late = [RewardedSession("bold", 0.0, context, 1.0, before=0.0) for context in reversed(seen[150:])]
    sums.add(late)
    policy = sums.policy()
    assert isinstance(policy, PerSegment)
    assert len(policy.segments) == MOST_SEGMENTS + 1
    assert (sums.segment(seen[MOST_SEGMENTS - 1]), sums.segment(seen[MOST_SEGMENTS])) == (f"c{MOST_SEGMENTS - 1}", "")
    at_once = BanditSums(spec(POLICIES[1]))
    at_once.add([RewardedSession("bold", 0.0, context, 1.0) for context in seen])
    assert at_once == sums
    assert sums.totals()["bold"] == (len(seen), len(seen))


def test_money_adds_up_to_the_same_in_any_order() -> None:
    metric = {"name": "money", "event": "purchase", "value": "sum", "kind": "mean"}
    experiment = spec({"policy": "bandit", "algorithm": "thompson_gaussian"}, metrics={"primary": metric})
    rng = np.random.default_rng(1)
    bought = [RewardedSession("bold", 0.0, {}, float(price)) for price in rng.gamma(2, 300, 20_000).round(2)]
    whole, parts = BanditSums(experiment), BanditSums(experiment)
    whole.add(bought)
    assert sum(one.worth**2 for one in bought) > 2**53 / 2**24, "squares of full precision would not add up exactly"
    for part in np.array_split(rng.permutation(len(bought)), 9):
        parts.add([bought[place] for place in part])
    assert parts == whole


def test_sums_survive_being_kept_as_bytes() -> None:
    experiment = spec(POLICIES[3])
    sums = BanditSums(experiment)
    changed = sums.add(sessions(200))
    assert changed == sums.fields().keys()
    again = BanditSums(experiment).with_fields(sums.fields())
    assert again == sums
    more = again.copy()
    more.add(sessions(50, seed=9))
    assert (again == sums, more == sums) == (True, False)
    few = again.add([RewardedSession("bold", 0.0, {"country": "kr"}, 1.0)])
    assert again.fields(few).keys() == few
    assert again != sums
    with pytest.raises(DataError, match="must hold"):
        sums.with_fields({'["",0]': b"12345678"})
    with pytest.raises(DataError, match="must hold"):
        sums.with_fields({"nonsense": b""})


def test_what_is_no_bandits_is_refused() -> None:
    with pytest.raises(ConfigError, match="no bandit"):
        BanditSums(spec({"policy": "fixed"}))
    with pytest.raises(DataError, match="'stranger' is not of the spec"):
        BanditSums(spec(POLICIES[0])).add([RewardedSession("stranger", 0.0, {}, 0.0)])
    with pytest.raises(ConfigError, match="thompson_beta learns from any"):
        spec(POLICIES[0], metrics={"primary": {"name": "money", "event": "purchase", "value": "sum", "kind": "mean"}})
