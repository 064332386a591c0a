"""A written experiment, and ``screentest analyze`` of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner, Result

from cli.main import app

COLUMNS = ["--unit", "user", "--variant", "arm", "--control", "old"]


def experiment(n: int = 4_000, lift: float = 0.08, seed: int = 0) -> pd.DataFrame:
    """A row per event, one to five a unit."""
    rng = np.random.default_rng(seed)
    new, before = rng.random(n) < 0.5, rng.normal(5.0, 1.0, n)
    unit = np.repeat(np.arange(n), rng.integers(1, 6, n))
    return pd.DataFrame(
        {
            "user": unit,
            "arm": np.where(new, "new", "old")[unit],
            "country": np.where(np.arange(n) % 3 == 0, "kr", "de")[unit],
            "click": (rng.random(len(unit)) < 0.2 + lift * new[unit]).astype(int),
            "bought": (rng.random(len(unit)) < 0.1).astype(bool),
            "paid": rng.exponential(1.0, len(unit)) + before[unit],
            "before": before[unit],
            "wait": rng.gamma(2.0, 50.0, len(unit)).round(1),
        }
    )


def analyze(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["analyze", str(file), *COLUMNS, *options])


def document(file: Path, *options: str) -> dict[str, Any]:
    result = analyze(file, *options, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)
