"""`screentest tune`: finds, keeps, goes on, and feeds the demo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.configs import read_configs
from cli.main import app
from core.errors import ConfigError, UnknownName
from loaders.export import write_movielens_csv
from tests.mlflow_on_sqlite import tracker as tracker
from tests.small_interactions import grouped_loader
from tracking.client import connect


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grouped") / "data"
    write_movielens_csv(grouped_loader().load(), folder)
    return folder


def tune(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["tune", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_what_is_found_is_kept_for_people_and_programs(data: Path, tmp_path: Path) -> None:
    output = tune("item_knn", "--data", str(data), "--trials", "4", "--out", str(tmp_path / "out"))
    assert "on parts held out of the training ratings" in output
    configs = read_configs(tmp_path / "out" / "configs.json")
    assert set(configs) == {"item_knn"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "4 trials" in page
    assert page.count("<svg") >= 2
    trials = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert len(trials) == 5
    client = connect(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}", experiment="screentest").client
    (run,) = client.search_runs([client.get_experiment_by_name("screentest").experiment_id])
    assert run.data.params["tuning.models"] == "item_knn"
    assert run.data.metrics["tuning.best"] >= run.data.metrics["tuning.default"]


def test_a_search_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    first = tune("item_knn", "--data", str(data), "--trials", "2", "--out", str(tmp_path))
    assert "tune 2/2" in first
    second = tune("item_knn", "--data", str(data), "--trials", "3", "--out", str(tmp_path))
    assert "tune 3/3" in second
    assert "tune 1/3" not in second


@pytest.mark.long
def test_two_processes_share_one_search(data: Path, tmp_path: Path) -> None:
    """As a command of its own: what it starts must not inherit what this process has become."""
    given = ("item_knn", "--data", str(data), "--trials", "4", "--parallel", "2", "--out", str(tmp_path))
    ran = subprocess.run(
        [sys.executable, "-m", "cli.main", "tune", *given], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 5


def test_what_another_search_found_is_kept_and_told(data: Path, tmp_path: Path) -> None:
    tune("item_knn", "--data", str(data), "--trials", "1", "--out", str(tmp_path))
    told = tune("ease", "--data", str(data), "--trials", "1", "--out", str(tmp_path))
    assert set(read_configs(tmp_path / "configs.json")) == {"item_knn", "ease"}
    assert "also keeps what earlier searches found for item_knn" in told


def test_a_model_with_nothing_to_search_for_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing of shuffled can be searched for.*models that do: .*ease"):
        tune("shuffled", "--data", str(tmp_path / "nothing"), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_several_models_are_searched_across(data: Path, tmp_path: Path) -> None:
    tune("item_knn,ease", "--data", str(data), "--trials", "4", "--out", str(tmp_path))
    (name,) = read_configs(tmp_path / "configs.json")
    assert name in {"item_knn", "ease"}


def test_a_name_nobody_registered_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown model 'nobody'"):
        tune("nobody", "--data", str(data), "--out", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("[]", "must be JSON like"), ("{", "must be JSON like"), ('{"ease": {"reg": -1}}', "reg == -1")],
)
def test_configs_that_cannot_be_used_are_refused_before_any_work(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "configs.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        read_configs(path)


def test_json_in_place_of_a_file_is_told_that_a_file_is_wanted() -> None:
    with pytest.raises(ConfigError, match=r"^--configs .*: No such file or directory; must be a file that holds JSON"):
        read_configs(Path('{"ease": {"diversity": 0.5}}'))


def test_configs_of_an_unknown_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "configs.json"
    path.write_text(json.dumps({"nobody": {}}))
    with pytest.raises(UnknownName):
        read_configs(path)
