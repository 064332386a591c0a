"""Server processes on this machine: start, wait until they answer, notice when they die, stop.

A server is told to take any free port and to write it into a port file; it is ready when its readiness path
answers 200 there. Children get sessions of their own, so that Ctrl-C reaches the parent alone, which then stops
them in order; what the parent cannot stop any more, serving/reaper.py kills.
"""

from __future__ import annotations

import http.client
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ServerError
from core.settings import child_environment

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25
_PROBE_TIMEOUT_S = 2.0
_TAIL_LINES = 8


def poll(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Ask until the answer is yes, in growing pauses of 0.02 to 0.25 s; False when the time is over."""
    deadline, pause = time.monotonic() + timeout_s, _FIRST_PAUSE_S
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE_S)
    return True


def answers(host: str, port: int, path: str) -> bool:
    """Whether a GET of the path is answered with 200; asked directly, whatever proxy the environment names."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True)
class ServerCommand:
    """How to start one server.

    Attributes:
        name: What messages call it, e.g. "model server models:/recommender/3".
        argv: Program and arguments; ``--port 0 --port-file`` and its file included.
        port_file: Where the server writes the port it got.
        log_file: Gets its standard output and error; appended to.
        ready_path: Answers 200 once it serves, e.g. "/readyz".
        host: The address it binds.
        environment: Added to this process's environment.
        ready: For a server that speaks no HTTP, in place of ``ready_path``: whether it serves at a host and port.
    """

    name: str
    argv: Sequence[str]
    port_file: Path
    log_file: Path
    ready_path: str = "/"
    host: str = "127.0.0.1"
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[str, int], bool] | None = None


class ServerProcess:
    """A started server.

    Args:
        command: What to start. Folders of its files are made; an old port file is removed first.
    """

    def __init__(self, command: ServerCommand) -> None:
        self.command = command
        command.log_file.parent.mkdir(parents=True, exist_ok=True)
        command.port_file.parent.mkdir(parents=True, exist_ok=True)
        command.port_file.unlink(missing_ok=True)
        with command.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                list(command.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(command.environment),
                start_new_session=True,
            )
        self._port: int | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; one that has ended is waited for, so that no zombie stays."""
        return self._process.poll() is None

    @property
    def port(self) -> int:
        """The port it got.

        Raises:
            ServerError: It has not told its port yet; call ``wait_ready`` first.
        """
        if self._port is None:
            raise ServerError(f"{self.command.name} has not told its port yet; wait until it is ready")
        return self._port

    @property
    def url(self) -> str:
        """``http://host:port``.

        Raises:
            ServerError: It has not told its port yet; call ``wait_ready`` first.
        """
        return f"http://{self.command.host}:{self.port}"

    def wait_ready(self, timeout_s: float) -> None:
        """Return once the readiness path answers 200 (or ``ready`` says yes).

        Raises:
            ServerError: It ended first (with exit code and last log lines), or the time is over.
        """
        if not poll(lambda: not self.alive or self._is_ready(), timeout_s):
            raise ServerError(
                f"{self.command.name} (pid {self.pid}) was not ready after {timeout_s:g} s; "
                f"see {self.command.log_file}, or allow more with SCREENTEST_SERVER_START_TIMEOUT_S{self._tail()}"
            )
        self.check()

    def check(self) -> None:
        """Raise if it has ended.

        Raises:
            ServerError: Names the server, its exit code or signal, its log file and the last lines of it.
        """
        code = self._process.poll()
        if code is not None:
            how = f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"
            raise ServerError(
                f"{self.command.name} (pid {self.pid}) ended with {how}; its log: {self.command.log_file}{self._tail()}"
            )

    def stop(self, grace_s: float = 5.0) -> None:
        """End it: SIGTERM, after ``grace_s`` SIGKILL; waits until it is gone. Does nothing if it has ended."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.command.port_file.unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        if self._port is None:
            self._port = _written_port(self.command.port_file)
        if self._port is None:
            return False
        if self.command.ready is not None:
            return self.command.ready(self.command.host, self._port)
        return answers(self.command.host, self._port, self.command.ready_path)

    def _tail(self) -> str:
        """The last lines of the log, each indented on a line of its own; empty if it wrote nothing."""
        try:
            with self.command.log_file.open(encoding="utf-8", errors="replace") as log:
                last = deque((line.rstrip() for line in log if line.strip()), maxlen=_TAIL_LINES)
        except FileNotFoundError:
            return ""
        return "".join(f"\n    {line}" for line in last)


def _written_port(port_file: Path) -> int | None:
    """The port a server has written, None while the file is missing or still empty."""
    try:
        text = port_file.read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() else None
