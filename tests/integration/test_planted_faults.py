"""The demo itself, as a user calls it, on real ratings with its real size: every planted fault is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.main_job import EXPECTED

pytestmark = [pytest.mark.long, pytest.mark.real_data]


@pytest.mark.parametrize("plant", EXPECTED)
def test_the_verdict_is_the_right_one(plant: str, movielens: Path, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "demo",
        "--data",
        str(movielens),
        "--plant",
        plant,
        "--json",
        str(target),
    ]
    subprocess.run(command, check=True, capture_output=True)

    result = json.loads(target.read_text())
    assert result["decision"] == EXPECTED[plant]
    assert result["ci_lower"] <= result["effect_size"] <= result["ci_upper"]
    assert (
        result["champion_after"]
        == result["challenger_version" if result["decision"] == "promote" else "control_version"]
    )


def test_the_same_seed_gives_the_same_verdict(movielens: Path, tmp_path: Path) -> None:
    results = []
    for name in ("one.json", "two.json"):
        command = [sys.executable, "-m", "cli.main", "demo", "--data", str(movielens), "--seed", "7"]
        subprocess.run([*command, "--json", str(tmp_path / name)], check=True, capture_output=True)
        results.append(json.loads((tmp_path / name).read_text()))

    for figure in ("decision", "effect_size", "rel_effect_size", "ci_lower", "ci_upper", "steps"):
        assert results[0][figure] == results[1][figure]
