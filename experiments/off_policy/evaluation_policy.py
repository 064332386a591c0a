"""The policy that is to be judged: what it would do in each logged row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from experiments.off_policy.logged_bandit import Floats, Indices, LoggedBandit, check_probabilities


@dataclass(frozen=True, eq=False)
class EvaluationPolicy:
    """Probabilities of every action, or the one action of a deterministic policy, for each row of a log.

    Attributes:
        n_actions: k.
        probabilities: (n, k); None where deterministic.
        choice: (n,) int, the action it would take; None where it gives probabilities.
    """

    n_actions: int
    probabilities: Floats | None
    choice: Indices | None

    def of(self, action: Indices) -> Floats:
        """(n,) probability with which it would take the row's given action."""
        if self.choice is not None:
            same: Floats = (self.choice == action).astype(np.float64)
            return same
        assert self.probabilities is not None
        taken: Floats = self.probabilities[np.arange(len(action)), action]
        return taken

    def expectation(self, scores: Floats) -> Floats:
        """(n,) mean of the row's scores over its actions; scores: (n, k)."""
        if self.choice is not None:
            chosen: Floats = scores[np.arange(len(scores)), self.choice]
            return chosen
        assert self.probabilities is not None
        mean: Floats = np.einsum("ij,ij->i", self.probabilities, scores)
        return mean

    def weighted_sums(self, features: Floats, group: Indices, n_groups: int) -> Floats:
        """(n_groups, k, p) sums of the rows' features (n, p), each weighed by the action's probability."""
        sums = np.zeros((n_groups, self.n_actions, features.shape[1]))
        for index in range(n_groups):
            rows = np.flatnonzero(group == index)
            if self.choice is not None:
                np.add.at(sums[index], self.choice[rows], features[rows])
            else:
                assert self.probabilities is not None
                sums[index] = self.probabilities[rows].T @ features[rows]
        return sums

    def mass(self, actions: npt.NDArray[np.bool_]) -> float:
        """Probability, averaged over the rows, that it takes one of the marked actions (k,); 0 without rows."""
        if self.choice is not None:
            return float(actions[self.choice].mean()) if len(self.choice) else 0.0
        assert self.probabilities is not None
        return float(self.probabilities[:, actions].sum()) / max(len(self.probabilities), 1)

    def strays_from(self, logging_policy: Floats) -> bool:
        """Whether it would do anywhere what the logging policy could not; logging_policy: (n, k)."""
        if self.choice is not None:
            return bool((logging_policy[np.arange(len(self.choice)), self.choice] == 0).any())
        assert self.probabilities is not None
        return bool(((self.probabilities > 0) & (logging_policy == 0)).any())


def evaluation_policy(policy: npt.ArrayLike | EvaluationPolicy, log: LoggedBandit) -> EvaluationPolicy:
    """Read a policy for the rows of a log.

    >>> log = LoggedBandit(np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    >>> evaluation_policy([1, 1], log).of(log.action).tolist()
    [0.0, 1.0]
    >>> evaluation_policy([[0.25, 0.75]], log).of(log.action).tolist()
    [0.25, 0.75]

    Args:
        policy: (n, k) probabilities, (1, k) for a policy that is the same in every row, or (n,) whole numbers: the
            action that a deterministic policy takes.
        log: The log that it is to be judged on. Its actions must be among the k.

    Raises:
        DataError: A shape that fits neither, a row that is no distribution, or a log with actions that it does not
            know.
    """
    if isinstance(policy, EvaluationPolicy):
        return policy
    given = np.asarray(policy)
    if given.ndim == 1 and (given.size == 0 or np.issubdtype(given.dtype, np.integer)):
        return _deterministic(given.astype(np.int64), log)
    table = check_probabilities("policy", given)
    if len(table) not in (1, log.n):
        raise DataError(f"policy has {len(table)} rows, the log {log.n}; need as many, or one for all")
    if log.n_actions > table.shape[1]:
        raise DataError(f"the log has {log.n_actions} actions, policy {table.shape[1]}; give a probability for each")
    return EvaluationPolicy(table.shape[1], np.broadcast_to(table, (log.n, table.shape[1])), None)


def _deterministic(choice: Indices, log: LoggedBandit) -> EvaluationPolicy:
    if len(choice) != log.n:
        raise DataError(f"policy chooses in {len(choice)} rows, the log has {log.n}; need as many")
    if choice.min(initial=0) < 0:
        raise DataError(f"policy holds {choice.min()}; actions are numbered from 0")
    return EvaluationPolicy(max(log.n_actions, int(choice.max(initial=-1)) + 1), None, choice)
