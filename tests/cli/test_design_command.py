"""``screentest design``: sizes, days, the chart, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ConfigError


def design(*options: str) -> Result:
    return CliRunner().invoke(app, ["design", *options])


def document(*options: str) -> dict[str, Any]:
    result = design(*options, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_people_are_told_units_days_and_weeks() -> None:
    told = design("--baseline", ".1", "--mde", ".1", "--daily", "2000")
    assert told.exit_code == 0, told.output
    for word in ("14,745", "29,490", "days", "15", "80% power", "smallest effect shown"):
        assert word in told.output


def test_json_and_the_chart_hold_the_same_plan(tmp_path: Path) -> None:
    chart = tmp_path / "plan.svg"
    found = document("--baseline", ".1", "--mde", ".01", "--absolute", "--daily", "2000", "--chart", str(chart))
    assert (found["n_control"], found["days"], found["method"]) == (14745, 15, "fixed")
    assert found["rel_mde"] == pytest.approx(0.1)
    assert len(found["weeks"]) == 8
    # Nobody comes any more after two days: JSON has no infinity.
    assert document("--baseline", ".1", "--mde", ".01", "--absolute", "--daily", "500,400,0")["days"] is None
    drawn = chart.read_text()
    assert drawn.startswith("<svg")
    assert "14,745" in drawn
    assert "weeks" in drawn


@pytest.mark.parametrize(
    ("options", "n_control"),
    [
        (["--kind", "mean", "--baseline", "10", "--sd", "3", "--mde", ".03"], 1570),
        (["--kind", "mean", "--baseline", "10", "--sd", "3", "--mde", ".3", "--absolute"], 1570),
        # Half the variance, half the units.
        (["--kind", "ratio", "--baseline", "10", "--sd", "3", "--mde", ".03", "--correlation", ".70710678"], 785),
        (["--kind", "quantile", "--baseline", "10", "--sd", "3", "--mde", ".03", "--side", "greater"], 1237),
    ],
)
def test_every_kind(options: list[str], n_control: int) -> None:
    assert document(*options)["n_control"] == pytest.approx(n_control, abs=3)


def test_looks_cost_units_and_variants_cost_more() -> None:
    base = ["--baseline", ".1", "--mde", ".1"]
    fixed, group, three = (
        document(*base, *more)["n_control"] for more in ([], ["--method", "group"], ["--variants", "3"])
    )
    assert fixed < group < three
    told = design(*base, "--method", "group").output
    assert "because a look may end it earlier" in told
    planned = design(*base, "--method", "sequential").output
    assert f"--method sequential --n-star {document(*base, '--method', 'sequential')['n_star']}" in planned


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--baseline", ".1", "--mde", "0"], "mde == 0.0"),
        (["--baseline", ".1", "--mde", ".1", "--sd", "1"], "must be left out for a proportion"),
        (["--baseline", "1", "--mde", ".1", "--kind", "mean"], "needs --sd"),
        (["--baseline", "1.5", "--mde", ".1"], "share == 1.5, must be 0 … 1"),
        (["--baseline", ".1", "--mde", ".1", "--daily", "many"], "daily == 'many', must be a number"),
        (["--baseline", ".1", "--mde", ".1", "--chart", "plan.png"], "must end in .svg"),
        (["--baseline", ".1", "--mde", ".1", "--chart", "no-such-folder/plan.svg"], "does its folder exist?"),
        (["--baseline", "0", "--mde", ".1", "--absolute"], "nothing can be planned"),
    ],
)
def test_bad_input_is_one_line(options: list[str], told: str) -> None:
    result = design(*options)
    assert isinstance(result.exception, ConfigError), result.output
    assert told in str(result.exception)
