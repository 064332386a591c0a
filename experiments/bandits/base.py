"""What every policy shares: exposure, burn-in, priors, forgetting, late rewards, state. Only the rule differs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.bandits.arms import Arms, started
from experiments.bandits.exposure import check_floor, cumulative, with_floor
from experiments.bandits.memory import checked_time, checked_times, table
from experiments.bandits.pending import Decision, Pending
from experiments.bandits.rewards import checked_reward, checked_rewards, checked_sums
from experiments.bandits.rule import Choice, Floats, Integers, Rule
from experiments.bandits.statistics import Prior

STATE_VERSION = 1
_COMMON = ("floor", "burn_in", "discount", "window", "panes", "refresh")


class Policy(Rule):
    """Chooses arms and learns from their rewards.

    The rule of a policy says with which probability q_a it prefers each arm; every decision is drawn from

        p_a = floor + (1 - k floor) q_a,        k the number of arms that may be chosen (``with_floor``),

    and these p_a are its propensities. They are computed first and the arm is drawn from them, so that weighting by
    1 / p_a is exactly unbiased, whatever the numerical error of q. Randomness comes from the given generator alone: one
    uniform a decision. While an arm has fewer than ``burn_in`` rewards, or nothing at all is known of one, q is uniform
    over such arms.

    Sums are all that is kept, so rewards may come late, in batches and in any order. Time is a number that the caller
    gives (``at``), and it is needed where the policy forgets.

    Args:
        arms: Their names, at least one.
        floor: Least probability of each arm, k floor <= 1.
        burn_in: Rewards an arm must have before the rule applies; None for the policy's own.
        prior: What is believed of every arm beforehand; None for the policy's own.
        warm_start: What is believed of some arms instead.
        discount: Share of its weight that a reward keeps after one unit of time (``Discounting``).
        window: Length of time after which a reward is forgotten (``SlidingWindow``); not together with discount.
        panes: Parts of the window.
        refresh: Propensities are computed anew at the first decision after some arm's rewards have grown by more than
            this share; 0 for after every reward, None for the policy's own. A policy that forgets ignores it.

    Raises:
        ConfigError: An argument out of range.
    """

    def __init__(
        self,
        arms: Sequence[str],
        *,
        floor: float = 0.0,
        burn_in: int | None = None,
        prior: Prior | None = None,
        warm_start: Mapping[str, Prior] | None = None,
        discount: float | None = None,
        window: float | None = None,
        panes: int = 10,
        refresh: float | None = None,
    ) -> None:
        self.floor, self.discount, self.window, self.panes = floor, discount, window, panes
        self.burn_in = self.default_burn_in if burn_in is None else burn_in
        self.refresh = self.default_refresh if refresh is None else refresh
        if self.burn_in < 0 or not self.refresh >= 0:
            raise ConfigError(f"burn_in == {self.burn_in}, refresh == {self.refresh}; both must be >= 0")
        self.prior = self.default_prior if prior is None else prior
        memory = started(len(arms), self._columns, discount=discount, window=window, panes=panes)
        self._arms = Arms(arms, memory, self.prior, warm_start or {}, self._check_prior)
        check_floor(floor, len(arms))
        self._pending = Pending()
        self._seen: Floats | None = None
        self._shares: tuple[Floats, list[float]] | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that may be chosen, in the order of the propensities and of the indexes of ``choose_many``."""
        return self._arms.names

    @property
    def retired(self) -> tuple[str, ...]:
        """Arms that were removed; their late rewards still add to their own sums and to nobody else's."""
        return self._arms.retired

    def add_arm(self, arm: str, prior: Prior | None = None) -> None:
        """Let an arm be chosen from now on.

        Args:
            arm: A new name, or a removed arm's: that comes back with all it has learned.
            prior: A warm start; None for the policy's prior, or what a returning arm had.

        Raises:
            ConfigError: The arm is there already, the prior cannot be used, or there is no room for the floor.
        """
        check_floor(self.floor, len(self.arms) + 1)
        self._arms.add(arm, prior)
        self._forget_shares()

    def remove_arm(self, arm: str) -> None:
        """Never choose an arm again; what it has learned is kept apart, its late rewards are still welcome.

        Raises:
            ConfigError: There is no such arm, or it is the last.
        """
        self._arms.remove(arm)
        self._forget_shares()

    # --- choosing -------------------------------------------------------------------------------------------------

    def propensities(
        self, context: npt.ArrayLike | None = None, *, arms: Sequence[str] | None = None, at: float | None = None
    ) -> Floats:
        """Probability with which each arm would be drawn now.

        Args:
            context: (d,) features, finite; left aside by policies without.
            arms: Those that may be chosen this time; None for all.
            at: Now, for policies that forget; None for no later than the latest known.

        Returns:
            (k,), in the order of ``arms``; adds up to 1, each at least ``floor``.

        Raises:
            ConfigError: An arm is unknown, removed or named twice, or there is none.
            DataError: The context is not (d,) finite numbers.
        """
        self._advance(at)
        if self.contextual:
            return np.asarray(self._mixed(self._arms.chosen_from(arms), self._contexts(context, 1))[0], np.float64)
        if arms is not None:
            return self._mixed(self._arms.chosen_from(arms), None)
        return self._drawn_from()[0].copy()

    def choose(
        self,
        context: npt.ArrayLike | None,
        rng: np.random.Generator,
        *,
        arms: Sequence[str] | None = None,
        at: float | None = None,
        decision_id: str | None = None,
    ) -> Choice:
        """Draw an arm.

        Args:
            context: As for ``propensities``.
            rng: One uniform is taken from it.
            arms: As for ``propensities``.
            at: As for ``propensities``.
            decision_id: Remember the decision under this id until ``update_decision`` brings its reward.

        Raises:
            ConfigError: As for ``propensities``, or ``at`` is missing where the reward will need it.
            DataError: As for ``propensities``, or the id is in use.
        """
        if decision_id is not None:
            at = checked_time(at, self._arms.memory.forgets)
        if arms is None and not self.contextual:
            self._advance(at)
            shares, running = self._drawn_from()
            place = bisect_right(running, rng.random())
        else:
            shares = self.propensities(context, arms=arms, at=at)
            place = int(np.searchsorted(cumulative(shares), rng.random(), side="right"))
        arm = (self.arms if arms is None else arms)[place]
        if decision_id is not None:
            seen = self._contexts(context, 1)[0].tolist() if self.contextual else None
            self._pending.open(decision_id, Decision(arm, None if seen is None else tuple(seen), at))
        return Choice(arm, float(shares[place]))

    def choose_many(
        self,
        contexts: int | npt.ArrayLike,
        rng: np.random.Generator,
        *,
        arms: Sequence[str] | None = None,
        at: float | None = None,
    ) -> tuple[Integers, Floats]:
        """Draw an arm for each of many decisions, all from what is known now.

        Args:
            contexts: (n, d) features; policies without take n alone.
            rng: n uniforms are taken from it.
            arms: As for ``propensities``.
            at: As for ``propensities``.

        Returns:
            (n,) int64 index into ``arms`` (those given, else the policy's), and (n,) its propensity.

        Raises:
            ConfigError: As for ``propensities``.
            DataError: As for ``propensities``, or n is negative.
        """
        if self.contextual:
            self._advance(at)
            rows = self._contexts(contexts, 2)
            shares = self._mixed(self._arms.chosen_from(arms), rows)
            uniform = rng.random(len(rows))
            place = (cumulative(shares) <= uniform[:, np.newaxis]).sum(axis=1)
            return place, np.take_along_axis(shares, place[:, np.newaxis], axis=1)[:, 0]
        n = int(contexts) if isinstance(contexts, int | np.integer) else len(np.asarray(contexts))
        if n < 0:
            raise DataError(f"n == {n}, must be >= 0")
        shares = self.propensities(arms=arms, at=at)
        place = np.searchsorted(cumulative(shares), rng.random(n), side="right").astype(np.int64)
        return place, shares[place]

    # --- learning -------------------------------------------------------------------------------------------------

    def update(self, arm: str, reward: float, context: npt.ArrayLike | None = None, *, at: float | None = None) -> None:
        """Learn the reward of one decision.

        Args:
            arm: The arm chosen, also one removed since.
            reward: Of the policy's kind.
            context: (d,) features of the decision; left aside by policies without.
            at: Time of the decision, not of the reward; needed by policies that forget.

        Raises:
            DataError: The arm is unknown; the reward is NaN, infinite or not of the kind; the context is wrong.
            ConfigError: ``at`` is missing.
        """
        slot = self._arms.slot(arm)
        value = checked_reward(reward, self.reward_kind)
        features = self._contexts(context, 1)[0] if self.contextual else None
        time = checked_time(at, self._arms.memory.forgets)
        self._arms.memory.add_one(slot, self._row(value, features), time)
        self._arms.counts[slot] += 1.0
        self._learned(slot, value, features)

    def update_decision(self, decision_id: str, reward: float) -> None:
        """Learn the reward of a decision made with that id.

        Raises:
            DataError: The decision is not open, or the reward is wrong: then it stays open.
        """
        decision = self._pending.get(decision_id)
        self.update(decision.arm, reward, decision.context, at=decision.at)
        self._pending.close(decision_id)

    def expire(self, before: float) -> int:
        """Drop decisions made before a time that got no reward; their number. Nothing is learned from them."""
        return self._pending.expire(before)

    def update_many(
        self,
        arms: Sequence[str] | Integers,
        rewards: npt.ArrayLike,
        contexts: npt.ArrayLike | None = None,
        *,
        counts: npt.ArrayLike | None = None,
        sum_squares: npt.ArrayLike | None = None,
        at: npt.ArrayLike | None = None,
    ) -> None:
        """Learn many rewards, or sums of rewards, as if they had come one by one.

        Args:
            arms: (m,) names, or indexes into ``arms`` as they are now.
            rewards: (m,) rewards, or with ``counts`` their sums.
            contexts: (m, d) features of the decisions; left aside by policies without.
            counts: (m,) rewards in each sum, all of the same arm, context and time.
            sum_squares: (m,) sums of their squares; may be left out where rewards are 0 or 1.
            at: (m,) times of the decisions, or one for all.

        Raises:
            DataError: As for ``update``, or the lengths differ; nothing is learned then.
            ConfigError: ``at`` is missing.
        """
        kind = self.reward_kind
        batch = checked_rewards(rewards, kind) if counts is None else checked_sums(counts, rewards, sum_squares, kind)
        slots = self._arms.slots_of(arms)
        if len(slots) != len(batch.n):
            raise DataError(f"{len(slots)} arms for {len(batch.n)} rewards; must be as many")
        rows = self._contexts(contexts, 2) if self.contextual else None
        if rows is not None and len(rows) != len(slots):
            raise DataError(f"{len(rows)} contexts for {len(slots)} rewards; must be as many")
        times = checked_times(at, len(slots), self._arms.memory.forgets)
        self._arms.memory.add(lambda weights: self._aggregate(slots, batch, rows, weights), times)
        self._arms.counts += np.bincount(slots, batch.n, minlength=len(self._arms.counts))
        self._learned(None, math.nan, None)

    def learn_sums(self, arms: Sequence[str], sums: npt.ArrayLike, *, at: npt.ArrayLike | None = None) -> None:
        """Learn what was summed up elsewhere.

        Args:
            arms: (m,) names.
            sums: (m, ``sum_columns``) over the rewards r of each: their number, Σ r, Σ r², and for contextual policies
                Σ r x and the d² numbers of Σ x xᵀ.
            at: (m,) times of the decisions, or one for all.

        Raises:
            DataError: An arm is unknown, or the shape another; nothing is learned then.
            ConfigError: ``at`` is missing.
        """
        slots, rows = self._arms.slots_of(arms), table(sums, (len(arms), self.sum_columns))
        times = checked_times(at, len(slots), self._arms.memory.forgets)

        def added(weights: Floats | None) -> Floats:
            total = np.zeros_like(self._arms.memory.totals)
            np.add.at(total, slots, rows if weights is None else rows * weights[:, np.newaxis])
            return total

        self._arms.memory.add(added, times)
        self._arms.counts += np.bincount(slots, rows[:, 0], minlength=len(self._arms.counts))
        self._learned(None, math.nan, None)

    @property
    def sum_columns(self) -> int:
        """Numbers in a row of ``learn_sums``."""
        return self._columns

    @property
    def open_decisions(self) -> tuple[str, ...]:
        """Ids of the decisions that wait for their reward."""
        return self._pending.ids

    def decision(self, decision_id: str) -> Decision:
        """An open decision.

        Raises:
            DataError: It is not open.
        """
        return self._pending.get(decision_id)

    # --- state ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that the policy is, as a dict that survives JSON to the bit."""
        return {
            "version": STATE_VERSION,
            "policy": self.name,
            "settings": {**self._settings(), "prior": self.prior.as_list()},
            "arms": self._arms.state(),
            "seen": None if self._seen is None or self.refresh == 0 else self._seen.tolist(),
            "pending": self._pending.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The policy that ``state`` described.

        Raises:
            DataError: It is another policy's, another version's or incomplete.
        """
        if state.get("version") != STATE_VERSION or state.get("policy") != cls.name:
            raise DataError(
                f"state is of policy {state.get('policy')!r}, version {state.get('version')!r}; "
                f"must be {cls.name!r}, version {STATE_VERSION}"
            )
        try:
            settings = dict(state["settings"])
            settings["prior"] = Prior(*settings["prior"])
            policy = cls(list(state["arms"]["slots"]), **settings)
            policy._restore(state)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"state of policy {cls.name!r} is incomplete or garbled: {error!r}") from error
        return policy

    def fresh(self, warm_start: Mapping[str, Prior] | None = None) -> Self:
        """A policy with the same arms and settings that has learned nothing.

        Args:
            warm_start: What is believed of some arms beforehand; of the others what this policy's prior says.
        """
        names = (*self.arms, *self.retired)
        policy = type(self)(names, **self._settings(), prior=self.prior, warm_start=warm_start)
        for name in self.retired:
            policy.remove_arm(name)
        return policy

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*_COMMON, *self.settings)}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._arms.restore(state["arms"])
        self._pending = Pending.from_state(state["pending"])
        known = self._arms.known()
        self._seen = None if state["seen"] is None else table(state["seen"], known.shape)

    def _learned(self, slot: int | None, reward: float, context: Floats | None) -> None:
        """A reward has been added to a slot in a (d,) context, or a batch to any (None)."""
        if self._seen is not None and self._arms.grown(self._seen, self.refresh, slot):
            self._forget_shares()

    # --- the draw -------------------------------------------------------------------------------------------------

    def _forget_shares(self) -> None:
        self._seen = self._shares = None

    def _advance(self, at: float | None) -> None:
        if at is not None and self._arms.memory.advance(checked_time(at, False)):
            self._forget_shares()

    def _known(self) -> Floats:
        """(all slots, …) what decisions rest on, as it was at the last refresh; first rewards, last rewards ever."""
        if self._seen is None:
            self._seen = self._arms.known()
        return self._seen

    def _drawn_from(self) -> tuple[Floats, list[float]]:
        """Propensities of all arms and their running sum, computed once for as long as they hold."""
        if self._shares is None:
            shares = self._mixed(self._arms.slots, None)
            self._shares = shares, cumulative(shares).tolist()
        return self._shares

    def _mixed(self, slots: Integers, contexts: Floats | None) -> Floats:
        known = self._known()
        untried = self._arms.untried(known[slots], slots, self.burn_in)
        if untried.any():
            preferred = untried / np.count_nonzero(untried)
            if contexts is not None:
                preferred = np.broadcast_to(preferred, (len(contexts), len(slots)))
        else:
            preferred = self._preferences(slots, known, contexts)
        return with_floor(preferred, self.floor)
