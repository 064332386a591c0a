"""Simulated impressions a second on one core: sessions drawn, an arm chosen, the outcome drawn, added up by arm.

    python -m benchmarks.simulated_traffic [--sessions 1000000] [--visitors 40000] [--arms 2]

Bars: a fixed split 1,000,000 a second, its hashing of every visitor included; Thompson sampling 25,000, in batches
whose rewards are learned before the next. The chance to click of every visitor under every arm is known beforehand.
Ours address every random number by seed, run and session, so that all strategies meet the same traffic; the plain numpy
loops beside them draw from one generator and do not. Seconds of processor time, best of three. Without a bar: the same
with a Parquet part written for each 4,000 sessions, as `screentest simulate` does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from cli.simulation import Simulation, SimulationPlan
from experiments.assignment import buckets
from experiments.click_model import visitor_id
from experiments.known_world import KnownWorld
from experiments.strategies import FIXED, strategy

_CHUNK = 65_536
Floats = npt.NDArray[np.float64]


class Row(NamedTuple):
    """A strategy, the loop one would write instead, how many sessions of each, and what must be reached."""

    what: str
    ours: Callable[[KnownWorld, int], None]
    plain: Callable[[KnownWorld, int], None] | None
    n: int
    bar: int


def world_of(visitors: int, arms: int) -> KnownWorld:
    rng = np.random.default_rng(0)
    chance = np.clip(rng.normal(np.linspace(0.25, 0.30, arms), 0.1, (visitors, arms)), 0.0, 1.0)
    return KnownWorld(tuple(f"arm{arm}" for arm in range(arms)), [visitor_id(one) for one in range(visitors)], chance)


def rate(work: Callable[[KnownWorld, int], None], world: KnownWorld, n: int) -> float:
    """Sessions a second of processor time, best of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        work(world, n)
        seconds.append(time.process_time() - start)
    return n / max(min(seconds), 1e-9)


def served(world: KnownWorld, name: str, n: int, batch: int) -> Floats:
    """(2, k) impressions and clicks by arm."""
    k = len(world.arms)
    lane, sums = strategy(name, world, batch=batch), np.zeros((2, k))
    chunk = _CHUNK // batch * batch
    for first in range(0, n, chunk):
        traffic = world.traffic(first, min(first + chunk, n // batch * batch))
        arm = lane.serve(traffic).arm
        sums += np.bincount(arm, minlength=k), np.bincount(arm, traffic.rewards(arm), k)
    return sums


def fixed(world: KnownWorld, n: int) -> None:
    served(world, FIXED, n, batch=1)


def plain_fixed(world: KnownWorld, n: int) -> None:
    rng, (units, k) = np.random.default_rng(0), world.probability.shape
    arm_of = np.minimum(buckets("plain", world.unit_ids) * k, k - 1).astype(np.int64)
    sums = np.zeros((2, k))
    for first in range(0, n, _CHUNK):
        size = min(_CHUNK, n - first)
        unit = rng.integers(units, size=size)
        arm = arm_of[unit]
        reward = rng.random(size) < world.probability[unit, arm]
        sums += np.bincount(arm, minlength=k), np.bincount(arm, reward, k)


def thompson(batch: int) -> Callable[[KnownWorld, int], None]:
    def run(world: KnownWorld, n: int) -> None:
        served(world, "thompson_beta", n, batch)

    return run


def plain_thompson(batch: int) -> Callable[[KnownWorld, int], None]:
    def run(world: KnownWorld, n: int) -> None:
        rng, (units, k) = np.random.default_rng(0), world.probability.shape
        a, b = np.ones(k), np.ones(k)
        for _ in range(0, n, batch):
            unit = rng.integers(units, size=batch)
            arm = rng.beta(a, b, (batch, k)).argmax(axis=1)
            reward = rng.random(batch) < world.probability[unit, arm]
            a += np.bincount(arm, reward, k)
            b += np.bincount(arm, ~reward, k)

    return run


def logged(world: KnownWorld, n: int) -> None:
    plan = SimulationPlan(strategies=(FIXED, "thompson_beta"), runs=1)
    with tempfile.TemporaryDirectory() as folder:
        Simulation(Path(folder), plan, world).advance(n // 2 // world.daily * world.daily)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--visitors", type=int, default=40_000)
    parser.add_argument("--arms", type=int, default=2)
    options = parser.parse_args()
    world, n = world_of(options.visitors, options.arms), options.sessions
    rows = [
        Row("fixed split", fixed, plain_fixed, n, 1_000_000),
        Row("Thompson, batches of 10", thompson(10), plain_thompson(10), n // 20, 25_000),
        Row("Thompson, batches of 100", thompson(100), plain_thompson(100), n // 5, 25_000),
        Row("fixed and Thompson, logged", logged, None, max(n // 5, 8_000), 0),
    ]
    missed = False
    print(f"impressions a second, {n:,} sessions of {options.visitors:,} visitors, {options.arms} arms, one core")
    with threadpool_limits(1):
        for row in rows:
            figure = rate(row.ours, world, row.n)
            missed = missed or figure < row.bar
            text = f"{row.what:<30}{figure:>14,.0f}"
            if row.plain is not None:
                baseline = rate(row.plain, world, row.n)
                text += f"   plain numpy {baseline:>14,.0f}   {figure / baseline:5.2f}x"
            if row.bar:
                text += f"   (bar: {row.bar:,}{', MISSED' if figure < row.bar else ''})"
            print(text)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
