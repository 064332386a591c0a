"""``screentest models list``: everything the registry knows, for people and for scripts."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from cli.models import app
from wrappers.recommender_config import RecommenderConfig
from wrappers.registry import MODELS


def test_json_holds_every_model_and_option() -> None:
    answer = CliRunner().invoke(app, ["list", "--json"])
    assert answer.exit_code == 0
    models = {model["name"]: model for model in json.loads(answer.stdout)}
    assert set(models) == set(MODELS)
    assert [name for name, model in models.items() if not model["summary"].endswith(".")] == [], "cut in a sentence"
    assert models["shuffled"]["negative_control"] is True
    assert (models["lightgbm"]["alias"], models["lightgbm"]["needs_features"]) == ("PolicyB", True)
    assert (models["ease"]["alias"], models["ease"]["needs_features"]) == ("", False)
    reg = models["ease"]["options"][0]
    assert (reg["name"], reg["type"], reg["default"], reg["limits"]) == ("reg", "number", 300.0, "> 0")
    assert reg["description"].startswith("Ridge penalty")
    assert [option["name"] for option in models["ease"]["options"] if option["common"]] == list(
        RecommenderConfig.model_fields
    )
    assert all(option["description"] for model in models.values() for option in model["options"])


def test_text_reads_top_to_bottom() -> None:
    lines = CliRunner().invoke(app, ["list"]).stdout.splitlines()
    assert lines[0].startswith("als: ")
    logreg = next(line for line in lines if line.startswith("logreg: "))
    assert logreg.endswith("(registered as PolicyA, ranks on features)")
    assert "    neighbours = 50  (integer, >= 1)" in lines


def test_what_every_recommender_takes_is_said_once() -> None:
    lines = CliRunner().invoke(app, ["list"]).stdout.splitlines()
    start = lines.index("Every recommender also takes:")
    assert [line for line in lines if line.startswith("    diversity = ")] == [lines[start + 1]]
    assert "    explore_slots = 0  (integer, >= 0 and <= 100)" in lines[start:]
