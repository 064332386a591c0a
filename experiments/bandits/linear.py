"""A ridge regression of the reward on the context, one for each arm: what LinUCB and LinTS know."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.bandits.base import Policy
from experiments.bandits.memory import table
from experiments.bandits.rewards import RewardSums
from experiments.bandits.rule import Common, Floats, Integers
from experiments.bandits.statistics import Prior

#: After so many rewards one by one an arm is solved anew, so that rounding does not add up.
_SOLVE_EVERY = 1000


class Linear(Policy):
    """Base of the policies that expect x · θ_a of arm a in context x.

    With the ridge penalty λ and prior coefficients θ₀ (the prior's strength and mean), A_a = λ I + Σ x xᵀ,
    θ_a = A_a⁻¹ (λ θ₀ + Σ r x) (Li, Chu, Langford & Schapire 2010, A Contextual-Bandit Approach to Personalized News
    Article Recommendation, arXiv 1003.0146, algorithm 1). A single reward changes A_a⁻¹ by the formula of Sherman and
    Morrison, d² operations; a batch solves each arm once. A subclass says how an arm's expectation x · θ_a and
    standard deviation √(xᵀ A_a⁻¹ x) make its probability to be preferred.

    An intercept is a feature that is always 1.

    Args:
        n_features: d, >= 1.

    Raises:
        ConfigError: n_features is below 1, a prior's strength is not above 0.
    """

    settings: ClassVar[tuple[str, ...]] = ("n_features",)
    contextual = True

    def __init__(self, arms: Sequence[str], *, n_features: int, **common: Unpack[Common]) -> None:
        if n_features < 1:
            raise ConfigError(f"n_features == {n_features}, must be >= 1")
        self.n_features = n_features
        if common.get("prior") is None:
            common["prior"] = Prior((0.0,) * n_features, 1.0)
        super().__init__(arms, **common)
        if self.refresh > 0:
            raise ConfigError(f"refresh == {self.refresh}, must be 0: {self.name} learns each reward at little cost")
        self._inverse: Floats = np.zeros((0, n_features, n_features))
        self._theta: Floats = np.zeros((0, n_features))
        self._unsolved = set(range(len(arms)))

    def add_arm(self, arm: str, prior: Prior | None = None) -> None:
        """See ``Policy.add_arm``."""
        super().add_arm(arm, prior)
        self._unsolved.add(self._arms.slot(arm))

    def coefficients(self) -> Floats:
        """(k, d) θ of each arm, as decisions use them now."""
        self._solve()
        return self._theta[self._arms.slots].copy()

    def lent_priors(self, strength: float) -> dict[str, Prior]:
        """See ``Rule.lent_priors``."""
        self._solve()
        names = (*self.arms, *self.retired)
        slots = self._arms.slots_of(names)
        weights = np.minimum(self._arms.memory.totals[slots, 0] + self._arms.strengths[slots], strength)
        thetas = self._theta[slots].tolist()
        return {name: Prior(*lent) for name, *lent in zip(names, thetas, weights.tolist(), strict=True)}

    @abstractmethod
    def prefer(self, expected: Floats, sd: Floats) -> Floats:
        """(n, k) probability that each arm is preferred, of (n, k) x · θ and √(xᵀ A⁻¹ x)."""

    def _preferences(self, slots: Integers, known: Floats, contexts: Floats | None) -> Floats:
        assert contexts is not None  # contextual: the base has checked them
        self._solve()
        everyone = len(slots) == len(self._theta) and np.array_equal(slots, np.arange(len(slots)))
        theta, inverse = (self._theta, self._inverse) if everyone else (self._theta[slots], self._inverse[slots])
        if len(contexts) == 1:
            # The hot path: a product of matrix and vector for each arm, and no transposition.
            x = contexts[0]
            variance, expected = ((inverse @ x) @ x)[np.newaxis], (theta @ x)[np.newaxis]
        else:
            expected = contexts @ theta.T
            variance = ((contexts @ inverse) * contexts).sum(axis=2).T
        return self.prefer(expected, np.sqrt(np.maximum(variance, 0.0)))

    def _known(self) -> Floats:
        # Decisions rest on the solved arms; of the sums only the numbers of rewards are asked for.
        return np.stack([self._arms.memory.totals[:, 0], self._arms.counts], axis=1)

    def _row(self, reward: float, context: Floats | None) -> Floats:
        assert context is not None  # contextual: the base has checked it
        d = self.n_features
        row = np.empty(self._columns)
        row[0], row[1], row[2] = 1.0, reward, reward * reward
        np.multiply(context, reward, out=row[3 : 3 + d])
        np.multiply(context[:, np.newaxis], context, out=row[3 + d :].reshape(d, d))
        return row

    def _aggregate(self, slots: Integers, batch: RewardSums, contexts: Floats | None, weights: Floats | None) -> Floats:
        assert contexts is not None  # contextual: the base has checked them
        sums = np.zeros((len(self._arms.counts), self._columns))
        d = self.n_features
        for slot in np.unique(slots).tolist():
            rows = slots == slot
            x = contexts[rows]
            n, total, square = (
                part[rows] if weights is None else part[rows] * weights[rows]
                for part in (batch.n, batch.sums, batch.squares)
            )
            sums[slot, :3] = n.sum(), total.sum(), square.sum()
            sums[slot, 3 : 3 + d] = total @ x
            sums[slot, 3 + d :] = ((x.T * n) @ x).ravel()
        return sums

    @property
    def _columns(self) -> int:
        return 3 + self.n_features + self.n_features**2

    def _check_prior(self, prior: Prior) -> Prior:
        if not prior.strength > 0:
            raise ConfigError(f"prior strength == {prior.strength}, must be above 0: it is the ridge penalty")
        return prior.checked(self.n_features)

    def _contexts(self, contexts: npt.ArrayLike | None, axes: int) -> Floats:
        wanted = f"({'n, ' if axes == 2 else ''}{self.n_features}) finite numbers"
        if contexts is None:
            raise DataError(f"context is missing; {self.name} needs {wanted}")
        x = np.asarray(contexts, np.float64)
        if x.ndim != axes or x.shape[-1] != self.n_features:
            raise DataError(f"context has shape {x.shape}, must be {wanted}")
        # Its square must be a number too.
        if not np.isfinite(np.vdot(x, x)):
            raise DataError(f"context holds a number that is not finite or too large, must be {wanted}")
        return x.reshape(-1, self.n_features)

    def _learned(self, slot: int | None, reward: float, context: Floats | None) -> None:
        self._forget_shares()
        if self._arms.memory.forgets:
            return
        if slot is None or context is None:
            self._unsolved.update(range(len(self._arms.counts)))
        elif slot in self._unsolved or self._arms.counts[slot] % _SOLVE_EVERY == 0:
            self._unsolved.add(slot)
        else:
            self._sherman_morrison(slot, reward, context)

    def _sherman_morrison(self, slot: int, reward: float, x: Floats) -> None:
        """(A + x xᵀ)⁻¹ = A⁻¹ - A⁻¹x (A⁻¹x)ᵀ / (1 + xᵀA⁻¹x), and θ by the same direction."""
        inverse, theta = self._inverse[slot], self._theta[slot]
        direction = inverse @ x
        scaled = direction / (1.0 + float(direction @ x))
        theta += scaled * (reward - float(theta @ x))
        inverse -= np.multiply.outer(scaled, direction)

    def _forget_shares(self) -> None:
        super()._forget_shares()
        if self._arms.memory.forgets:
            self._unsolved.update(range(len(self._arms.counts)))

    def _solve(self) -> None:
        """Bring the arms up to date whose sums have changed otherwise than by one reward."""
        if not self._unsolved:
            return
        d, slots = self.n_features, np.array(sorted(self._unsolved))
        missing = len(self._arms.counts) - len(self._theta)
        if missing:
            self._theta = np.concatenate([self._theta, np.zeros((missing, d))])
            self._inverse = np.concatenate([self._inverse, np.zeros((missing, d, d))])
        rows = self._arms.memory.totals[slots]
        ridge = self._arms.strengths[slots]
        grams = rows[:, 3 + d :].reshape(-1, d, d) + ridge[:, np.newaxis, np.newaxis] * np.eye(d)
        self._inverse[slots] = np.linalg.inv(grams)
        known = rows[:, 3 : 3 + d] + ridge[:, np.newaxis] * self._arms.means[slots]
        self._theta[slots] = (self._inverse[slots] @ known[:, :, np.newaxis])[:, :, 0]
        self._unsolved.clear()

    def state(self) -> dict[str, Any]:
        """See ``Policy.state``; the inverses are part of it, since rounding depends on how they came about."""
        solved = {"inverse": self._inverse.tolist(), "theta": self._theta.tolist(), "unsolved": sorted(self._unsolved)}
        return {**super().state(), "solved": solved}

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        solved, d, slots = state["solved"], self.n_features, len(state["solved"]["theta"])
        self._theta = table(solved["theta"], (slots, d))
        self._inverse = table(solved["inverse"], (slots, d, d))
        self._unsolved = {int(slot) for slot in solved["unsolved"]}
