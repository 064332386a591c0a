"""Uvicorn, told to stop: whoever got through to the server is answered, and the process ends with exit code 0.

Uvicorn alone closes idle kept connections at once, on which a request may be on its way, resets connections that
the kernel has accepted and the process has not, and ends by the signal it got. Here what waits in the backlog is
accepted still, every answer says that its connection closes, and connections that stay idle are closed last.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How long a kept connection may stay idle before it is closed.
LINGER_S = 0.5
_PAUSE_S = 0.02
_CLOSE = (b"connection", b"close")


class GracefulServer(uvicorn.Server):
    """One server process. ``run`` returns after SIGTERM or SIGINT."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on sockets that listen until told to stop."""
        # Uvicorn raises the signal it caught once more when it has shut down in order.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with suppress(KeyboardInterrupt):
                super().run(sockets=sockets)
        finally:
            signal.signal(signal.SIGTERM, before)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer everyone, close."""
        closing = self.config.loaded_app = _closing(self.config.loaded_app)
        for connection in self.server_state.connections:
            connection.app = closing  # type: ignore[union-attr]
        for sock in sockets or []:
            await self._accept_the_last(sock)
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER_S
        while self.server_state.connections and loop.time() < until:
            await asyncio.sleep(_PAUSE_S)
        await super().shutdown(sockets)

    async def _accept_the_last(self, sock: socket.socket) -> None:
        """Take the connections that the kernel has accepted already; closing the socket would reset them."""
        with sock.dup() as backlog:
            backlog.setblocking(False)
            # From here on the event loop accepts none; the port stays open until the copy is closed too.
            for server in self.servers:
                server.close()
            with suppress(BlockingIOError):
                while True:
                    connection, _ = backlog.accept()
                    connection.setblocking(False)
                    await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        made = self.config.http_protocol_class
        return made(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg,return-value]


def _closing(app: ASGIApp) -> ASGIApp:
    """The application, whose answers say that their connection takes no other request."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        await app(scope, receive, last if scope["type"] == "http" else send)

    return answer
