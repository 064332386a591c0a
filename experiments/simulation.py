"""Whole rollouts without servers: drawn sessions, the real assignment rule, the real decision function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from core.errors import DataError
from experiments.assignment import rollout_variants
from experiments.decision import LookData, decide
from experiments.inference.clusters import ClusterMoments
from experiments.result import DecisionKind
from experiments.spec import ExperimentSpec

Floats = npt.NDArray[np.float64]
Judge = Callable[[ExperimentSpec, LookData], DecisionKind]


@dataclass(frozen=True, eq=False)
class SimulatedRollouts:
    """How each of many rollouts ended.

    Attributes:
        decisions: (n_runs,) str: ``promote``, ``rollback``, ``keep`` or ``invalid``.
        looks: (n_runs,) int64, looks taken until the decision.
        sessions: (n_runs,) int64, sessions of all variants until then.
        challenger_sessions: (n_runs,) int64, of these the challenger's.
    """

    decisions: npt.NDArray[np.str_]
    looks: npt.NDArray[np.int64]
    sessions: npt.NDArray[np.int64]
    challenger_sessions: npt.NDArray[np.int64]

    def share(self, decision: DecisionKind) -> float:
        """Share of runs that ended so; NaN without runs."""
        return float((self.decisions == decision).mean()) if len(self.decisions) else math.nan


def heterogeneous_users(n_users: int, *, mean: float, spread: float, seed: int) -> Floats:
    """Session click probabilities of a population of unequal users.

    logit p_u = a + N(0, spread²), a solved so that the population clicks with probability ``mean``.

    Args:
        n_users: Users, >= 1.
        mean: Click probability over all users, above 0 and below 1.
        spread: Standard deviation of the user effect on the logit, >= 0.
        seed: Same seed, same population.

    Returns:
        (n_users,) float64.

    Raises:
        DataError: mean is not between 0 and 1.
    """
    if not 0 < mean < 1:
        raise DataError(f"mean == {mean}, must be above 0 and below 1")
    effect = np.random.default_rng(seed).normal(0.0, spread, n_users)

    def excess(intercept: float) -> float:
        return float(special.expit(intercept + effect).mean()) - mean

    reach = abs(float(special.logit(mean))) + float(np.abs(effect).max()) + 1.0
    return np.asarray(special.expit(optimize.brentq(excess, -reach, reach) + effect), np.float64)


def simulate_rollouts(
    p_champion: Floats,
    p_challenger: Floats,
    spec: ExperimentSpec,
    *,
    n_runs: int,
    seed: int,
    first_run: int = 0,
) -> SimulatedRollouts:
    """Run a rollout many times over the same population and see how it ends.

    Every session draws its user uniformly and clicks with that user's probability under the variant the user has:
    sessions of one user are alike, hence clustered. Each run places the users anew (a fresh salt) and passes every look
    to ``decide``. Servers do not fail here: errors and empty lists are 0, latency is unknown.

    Args:
        p_champion: (n_users,) session click probability of each user under the champion, 0 … 1.
        p_challenger: (n_users,) the same under the challenger.
        spec: The rollout.
        n_runs: Rollouts, >= 0.
        seed: Run i's randomness derives from (seed, i) alone: parts of a simulation can run anywhere.
        first_run: Number of the first run.

    Raises:
        DataError: The two populations differ in size or are empty, or a probability is none.
    """
    return _simulate(p_champion, p_challenger, spec, _decide, n_runs=n_runs, seed=seed, first_run=first_run)


def naive_peeking(
    p_champion: Floats,
    p_challenger: Floats,
    spec: ExperimentSpec,
    *,
    n_runs: int,
    seed: int,
    first_run: int = 0,
) -> SimulatedRollouts:
    """The same rollouts judged as one must not: a fixed-horizon z test of pooled sessions at every look.

    The negative control of ``simulate_rollouts``: same arguments, same seed, same sessions. It looks again and again
    without paying for it, takes the sessions of one user for independent and pools the steps.
    """
    return _simulate(p_champion, p_challenger, spec, _naive_z_test, n_runs=n_runs, seed=seed, first_run=first_run)


def _simulate(
    p_champion: Floats,
    p_challenger: Floats,
    spec: ExperimentSpec,
    judge: Judge,
    *,
    n_runs: int,
    seed: int,
    first_run: int,
) -> SimulatedRollouts:
    _check_population(p_champion, p_challenger)
    decisions = np.full(n_runs, "continue", dtype="U8")
    looks, sessions, challenger_sessions = (np.zeros(n_runs, np.int64) for _ in range(3))
    for run in range(n_runs):
        rng = np.random.default_rng([seed, first_run + run])
        for look in _looks(p_champion, p_challenger, spec, rng):
            decisions[run] = judge(spec, look)
            looks[run] += 1
            sessions[run], challenger_sessions[run] = look.sessions, look.challenger_sessions
            if decisions[run] != "continue":
                break
    return SimulatedRollouts(decisions, looks, sessions, challenger_sessions)


def _looks(
    p_champion: Floats, p_challenger: Floats, spec: ExperimentSpec, rng: np.random.Generator
) -> Iterator[LookData]:
    """The looks of one rollout as they come, until nobody asks for more."""
    n_users, look_every = len(p_champion), spec.stopping.look_every
    places = rng.random(n_users)
    n_steps = len(spec.rollout.steps)
    challenger, control = _GrowingArm(n_users, n_steps), _GrowingArm(n_users, n_steps)
    sessions = 0
    for step_index, step in enumerate(spec.rollout.steps):
        variant = rollout_variants(places, step.percent)
        in_challenger, in_control = variant == "challenger", variant == "control"
        for _ in range(step.sessions // look_every):
            user = rng.integers(n_users, size=look_every)
            chance = rng.random(look_every)
            one, two = in_challenger[user], in_control[user]
            challenger.add(user[one], step_index, chance[one] < p_challenger[user[one]])
            control.add(user[two], step_index, chance[two] < p_champion[user[two]])
            sessions += look_every
            yield LookData(
                step_index=step_index,
                sessions=sessions,
                challenger=challenger.moments(),
                control=control.moments(),
                challenger_units=challenger.n_clusters,
                control_units=control.n_clusters,
                challenger_sessions=int(challenger.sums[n_steps:].sum()),
            )


class _GrowingArm:
    """One arm's units and their moments, brought up to date by the units a look touches."""

    def __init__(self, n_users: int, n_steps: int) -> None:
        self.z = np.zeros((n_users, 2 * n_steps))
        self.n_steps = n_steps
        self.n_clusters = 0
        self.sums = np.zeros(2 * n_steps)
        self.cross = np.zeros((2 * n_steps, 2 * n_steps))

    def add(self, user: npt.NDArray[np.int64], step: int, clicked: npt.NDArray[np.bool_]) -> None:
        """Sessions of one look, all in one step."""
        touched, position = np.unique(user, return_inverse=True)
        before = self.z[touched]
        after = before.copy()
        clicks = np.bincount(position, weights=clicked, minlength=len(touched))
        count = np.bincount(position, minlength=len(touched))
        after[:, step] += clicks
        after[:, self.n_steps + step] += count
        self.z[touched] = after
        self.n_clusters += int(np.count_nonzero(~before[:, self.n_steps :].any(axis=1)))
        self.sums[step] += clicks.sum()
        self.sums[self.n_steps + step] += len(user)
        self.cross += after.T @ after - before.T @ before

    def moments(self) -> ClusterMoments:
        """A snapshot."""
        return ClusterMoments(self.n_clusters, self.sums.copy(), self.cross.copy())


