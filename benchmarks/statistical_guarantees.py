"""The statistical guarantees of the experiment engine, simulated: each figure, what it must be, and whether it holds.

    python -m benchmarks.statistical_guarantees [--seed 20] [--scale 1.0]

Two arms of clicks. A confidence sequence is read after every unit from 100 to 10,000 an arm; "naive" is a z test at
each look, the negative control: it must fail what the sequence holds. Exit code 1 if a bar does not hold.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from experiments.looks.confidence_sequences import critical_values
from experiments.looks.group_sequential import spending_boundary, wang_tsiatis_boundary
from experiments.looks.guarantees import binomial_bound, sample_ratio_alarms, share_left, share_left_by_means
from experiments.looks.spending import Spending
from experiments.planning.baselines import proportion_baseline
from experiments.planning.power import achieved_power
from experiments.planning.sequential_power import sequence_power

EVERY_UNIT = range(100, 10_001)
N_STAR = 10_000
Z = 1.959963984540054
NAIVE = {1: 0.050, 5: 0.142, 10: 0.194, 20: 0.249, 50: 0.321, 100: 0.374}
POWER = {0.0125: (0.44, 0.818), 0.015: (0.66, 0.929), 0.02: (0.88, 0.995)}


class Bar(NamedTuple):
    """One line of the table."""

    name: str
    measure: Callable[[], float]
    low: float
    high: float


def equal_looks(n_looks: int, n: int = 10_000) -> list[int]:
    return [n * (look + 1) // n_looks for look in range(n_looks)]


def naive_bars(runs: int, seed: int) -> Iterator[Bar]:
    for n_looks, share in NAIVE.items():
        looks = equal_looks(n_looks)
        yield Bar(
            f"false positives, naive, {n_looks} looks",
            lambda looks=looks: share_left(0.1, 0.1, looks, Z, n_runs=runs, seed=seed).ever,
            share - 0.01,
            share + 0.01,
        )


def sequence_bars(runs: int, seed: int) -> Iterator[Bar]:
    both = 2.0 * np.array(EVERY_UNIT)
    two_sided = critical_values(both, n_star=N_STAR)
    one_sided = critical_values(both, n_star=N_STAR, alternative="greater")
    for rate in (0.1, 0.5):
        yield Bar(
            f"false positives, sequence, every unit, p = {rate}",
            lambda rate=rate: share_left(rate, rate, EVERY_UNIT, two_sided, n_runs=runs, seed=seed).ever,
            0.0,
            0.065,
        )
    yield Bar(
        "false positives, naive, every unit (must fail)",
        lambda: share_left(0.1, 0.1, EVERY_UNIT, Z, n_runs=runs, seed=seed).ever,
        0.065 + 1e-12,
        1.0,
    )
    yield Bar(
        "false positives, one-sided sequence, every unit",
        lambda: share_left(0.1, 0.1, EVERY_UNIT, one_sided, n_runs=runs, seed=seed).above,
        0.0,
        0.065,
    )
    yield Bar(
        "coverage at all looks together, absolute",
        lambda: 1 - share_left(0.1, 0.12, EVERY_UNIT, two_sided, value=0.02, n_runs=runs, seed=seed).ever,
        0.935,
        1.0,
    )
    yield Bar(
        "coverage at all looks together, relative",
        lambda: 1 - share_left(0.1, 0.12, EVERY_UNIT, two_sided, value=0.2, relative=True, n_runs=runs, seed=seed).ever,
        0.935,
        1.0,
    )
    tenth = range(100, 10_001, 10)
    yield Bar(
        "false positives, sequence, log-normal means",
        lambda: (
            share_left_by_means(
                tenth, critical_values(2.0 * np.array(tenth), n_star=N_STAR), sigma=1.0, n_runs=runs // 4, seed=seed
            ).ever
        ),
        0.0,
        0.065,
    )


def power_bars(runs: int, seed: int) -> Iterator[Bar]:
    looks = equal_looks(30)
    critical = critical_values(2.0 * np.array(looks), n_star=N_STAR)
    baseline = proportion_baseline(0.1)
    for delta, (least, fixed) in POWER.items():
        yield Bar(
            f"power, sequence, 30 looks, +{delta}",
            lambda delta=delta: share_left(0.1, 0.1 + delta, looks, critical, n_runs=runs, seed=seed).above,
            least,
            1.0,
        )
        yield Bar(
            f"power, sequence, 30 looks, +{delta}, as planned",
            lambda delta=delta: sequence_power(baseline, delta, [float(n) for n in looks], n_star=N_STAR).power,
            least,
            1.0,
        )
        yield Bar(
            f"power, fixed horizon, +{delta}",
            lambda delta=delta: share_left(0.1, 0.1 + delta, looks[-1:], Z, n_runs=runs, seed=seed).above,
            fixed - 0.01,
            fixed + 0.01,
        )
        yield Bar(
            f"power, fixed horizon, +{delta}, as planned",
            lambda delta=delta: achieved_power(baseline, delta, looks[-1]).power,
            fixed - 0.01,
            fixed + 0.01,
        )


def group_bars(runs: int, seed: int) -> Iterator[Bar]:
    fractions = [0.2, 0.4, 0.6, 0.8, 1.0]
    boundaries = {
        "O'Brien-Fleming spending": spending_boundary(fractions),
        "Pocock spending": spending_boundary(fractions, Spending("pocock")),
        "Pocock": wang_tsiatis_boundary(fractions, 0.5),
    }
    for name, boundary in boundaries.items():
        yield Bar(
            f"false positives, {name}, 5 looks",
            lambda boundary=boundary: share_left(0.1, 0.1, equal_looks(5), boundary.upper, n_runs=runs, seed=seed).ever,
            0.0,
            binomial_bound(0.05, runs),
        )


def sample_ratio_bars(runs: int, seed: int) -> Iterator[Bar]:
    every = range(1, 10_001)
    for alpha in (0.05, 0.001):
        yield Bar(
            f"false alarms, sequential sample ratio, every unit, alpha {alpha}",
            lambda alpha=alpha: sample_ratio_alarms(0.5, every, alpha=alpha, n_runs=runs, seed=seed),
            0.0,
            alpha,
        )
    yield Bar(
        "false alarms, chi-squared at every unit (must fail)",
        lambda: sample_ratio_alarms(0.5, every, alpha=0.05, sequential=False, n_runs=runs // 4, seed=seed),
        0.05 + 1e-12,
        1.0,
    )
    yield Bar(
        "false alarms, chi-squared at one look, alpha 0.001",
        lambda: sample_ratio_alarms(0.5, [10_000], alpha=0.001, sequential=False, n_runs=runs * 10, seed=seed),
        0.0,
        binomial_bound(0.001, runs * 10),
    )


def all_bars(scale: float, seed: int) -> Iterator[Bar]:
    yield from naive_bars(int(100_000 * scale), seed)
    yield from sequence_bars(int(8_000 * scale), seed + 1)
    yield from power_bars(int(100_000 * scale), seed + 2)
    yield from group_bars(int(200_000 * scale), seed + 3)
    yield from sample_ratio_bars(int(8_000 * scale), seed + 4)


def line(bar: Bar) -> tuple[str, bool]:
    """A line of the table, and whether the bar holds."""
    began = time.perf_counter()
    figure = bar.measure()
    holds = bar.low <= figure <= bar.high
    if bar.low == 0:
        wanted = f"<= {bar.high:.4f}"
    elif bar.high == 1:
        wanted = f">= {bar.low:.4f}"
    else:
        wanted = f"{(bar.low + bar.high) / 2:.3f} +- {(bar.high - bar.low) / 2:.3f}"
    seconds = math.ceil(time.perf_counter() - began)
    return f"{bar.name:<64}{figure:>8.4f}  {wanted:<16}{'held' if holds else 'MISSED':<8}{seconds:>3} s", holds


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints the statistical guarantees and whether they hold.")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of runs (default 1)")
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{'':<64}{'figure':>8}  {'must be':<16}")
    all_hold = True
    for bar in all_bars(arguments.scale, arguments.seed):
        text, holds = line(bar)
        print(text, flush=True)
        all_hold = all_hold and holds
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
