"""Direct paths: errors are answered as everywhere, and other methods and paths go to the application behind."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from core.errors import BadInput, ConfigError, EventLogError
from serving.direct_paths import DirectPaths, send_json
from serving.http_errors import ERROR_ANSWERS


async def behind(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("behind")


def call(method: str, path: str, raised: Exception | None = None) -> httpx.Response:
    async def direct(_scope: Any, _receive: Any, send: Any) -> None:
        if raised is not None:
            raise raised
        await send_json(send, b'{"direct":true}')

    async def answer() -> httpx.Response:
        routes = [Route("/list", behind, methods=["POST", "GET"])]
        app = DirectPaths({("GET", "/list"): direct}, Starlette(routes=routes, exception_handlers=ERROR_ANSWERS))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(answer())


def test_only_its_method_and_path_are_direct() -> None:
    direct = call("GET", "/list?k=3")
    assert direct.json() == {"direct": True}
    assert (direct.headers["content-type"], direct.headers["content-length"]) == ("application/json", "15")
    assert call("POST", "/list").text == "behind"
    assert call("PUT", "/list").status_code == 405
    assert call("GET", "/list/").status_code in (307, 404)


@pytest.mark.parametrize(
    ("raised", "status", "reason"),
    [
        (BadInput("k == 0"), 400, "k == 0"),
        (ConfigError("of BadInput's kind"), 400, "of BadInput's kind"),
        (EventLogError("disk full"), 503, "disk full"),
        (HTTPException(413, "too long"), 413, "GET /list: too long"),
        (ClientDisconnect(), 400, "the caller went away before the end of the body"),
    ],
)
def test_errors_are_answered_as_everywhere(raised: Exception, status: int, reason: str) -> None:
    answer = call("GET", "/list", raised)
    assert (answer.status_code, answer.json()) == (status, {"error": reason})
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_bug_says_nothing_outside_and_everything_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="serving.http_errors"):
        answer = call("GET", "/list", KeyError("secret-of-the-inside"))
    assert answer.status_code == 500
    assert "secret-of-the-inside" not in answer.text
    assert "secret-of-the-inside" in caplog.text