def _decide(spec: ExperimentSpec, look: LookData) -> DecisionKind:
    return decide(spec, look).kind


def _naive_z_test(spec: ExperimentSpec, look: LookData) -> DecisionKind:
    """Textbook two-proportion z test with pooled variance, at the fixed-horizon critical value."""
    n_challenger, n_control = look.challenger.sessions.sum(), look.control.sessions.sum()
    last_step = look.step_index == len(spec.rollout.steps) - 1
    if min(n_challenger, n_control) >= spec.stopping.min_challenger_sessions:
        one, two = look.challenger.clicks.sum() / n_challenger, look.control.clicks.sum() / n_control
        pooled = (look.challenger.clicks.sum() + look.control.clicks.sum()) / (n_challenger + n_control)
        z = (one - two) / math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n_challenger + 1 / n_control))
        critical = NormalDist().inv_cdf(1 - spec.analysis.alpha / 2)
        if z < -critical:
            return "rollback"
        if z > critical and last_step:
            return "promote"
    return "keep" if last_step and look.sessions >= spec.total_sessions else "continue"


def _check_population(p_champion: Floats, p_challenger: Floats) -> None:
    if p_champion.shape != p_challenger.shape or p_champion.ndim != 1 or len(p_champion) == 0:
        raise DataError(
            f"p_champion is {p_champion.shape}, p_challenger {p_challenger.shape}; both must be (n_users,), not empty"
        )
    for name, chance in (("p_champion", p_champion), ("p_challenger", p_challenger)):
        if not bool(((chance >= 0) & (chance <= 1)).all()):
            raise DataError(f"{name} holds values outside 0 … 1; cap raised probabilities at 1")
