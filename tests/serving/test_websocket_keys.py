"""A WebSocket behind the layers, on a real server: keys in a header and as a browser must send them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.settings import load_settings
from events.api_keys import KeyRights, create_key, revoke_key
from events.database import open_database
from serving.access.guarded import guarded
from serving.access.request_head import LimitedHead
from serving.ports import listen
from serving.processes import poll

ENDED: list[str] = []


async def tell(socket: WebSocket) -> None:
    """Tells which protocols the application saw, then counts."""
    await socket.accept()
    try:
        await socket.send_json(socket.scope["subprotocols"])
        while True:
            await socket.send_text("more")
            await asyncio.sleep(0.02)
    except WebSocketDisconnect:
        ENDED.append(socket.path_params["name"])


@dataclass(frozen=True)
class Live:
    """A server with a WebSocket."""

    port: int
    engine: Engine
    keys: dict[str, str]

    def open(self, path: str = "/ws/experiments/a", **options: object) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('live') / 'events.db'}")
    rights = {"viewer": KeyRights("viewer"), "shop": KeyRights("operator", "traffic"), "passing": KeyRights("viewer")}
    keys = {name: create_key(engine, name, its)[1] for name, its in rights.items()}
    sock = listen("127.0.0.1", 0)
    with ExitStack() as stack:
        app = stack.enter_context(
            guarded(
                Starlette(routes=[WebSocketRoute("/ws/experiments/{name}", tell)]),
                engine,
                load_settings(access="keys", cors_origins=["https://shop.example"]),
                "127.0.0.1",
                CollectorRegistry(),
            )
        )
        server = uvicorn.Server(uvicorn.Config(app, http=LimitedHead, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        yield Live(sock.getsockname()[1], engine, keys)
        server.should_exit = True
        thread.join()
    engine.dispose()


def test_with_a_key_in_a_header(live: Live) -> None:
    with live.open(additional_headers={"authorization": f"Bearer {live.keys['viewer']}"}) as socket:
        assert (socket.recv(), socket.recv()) == ("[]", "more")
        assert socket.subprotocol is None


def test_as_a_browser_sends_it(live: Live) -> None:
    with live.open(subprotocols=["screentest", live.keys["viewer"]], origin=f"http://127.0.0.1:{live.port}") as socket:
        assert socket.recv() == '["screentest"]', "the application does not see the key"
        assert socket.subprotocol == "screentest", "a browser gives up where none of its protocols is chosen"


@pytest.mark.parametrize("offer", [["screentest"], ["screentest", "st_0123456789_wrong"], ["KEY"], []])
def test_without_a_valid_key_there_is_none(live: Live, offer: list[str]) -> None:
    # The key alone is no offer: a browser would have to be answered with it.
    offered = [live.keys["viewer"] if protocol == "KEY" else protocol for protocol in offer]
    with pytest.raises(InvalidStatus) as caught, live.open(subprotocols=offered or None):
        pass
    assert caught.value.response.status_code == 401
    assert live.keys["viewer"].encode() not in (caught.value.response.body or b"")


def test_a_key_for_traffic_does_not_watch(live: Live) -> None:
    with (
        pytest.raises(InvalidStatus) as caught,
        live.open(additional_headers={"x-api-key": live.keys["shop"]}),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_a_page_from_elsewhere_may_not_unless_it_is_allowed(live: Live) -> None:
    key = {"additional_headers": {"x-api-key": live.keys["viewer"]}}
    with pytest.raises(InvalidStatus) as caught, live.open(origin="https://evil.example", **key):
        pass
    assert caught.value.response.status_code == 403
    with live.open(origin="https://shop.example", **key) as socket:
        assert socket.recv() == "[]"


def test_revoking_a_key_ends_what_it_watches(live: Live) -> None:
    with live.open("/ws/experiments/ended", additional_headers={"x-api-key": live.keys["passing"]}) as socket:
        assert socket.recv() == "[]"
        revoke_key(live.engine, "passing")

        def watch() -> None:
            while True:
                socket.recv(timeout=20)

        with pytest.raises(ConnectionClosedError) as caught:
            watch()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "the key is no longer valid")
    assert poll(lambda: "ended" in ENDED, 10), "the application was told"


def test_a_path_that_is_not_in_the_table_is_for_admins(live: Live) -> None:
    with (
        pytest.raises(InvalidStatus) as caught,
        live.open("/ws/other", additional_headers={"x-api-key": live.keys["viewer"]}),
    ):
        pass
    assert caught.value.response.status_code == 403
