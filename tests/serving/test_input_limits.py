"""What a real policy server does with requests that are too long, by any route."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from serving.access.input_limits import MAX_QUERY_BYTES
from serving.access.request_head import MAX_HEAD_BYTES
from serving.http_errors import MAX_BODY_BYTES
from serving.processes import ServerProcess
from tests.policy_servers import policy_server

HOST = b"host: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("limits")
    with policy_server(folder, f"sqlite:///{folder / 'events.db'}") as process:
        yield process


def exchange(server: ServerProcess, *parts: bytes) -> bytes:
    """The beginning of the answer to what is sent; a server that closes meanwhile has answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return connection.recv(400)


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def test_a_head_that_does_not_end_is_refused_and_not_kept(server: ServerProcess) -> None:
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    one_header = exchange(server, b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: ", *[b"a" * 100_000] * 300)
    many_headers = exchange(server, b"GET /healthz HTTP/1.1\r\n" + HOST, *[b"x: y\r\n" * 10_000] * 300)
    assert (status(one_header), status(many_headers)) == (431, 431)
    assert str(MAX_HEAD_BYTES).encode() in one_header
    assert process.memory_info().rss - before < 15_000_000


def test_a_model_server_has_the_same_limit(model_urls: dict[str, str]) -> None:
    port = int(model_urls["popularity"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\n" + HOST + b"x: " + b"a" * 400_000)
        assert status(connection.recv(400)) == 431


def test_a_model_server_does_not_work_for_somebody_who_is_gone(model_urls: dict[str, str]) -> None:
    def ask(within_ms: int) -> httpx.Response:
        headers = {"x-answer-within-ms": str(within_ms)}
        return httpx.post(model_urls["ease"] + "/recommend", json={"user_id": 100}, headers=headers, trust_env=False)

    late, early = ask(0), ask(60_000)
    assert (late.status_code, early.status_code) == (503, 200)
    assert "before its turn came" in late.json()["error"]


def test_a_head_of_usual_length_is_answered_also_in_pieces(server: ServerProcess) -> None:
    head = b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: " + b"a" * 50_000 + b"\r\n\r\n"
    assert status(exchange(server, head)) == 200
    assert status(exchange(server, *[head[i : i + 5_000] for i in range(0, len(head), 5_000)])) == 200


def test_bodies_and_earlier_requests_do_not_count_as_head(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        for _ in range(5):
            # Refused for what it says, not for its length.
            assert http.post("/update", content=b" " * 900_000).status_code == 400
        for _ in range(100):
            assert http.get("/healthz", headers={"x": "a" * 5_000}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/update"), ("POST", "/routes/refresh"), ("PUT", "/experiments/a"), ("DELETE", "/x"), ("PATCH", "/x")],
)
def test_a_body_that_is_too_long_is_refused_by_every_route(server: ServerProcess, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\n".encode() + HOST
    told = exchange(server, head + b"content-length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
    assert status(told) == 413, "without waiting for it"
    absurd = exchange(server, head + b"content-length: %s\r\n\r\n" % (b"9" * 18))
    assert status(absurd) == 413


def test_a_body_of_unknown_length_is_counted(server: ServerProcess) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(2 * MAX_BODY_BYTES // 65_536):
            yield b" " * 65_536

    refused = httpx.post(server.url + "/update", content=parts(), trust_env=False)
    assert (refused.status_code, "longer than" in refused.text) == (413, True)
    short = httpx.post(server.url + "/update", content=iter([b"{", b"}"]), trust_env=False)
    assert (short.status_code, "no JSON" in short.text) == (400, False)


@pytest.mark.parametrize("path", ["/choose", "/healthz", "/experiments", "/no-such-path"])
def test_a_query_that_is_too_long_is_refused_by_every_route(server: ServerProcess, path: str) -> None:
    assert (
        status(exchange(server, f"GET {path}?{'a' * (MAX_QUERY_BYTES + 1)} HTTP/1.1\r\n".encode() + HOST + b"\r\n"))
        == 414
    )
    at_most = exchange(server, f"GET {path}?{'a' * MAX_QUERY_BYTES} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    assert status(at_most) in (200, 400, 404)


@pytest.mark.parametrize("length", ["-1", "x", "1, 2", "0x10", "1e3"])
def test_a_length_that_is_no_number_is_bad(server: ServerProcess, length: str) -> None:
    head = b"POST /update HTTP/1.1\r\n" + HOST + f"content-length: {length}\r\n\r\n".encode()
    assert status(exchange(server, head)) == 400


#: What two servers in a row could take for two different requests; each is refused, and nothing behind it is looked at.
_AMBIGUOUS = {
    "both lengths": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, the other way round": b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "the same twice": b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "chunked, and more": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "not chunked at the end": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"x: y\ncontent-length: 2\r\n\r\n{}",
    "a carriage return alone": b"x: y\rcontent-length: 2\r\n\r\n{}",
    "a chunk that is no number": b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk below zero": b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond all numbers": b"transfer-encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": b"transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "a NUL in a name": b"x\x00y: z\r\ncontent-length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("rest", _AMBIGUOUS.values(), ids=_AMBIGUOUS)
def test_a_request_that_can_be_read_in_two_ways_is_bad_and_ends_the_connection(
    server: ServerProcess, rest: bytes
) -> None:
    behind = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /healthz HTTP/1.1\r\n" + HOST + rest + behind)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    # The bad one itself may have been begun with (405) before its body told what it is.
    assert answers.count(b"HTTP/1.1 400") == 1
    assert b"HTTP/1.1 200" not in answers


def test_a_folded_header_is_one_header_or_bad(server: ServerProcess) -> None:
    folded = b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: y\r\n content-length: 99\r\n\r\n"
    assert status(exchange(server, folded)) in (200, 400), "at once: the folded line is no length"


def test_requests_sent_at_once_are_answered_in_turn_and_none_behind_a_close(server: ServerProcess) -> None:
    one, other = (f"GET {path} HTTP/1.1\r\n".encode() + HOST for path in ("/healthz", "/nothing"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(one + b"\r\n" + other + b"\r\n" + one + b"connection: close\r\n\r\n" + one + b"\r\n")
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert [int(part.split()[0]) for part in answers.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_another_name_than_this_machines_is_refused_while_nobody_needs_a_key(server: ServerProcess) -> None:
    rebound = httpx.get(server.url + "/routes", headers={"host": "rebound.evil.example"}, trust_env=False)
    assert rebound.status_code == 421


def test_a_server_that_others_reach_asks_for_keys_by_itself(tmp_path: Path) -> None:
    with policy_server(tmp_path, f"sqlite:///{tmp_path / 'events.db'}", "--host", "0.0.0.0") as process:
        assert httpx.get(process.url + "/healthz", trust_env=False).status_code == 200
        assert httpx.get(process.url + "/routes", trust_env=False).status_code == 401
        # Names of machines elsewhere are as good as any where a key is asked for.
        there = httpx.get(process.url + "/healthz", headers={"host": "policy-server.screentest"}, trust_env=False)
        assert there.status_code == 200
    assert "nobody has an API key for this server yet" in (tmp_path / "policy.log").read_text()
