"""The command: exit codes, one line per error, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import main


def screentest(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


class Called:
    """The command in this process, in a folder of its own: what it imports is there already."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["screentest", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), told.out, told.err)


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    return Called(tmp_path, monkeypatch, capsys)


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last


def test_help_tells_commands_and_exit_codes(tmp_path: Path) -> None:
    done = screentest("--help", cwd=tmp_path)

    assert done.returncode == 0
    for word in ("demo", "data", "models", "pipeline", "rollout", "serve", "up", "down", "2 bad input"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo", "--data", "nowhere.zip"), ("the data nowhere.zip do not exist",)),
        (("demo", "--models", "popularity,alss"), ("unknown model 'alss'", "wrappers/registry.py")),
        (("demo", "--models", "ease"), ("--models 'ease'", "two")),
        (("demo", "--models", "popularity,item_knn", "--plant", "shuffle"), ("add ease",)),
        (("demo", "--data", "synthetic", "--json", "."), ("--json .", "cannot be written")),
        (("pipeline", "run", "trainings"), ("unknown pipeline 'trainings'",)),
        (("pipeline", "run", "training", "nosuch=1"), ("unknown nosuch", "its parameters: ")),
        (("pipeline", "run", "rollout"), ("missing dataset_uri",)),
        (("pipeline", "run", "training", "source"), ("'source' is not parameter=value",)),
        (("rollout", "resume", "."), ("holds no rollout",)),
        (("up",), ("holds no finished run yet", "make demo")),
        (("up", "--run", "."), ("not a demo run's folder",)),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], words: tuple[str, ...], called: Called, tmp_path: Path
) -> None:
    assert_refused(called(*arguments), *words)
    assert not list(tmp_path.glob("runs/2*"))


@pytest.mark.parametrize("content", [b"k: [1", b"- k\n", b"k: \xff\n", b"k: none\n"])
def test_a_damaged_config_file_is_one_line(content: bytes, called: Called, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)

    assert_refused(called("up"), "config.yaml")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SCREENTEST_DEPLOYER": "cloud"}, ("unknown deployer 'cloud'", "kserve, local")),
        ({"SCREENTEST_DEPLOYER": "kserve"}, ("needs an image", "kserve.image")),
        ({"SCREENTEST_DEPLOYER": "kserve", "SCREENTEST_KSERVE": '{"image": "x"}'}, ("sqlite", "MLFLOW_TRACKING_URI")),
    ],
)
def test_a_place_where_models_cannot_be_served_is_told_before_they_are_trained(
    environment: dict[str, str], words: tuple[str, ...], called: Called, tmp_path: Path
) -> None:
    assert_refused(called("demo", "--data", "synthetic", **environment), *words)
    assert not list(tmp_path.glob("runs/2*"))


def test_a_runs_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = screentest("demo", "--data", "synthetic", cwd=tmp_path, SCREENTEST_RUNS_DIR=str(tmp_path / "file"))
    assert_refused(done, "SCREENTEST_RUNS_DIR")


def test_down_without_a_stack_says_so(tmp_path: Path) -> None:
    done = screentest("down", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "nothing is running\n")


@pytest.mark.parametrize("content", ["", "{", '{"pid": 999999999, "addresses": {}}', "[]", '{"pid": "x"}'])
def test_a_stale_or_damaged_state_file_is_no_stack(content: str, called: Called, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    state = tmp_path / "runs" / "up.json"
    state.write_text(content)

    done = called("down")

    assert (done.returncode, done.stdout) == (0, "nothing is running\n")
    assert not state.exists()


def test_compiled_pipelines_can_be_checked_and_written(tmp_path: Path) -> None:
    assert screentest("pipeline", "compile", "--check", cwd=tmp_path).returncode == 0
    done = screentest("pipeline", "compile", "--out", str(tmp_path / "out"), "--image", "mine:1", cwd=tmp_path)

    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "rollout.yaml",
        "training.yaml",
        "tuning.yaml",
    ]
    assert "image: mine:1" in (tmp_path / "out" / "training.yaml").read_text()
