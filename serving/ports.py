"""Taking a port, and telling others which one it is."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from core.errors import BadInput, ServerError
from core.files import write_whole


def listen(host: str, port: int) -> socket.socket:
    """A socket that already listens, to be handed to the server.

    Port 0 takes any free one. The socket is bound here and never closed before the server has it, so that nobody can
    take the port in between; early connections wait in its backlog.

    Args:
        host: Address to bind, e.g. ``127.0.0.1``.
        port: 0 … 65535.

    Raises:
        BadInput: The host is no address of this machine, or the port no port.
        ServerError: The port is taken or may not be used.
    """
    if not 0 <= port <= 65535:
        raise BadInput(f"--port {port}, must be 0 … 65535 (0: any free one)")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadInput(f"--host {host!r}: {error.strerror}; give an address of this machine, e.g. 127.0.0.1") from error
    # A restarted server may take its port back while old connections linger.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(1024)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ServerError(f"port {port} on {host} is taken; choose another with --port (0: any)") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise BadInput(f"--host {host!r} is no address of this machine; give e.g. 127.0.0.1") from error
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    return sock


def announce(sock: socket.socket, port_file: Path | None) -> int:
    """Write a listening socket's port to a file, whole or not at all.

    Args:
        sock: From ``listen``.
        port_file: Its folder must exist; None writes nothing.

    Returns:
        The port.

    Raises:
        BadInput: The file cannot be written.
    """
    port: int = sock.getsockname()[1]
    write_port(port, port_file, "--port-file")
    return port


def write_port(port: int, port_file: Path | None, option: str) -> None:
    """Write a port to a file, whole or not at all.

    Args:
        port: That something listens on.
        port_file: Its folder must exist; None writes nothing.
        option: What named the file, for the message.

    Raises:
        BadInput: The file cannot be written.
    """
    if port_file is None:
        return
    try:
        write_whole(port_file, f"{port}\n")
    except OSError as error:
        raise BadInput(f"{option} {str(port_file)!r} cannot be written: {error.strerror}") from error
