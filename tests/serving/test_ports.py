import socket
from pathlib import Path

import pytest

from core.errors import BadInput, ServerError
from serving.ports import announce, listen


def test_any_free_port_listens_at_once_and_is_announced(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as first, listen("127.0.0.1", 0) as second:
        ports = [announce(sock, tmp_path / name) for sock, name in ((first, "a"), (second, "b"))]
        assert ports[0] != ports[1]
        assert [(tmp_path / name).read_text() for name in "ab"] == [f"{port}\n" for port in ports]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], "no half-written file stays"
        socket.create_connection(("127.0.0.1", ports[0]), timeout=5).close()


def test_without_a_file_the_port_is_only_returned() -> None:
    with listen("127.0.0.1", 0) as sock:
        assert announce(sock, None) == sock.getsockname()[1]


def test_a_taken_port_names_the_option() -> None:
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} on 127.0.0.1 is taken; choose another with --port"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("127.0.0.1", 65536, "--port 65536"),
        ("127.0.0.1", -1, "--port -1"),
        ("192.0.2.1", 0, "no address of this machine"),
    ],
)
def test_what_cannot_be_bound_is_bad_input(host: str, port: int, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        listen(host, port)


def test_a_port_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as sock, pytest.raises(BadInput, match=r"--port-file .*nowhere"):
        announce(sock, tmp_path / "nowhere" / "port")
