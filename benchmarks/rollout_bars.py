"""The rollout bars: false promotions of harmless challengers, and the fate of better and worse ones.

    python benchmarks/rollout_bars.py [--runs 5000] [--effect-runs 2000] [--workers 2] [--seed 20]

Traffic as in a default rollout: 40,000 users who click in 25 % of sessions on average (user effect N(0, 0.6) on the
logit), canary steps 5 / 25 / 50 % of 4,000 / 6,000 / 26,000 sessions, a look every 1,000, n* = 18,000, alpha 0.05.
Every look passes through ``experiments.decision.decide``; "naive peeking" judges the same sessions by a z test at each
look and must fail the bar that ``decide`` holds. Exit code 1 if a bar does not hold.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

import numpy as np

from core.progress import report
from experiments.result import DecisionKind
from experiments.simulation import SimulatedRollouts, heterogeneous_users, naive_peeking, simulate_rollouts
from experiments.spec import ExperimentSpec

CHUNK = 100
SHUFFLED = 0.157 / 0.250
"""Session click rate of a good model's top 200 in random order over the champion's, as measured on MovieLens."""


class Bar(NamedTuple):
    """One line of the table: what is simulated, which share is looked at, and what it must be."""

    name: str
    multiplier: float
    simulate: Callable[..., SimulatedRollouts]
    decision: DecisionKind
    n_runs: int
    low: float
    high: float


def default_spec() -> ExperimentSpec:
    return ExperimentSpec(
        name="rollout-bars",
        variants={"champion": "models:/recommender/1", "challenger": "models:/recommender/2"},
    )


def false_promotion_bound(n_runs: int, rate: float = 0.025) -> float:
    """The nominal rate plus three binomial standard errors."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / n_runs)


def bars(runs: int, effect_runs: int) -> list[Bar]:
    bound = false_promotion_bound(runs)
    return [
        Bar("A/A", 1.0, simulate_rollouts, "promote", runs, 0.0, bound),
        Bar("A/A, naive peeking", 1.0, naive_peeking, "promote", runs, np.nextafter(bound, 1.0), 1.0),
        Bar("x1.15", 1.15, simulate_rollouts, "promote", effect_runs, 0.95, 1.0),
        Bar("x0.9", 0.9, simulate_rollouts, "rollback", effect_runs, 0.95, 1.0),
        Bar("shuffled lists", SHUFFLED, simulate_rollouts, "rollback", effect_runs, 1.0, 1.0),
    ]


def simulate(bar: Bar, pool: ProcessPoolExecutor, seed: int) -> SimulatedRollouts:
    """All runs of a bar, in chunks; run i is the same whichever process it lands in."""
    champion = heterogeneous_users(40_000, mean=0.25, spread=0.6, seed=seed)
    challenger = np.minimum(1.0, bar.multiplier * champion)
    chunks = {
        pool.submit(
            bar.simulate,
            champion,
            challenger,
            default_spec(),
            n_runs=min(CHUNK, bar.n_runs - first),
            seed=seed,
            first_run=first,
        ): first
        for first in range(0, bar.n_runs, CHUNK)
    }
    done: dict[int, SimulatedRollouts] = {}
    for chunk in as_completed(chunks):
        done[chunks[chunk]] = chunk.result()
        report("rollouts", sum(len(part.looks) for part in done.values()), bar.n_runs, bar.name)
    parts = [done[first] for first in sorted(done)]
    return SimulatedRollouts(
        np.concatenate([part.decisions for part in parts]),
        np.concatenate([part.looks for part in parts]),
        np.concatenate([part.sessions for part in parts]),
        np.concatenate([part.challenger_sessions for part in parts]),
    )


def row(bar: Bar, result: SimulatedRollouts, seconds: float) -> tuple[str, bool]:
    """A line of the table, and whether the bar holds."""
    share = result.share(bar.decision)
    holds = bar.low <= share <= bar.high
    fates = "  ".join(f"{kind} {result.share(kind):7.2%}" for kind in ("promote", "rollback", "keep", "invalid"))
    wanted = f"<= {bar.high:.4f}" if bar.low == 0 else f">= {bar.low:.4f}"
    text = (
        f"{bar.name:<20}{bar.n_runs:>6}  {fates}{np.median(result.looks):>7.0f}"
        f"{np.median(result.challenger_sessions):>8.0f}  {bar.decision} {wanted}: {'ok' if holds else 'FAILS'}"
        f"  {seconds:.0f} s"
    )
    return text, holds


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints the rollout bars and whether they hold.")
    parser.add_argument("--runs", type=int, default=5000, help="A/A rollouts (default 5000)")
    parser.add_argument("--effect-runs", type=int, default=2000, help="rollouts per planted effect (default 2000)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    began = time.perf_counter()
    lines, all_hold = [], True
    with ProcessPoolExecutor(arguments.workers) as pool:
        for bar in bars(arguments.runs, arguments.effect_runs):
            started = time.perf_counter()
            text, holds = row(bar, simulate(bar, pool, arguments.seed), time.perf_counter() - started)
            lines.append(text)
            all_hold = all_hold and holds
    print(f"{'':<20}{'runs':>6}  {'how they ended':<69}{'looks':>7}{'sessions':>8}  bar (medians)")
    print("\n".join(lines))
    print(f"total {time.perf_counter() - began:.0f} s, {arguments.workers} processes")
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
