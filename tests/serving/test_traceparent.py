from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from serving.logs import log_to_stderr
from serving.model_source import UNREGISTERED
from serving.traceparent import Traced, current_traceparent, is_traceparent, tracing
from tests.called_application import call
from tests.policy_servers import Policy, server_that

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def tell(scope: dict, receive: object, send: object) -> None:
    body = current_traceparent().encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": body})  # type: ignore[operator]


def test_a_traceparent_is_known_inside_and_comes_back() -> None:
    answer = call(Traced(tell), "GET", "/", headers={"TraceParent": TRACEPARENT})
    assert (answer.text, answer.headers["traceparent"]) == (TRACEPARENT, TRACEPARENT)
    assert answer.headers["content-type"] == "text/plain"
    assert current_traceparent() == ""


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        TRACEPARENT + "-more",
        TRACEPARENT + "\n",
        "x" * 55,
    ],
)
def test_what_is_no_traceparent_is_ignored(given: str) -> None:
    assert not is_traceparent(given.encode())
    answer = call(
        Traced(tell), "GET", "/", headers={"traceparent": given.strip("\n") + (" x" if given.endswith("\n") else "")}
    )
    assert (answer.text, "traceparent" in answer.headers) == ("", False)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """What was said on standard error; logging is as before afterwards."""
    root, kserve = logging.getLogger(), logging.getLogger("kserve")
    before = (list(root.handlers), root.level, list(kserve.handlers), kserve.propagate, kserve.level)
    yield lambda: capsys.readouterr().err.splitlines()
    logging.captureWarnings(False)
    root.handlers, kserve.handlers, kserve.propagate = before[0], before[2], before[3]
    root.setLevel(before[1])
    kserve.setLevel(before[4])


def test_json_lines_hold_everything_on_one_line_each(lines: Callable[[], list[str]]) -> None:
    log_to_stderr("json")
    log = logging.getLogger("screentest.test")
    log.info("too low")
    log.warning("first %s\nsecond", "half a pair: \ud800")
    with tracing(TRACEPARENT):
        try:
            raise KeyError("why")
        except KeyError as error:
            log.error("failed", exc_info=error)
    first, second = map(json.loads, lines())
    assert (first["level"], first["logger"], first["message"]) == (
        "WARNING",
        "screentest.test",
        "first half a pair: \ud800\nsecond",
    )
    assert first.keys() == {"ts", "level", "logger", "message"}
    assert first["ts"].endswith("+00:00")
    assert (second["traceparent"], "KeyError: 'why'" in second["exception"]) == (TRACEPARENT, True)


def test_text_lines_end_with_the_trace_of_their_request(lines: Callable[[], list[str]]) -> None:
    log_to_stderr()
    with tracing(TRACEPARENT):
        logging.getLogger("screentest.test").warning("slow")
    logging.getLogger("screentest.test").warning("quiet")
    first, second = lines()
    assert first.endswith(f"WARNING screentest.test: slow [traceparent {TRACEPARENT}]")
    assert second.endswith("quiet")


@pytest.mark.parametrize("module", ["serving.model_server", "serving.policy_server", "serving.transformer"])
def test_every_server_takes_the_log_format_from_the_settings(module: str) -> None:
    arguments = {
        "serving.policy_server": ["--events", "sqlite:////tmp/none.db"],
        "serving.transformer": ["--predictor_host", "p"],
    }
    command = [sys.executable, "-m", module, *arguments.get(module, []), "--host", "127.0.0.1"]
    done = subprocess.run(
        command, env={"SCREENTEST_LOG_FORMAT": "yaml", "PATH": ""}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "log_format == 'yaml'" in done.stderr


def test_a_trace_goes_through_the_policy_server_to_the_model_server(policy: Policy) -> None:
    heads: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        heads.append(connection.recv(65536))
        body = b'{"items": [], "model_version": "%s"}' % UNREGISTERED.encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    with server_that(behave) as model:
        policy.route(champion_url=model, percent=0)
        traced = policy.http.get("/choose", params={"user_id": 1}, headers={"traceparent": TRACEPARENT})
        plain = policy.http.get("/choose", params={"user_id": 2})
    assert (traced.status_code, traced.headers["traceparent"]) == (200, TRACEPARENT)
    assert "traceparent" not in plain.headers
    line = f"traceparent: {TRACEPARENT}\r\n".encode()
    assert [line in head for head in heads if head.startswith(b"POST /recommend")] == [True, False]
