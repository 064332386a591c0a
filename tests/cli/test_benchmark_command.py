"""`screentest benchmark` on files of the published layouts, and what it says where they are missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError, DataError
from tests.ncf_release import write_ncf_release
from tests.small_releases import write_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ncf_release(tmp_path_factory.mktemp("ncf") / "ml-1m")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["benchmark", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def results(*arguments: str, file: Path) -> list[dict[str, object]]:
    run(*arguments, "--json", str(file))
    return json.loads(file.read_text())


def test_the_json_is_a_list_of_what_was_measured(release: Path, tmp_path: Path) -> None:
    rows = results(
        "ms75", "--data", str(release), "--models", "popularity,ease", "--trials", "3", file=tmp_path / "out.json"
    )
    assert [row["model"] for row in rows] == ["popularity", "ease"]
    for row in rows:
        assert {"model", "protocol", "metrics", "fit_seconds", "params"} <= set(row)
        assert row["protocol"] == "ms75"
    ease = rows[1]
    assert set(ease["metrics"]) >= {"ndcg@10", "map@10", "precision@10", "recall@10"}
    assert ease["params"]["reg"] > 0
    assert ease["fit_seconds"] >= 0


def test_loo99_gives_the_same_with_without_times_and_from_the_papers_files(release: Path, tmp_path: Path) -> None:
    untimed = write_ncf_release(tmp_path / "untimed", times=False, movies=False)
    paper = tmp_path / "paper"
    paper.mkdir()
    for path in release.glob("ml-1m.*"):
        (paper / path.name).write_bytes(path.read_bytes())
    found = [
        results(
            "loo99", "--data", str(folder), "--models", "popularity,ease", "--trials", "0",
            file=tmp_path / f"{folder.name}.json",
        )
        for folder in (release, untimed, paper)
    ]  # fmt: skip
    figures = [[row["metrics"] for row in rows] for rows in found]
    assert figures[0][0] == pytest.approx(figures[1][0])
    assert figures[0][0] == pytest.approx(figures[2][0])
    # EASE's rounding depends on the order of items, which the paper's files number otherwise.
    assert figures[0][1]["hr@10"] == pytest.approx(figures[2][1]["hr@10"], abs=0.06)
    assert figures[0][1]["hr@10"] > figures[0][0]["hr@10"]


@pytest.mark.parametrize("protocol", ["full811", "temporal"])
def test_the_other_protocols_run_on_a_release(protocol: str, release: Path, tmp_path: Path) -> None:
    (row,) = results(
        protocol, "--data", str(release), "--models", "popularity", "--trials", "0", file=tmp_path / "out.json"
    )
    assert 0 < row["metrics"]["ndcg@10"] < 1


def test_temporal_shows_what_there_is_and_compares_it(release: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    output = run(
        "temporal", "--data", str(release), "--models", "popularity,ease", "--trials", "0", "--json", str(file)
    )
    assert "ndcg@10 paired by user" in output
    assert "auc paired by user" in output
    assert "nan" not in output
    for row in json.loads(file.read_text()):
        assert {"ndcg@10", "auc", "ece", "brier"} <= set(row["metrics"])
        assert row["metrics"]["brier"] is None


def test_rating5_predicts_ratings(release: Path, tmp_path: Path) -> None:
    (row,) = results("rating5", "--data", str(release), "--models", "svd", "--trials", "0", file=tmp_path / "out.json")
    assert set(row["metrics"]) == {"rmse", "mae"}
    assert 0.5 < row["metrics"]["mae"] <= row["metrics"]["rmse"] < 2


def test_other_data_are_named_as_such(release: Path) -> None:
    output = run("ms75", "--data", str(release), "--models", "popularity", "--trials", "0")
    assert "other data (" in output
    assert "no figures are published of other data" in output


def test_a_run_that_was_stopped_goes_on(release: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    first = results("ms75", "--data", str(release), "--models", "popularity", "--trials", "0", file=file)
    both = results(
        "ms75", "--data", str(release), "--models", "popularity,ease", "--trials", "0", "--resume", file=file
    )
    assert both[0] == first[0]
    assert [row["model"] for row in both] == ["popularity", "ease"]
    done = run("ms75", "--data", str(release), "--models", "popularity,ease", "--json", str(file), "--resume")
    assert f"kept from {file}: popularity, ease; nothing is left to run" in done
    assert f"between models that were run now: {file} keeps no figures by user" in done
    with pytest.raises(ConfigError, match="holds results of another protocol than temporal"):
        run("temporal", "--data", str(release), "--models", "popularity", "--json", str(file), "--resume")


def test_progress_counts_models_and_their_rounds(release: Path) -> None:
    output = run("ms75", "--data", str(release), "--models", "popularity,ease", "--trials", "0")
    assert re.findall(r"\[progress\] benchmark (\d/\d) (\w+): fitted", output) == [
        ("1/2", "popularity"),
        ("2/2", "ease"),
    ]
    output = run("full811", "--data", str(release), "--models", "popularity,ease", "--trials", "0")
    told = re.findall(r"\[progress\] benchmark (\d+/\d+) (\w+), round (\d) of 5: fitted", output)
    assert told == [(f"{n + 1}/10", ("popularity", "ease")[n // 5], str(n % 5 + 1)) for n in range(10)]


def test_loo99_without_its_files_says_where_they_are(tmp_path: Path) -> None:
    folder = write_release("ml-1m", tmp_path / "ml-1m")
    with pytest.raises(DataError, match=r"ml-1m.test.negative; the data must be ML-1M \(https.* fetch them from"):
        run("loo99", "--data", str(folder), "--models", "popularity")


def test_data_that_are_not_there_are_named_with_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"do not exist.*ms75 is published for ML-100K \(ml-100k.zip from https://"):
        run("ms75", "--data", str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ("{", "--params is no JSON"),
        ('{"ease": 3}', "must be an object of objects"),
        ('{"ease": {"reg": -1}}', "reg == -1"),
    ],
)
def test_hyperparameters_that_make_no_sense_are_refused(release: Path, params: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        run("ms75", "--data", str(release), "--models", "ease", "--params", params)


def test_given_hyperparameters_stand(release: Path, tmp_path: Path) -> None:
    (row,) = results(
        "ms75", "--data", str(release), "--models", "ease", "--trials", "3", "--params",
        '{"ease": {"reg": 7, "dropout": 0}}', file=tmp_path / "out.json",
    )  # fmt: skip
    assert row["params"]["reg"] == 7
