"""Decisions a second on one core, ten arms.

    python -m benchmarks.bandit_decisions [--decisions 20000]

Bars: Thompson sampling 25,000 a second, in a loop that learns each reward before the next choice and for many choices
at once; LinUCB with 20 features, learning each reward, 10,000; assignment by hash 100,000. Ours give each decision's
propensity and check what comes in; the plain numpy loops beside them do neither. MABWiser and river are measured in
the same run where they are installed. Seconds of processor time, best of three.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.assignment import buckets
from experiments.bandits.linucb import LinUCB
from experiments.bandits.thompson_beta import ThompsonBeta

_ARMS = [f"arm{arm}" for arm in range(10)]
_MEANS = np.array([0.5] + [0.4] * 9)
_FEATURES = 20


class Row(NamedTuple):
    """A policy, the loop one would write instead, and what must be reached."""

    what: str
    ours: Callable[[int], Any]
    plain: Callable[[int], Any]
    bar: int


def rate(work: Callable[[int], Any], n: int) -> float:
    """Decisions a second of processor time, best of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        work(n)
        seconds.append(time.process_time() - start)
    return n / max(min(seconds), 1e-9)


def thompson(n: int) -> None:
    policy, rng, means = ThompsonBeta(_ARMS), np.random.default_rng(0), dict(zip(_ARMS, _MEANS.tolist(), strict=True))
    for uniform in rng.random(n).tolist():
        arm, _ = policy.choose(None, rng)
        policy.update(arm, 1.0 if uniform < means[arm] else 0.0)


def plain_thompson(n: int) -> None:
    rng, means, a, b = np.random.default_rng(0), _MEANS.tolist(), np.ones(10), np.ones(10)
    for uniform in rng.random(n).tolist():
        arm = int(rng.beta(a, b).argmax())
        if uniform < means[arm]:
            a[arm] += 1
        else:
            b[arm] += 1


def thompson_in_batches(n: int) -> None:
    policy, rng = ThompsonBeta(_ARMS), np.random.default_rng(0)
    for _ in range(0, n, 1000):
        arms, _ = policy.choose_many(1000, rng)
        policy.update_many(arms, (rng.random(1000) < _MEANS[arms]).astype(float))


def plain_thompson_in_batches(n: int) -> None:
    rng, a, b = np.random.default_rng(0), np.ones(10), np.ones(10)
    for _ in range(0, n, 1000):
        arms = rng.beta(a, b, (1000, 10)).argmax(axis=1)
        reward = rng.random(1000) < _MEANS[arms]
        a += np.bincount(arms, reward, minlength=10)
        b += np.bincount(arms, ~reward, minlength=10)


def linucb(n: int) -> None:
    policy, rng = LinUCB(_ARMS, n_features=_FEATURES), np.random.default_rng(0)
    for context in rng.normal(size=(n, _FEATURES)):
        arm, _ = policy.choose(context, rng)
        policy.update(arm, context[0], context)


def plain_linucb(n: int) -> None:
    """As the paper writes it: the chosen arm's matrix is inverted after each reward."""
    rng = np.random.default_rng(0)
    gram, b = np.tile(np.eye(_FEATURES), (10, 1, 1)), np.zeros((10, _FEATURES))
    inverse, theta = gram.copy(), b.copy()
    for context in rng.normal(size=(n, _FEATURES)):
        arm = int((theta @ context + np.sqrt(((inverse @ context) * context).sum(axis=1))).argmax())
        gram[arm] += np.outer(context, context)
        b[arm] += context[0] * context
        inverse[arm] = np.linalg.inv(gram[arm])
        theta[arm] = inverse[arm] @ b[arm]


def assignment(n: int) -> None:
    buckets("experiment", [f"user{user}" for user in range(n)])


def plain_assignment(n: int) -> None:
    """A hash from the standard library for each unit, as PlanOut takes it."""
    for user in range(n):
        int(hashlib.sha1(f"experiment.user{user}".encode()).hexdigest()[:15], 16) / 0xFFFFFFFFFFFFFFF


def mabwiser(n: int) -> None:
    module = import_module("mabwiser.mab")
    peer = module.MAB(_ARMS, module.LearningPolicy.ThompsonSampling())
    peer.fit(_ARMS, [0] * 10)
    rng, means = np.random.default_rng(0), dict(zip(_ARMS, _MEANS.tolist(), strict=True))
    for uniform in rng.random(n).tolist():
        arm = peer.predict()
        peer.partial_fit([arm], [int(uniform < means[arm])])


def mabwiser_linucb(n: int) -> None:
    module = import_module("mabwiser.mab")
    peer = module.MAB(_ARMS, module.LearningPolicy.LinUCB(alpha=1.0))
    rng = np.random.default_rng(0)
    peer.fit(_ARMS, [0] * 10, rng.normal(size=(10, _FEATURES)))
    for context in rng.normal(size=(n, _FEATURES)):
        arm = peer.predict(context[np.newaxis])
        peer.partial_fit([arm], [context[0]], context[np.newaxis])


def river(n: int) -> None:
    peer = import_module("river.bandit").ThompsonSampling(reward_obj=import_module("river.proba").Beta(), seed=0)
    rng, means = np.random.default_rng(0), dict(zip(_ARMS, _MEANS.tolist(), strict=True))
    for uniform in rng.random(n).tolist():
        arm = peer.pull(_ARMS)
        peer.update(arm, bool(uniform < means[arm]))


ROWS = [
    Row("Thompson, learning each reward", thompson, plain_thompson, 25_000),
    Row("Thompson, 1000 at once", thompson_in_batches, plain_thompson_in_batches, 25_000),
    Row(f"LinUCB, {_FEATURES} features, learning each reward", linucb, plain_linucb, 10_000),
    Row("assignment by hash", assignment, plain_assignment, 100_000),
]
PEERS = [
    ("mabwiser", "MABWiser, Thompson", mabwiser, thompson),
    ("mabwiser", "MABWiser, LinUCB", mabwiser_linucb, linucb),
    ("river", "river, Thompson", river, thompson),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=20_000)
    n = parser.parse_args().decisions
    missed = False
    print(f"decisions a second, {n} decisions, {len(_ARMS)} arms, one core")
    with threadpool_limits(1):
        for what, ours, plain, bar in ROWS:
            figure, baseline = rate(ours, n), rate(plain, n)
            missed = missed or figure < bar
            print(
                f"{what:<44}{figure:>12,.0f}   plain numpy {baseline:>12,.0f}   {figure / baseline:6.2f}x   "
                f"(bar: {bar:,}{', MISSED' if figure < bar else ''})"
            )
        for package, what, peer, ours in PEERS:
            if find_spec(package) is None:
                print(f"{what:<44}{'not installed':>12}")
                continue
            figure = rate(peer, n)
            print(f"{what:<44}{figure:>12,.0f}   ours {rate(ours, n) / figure:6.2f}x")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
