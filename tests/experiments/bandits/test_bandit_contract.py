"""What every registered policy keeps, whatever its rule."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from experiments.bandits.base import Policy
from experiments.bandits.registry import BANDITS, bandit, restored
from experiments.bandits.statistics import Prior

ARMS = ("a", "b", "c")
CONTEXT_FREE = [name for name in BANDITS if not bandit(name).contextual]
LINEAR = [name for name in BANDITS if bandit(name).contextual]
every_policy = pytest.mark.parametrize("name", BANDITS)
#: (arm, reward, context, time) of decisions.
Record = tuple[str, float, list[float], float]
records = st.lists(
    st.tuples(
        st.sampled_from(ARMS),
        st.sampled_from([0.0, 1.0]),
        st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=2),
        st.integers(0, 20).map(float),
    ),
    max_size=30,
)


def made(name: str, arms: tuple[str, ...] = ARMS, **given: Any) -> Policy:
    if bandit(name).contextual:
        given["n_features"] = 2
    return bandit(name)(arms, **given)  # type: ignore[call-arg]


def taught(policy: Policy, rows: list[Record]) -> Policy:
    for arm, reward, context, at in rows:
        policy.update(arm, reward, context, at=at)
    return policy


def worked_up(name: str, **given: Any) -> Policy:
    """A policy that has seen 60 rewards, the arms unlike each other."""
    rng = np.random.default_rng(4)
    rows = [
        (arm, float(rng.random() < rate), rng.normal(size=2).tolist(), float(step))
        for step in range(20)
        for arm, rate in zip(ARMS, (0.3, 0.5, 0.6), strict=True)
    ]
    return taught(made(name, **given), rows)


@every_policy
@given(rows=records, floor=st.sampled_from([0.0, 0.05, 1 / 3]))
@settings(max_examples=12)
def test_propensities_add_up_and_keep_the_floor(name: str, rows: list[Record], floor: float) -> None:
    shares = taught(made(name, floor=floor), rows).propensities([1.0, -1.0])
    assert shares.shape == (3,)
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert (shares >= floor).all()


@every_policy
@given(rows=records, order=st.permutations(ARMS))
@settings(max_examples=12)
def test_the_order_of_the_arms_does_not_matter(name: str, rows: list[Record], order: list[str]) -> None:
    one, other = taught(made(name), rows), taught(made(name, tuple(order)), rows)
    expected = dict(zip(ARMS, one.propensities([1.0, 2.0]).tolist(), strict=True))
    assert dict(zip(order, other.propensities([1.0, 2.0]).tolist(), strict=True)) == pytest.approx(expected, abs=1e-6)


@every_policy
@pytest.mark.parametrize("forgetting", [{}, {"discount": 0.9}, {"window": 10.0, "panes": 5}], ids=str)
@given(rows=records, data=st.data())
@settings(max_examples=8)
def test_the_order_of_the_rewards_does_not_matter(
    name: str, forgetting: dict[str, Any], rows: list[Record], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    one, other = (taught(made(name, **forgetting), order) for order in (rows, shuffled))
    many = made(name, **forgetting)
    arms, rewards, contexts, times = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    many.update_many(arms, rewards, np.reshape(contexts, (-1, 2)), at=times)
    # Ties of an index are broken by rounding, so that sums are compared, not shares.
    sums = sums_of(one)
    for policy in (other, many):
        assert sums_of(policy) == pytest.approx(sums, abs=1e-6)


def sums_of(policy: Policy) -> np.ndarray:
    """All that a policy has learned, as one row of numbers."""
    lent = policy.lent_priors(math.inf)
    return np.concatenate([np.append(lent[arm].mean, lent[arm].strength) for arm in ARMS])


@pytest.mark.parametrize("name", CONTEXT_FREE)
def test_sums_teach_what_single_rewards_teach(name: str) -> None:
    rng = np.random.default_rng(7)
    arms, rewards = rng.choice(ARMS, 200), rng.integers(0, 2, 200).astype(float)
    one, other = made(name), made(name)
    one.update_many(arms.tolist(), rewards)
    counts = [int((arms == arm).sum()) for arm in ARMS]
    sums = [rewards[arms == arm].sum() for arm in ARMS]
    other.update_many(ARMS, sums, counts=counts, sum_squares=sums)
    assert other.propensities() == pytest.approx(one.propensities(), abs=1e-12)
    by_index = made(name)
    by_index.update_many(np.array([ARMS.index(arm) for arm in arms]), rewards)
    assert by_index.state()["arms"] == one.state()["arms"]


@every_policy
@pytest.mark.parametrize("forgetting", [{}, {"discount": 0.9}, {"window": 10.0}], ids=str)
def test_state_survives_json_to_the_bit_and_goes_on_alike(name: str, forgetting: dict[str, Any]) -> None:
    policy = worked_up(name, floor=0.01, **forgetting)
    policy.add_arm("new", None if name in LINEAR else Prior(0.25, 3.0))
    policy.remove_arm("b")
    rng = np.random.default_rng(5)
    policy.choose([0.5, 0.5], rng, at=20.0, decision_id="waiting")
    state = policy.state()
    copy = restored(json.loads(json.dumps(state, allow_nan=False)))
    assert json.dumps(copy.state()) == json.dumps(state)
    for step in range(40):
        context = [math.sin(step), 1.0]
        twin = np.random.default_rng(step)
        choice = policy.choose(context, np.random.default_rng(step), at=21.0 + step)
        assert copy.choose(context, twin, at=21.0 + step) == choice
        for one in (policy, copy):
            one.update(choice.arm, step % 2, context, at=21.0 + step)
    for one in (policy, copy):
        one.update_decision("waiting", 1)
    assert json.dumps(copy.state()) == json.dumps(policy.state())


@every_policy
def test_state_of_another_kind_is_refused(name: str) -> None:
    state = made(name).state()
    for wrong in ({**state, "version": 0}, {**state, "policy": "other"}, {**state, "arms": {}}, {}):
        with pytest.raises(DataError):
            bandit(name).from_state(wrong)
    garbled = json.loads(json.dumps(state))
    garbled["arms"]["counts"] = [1.0]
    with pytest.raises(DataError):
        bandit(name).from_state(garbled)


@every_policy
def test_logged_propensities_are_calibrated(name: str) -> None:
    """While the policy learns, each arm is drawn as often as was said, and IPS of a constant 1 is 1."""
    rng = np.random.default_rng(11)
    policy = made(name, floor=0.03)
    shares, drawn, ips = [], [], []
    for step in range(60):
        contexts = rng.normal(size=(200, 2)) if name in LINEAR else 200
        places, propensities = policy.choose_many(contexts, rng)
        wanted = (
            np.array([policy.propensities(x) for x in contexts])
            if name in LINEAR and step == 30
            else np.tile(policy.propensities(), (200, 1))
            if name not in LINEAR
            else None
        )
        if wanted is not None:
            assert propensities == pytest.approx(wanted[np.arange(200), places], abs=1e-12)
            shares.append(wanted.sum(axis=0))
            drawn.append(np.bincount(places, minlength=3))
        ips.append(1 / 3 / propensities)
        rewards = (rng.random(200) < np.array([0.3, 0.35, 0.4])[places]).astype(float)
        policy.update_many(places, rewards, contexts if name in LINEAR else None)
    weights = np.concatenate(ips)
    assert abs(weights.mean() - 1) < 4 * weights.std() / math.sqrt(len(weights))
    assert weights.std() > 0.1, "the propensities do differ"
    n = 200 * len(shares)
    assert np.abs(np.sum(drawn, axis=0) - np.sum(shares, axis=0)).max() < 4 * math.sqrt(n) / 2


@every_policy
def test_a_single_choice_is_drawn_from_the_propensities(name: str) -> None:
    policy, rng = worked_up(name, floor=0.05), np.random.default_rng(3)
    shares = policy.propensities([1.0, 0.2])
    counts = dict.fromkeys(ARMS, 0)
    for _ in range(3000):
        arm, propensity = policy.choose([1.0, 0.2], rng)
        assert propensity == shares[ARMS.index(arm)]
        counts[arm] += 1
    assert np.array(list(counts.values())) / 3000 == pytest.approx(shares, abs=4 * 0.5 / math.sqrt(3000))


@every_policy
def test_randomness_is_one_uniform_of_the_generator(name: str) -> None:
    policy = worked_up(name)
    one, other = np.random.default_rng(8), np.random.default_rng(8)
    policy.choose([1.0, 0.0], one)
    other.random()
    assert one.bit_generator.state == other.bit_generator.state


@every_policy
def test_some_arms_only(name: str) -> None:
    policy = worked_up(name, floor=0.1)
    shares = policy.propensities([1.0, 0.0], arms=["c", "a"])
    assert shares.shape == (2,)
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0.1
    assert policy.choose([1.0, 0.0], np.random.default_rng(0), arms=["b"]) == ("b", 1.0)
    contexts: Any = [[1.0, 0.0]] * 50 if name in LINEAR else 50
    places, _ = policy.choose_many(contexts, np.random.default_rng(0), arms=["c", "a"])
    assert set(places.tolist()) <= {0, 1}
    for wrong in ([], ["a", "a"], ["a", "z"]):
        with pytest.raises(ConfigError, match="arms =="):
            policy.propensities([1.0, 0.0], arms=wrong)


@every_policy
def test_burn_in_tries_every_arm_first(name: str) -> None:
    policy = made(name, burn_in=3)
    for _ in range(3):
        assert policy.propensities([1.0, 0.0]) == pytest.approx([1 / 3] * 3)
        for arm in ("a", "b", "c"):
            policy.update(arm, float(arm == "a"), [1.0, 0.0])
    assert policy.propensities([1.0, 0.0]).argmax() == 0
    late = made(name, burn_in=3)
    for arm in ("a", "a", "a", "b", "b", "b"):
        late.update(arm, 1, [1.0, 0.0])
    assert late.propensities([1.0, 0.0]).tolist() == [0.0, 0.0, 1.0]


@every_policy
def test_arms_come_and_go(name: str) -> None:
    policy = worked_up(name)
    policy.remove_arm("b")
    before = policy.propensities([1.0, 0.3])
    for reward in (1, 1, 0):
        policy.update("b", reward, [1.0, 0.3])
    assert policy.propensities([1.0, 0.3]) == pytest.approx(before)
    assert (policy.arms, policy.retired) == (("a", "c"), ("b",))
    policy.add_arm("b")
    stayed = worked_up(name)
    for reward in (1, 1, 0):
        stayed.update("b", reward, [1.0, 0.3])
    back = dict(zip(policy.arms, policy.propensities([1.0, 0.3]), strict=True))
    assert [back[arm] for arm in ARMS] == pytest.approx(stayed.propensities([1.0, 0.3]), abs=1e-9)
    policy.add_arm("d")
    assert policy.arms == ("a", "c", "b", "d")
    policy.update("d", 1, [1.0, 0.3])
    assert policy.propensities([1.0, 0.3]).sum() == pytest.approx(1)
    with pytest.raises(ConfigError, match="there already"):
        policy.add_arm("a")
    with pytest.raises(ConfigError, match="cannot be removed"):
        policy.remove_arm("z")
    for arm in ("a", "c", "b"):
        policy.remove_arm(arm)
    with pytest.raises(ConfigError, match="one must stay"):
        policy.remove_arm("d")


@every_policy
def test_warm_start_is_worth_its_rewards(name: str) -> None:
    """A prior of mean .5 and strength 20 stands where 10 successes in 20 rewards would."""
    if name in LINEAR:
        warm = made(name, warm_start={"a": Prior((2.0, 0.0), 5.0)})
        assert warm.lent_priors(math.inf)["a"].mean == pytest.approx([2.0, 0.0])
        assert warm.propensities([1.0, 0.0]).argmax() == 0
    else:
        warm = made(name, warm_start={"a": Prior(0.5, 20.0)})
        assert warm.lent_priors(math.inf)["a"] == pytest.approx((0.5, 20.0))
        warm.update("a", 1)
        assert warm.lent_priors(math.inf)["a"].mean == pytest.approx(11 / 21)


@every_policy
def test_rewards_by_decision_come_late_and_once(name: str) -> None:
    policy = made(name, discount=0.5)
    rng = np.random.default_rng(2)
    made_at = {f"d{step}": policy.choose([1.0, step], rng, at=step, decision_id=f"d{step}") for step in range(6)}
    expected = made(name, discount=0.5)
    expected.propensities([1.0, 0.0], at=5.0)
    for decision_id in ("d4", "d0", "d2"):
        policy.update_decision(decision_id, 1)
        step = int(decision_id[1])
        expected.update(made_at[decision_id].arm, 1, [1.0, step], at=step)
    assert sums_of(policy) == pytest.approx(sums_of(expected))
    with pytest.raises(DataError, match="not open"):
        policy.update_decision("d4", 1)
    with pytest.raises(DataError, match="reward"):
        policy.update_decision("d3", math.nan)
    assert policy.expire(5.0) == 2
    with pytest.raises(DataError, match="expired"):
        policy.update_decision("d3", 1)
    assert policy.open_decisions == ("d5",)
    with pytest.raises(DataError, match="open already"):
        policy.choose([1.0, 0.0], rng, at=6.0, decision_id="d5")
    with pytest.raises(ConfigError, match="at is missing"):
        policy.choose([1.0, 0.0], rng, decision_id="d6")


@every_policy
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda policy: policy.update("z", 1, [0, 0]), DataError, "unknown arm 'z'"),
        (lambda policy: policy.update("a", math.nan, [0, 0]), DataError, "reward == nan"),
        (lambda policy: policy.update("a", math.inf, [0, 0]), DataError, "reward == inf"),
        (lambda policy: policy.update("a", 1e200, [0, 0]), DataError, "reward == 1e"),
        (lambda policy: policy.update("a", None, [0, 0]), DataError, "reward == None"),
        (lambda policy: policy.update("a", 1, [0, 0], at=math.nan), DataError, "at == nan"),
        (lambda policy: policy.update_many(["a", "z"], [1, 0], [[0, 0]] * 2), DataError, "unknown arm 'z'"),
        (lambda policy: policy.update_many(["a", "b"], [1, math.nan], [[0, 0]] * 2), DataError, "in row 1"),
        (lambda policy: policy.update_many(["a", "b"], [1], [[0, 0]] * 2), DataError, "2 arms for 1 rewards"),
        (lambda policy: policy.update_many(np.array([0, 3]), [1, 1], [[0, 0]] * 2), DataError, "must be 0 … 2"),
        (lambda policy: policy.update_many([0.5], [1], [[0, 0]]), DataError, "must be names"),
        (lambda policy: policy.update_many(["a"], [[1]], [[0, 0]]), DataError, "must be"),
        (
            lambda policy: policy.update_many(["a"], [5], [[0, 0]], counts=[2], sum_squares=[5]),
            DataError,
            "cannot be|5 rewards|2 rewards",
        ),
        (lambda policy: policy.update_many(["a"], [1], [[0, 0]], at=[1.0, 2.0]), DataError, "at has shape"),
        (lambda policy: policy.propensities([0, 0], at=math.inf), DataError, "at == inf"),
    ],
)
def test_bad_data_is_refused_and_changes_nothing(
    name: str, call: Callable[[Policy], object], error: type[Exception], says: str
) -> None:
    policy = worked_up(name)
    before = json.dumps(policy.state())
    with pytest.raises(error, match=says) as caught:
        call(policy)
    assert "\n" not in str(caught.value)
    assert json.dumps(policy.state()) == before


@every_policy
@pytest.mark.parametrize(
    "wrong",
    [
        {"floor": -0.1},
        {"floor": 0.34},
        {"floor": math.nan},
        {"burn_in": -1},
        {"refresh": math.nan},
        {"discount": 0.0},
        {"discount": 1.1},
        {"window": 0.0},
        {"window": math.inf},
        {"window": 1.0, "panes": 0},
        {"window": 1.0, "discount": 0.5},
        {"warm_start": {"z": Prior(0.5, 2.0)}},
        {"warm_start": {"a": Prior(math.nan, 2.0)}},
        {"warm_start": {"a": Prior(0.5, -2.0)}},
        {"prior": Prior(0.5, math.inf)},
        {"arms": ()},
        {"arms": ("a", "a")},
        {"arms": "abc"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        made(name, **wrong)


@every_policy
def test_a_floor_has_no_room_for_one_arm_more(name: str) -> None:
    policy = made(name, floor=0.3)
    with pytest.raises(ConfigError, match="floor"):
        policy.add_arm("d")
    assert policy.arms == ARMS


@every_policy
@pytest.mark.parametrize("forgetting", [{"discount": 0.9}, {"window": 10.0}], ids=str)
def test_who_forgets_must_be_told_the_time(name: str, forgetting: dict[str, Any]) -> None:
    policy = made(name, **forgetting)
    with pytest.raises(ConfigError, match="at is missing"):
        policy.update("a", 1, [0, 0])
    with pytest.raises(ConfigError, match="at is missing"):
        policy.update_many(["a"], [1], [[0, 0]])


@every_policy
@pytest.mark.filterwarnings("error")
def test_degenerate_rewards_give_numbers(name: str) -> None:
    """All alike, one arm alone, nothing at all, a billion, faded to nothing."""
    alike = made(name)
    alike.update_many(["a", "b", "c"] * 5, [1] * 15, [[1.0, 0.0]] * 15)
    assert alike.propensities([1.0, 0.0]) == pytest.approx([1 / 3] * 3)
    assert made(name, ("only",)).propensities([1.0, 0.0]).tolist() == [1.0]
    assert made(name).propensities([1.0, 0.0]) == pytest.approx([1 / 3] * 3)
    nothing: Any = np.zeros((0, 2)) if name in LINEAR else 0
    places, propensities = made(name).choose_many(nothing, np.random.default_rng(0))
    assert len(places) == len(propensities) == 0
    vast = made(name)
    vast.update_many(["a", "b", "c"], [5e8, 4e8, 1], [[1.0, 0.0]] * 3, counts=[10**9] * 3, sum_squares=[5e8, 4e8, 1])
    assert vast.propensities([1.0, 0.0]).argmax() == 0
    assert np.isfinite(vast.propensities([1.0, 0.0])).all()
    faded = taught(made(name, discount=0.5), [("a", 1.0, [1.0, 0.0], 0.0), ("b", 0.0, [1.0, 0.0], 0.0)])
    assert np.isfinite(faded.propensities([1.0, 0.0], at=1e6)).all()
