"""A model server whose behaviour a test changes while it runs, and that makes lists one can tell apart."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.model_source import UNREGISTERED
from tests.policy_servers import server_that


class SwitchedModel:
    """Its list for user u at k 2 is u-NAME-1, u-NAME-2.

    Attributes:
        url: Where it listens.
        way: What it does: ``answer``, ``hang_up`` or ``be_silent``.
        asked: Users that it was asked for, in order.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.way = "answer"
        self.asked: list[str] = []
        self.popular = threading.Event()

    def items(self, user: str, k: int) -> list[str]:
        return [f"{user}-{self.name}-{place}" for place in range(1, k + 1)]

    def __call__(self, connection: socket.socket) -> None:
        body = connection.recv(65536).rpartition(b"\r\n\r\n")[2]
        asked = json.loads(body) if body else {"user_id": "ready", "k": 1}
        self.asked.append(asked["user_id"])
        if self.way == "be_silent":
            return
        if self.way == "answer":
            items = [{"item_id": item, "score": 1.0} for item in self.items(asked["user_id"], asked["k"])]
            text = json.dumps({"items": items, "model_version": UNREGISTERED, "features": "store"})
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\nconnection: close\r\n\r\n"
            connection.sendall((head + text).encode())
            if asked["user_id"].endswith("nobody"):
                self.popular.set()
        connection.close()


@contextmanager
def switched_model(name: str) -> Iterator[SwitchedModel]:
    model = SwitchedModel(name)
    with server_that(model) as url:
        model.url = url
        yield model
