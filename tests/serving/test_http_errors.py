import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import ConfigError, DataError, EventLogError, ServerError, StepError
from serving.http_errors import ERROR_ANSWERS, MAX_BODY_BYTES, Json, json_object

RAISED = {
    "config": ConfigError("k == 0, must be >= 1"),
    "data": DataError("no rows", file="ratings.csv", line=3),
    "log": EventLogError("disk full"),
    "server": ServerError("model server died"),
    "step": StepError("train", "boom"),
    "bug": KeyError("secret-of-the-inside"),
}


async def fail(request: Request) -> Response:
    raise RAISED[request.path_params["what"]]


async def echo(request: Request) -> Response:
    return Json(await json_object(request.receive))


APPLICATION = Starlette(
    routes=[Route("/fail/{what}", fail), Route("/echo", echo, methods=["POST"])], exception_handlers=ERROR_ANSWERS
)


def call(method: str, path: str, **request: Any) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(APPLICATION, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **request)

    return asyncio.run(answer())


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("config", 400, "k == 0, must be >= 1"),
        ("data", 400, "ratings.csv:3: no rows"),
        ("log", 503, "disk full"),
        ("server", 503, "model server died"),
        ("step", 503, "step 'train' failed: boom"),
    ],
)
def test_our_errors_become_statuses_with_their_reason(what: str, status: int, reason: str) -> None:
    answer = call("GET", f"/fail/{what}")
    assert (answer.status_code, answer.json()) == (status, {"error": reason})
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_bug_says_nothing_outside_and_everything_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="serving.http_errors"):
        answer = call("GET", "/fail/bug")
    assert answer.status_code == 500
    assert "secret-of-the-inside" not in answer.text
    assert "secret-of-the-inside" in caplog.text


def test_unknown_paths_and_methods_are_json_too() -> None:
    assert (call("GET", "/nowhere").status_code, list(call("GET", "/nowhere").json())) == (404, ["error"])
    assert (call("GET", "/echo").status_code, call("GET", "/echo").headers["allow"]) == (405, "POST")


def test_nan_cannot_come_in_and_becomes_null_on_the_way_out() -> None:
    assert call("POST", "/echo", content=b'{"a": NaN}').status_code == 400
    assert Json({"a": float("nan")}).body == b'{"a":null}'


def test_a_body_is_read_to_its_limit() -> None:
    around = len(b'{"a":""}')
    largest = b'{"a":"%s"}' % (b"x" * (MAX_BODY_BYTES - around))
    assert call("POST", "/echo", content=largest).status_code == 200
    assert call("POST", "/echo", content=largest + b" ").status_code == 413

    async def in_pieces() -> AsyncIterator[bytes]:
        yield largest
        yield b" " * 1000

    chunked = call("POST", "/echo", content=in_pieces())
    assert (chunked.status_code, list(chunked.json())) == (413, ["error"])


def test_a_caller_who_goes_away_in_a_body_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(APPLICATION(scope, receive, send))
    assert sent[0]["status"] == 400
    assert not caplog.records
