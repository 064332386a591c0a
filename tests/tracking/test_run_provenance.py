from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.protocols import Provenance
from tracking.provenance import CodeVersion, code_version, run_params, run_tags


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "t")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@example.org")
    (tmp_path / "code.py").write_text("1")
    for arguments in (["init"], ["add", "."], ["commit", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    code = code_version(checkout)
    assert len(code.commit) == 40
    assert not code.dirty
    assert str(code) == code.commit[:12]


def test_a_changed_checkout_is_dirty(checkout: Path) -> None:
    (checkout / "code.py").write_text("2")
    assert str(code_version(checkout)).endswith("-dirty")


def test_a_folder_inside_a_repository_is_not_that_repository(checkout: Path) -> None:
    (checkout / "inner").mkdir()
    assert code_version(checkout / "inner").commit == ""


def test_no_repository_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_version(tmp_path).commit == ""
    monkeypatch.setenv("PATH", "")
    assert code_version().commit == ""
    assert str(code_version())


def test_the_words_are_the_package_where_there_is_no_commit() -> None:
    assert str(CodeVersion("0.1.0")) == "0.1.0"
    assert "mlflow.source.git.commit" not in run_tags(CodeVersion("0.1.0"))
    assert run_tags(CodeVersion("0.1.0", "a" * 40))["mlflow.source.git.commit"] == "a" * 40


def test_parameters_say_where_the_data_came_from() -> None:
    provenance = Provenance("ml.zip", "ml-latest", "ab12", "leave_last_n(n=10)", None)
    assert run_params(provenance, seed=7) == {
        "data.source": "ml.zip",
        "data.layout": "ml-latest",
        "data.sha256": "ab12",
        "data.split": "leave_last_n(n=10)",
        "data.seed": "",
        "seed": "7",
    }
