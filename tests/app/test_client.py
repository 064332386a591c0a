"""The page's client: real answers of a real policy server, and every way in which there is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.client import PolicyServer, policy_address
from core.errors import BadInput, ServerError
from events.database import open_database
from serving.policy_process import PolicyProcess
from tests.rollout_examples import SPEC, broke_guardrail
from tests.written_rollouts import write_rollout


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyServer]:
    """A policy server with a finished rollout and nothing routed."""
    folder = tmp_path_factory.mktemp("policy")
    url = f"sqlite:///{folder / 'events.db'}"
    write_rollout(open_database(url), broke_guardrail(), SPEC)
    process = PolicyProcess(url, folder)
    try:
        process.wait_alive(60)
        yield PolicyServer(process.url)
    finally:
        process.stop()


def test_what_the_server_tells(policy: PolicyServer) -> None:
    assert [found["experiment"] for found in policy.experiments()] == [SPEC.name]
    assert policy.experiment(SPEC.name)["decision"] == "rollback"
    assert sorted(policy.users(SPEC.name)) == ["101", "102", "103"]
    assert len(policy.users(SPEC.name, limit=2)) == 2


def test_what_it_refuses_is_told_in_its_own_words(policy: PolicyServer) -> None:
    with pytest.raises(BadInput, match="unknown experiment 'nope'; known: popularity-vs-ease"):
        policy.experiment("nope")
    with pytest.raises(BadInput, match="k == '0', must be an integer"):
        policy.preview("1", 0, "en")
    with pytest.raises(ServerError, match="no experiment is routed"):
        policy.preview("1", 10, "ko")


def test_nobody_there() -> None:
    with pytest.raises(ServerError, match=r"http://127.0.0.1:9 does not answer \(ConnectionError\)"):
        PolicyServer("http://127.0.0.1:9").experiments()


def test_a_server_that_never_answers_is_given_up() -> None:
    with server_that_says(b"") as address, pytest.raises(ServerError, match=r"does not answer \(ReadTimeout\)"):
        PolicyServer(address, read_timeout_s=0.2).experiments()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "answered HTTP 200 without JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "answered something else than expected"),
        (b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\n[]", "answered something else than expected"),
        (b'HTTP/1.1 500 No\r\ncontent-length: 15\r\n\r\n{"error":"why"}', "^why$"),
    ],
)
def test_another_server_on_that_port(answer: bytes, reason: str) -> None:
    with server_that_says(answer) as address, pytest.raises(ServerError, match=reason):
        PolicyServer(address).experiments()


@contextmanager
def server_that_says(answer: bytes) -> Iterator[str]:
    """A TCP server that says one thing to the first who comes; with nothing to say it only listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def speak() -> None:
            connection, _ = listener.accept()
            held.append(connection)
            connection.recv(65536)
            connection.sendall(answer)

        thread = threading.Thread(target=speak)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()
        for connection in held:
            connection.close()


def test_the_address_is_given_or_that_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert policy_address(["app/main.py", "--policy", "http://localhost:1234/"]) == "http://localhost:1234"
    assert policy_address(["app/main.py"]) == "http://127.0.0.1:8080"
    monkeypatch.setenv("SCREENTEST_POLICY_PORT", "8181")
    assert policy_address([]) == "http://127.0.0.1:8181"
    for wrong in (["--policy"], ["--policy", "localhost:8080"]):
        with pytest.raises(BadInput, match="must be the policy server's address"):
            policy_address(wrong)
