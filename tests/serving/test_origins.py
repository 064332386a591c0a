import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from core.errors import ConfigError
from core.settings import load_settings
from serving.access.guarded import asks_for_keys
from serving.access.origins import Origins, is_local

ALLOWED = "https://shop.example"


async def _answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    await send({"type": "http.response.body", "body": b"ok"})


def ask(method: str = "GET", *, local_names_only: bool = False, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer."""
    registry = CollectorRegistry()
    app = Origins(
        _answer,
        [ALLOWED],
        local_names_only=local_names_only,
        refused=Counter("refused", "Refused.", ["reason"], registry=registry),
    )
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(app({"type": "http", "method": method, "path": "/", "headers": pairs}, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_who_is_no_web_page_is_answered() -> None:
    assert ask(host="shop.internal") == (200, {"x": "y"})


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://shop.example", ALLOWED + ".evil", "file://"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_others_are_refused_and_may_read_nothing(origin: str, method: str) -> None:
    status, headers = ask(method, host="policy.example", origin=origin, access_control_request_method="POST")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_page_of_the_server_itself_may() -> None:
    assert ask("POST", host="policy.example:8080", origin="https://policy.example:8080")[0] == 200
    assert ask("POST", host="policy.example", origin="https://policy.example:8080")[0] == 403
    assert ask("POST", origin="https://policy.example:8080")[0] == 403


def test_an_origin_that_is_allowed_by_name_is_told_so() -> None:
    status, headers = ask("POST", host="policy.example", origin=ALLOWED)
    assert (status, headers) == (200, {"x": "y", "access-control-allow-origin": ALLOWED, "vary": "origin"})
    status, headers = ask("OPTIONS", host="policy.example", origin=ALLOWED, access_control_request_method="POST")
    assert (status, headers["access-control-allow-origin"]) == (204, ALLOWED)
    assert "authorization" in headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in headers


def test_where_no_key_is_asked_for_other_names_of_this_machine_are_refused() -> None:
    assert ask(host="127.0.0.1:8080", local_names_only=True)[0] == 200
    status, _ = ask(host="rebound.evil.example:8080", local_names_only=True)
    assert status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.9.9.9:1", "[::1]:8080"])
def test_names_of_this_machine(host: str) -> None:
    assert is_local(host.encode())


@pytest.mark.parametrize(
    "host", ["", "localhost.evil.example", "evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::", "0.0.0.0"]
)
def test_other_names(host: str) -> None:
    assert not is_local(host.encode())


@pytest.mark.parametrize(
    ("access", "address", "asked"),
    [
        ("", "127.0.0.1", False),
        ("", "::1", False),
        ("", "0.0.0.0", True),
        ("", "::", True),
        ("", "10.1.2.3", True),
        ("open", "0.0.0.0", False),
        ("keys", "127.0.0.1", True),
    ],
)
def test_keys_are_asked_for_where_others_reach_the_server_unless_told_otherwise(
    access: str, address: str, asked: bool
) -> None:
    assert asks_for_keys(access, address) == asked


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://*.example", "https://shop.example/", "ftp://x"])
def test_origins_are_exact(origin: str) -> None:
    with pytest.raises(ConfigError, match="is no origin; give scheme://host"):
        load_settings(cors_origins=[origin])
    assert load_settings(cors_origins=[ALLOWED, "http://localhost:3000"]).cors_origins[0] == ALLOWED
