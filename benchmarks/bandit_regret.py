"""What learning costs: cumulative regret of the bandits on rewards of 0 and 1.

    python -m benchmarks.bandit_regret [--runs 5000]

Bars: Thompson sampling from Beta(1, 1) at most the figure plus three standard errors; below KL-UCB, that below UCB1
(a tenth of the runs, and a fiftieth for KL-UCB); with rewards known every 100 and 1,000 decisions at most 1.1 and 1.4
times what it loses when they are known at once.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from experiments.bandits.context_free import ContextFree
from experiments.bandits.registry import bandit
from experiments.bandits.regret import Regret, simulate_regret

_HARD = [0.5] + [0.4] * 9
_BARS = [
    ("arms .2 .25", [0.2, 0.25], 10_000, 23.8),
    ("arms .9 .8", [0.9, 0.8], 10_000, 10.2),
    ("arms .5 and 9 x .4", _HARD, 10_000, 168.0),
    ("arms .1 ... .9", [arm / 10 for arm in range(1, 10)], 10_000, 43.0),
    ("arms .1, .05 x 3, .02 x 3, .01 x 3", [0.1] + [0.05] * 3 + [0.02] * 3 + [0.01] * 3, 20_000, 91.0),
]


def regret(name: str, means: list[float], n_steps: int, n_runs: int, batch: int = 1) -> Regret:
    policy = bandit(name)([str(arm) for arm in range(len(means))])
    assert isinstance(policy, ContextFree)
    rng = np.random.default_rng(20)
    return simulate_regret(policy, means, n_steps=n_steps, n_runs=max(n_runs, 20), rng=rng, batch=batch)


def report(what: str, result: Regret, started: float, bar: str, held: bool) -> bool:
    """Print a line; whether the bar is missed."""
    seconds = time.process_time() - started
    print(
        f"{what:<46}{result.mean[-1]:9.2f} +- {result.standard_error[-1]:5.2f}   {bar:<22}"
        f"{'held' if held else 'MISSED':<7}{len(result.final):>6} runs{seconds:>7.1f} s",
        flush=True,
    )
    return not held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    runs = parser.parse_args().runs
    missed, at_once = False, None
    for what, means, n_steps, bar in _BARS:
        started = time.process_time()
        result = regret("thompson_beta", means, n_steps, runs)
        held = bool(result.mean[-1] <= bar + 3 * result.standard_error[-1])
        missed |= report(f"Thompson, {what}", result, started, f"<= {bar} + 3 se", held)
        at_once = result if means is _HARD else at_once
    assert at_once is not None
    before = at_once
    for name, share in (("kl_ucb", 50), ("ucb1", 10)):
        started = time.process_time()
        result = regret(name, _HARD, 10_000, runs // share)
        held = bool(result.mean[-1] > before.mean[-1])
        missed |= report(f"{name}, {_BARS[2][0]}", result, started, f"> {before.mean[-1]:.1f}", held)
        before = result
    for batch, ratio in ((100, 1.1), (1000, 1.4)):
        started = time.process_time()
        result = regret("thompson_beta", _HARD, 10_000, runs // 5, batch)
        held = bool(result.mean[-1] <= ratio * at_once.mean[-1])
        bar_text = f"{result.mean[-1] / at_once.mean[-1]:.2f}x, bar <= {ratio}x"
        missed |= report(f"Thompson, rewards every {batch}", result, started, bar_text, held)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
