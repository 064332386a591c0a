"""What compose would do with the services of compose.yaml, with processes in place of containers.

Each runs the service's own command line with the service's own environment. What differs: its address (127.0.0.1 and a
free port for every name), its folders (one per volume), and MLflow's databases (SQLite).
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from serving.health import address
from serving.processes import answers, poll
from tests.kustomized import ROOT

TOOL = Path(str(files("compose"))) / "docker-compose"
START_S, END_S = 120, 900
_PORTS = {
    "redis": 6379,
    "mlflow": 5000,
    "champion": 8081,
    "challenger": 8082,
    "policy-server": 8080,
    "review-page": 8501,
}

Service = dict[str, Any]


@cache
def _configured() -> str:
    asked = [str(TOOL), "--project-directory", str(ROOT), "-f", str(ROOT / "compose.yaml"), "--profile", "rollout"]
    told = subprocess.run([*asked, "config", "--format", "json"], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stderr) == (0, "")
    return told.stdout


def composed() -> dict[str, Service]:
    """Every service by name, with every variable and anchor resolved."""
    return dict(json.loads(_configured())["services"])


def command_line(service: Service) -> list[str]:
    return [*(service.get("entrypoint") or ["screentest"]), *(service["command"] or [])]


def is_one_shot(service: Service) -> bool:
    return bool(service["restart"] == "no")


class Composed:
    """The stack; ``close`` ends what runs of it.

    Args:
        folder: For volumes and logs.
        services: Of ``composed``, or some that stand in for them.
    """

    def __init__(self, folder: Path, services: Mapping[str, Service]) -> None:
        self.services = services
        self.ports = {name: _free_port() for name in _PORTS}
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def up(self, *names: str) -> None:
        """``docker compose up --wait NAMES``: what they depend on first; those that have ended are run again."""
        done: set[str] = set()
        for name in names or [name for name, service in self.services.items() if not service.get("profiles")]:
            self._up(name, done)

    def run(self, name: str) -> str:
        """``docker compose run --rm NAME``; what it printed."""
        self.up(*self.services[name].get("depends_on", {}))
        return self._run(name)

    def restart(self, name: str) -> None:
        """``docker compose restart NAME``."""
        self._stop(name)
        self._start(name)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def volume(self, name: str) -> Path:
        """The folder of a volume."""
        folder = self._folder / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(encoding="utf-8")

    def close(self) -> None:
        for name in reversed(list(self._running)):
            self._stop(name)

    def _up(self, name: str, done: set[str]) -> None:
        if name in done:
            return
        done.add(name)
        for other in self.services[name].get("depends_on") or {}:
            self._up(other, done)
        if is_one_shot(self.services[name]):
            self._run(name)
        elif name not in self._running:
            self._start(name)

    def _run(self, name: str) -> str:
        done = subprocess.run(**self._process(name), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=END_S)
        told = done.stdout.decode()
        assert done.returncode == 0, f"{name}: {told}"
        return told

    def _start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(**self._process(name), stdout=log, stderr=log)
        if not poll(lambda: self._running[name].poll() is not None or self._healthy(name), START_S):
            raise AssertionError(f"{name} is not healthy: {self.log(name)}")
        assert self._running[name].poll() is None, f"{name} has ended: {self.log(name)}"

    def _stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()

    def _healthy(self, name: str) -> bool:
        """As its health check says; where that asks nobody by HTTP, its command, or whether it takes connections."""
        service = self.services[name]
        test = service["healthcheck"]["test"]
        if "serving.health" in test:
            asked = test[4] if len(test) > 4 else address(command_line(service))
            return answers("127.0.0.1", self.ports[name], re.sub("^http://[^/]*", "", asked))
        if test[0] == "CMD" and test[1] == "python":
            command = [sys.executable, *(self._here(name, word) for word in test[2:])]
            return subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[name])) == 0

    def _process(self, name: str) -> dict[str, Any]:
        service = self.services[name]
        bin_folder = str(Path(sys.executable).parent)
        environment = {key: self._here(name, value) for key, value in service.get("environment", {}).items()}
        return {
            "args": self._words(name),
            "env": {
                "PATH": f"{bin_folder}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "HOME": str(self._folder),
                # The image says 0.0.0.0.
                "SCREENTEST_HOST": "127.0.0.1",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                **environment,
            },
            "cwd": self._data(name),
            "stdin": subprocess.DEVNULL,
        }

    def _words(self, name: str) -> list[str]:
        words = [self._here(name, word) for word in command_line(self.services[name])]
        own = self.ports.get(name)
        for at, word in enumerate(words):
            if word == "--port":
                words[at + 1] = str(own)
        words = [f"--port={own}" if word.startswith("--port=") else word for word in words]
        if name == "redis":
            words[-1] = f"{words[-1].rstrip()} --port {own} --bind 127.0.0.1"
        entry = {"screentest": ["-m", "cli.main"], "mlflow": ["-m", "mlflow"]}.get(words[0])
        return words if entry is None else [sys.executable, *entry, *words[1:]]

    def _data(self, name: str) -> Path:
        """What its container has as /data."""
        mounted = [volume for volume in self.services[name].get("volumes", []) if volume["target"] == "/data"]
        return self.volume(mounted[0]["source"] if mounted else f"tmpfs-{name}")

    def _here(self, name: str, text: str) -> str:
        """A word or a variable's value with this machine's addresses and folders."""
        # The tool writes what it reads again: a dollar sign is doubled.
        text = text.replace("$$", "$")
        for other, port in _PORTS.items():
            text = text.replace(f"{other}:{port}", f"127.0.0.1:{self.ports[other]}")
        text = text.replace("0.0.0.0", "127.0.0.1").replace("/tmp/worker", f"{self._data(name)}/worker")
        return re.sub(r"(?<![\w.])/data\b", str(self._data(name)), text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
