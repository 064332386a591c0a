"""``screentest simulate`` from ratings to the table, the page and JSON; stopped and gone on; what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from cli import simulation as simulation_module
from cli.simulate import simulate
from core.errors import ConfigError, UnknownName
from core.file_lock import alone
from core.settings import load_settings
from loaders.export import write_movielens_csv
from loaders.prepared import write_prepared
from serving.rollout_folder import RolloutFolder, RolloutRequest
from tests.mlflow_on_sqlite import tracker as tracker
from tests.small_interactions import grouped_loader
from tests.small_registry import SmallLoader, register_small_models

SMALL = ["--visitors", "300", "--sessions", "400", "--daily", "400", "--interval", "6h", "--runs", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grouped") / "data"
    write_movielens_csv(grouped_loader().load(), folder)
    return folder


@pytest.fixture
def out(tmp_path: Path, empty_database: Path) -> Path:
    """A folder whose MLflow has its schema already, because that takes seconds."""
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    return folder


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(simulate)
    return CliRunner().invoke(app, list(arguments))


def document(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_an_ab_test_against_bandits(data: Path, out: Path) -> None:
    given = ["--data", str(data), "--models", "popularity,item_knn", "--out", str(out), *SMALL]
    result = run(*given)
    assert result.exit_code == 0, result.output
    for word in ("simulate 1/1", "thompson_beta", "epsilon_greedy", "lost least", "item_knn", "as an A/B test"):
        assert word in result.output
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "Means and upper bounds" in page
    # Once more, for a program: nothing is left to do, and it says the same.
    found = document(*given)
    assert found == json.loads((out / "summary.json").read_text())
    assert found["sessions"] == 400
    assert found["about"]["arms"] == ["popularity", "item_knn"]
    assert {row["strategy"] for row in found["strategies"]} == {"fixed", "thompson_beta", "ucb1", "epsilon_greedy"}
    assert found["ab_test"]["comparisons"][0]["control"] == "popularity"
    # And on, to three rounds in all: three simulated days.
    assert document(*given, "--rounds", "3")["sessions"] == 1_200
    assert len(pd.read_parquet(out / "snapshots" / "day.parquet")["start"].unique()) == 3


def test_real_users_replayed_with_context_and_late_rewards(data: Path, out: Path) -> None:
    given = ["--data", str(data), "--models", "popularity,item_knn", "--world", "replay", "--out", str(out), *SMALL]
    found = document(*given, "--strategies", "linucb", "--delay", "2", "--floor", ".1")
    assert found["ab_test"] is None
    # Of this data, a user's own group is held out: a personal model hits more often.
    assert found["true_ctr"]["popularity"] < found["true_ctr"]["item_knn"] <= 1
    sessions = pd.read_parquet(out / "sessions")
    assert sessions["propensity"].min() >= 0.1
    assert set(sessions["unit_id"].astype(int)) <= set(range(120))


def test_a_model_against_itself_is_an_aa_test(data: Path, out: Path) -> None:
    given = ["--data", str(data), "--models", "popularity,popularity", "--out", str(out), *SMALL]
    found = document(*given, "--weights", "80,20", "--strategies", "fixed")
    assert found["about"]["arms"] == ["popularity", "popularity-2"]
    assert found["best_arm"] is None
    assert found["strategies"][0]["share"]["popularity"] == pytest.approx(0.8, abs=0.08)
    assert found["ab_test"]["srm"]["alarm"] is False


def test_the_two_models_of_a_demo_on_its_data(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = SmallLoader()
    write_prepared(loader, tmp_path / "dataset")
    models = {"popularity": {}, "item_knn": {}}
    uri = register_small_models(out, models, loader.train())
    request = RolloutRequest.build(
        spec={
            "name": "demo",
            "unit": "visitor_id",
            "variants": {"champion": "models:/recommender/1", "challenger": "models:/recommender/2"},
        },
        run_dir=out,
        dataset=tmp_path / "dataset",
        tracking_uri=uri,
    )
    RolloutFolder(out).keep_request(request, load_settings())
    found = document("--run", str(out), "--out", str(out / "simulated"), "--strategies", "ucb1", *SMALL)
    assert found["about"]["arms"] == ["popularity", "item_knn"]
    assert found["about"]["data"] == loader.provenance().sha256
    # The same models as an A/B/n test with a bandit beside it, as its spec has them.
    traffic = {"policy": "bandit", "algorithm": "epsilon_greedy", "options": {"epsilon": 0.5}, "min_exposure": 0.1}
    spec = {
        "name": "abn",
        "variants": {"new": "models:/recommender/2", "old": "models:/recommender/1"},
        "control": "old",
        "traffic": {**traffic, "weights": {"old": 3, "new": 1}},
    }
    (out / "spec.yaml").write_text(yaml.safe_dump(spec))
    given = ["--spec", str(out / "spec.yaml"), "--out", str(out / "by spec"), "--strategies", "fixed", *SMALL]
    found = document(*given, "--run", str(out))
    assert found["about"]["arms"] == ["old", "new"]
    assert found["about"]["spec"]["traffic"]["options"] == {"epsilon": 0.5}
    share = {row["strategy"]: row["share"]["old"] for row in found["strategies"]}
    assert share["fixed"] == pytest.approx(0.75, abs=0.08)
    assert 0.2 <= share["epsilon_greedy"] <= 0.8, "half of the time it explores"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    nowhere = run(*given)
    assert isinstance(nowhere.exception, ConfigError)
    assert "MLFLOW_TRACKING_URI is not set" in str(nowhere.exception)


def test_two_of_them_do_not_write_into_one_folder(data: Path, out: Path) -> None:
    given = ["--data", str(data), "--models", "popularity,item_knn", "--out", str(out), *SMALL]
    with alone(out / "simulation.lock", "the first"):
        second = run(*given)
    assert isinstance(second.exception, ConfigError)
    assert f"a simulation in {out} is under way in process {os.getpid()}" in str(second.exception)
    assert not (out / "sessions").exists()
    assert run(*given, "--strategies", "fixed").exit_code == 0


def test_stopped_by_ctrl_c_it_tells_what_there_is(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def stop(seconds: float) -> None:
        slept.append(seconds)
        raise KeyboardInterrupt

    rounds = simulation_module.run_rounds
    monkeypatch.setattr(simulation_module, "run_rounds", lambda *args, **given: rounds(*args, sleep=stop, **given))
    given = ["--data", str(data), "--models", "popularity,item_knn", "--out", str(out), *SMALL]
    result = run(*given, "--every", "60s", "--strategies", "fixed")
    assert result.exit_code == 0, result.output
    assert 0 < slept[0] <= 60
    assert "stopped after 400 sessions; the same command goes on" in result.stderr
    assert "the page:" in result.output


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (["--strategies", "fixed,thomson"], UnknownName, "unknown strategy 'thomson'"),
        (["--strategies", ""], ConfigError, "strategies == ''"),
        (["--models", "popularity"], ConfigError, "must be two or more by commas"),
        (["--models", "popularity,eased"], UnknownName, "unknown model 'eased'"),
        (["--every", "often"], ConfigError, "every == 'often', must be a number above 0 and s, m, h or d"),
        (["--interval", "7m"], ConfigError, "interval == 420 s, must divide a day"),
        (["--weights", "50"], ConfigError, "must be 2 numbers >= 0 by commas"),
        (["--weights", "a,b"], ConfigError, "must be 2 numbers >= 0 by commas"),
        (["--batch", "300"], ConfigError, "sessions == 400, must be a multiple of batch == 300"),
        (["--sessions", "150"], ConfigError, "sessions == 150, must be a multiple of batch == 100"),
        (["--daily", "250"], ConfigError, "daily == 250, must be a multiple of batch == 100 sessions"),
        (["--floor", ".9"], ConfigError, "floor == 0.9"),
        (["--run", "nowhere"], ConfigError, "nowhere holds no rollout"),
    ],
)
def test_bad_options_are_one_line(
    data: Path, tmp_path: Path, options: list[str], error: type[Exception], told: str
) -> None:
    base = ["--models", "popularity,item_knn", "--data", str(data), "--out", str(tmp_path / "out"), *SMALL]
    result = run(*base, *options)
    assert isinstance(result.exception, error), result.output
    assert told in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "out" / "sessions").exists()
