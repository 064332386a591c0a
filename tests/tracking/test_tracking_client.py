from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from core.errors import ConfigError, TrackingError
from tracking.client import Tracker, connect, database_uri, shown


class _Answers(BaseHTTPRequestHandler):
    status = 500
    body = b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Nothing to the terminal."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {})) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_database_is_made_with_its_folder(empty_database: Path) -> None:
    assert empty_database.is_file()


def test_artifacts_lie_beside_the_database_wherever_the_process_works(
    tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    again = connect(tracker.uri, experiment="another")
    run = again.client.create_run(again.experiment_id)
    again.client.log_text(run.info.run_id, "kept", "note.txt")
    artifacts = Path(run.info.artifact_uri)
    assert artifacts.is_relative_to(tmp_path / "tracking" / "artifacts")
    assert (artifacts / "note.txt").read_text() == "kept"
    assert list(elsewhere.iterdir()) == []


def test_connecting_again_finds_the_same_experiment(tracker: Tracker) -> None:
    assert connect(tracker.uri).experiment_id == tracker.experiment_id
    assert connect(tracker.uri, experiment="another").experiment_id != tracker.experiment_id


def test_a_relative_database_is_found_from_another_folder(
    tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = connect("sqlite:///tracking/mlflow.db")
    assert again.uri == tracker.uri


def test_a_deleted_experiment_is_named(tracker: Tracker) -> None:
    tracker.client.delete_experiment(tracker.experiment_id)
    with pytest.raises(TrackingError, match="experiment 'screentest' was deleted"):
        connect(tracker.uri)


def test_no_address_is_told_as_such() -> None:
    with pytest.raises(ConfigError, match="no MLflow is named; set MLFLOW_TRACKING_URI to sqlite:///"):
        connect("")


@pytest.mark.parametrize("uri", ["mlruns", "/tmp/mlruns", "file:///tmp/mlruns"])
def test_the_file_store_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="file store is not supported; give sqlite:///") as error:
        connect(uri)
    _one_line(error)


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "postgresql://me:secret@db/x", "databricks://x"])
def test_other_stores_are_refused_without_telling_the_password(uri: str) -> None:
    with pytest.raises(ConfigError, match="is not one we can use directly; give sqlite:///") as error:
        connect(uri)
    assert "secret" not in _one_line(error)


@pytest.mark.parametrize("who", ["me:secret", "me", ":secret"])
def test_a_password_in_the_uri_is_refused_before_it_is_written_anywhere(who: str) -> None:
    with pytest.raises(ConfigError, match=r"'https://mlflow.example.org' .*set MLFLOW_TRACKING_USERNAME and") as error:
        connect(f"https://{who}@mlflow.example.org")
    assert "secret" not in _one_line(error)


def test_nobody_listens() -> None:
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused") as error:
        connect("http://127.0.0.1:9")
    _one_line(error)


def test_somebody_listens_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracking.client._ANSWER_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TrackingError, match=r"cannot be reached: .*timed out"):
            connect(f"http://127.0.0.1:{port}")


def test_a_server_that_is_ill_is_given_up(server: ThreadingHTTPServer) -> None:
    with pytest.raises(TrackingError, match=r"refused: .*500") as error:
        connect(f"http://127.0.0.1:{server.server_port}")
    _one_line(error)


def test_a_server_that_is_not_mlflow(server: ThreadingHTTPServer) -> None:
    server.RequestHandlerClass.status, server.RequestHandlerClass.body = 200, b"<h1>\nhello</h1>" + b"x" * 9999
    with pytest.raises(TrackingError, match="not in a valid JSON format") as error:
        connect(f"http://127.0.0.1:{server.server_port}")
    assert len(_one_line(error)) < 600


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database at all, but long enough to look at " * 50)
    with pytest.raises(TrackingError, match="not a database") as error:
        connect(database_uri(tmp_path))
    _one_line(error)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrackingError, match="cannot be made: Not a directory"):
        connect(database_uri(tmp_path / "file" / "deeper"))


def test_messages_hide_user_and_password() -> None:
    assert shown("https://me:p@ss@host:8/x") == "https://host:8/x"
    assert shown("sqlite:////tmp/a@b/mlflow.db") == "sqlite:////tmp/a@b/mlflow.db"


def test_mlflow_is_imported_on_use_only() -> None:
    modules = "tracking.client, tracking.runs, tracking.models, tracking.registry, tracking.provenance"
    code = f"import sys, {modules}; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
