"""``screentest cross-validate``: figures for people, a page, and files for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import UnknownName
from loaders.export import write_movielens_csv
from tests.mlflow_on_sqlite import tracker as tracker
from tests.small_interactions import grouped_loader


def test_figures_of_each_fold_are_told_and_kept(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    write_movielens_csv(grouped_loader().load(), data)
    command = ["cross-validate", "popularity,ease", "--data", str(data), "--folds", "3", "--k", "5", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    said = result.output.splitlines()
    assert said[0].startswith(f"data: {data}")
    # MLflow may have a line of its own in between.
    assert next(line for line in said if line.startswith("[progress]")) == (
        "[progress] cross-validate 0/6 training popularity for fold 1 of 3"
    )
    assert "[progress] cross-validate 6/6" in said
    assert "ease: ndcg@5" in result.output
    assert "over 3 folds" in result.output
    assert len(json.loads((out / "folds.json").read_text())) == 6
    assert (out / "folds.csv").read_text().count("\n") == 7
    assert "<svg" in (out / "report.html").read_text()


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_movielens_csv(grouped_loader().load(), data)
    result = CliRunner().invoke(app, ["cross-validate", "eased", "--data", str(data), "--out", str(tmp_path / "out")])
    with pytest.raises(UnknownName, match="eased"):
        raise result.exception
