"""The main job as a user runs it: verdict, seconds and memory of ``screentest demo``, plain and with planted faults.

    python -m benchmarks.main_job [--data ml-latest-small.zip] [--seed 42] [--plants none,aa,uplift,damage,shuffle]

Bars: at most 4 minutes and 6 GB each on two quiet cores; with nothing planted and on ml-latest-small ease is promoted,
uplift is promoted, aa is kept, damage and shuffle are rolled back. Memory is the proportional set size (shared pages
counted once) of the command and everything it starts, sampled twice a second. Exit code 1 if a bar does not hold.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

EXPECTED = {"none": "promote", "aa": "keep", "uplift": "promote", "damage": "rollback", "shuffle": "rollback"}
MOST_SECONDS = 240.0
MOST_BYTES = 6 * 2**30


def run(plant: str, data: str, seed: int) -> tuple[dict[str, Any], float, int]:
    """One demo: its JSON, its seconds from start to end, its peak memory in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.json"
        command = [
            sys.executable,
            "-m",
            "cli.main",
            "demo",
            "--plant",
            plant,
            "--seed",
            str(seed),
            "--json",
            str(target),
        ]
        began = time.monotonic()
        process = subprocess.Popen([*command, "--data", data], stdout=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory(psutil.Process(process.pid)))
            time.sleep(0.5)
        seconds = time.monotonic() - began
        if process.returncode:
            raise SystemExit(f"screentest demo --plant {plant} ended with exit code {process.returncode}")
        return json.loads(target.read_text()), seconds, peak


def memory(root: psutil.Process) -> int:
    """Proportional set size of a process and all its descendants, in bytes."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # ended meanwhile
            continue
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic", help="a MovieLens folder or zip (default: synthetic ratings)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--plants", default=",".join(EXPECTED))
    given = parser.parse_args()
    print(f"screentest demo on {Path(given.data).name}, seed {given.seed}")
    print(
        f"{'plant':<8} {'decision':<9} {'effect':>8} {'interval':>18} {'sessions':>9} "
        f"{'total s':>8} {'rollout s':>10} {'GiB':>5}"
    )
    held = True
    for plant in given.plants.split(","):
        result, seconds, peak = run(plant, given.data, given.seed)
        interval = f"{100 * result['ci_lower']:+.1f} … {100 * result['ci_upper']:+.1f}"
        sessions = sum(step["sessions"] for step in result["steps"])
        print(
            f"{plant:<8} {result['decision']:<9} {100 * result['effect_size']:>+7.1f}p {interval:>18} {sessions:>9,} "
            f"{seconds:>8.1f} {result['seconds']['ab-rollout']:>10.1f} {peak / 2**30:>5.2f}",
            flush=True,
        )
        held &= result["decision"] == EXPECTED[plant] and seconds <= MOST_SECONDS and peak <= MOST_BYTES
    print("all bars hold" if held else "a bar does not hold")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
