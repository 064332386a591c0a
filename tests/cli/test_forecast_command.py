"""``screentest forecast check``: what was foretold by ``ope`` against what a test found."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from cli.forecast import SENTENCES
from cli.main import app
from core.errors import ConfigError, DataError


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["forecast", "check", *map(str, arguments)])


@pytest.fixture
def foretold(tmp_path: Path) -> Path:
    """The uplift of always doing "b", whose mean is .2 above that of the log, from a log of both."""
    rng = np.random.default_rng(0)
    did = rng.integers(2, size=4_000)
    frame = pd.DataFrame(
        {"did": np.where(did == 1, "b", "a"), "got": (rng.random(4_000) < 0.2 + 0.4 * did) * 1.0, "chance": 0.5}
    )
    frame.to_csv(tmp_path / "log.csv", index=False)
    kept = tmp_path / "foretold.json"
    columns = ["--action", "did", "--reward", "got", "--propensity", "chance"]
    command = ["ope", str(tmp_path / "log.csv"), *columns, "--policy", "always=b", "--forecast", str(kept)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return kept


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("0.2,0.17,0.23", "they agree"), ("0.02,0.01,0.03", "it was too high"), ("0.5,0.48,0.52", "it was too low")],
)
def test_a_prediction_is_held_against_its_outcome(foretold: Path, outcome: str, told: str) -> None:
    result = check(foretold, "--outcome", outcome)
    assert result.exit_code == 0, result.output
    assert told in result.output
    assert any("가" <= letter <= "힣" for letter in check(foretold, "--outcome", outcome, "--lang", "ko").output)


def test_over_several_there_is_a_calibration(foretold: Path) -> None:
    pairs = [foretold, foretold, foretold]
    outcomes = [part for text in ("0.2,0.17,0.23", "0.21,0.18,0.24", "0.9,0.89,0.91") for part in ("--outcome", text)]
    found = json.loads(check(*pairs, *outcomes, "--json").output)
    assert [one["covered"] for one in found["errors"]] == [True, True, False]
    (calibration,) = found["calibration"]
    assert (calibration["n"], calibration["coverage"]) == (3, pytest.approx(2 / 3))
    assert "pairs" in check(*pairs, *outcomes).output


def test_an_analysis_may_tell_the_outcome(foretold: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    new = rng.random(3_000) < 0.5
    frame = pd.DataFrame(
        {"who": np.arange(3_000), "arm": np.where(new, "new", "old"), "got": (rng.random(3_000) < 0.3 + 0.2 * new) * 1}
    )
    frame.to_csv(tmp_path / "test.csv", index=False)
    columns = ["--unit", "who", "--variant", "arm", "--control", "old", "--metric", "got"]
    kept = tmp_path / "found.json"
    CliRunner().invoke(app, ["analyze", str(tmp_path / "test.csv"), *columns, "--out", str(kept)])
    assert "they agree" in check(foretold, "--analysis", kept).output
    refused = check(foretold, "--analysis", kept, "--metric", "paid")
    assert isinstance(refused.exception, DataError)
    assert "holds no comparison of metric 'paid'" in str(refused.exception)


def test_bad_input_is_one_line(foretold: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    for arguments, error, told in (
        ((foretold,), ConfigError, "give what the test found"),
        ((foretold, "--outcome", "1"), ConfigError, "must be EFFECT,LOWER,UPPER"),
        ((foretold, "--outcome", "5,1,2"), ConfigError, "the effect must lie in its own finite interval"),
        ((foretold, foretold, foretold, *("--outcome", "0,-1,1") * 2), ConfigError, "2 outcomes for 3 predictions"),
        ((tmp_path / "odd.json", "--outcome", "0,-1,1"), DataError, "is no JSON that can be read"),
        ((tmp_path / "other.json", "--outcome", "0,-1,1"), DataError, "other.json"),
    ):
        result = check(*arguments)
        assert isinstance(result.exception, error), result.output
        assert told in str(result.exception)


def test_both_languages_say_the_same() -> None:
    assert SENTENCES["en"].keys() == SENTENCES["ko"].keys()
    for key, sentence in SENTENCES["en"].items():
        figures = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name}
            for text in (sentence, SENTENCES["ko"][key])
        ]
        assert figures[0] == figures[1], key


def test_sources_are_judged_apart_and_what_has_no_figure_is_told(foretold: Path, tmp_path: Path) -> None:
    blank = tmp_path / "blank.json"
    blank.write_text(json.dumps({**json.loads(foretold.read_text()), "source": "off_policy:dr", "ci_lower": None}))
    outcome = ("--outcome", "0.2,0.17,0.23")
    found = json.loads(check(foretold, blank, *outcome, "--json").output)
    assert [(one["source"], one["status"]) for one in found["errors"]] == [
        ("off_policy:snips", "ok"),
        ("off_policy:dr", "no_prediction"),
    ]
    assert [(one["source"], one["n"], one["n_missing"]) for one in found["calibration"]] == [
        ("off_policy:dr", 0, 1),
        ("off_policy:snips", 1, 0),
    ]
    assert "foretold no figure with an interval" in check(foretold, blank, *outcome).output


def test_a_negative_outcome_and_its_alpha(foretold: Path) -> None:
    (wide,), (narrow,) = (
        json.loads(check(foretold, "--outcome", "-0.02,-0.05,0.01", "--alpha", alpha, "--json").output)["errors"]
        for alpha in ("0.01", "0.2")
    )
    assert wide["observed"] == -0.02
    # The same interval at a smaller alpha comes of a smaller standard error.
    assert wide["z"] > narrow["z"] > 0


def test_a_chance_of_superiority_is_no_uplift(foretold: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"who": range(90), "arm": rng.choice(["new", "old"], 90), "got": rng.random(90)})
    frame.to_csv(tmp_path / "test.csv", index=False)
    columns = ["--unit", "who", "--variant", "arm", "--control", "old", "--metric", "got", "--test", "mann-whitney"]
    kept = tmp_path / "found.json"
    CliRunner().invoke(app, ["analyze", str(tmp_path / "test.csv"), *columns, "--out", str(kept)])
    refused = check(foretold, "--analysis", kept)
    assert isinstance(refused.exception, DataError)
    assert "by probability_of_superiority, which is no uplift" in str(refused.exception)
