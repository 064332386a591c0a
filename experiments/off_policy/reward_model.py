"""What each action would have earned in each row, according to a model: given, or a ridge regression fitted here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError
from experiments.off_policy.evaluation_policy import EvaluationPolicy
from experiments.off_policy.logged_bandit import Floats, Indices, LoggedBandit


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """How a ridge model came about: all that its own uncertainty needs.

    Attributes:
        features: (n, p) of each row, a constant first.
        fold: (n,) int, the fold that the row was left out with.
        inverse: (folds, k, p, p) inverse Gram matrix, penalty included, of the rows outside the fold.
    """

    features: Floats
    fold: Indices
    inverse: Floats


@dataclass(frozen=True, eq=False)
class RewardModel:
    """Predicted rewards.

    Attributes:
        scores: (n, k) prediction for every action in every row, made without the row's own reward.
        fit: How they were fitted; None where they were given.
    """

    scores: Floats
    fit: RidgeFit | None = None

    def fit_influence(self, log: LoggedBandit, policy: EvaluationPolicy) -> Floats:
        """(n,) what each row adds, through the fitted coefficients, to the policy's mean score; 0 for given scores.

        With the coefficients β_a = A_a⁻¹ Σ z_i (r_i - r̄) of action a and m_a the policy's mean of the features at a, a
        row's residual e_i moves Σ_a m_a · β_a by m_{a_i} · A_{a_i}⁻¹ z_i e_i; summed over the folds whose coefficients
        it made.
        """
        if self.fit is None:
            return np.zeros(log.n)
        features, fold, inverse = self.fit.features, self.fit.fold, self.fit.inverse
        sums = policy.weighted_sums(features, fold, len(inverse))
        pull = np.einsum("fkpq,fkq->fkp", inverse, sums)
        others = pull.sum(axis=0) - pull
        residual = log.reward - self.scores[np.arange(log.n), log.action]
        moved: Floats = np.einsum("np,np->n", features, others[fold, log.action]) * residual
        return moved


def given_scores(scores: npt.ArrayLike, log: LoggedBandit, n_actions: int) -> RewardModel:
    """A reward model from elsewhere, fitted on other data.

    Args:
        scores: (n, k) finite predictions.
        log: The rows that they are for.
        n_actions: k.

    Raises:
        DataError: Another shape, or a score that is not finite.
    """
    table = np.asarray(scores, np.float64)
    if table.shape != (log.n, n_actions):
        raise DataError(
            f"scores has shape {table.shape}, must be ({log.n}, {n_actions}): a score for each row and action"
        )
    wrong = int(np.count_nonzero(~np.isfinite(table)))
    if wrong:
        raise DataError(f"{wrong} scores are not finite; a reward model must say something of every action")
    return RewardModel(table)


def ridge_rewards(
    log: LoggedBandit, n_actions: int, *, n_folds: int = 5, reg: float = 1.0, seed: int = 0
) -> RewardModel:
    """Ridge regression of the reward on the context, one for each action, cross-fitted.

    Each row is predicted by models of the other folds only (Chernozhukov et al. 2018, Double/debiased machine learning,
    Econometrics Journal 21:C1, definition 3.2), and units stay whole. An action's coefficients are
    β_a = (Z'Z + reg I)⁻¹ Z'(r - r̄), Z a constant and the context, each column scaled to mean 0 and variance 1, r̄ the
    mean reward of all actions: an action that was hardly taken is drawn towards it, one never taken is given it.

    >>> log = LoggedBandit(np.array([0, 1] * 50), np.array([1.0, 3.0] * 50), np.full(100, 0.5))
    >>> ridge_rewards(log, 2).scores[0].round(1).tolist()
    [1.0, 3.0]

    Args:
        log: Rewards, actions, and contexts; without contexts it predicts each action's mean.
        n_actions: k, above every action in the log.
        n_folds: Folds, >= 2; no more are made than there are units.
        reg: Penalty, > 0, in rows: 1 weighs as much as one row.
        seed: Of the folds.

    Returns:
        The model; with fewer than two units it cannot be cross-fitted and predicts their mean (of no rows: nothing).

    Raises:
        ConfigError: n_folds or reg is not allowed.
    """
    if n_folds < 2:
        raise ConfigError(f"n_folds == {n_folds}, must be >= 2: a row must not predict itself")
    if not 0 < reg < np.inf:
        raise ConfigError(f"reg == {reg}, must be finite and above 0")
    if log.n_units < 2:
        return RewardModel(np.full((log.n, n_actions), log.reward.mean() if log.n else 0.0))
    n_folds = min(n_folds, log.n_units)
    fold_of_unit = np.random.default_rng(seed).permutation(log.n_units) % n_folds
    fold = fold_of_unit if log.unit is None else fold_of_unit[log.unit]
    features = _features(log)
    gram, moment, total = _sums(features, log, fold, n_folds, n_actions)
    # Sums over all other folds.
    gram, moment, total = (part.sum(axis=0) - part for part in (gram, moment, total))
    mean = log.reward.sum() - np.bincount(fold, weights=log.reward, minlength=n_folds)
    mean /= log.n - np.bincount(fold, minlength=n_folds)
    inverse = np.linalg.inv(gram + reg * np.eye(gram.shape[-1]))
    centred = moment - total * mean[:, np.newaxis, np.newaxis]
    coefficients = np.einsum("fkpq,fkq->fkp", inverse, centred)
    scores = np.empty((log.n, n_actions))
    for index in range(n_folds):
        chosen = np.flatnonzero(fold == index)
        scores[chosen] = mean[index] + features[chosen] @ coefficients[index].T
    return RewardModel(scores, RidgeFit(features, fold.astype(np.int64), inverse))


def _features(log: LoggedBandit) -> Floats:
    constant = np.ones((log.n, 1))
    if log.context is None:
        return constant
    spread = log.context.std(axis=0)
    # A column that never varies says nothing; dividing by 1 leaves it 0.
    return np.hstack([constant, (log.context - log.context.mean(axis=0)) / np.where(spread > 0, spread, 1.0)])


def _sums(
    features: Floats, log: LoggedBandit, fold: Indices, n_folds: int, n_actions: int
) -> tuple[Floats, Floats, Floats]:
    """Per fold and action: Σ z z' (p, p), Σ z r (p,) and Σ z (p,)."""
    cell = fold * n_actions + log.action
    # The smallest type that holds them: numpy sorts 16-bit integers by radix.
    order = np.argsort(cell.astype(np.min_scalar_type(n_folds * n_actions)), kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=n_folds * n_actions))
    sorted_features, sorted_reward = features[order], log.reward[order]
    p = features.shape[1]
    gram, moment, total = (np.zeros((n_folds * n_actions, *shape)) for shape in ((p, p), (p,), (p,)))
    for index, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        rows = sorted_features[start:end]
        gram[index], moment[index], total[index] = rows.T @ rows, rows.T @ sorted_reward[start:end], rows.sum(axis=0)
    shape = (n_folds, n_actions)
    return gram.reshape(*shape, p, p), moment.reshape(*shape, p), total.reshape(*shape, p)
