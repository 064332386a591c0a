"""The published rollout bars, in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_rollout_bars_hold() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/rollout_bars.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A/A, naive peeking" in done.stdout
