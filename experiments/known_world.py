"""Simulated traffic of known truth: who comes in session i, and what each arm would earn there.

A world is a table: the probability of a click of every unit under every arm. Session i of run r is a unit drawn evenly
and one number, its luck; under arm a it is clicked if its luck is below the unit's probability under a. Both depend on
(seed, run, session) alone (experiments/counter_noise.py), so that every strategy meets the same unit and finds the same
click behind the same arm, whatever it does and whenever it is run: differences between strategies are not differences
between their traffic (common random numbers). Runs are independent repetitions at the same times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments import counter_noise as noise
from experiments.click_model import CHANNEL_BOUNDS, DEVICE_BOUNDS, NO_ITEM, ClickModel, HeldOut, visitor_id

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

DAY_US = 86_400_000_000
#: Numbers of ``Traffic.features``.
N_FEATURES = 5


class _Stream(IntEnum):
    """What a random number is for. A number here never changes: it would change every recorded figure."""

    UNIT = 101
    LUCK = 102
    TIME = 103
    DEVICE = 104
    CHANNEL = 105


@dataclass(frozen=True, eq=False)
class KnownWorld:
    """Units whose chance to click is known under every arm.

    Attributes:
        arms: k names, at least two, all different.
        unit_ids: n_units texts, what is hashed for assignment.
        probability: (n_units, k) float64, 0 … 1, of a click in a session.
        seed: Seed of everything random, >= 0.
        daily: Sessions a day, >= 1: session i is of day i // daily.
        first_day: Day of session 0, in days since 1970, >= 0.

    Raises:
        DataError: The table does not fit the arms and units, or holds no probabilities.
        ConfigError: seed, daily or first_day is not allowed, or an arm is named twice.
    """

    arms: tuple[str, ...]
    unit_ids: Sequence[str]
    probability: Floats
    seed: int = 0
    daily: int = 4_000
    first_day: int = 0

    def __post_init__(self) -> None:
        if len(self.arms) < 2 or len(set(self.arms)) < len(self.arms):
            raise ConfigError(f"arms == {list(self.arms)}, must be two or more different names")
        if self.seed < 0 or self.daily < 1 or self.first_day < 0:
            raise ConfigError(
                f"seed == {self.seed}, daily == {self.daily}, first_day == {self.first_day}; must be >= 0, >= 1, >= 0"
            )
        table, wanted = self.probability, (len(self.unit_ids), len(self.arms))
        if table.shape != wanted or table.size == 0 or not bool(((table >= 0) & (table <= 1)).all()):
            raise DataError(f"probability has shape {table.shape}, must be {wanted}, not empty, all in 0 … 1")

    @property
    def means(self) -> Floats:
        """(k,) the true click rate of each arm, units being equally likely."""
        return np.asarray(self.probability.mean(axis=0), np.float64)

    @property
    def best_arm(self) -> int:
        """Index of the arm with the highest true click rate; of several equal ones the first."""
        return int(self.means.argmax())

    def traffic(self, first: int, last: int, *, run: int = 0) -> Traffic:
        """Sessions first … last - 1 of a run.

        >>> world = KnownWorld(("a", "b"), ["u", "v"], np.array([[0.0, 1.0], [1.0, 0.0]]))
        >>> world.traffic(0, 4).outcomes().any(axis=1).tolist()
        [True, True, True, True]

        Args:
            first: Number of the first session, >= 0.
            last: One past the number of the last; ``last <= first`` gives no sessions.
            run: The repetition, >= 0.
        """
        number = np.arange(first, last, dtype=np.int64)
        unit = np.asarray(self._uniform(_Stream.UNIT, run, number) * len(self.unit_ids), np.int64)
        return Traffic(self, run, number, unit, self._uniform(_Stream.LUCK, run, number))

    def times(self, number: Indexes) -> Indexes:
        """(n,) microseconds since 1970 of sessions: ascending, the same in every run."""
        place = number % self.daily + noise.uniform(noise.extend(noise.start(self.seed, _Stream.TIME), number))
        # A place just below the day's end must not round up into the next day.
        within = np.minimum(np.floor(place / self.daily * DAY_US), DAY_US - 1)
        return np.asarray((self.first_day + number // self.daily) * DAY_US + within.astype(np.int64), np.int64)

    def _uniform(self, stream: _Stream, run: int, number: Indexes) -> Floats:
        of_run = noise.extend(noise.start(self.seed, stream), np.array([run]))
        return noise.uniform(noise.extend(of_run, number))


@dataclass(frozen=True, eq=False)
class Traffic:
    """Consecutive sessions, before anybody has decided what they are shown.

    Attributes:
        world: Where they come from.
        run: The repetition.
        number: (n,) int64 session numbers, consecutive.
        unit: (n,) int64 row of the world's table.
        luck: (n,) float64 in (0, 1); below the probability of a click there is one.
    """

    world: KnownWorld
    run: int
    number: Indexes
    unit: Indexes
    luck: Floats

    def __len__(self) -> int:
        return len(self.number)

    def outcomes(self) -> Booleans:
        """(n, k) whether the session is clicked under each arm."""
        return np.asarray(self.luck[:, np.newaxis] < self.world.probability[self.unit], np.bool_)

    def rewards(self, arm: Indexes) -> Floats:
        """(n,) 1 where the session is clicked under the arm it was given, else 0."""
        k = len(self.world.arms)
        chance = self.world.probability.ravel()[self.unit * k + arm]
        return np.asarray(self.luck < chance, np.float64)

    @cached_property
    def time(self) -> Indexes:
        """(n,) microseconds since 1970."""
        return self.world.times(self.number)

    @cached_property
    def device(self) -> Indexes:
        """(n,) index into ``click_model.DEVICES``; it has no influence on clicks."""
        drawn = self.world._uniform(_Stream.DEVICE, self.run, self.number)
        return np.searchsorted(DEVICE_BOUNDS, drawn)

    @cached_property
    def channel(self) -> Indexes:
        """(n,) index into ``click_model.CHANNELS``; it has no influence on clicks."""
        drawn = self.world._uniform(_Stream.CHANNEL, self.run, self.number)
        return np.searchsorted(CHANNEL_BOUNDS, drawn)

    @cached_property
    def features(self) -> Floats:
        """(n, N_FEATURES) for policies with context: 1, then a 1 for the second and third device and channel."""
        context = (self.device[:, np.newaxis] == [1, 2], self.channel[:, np.newaxis] == [1, 2])
        return np.column_stack([np.ones(len(self)), *context]).astype(np.float64)


def click_world(
    model: ClickModel, lists: dict[str, Indexes], *, daily: int = 4_000, first_day: int | None = None
) -> KnownWorld:
    """The visitors of a fitted click model, each shown the list that an arm gives their parent.

    A visitor's probability is averaged over the session's effect: given the visitor, sessions are independent, and
    arms are compared on the same luck (``ClickModel.per_user_click_probability``).

    Args:
        model: The simulated users.
        lists: Arm to (n_users, k) item indexes of the model, NO_ITEM where a list is shorter.
        daily: Sessions a day.
        first_day: Day of session 0, in days since 1970; None: the first after the model's last rating.

    Raises:
        ConfigError: Fewer than two arms.
    """
    table = np.column_stack([model.per_user_click_probability(shown) for shown in lists.values()])
    unit_ids = [visitor_id(visitor) for visitor in range(model.config.n_visitors)]
    day = max(int(model.start // 86_400) + 1, 0) if first_day is None else first_day
    return KnownWorld(tuple(lists), unit_ids, table, model.seed, daily, day)


def replay_world(
    held_out: HeldOut,
    user_ids: Sequence[str],
    lists: dict[str, Indexes],
    *,
    seed: int = 0,
    daily: int = 4_000,
    first_day: int = 0,
) -> KnownWorld:
    """Real users of the held-out ratings: a list is clicked if it holds an item that its user went on to like.

    Matches only: an item that was not held out counts as not clicked, since nobody knows whether it would have been.
    So click rates are too low, and arms that show what people rate anyway are favoured (docs/EXPERIMENTS.md).

    Args:
        held_out: The held-out ratings.
        user_ids: n_users texts, by user index.
        lists: Arm to (n_users, k) item indexes, NO_ITEM where a list is shorter.
        seed: Seed of who comes when.
        daily: Sessions a day.
        first_day: Day of session 0, in days since 1970.

    Returns:
        A world of the users with a held-out rating only.

    Raises:
        DataError: Nobody has one.
        ConfigError: Fewer than two arms.
    """
    users = np.unique(held_out.pair // held_out.n_items)
    if len(users) == 0:
        raise DataError("no rating was held out, so there is nothing to replay; give more ratings or another split")
    hits = [_likes_something(held_out, users, shown[users]) for shown in lists.values()]
    ids = [user_ids[user] for user in users.tolist()]
    return KnownWorld(tuple(lists), ids, np.column_stack(hits).astype(np.float64), seed, daily, first_day)


def _likes_something(held_out: HeldOut, users: Indexes, items: Indexes) -> Booleans:
    """(n,) whether a list holds a liked held-out item."""
    liked = (held_out(users, np.maximum(items, 0)) > 0) & (items != NO_ITEM)
    return np.asarray(liked.any(axis=1), np.bool_)
