"""The image's health check: which server a command line starts, and whether it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving import health
from tests.policy_servers import answer_with, server_that


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/opt/venv/bin/screentest serve policy --events sqlite:////data/e.db", "8080/healthz"),
        ("/opt/venv/bin/screentest serve policy --events sqlite:////data/e.db --port 9000", "9000/healthz"),
        ("docker-init -- screentest serve policy --port=9000", "9000/healthz"),
        ("python -m serving.policy_server --events sqlite:////data/e.db", "8080/healthz"),
        ("screentest serve model --model-uri models:/recommender/1", "8081/readyz"),
        ("python -m serving.model_server --port 8000", "8000/readyz"),
        ("python -m serving.transformer --predictor_host p --http_port 9080", "9080/readyz"),
        ("uvicorn serving.main:app --host 0.0.0.0 --port 8080", "8080/readyz"),
        ("python -m uvicorn serving.main:app", "8000/readyz"),
        ("screentest serve page", "8501/_stcore/health"),
        ("/opt/venv/bin/python -m streamlit run main.py --server.port 80 -- --policy http://p", "80/_stcore/health"),
        ("/opt/venv/bin/python /opt/venv/bin/mlflow server --port=5001", "5001/health"),
    ],
)
def test_every_way_to_start_a_server_is_known(command: str, expected: str) -> None:
    assert health.address(command.split()) == f"http://127.0.0.1:{expected}"


def test_the_port_of_the_settings_is_asked_where_the_command_line_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_POLICY_PORT", "9123")
    assert health.address(["screentest", "serve", "policy"]) == "http://127.0.0.1:9123/healthz"


@pytest.mark.parametrize("command", ["sh -c program", "screentest pipeline run training", "screentest --help", ""])
def test_what_serves_nothing_is_well_while_it_runs(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "cmdline"
    first.write_text("\0".join(command.split()))
    monkeypatch.setattr(health, "_FIRST_PROCESS", first)
    assert health.main([]) == 0


def test_a_server_is_well_where_it_answers_200_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with server_that(answer_with("200 OK", "{}")) as url:
        assert health.main([url]) == 0
    assert capsys.readouterr().err == ""
    with server_that(answer_with("503 Service Unavailable", "{}")) as url:
        assert health.main([url]) == 1
    assert "503" in capsys.readouterr().err
    # Nobody listens there any more.
    assert health.main([url]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_first_process_decides_which_server_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tmp_path / "cmdline"
    monkeypatch.setattr(health, "_FIRST_PROCESS", first)
    with server_that(answer_with("200 OK", "{}")) as url:
        port = url.rpartition(":")[2]
        first.write_bytes(b"\0".join([b"screentest", b"serve", b"policy", b"--port", port.encode(), b""]))
        assert health.main([]) == 0
    assert health.main([]) == 1
