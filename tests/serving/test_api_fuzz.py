"""schemathesis over the running server's OpenAPI document: no 5xx, no hang, answers as the document says.

What is sent is made from the document, by its examples, at the edges of each field, at random, and along its links;
once with names that mostly do not exist, once on an experiment that has the traffic. That data which fit the schema are
accepted is not asked: what a spec's fields must be together, no schema says.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.managed_server import Managed, managed_server
from tests.real_postgres import RealPostgres

#: Of one request: whatever takes longer counts as a hang.
HANG_S = 30
STANDING = "standing"


@contextmanager
def with_traffic(folder: Path, events_url: str = "") -> Iterator[Managed]:
    """A server on which an experiment runs and has a few sessions."""
    with managed_server(folder, events_url) as server:
        server.create(STANDING)
        server.act(STANDING, "start", servers=server.servers)
        for user in range(20):
            assert server.http.get("/choose", params={"user_id": user}).status_code == 200
        yield server


def fuzz(server: Managed, folder: Path, *options: str, name: str = "") -> str:
    """Run schemathesis; its words."""
    config = folder / "schemathesis.toml"
    config.write_text(f'[parameters]\nname = "{name}"\n' if name else "")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config)),
            *("run", f"{server.url}/openapi.json", "--request-timeout", str(HANG_S), "--no-color"),
            *("--exclude-checks", "positive_data_acceptance", *options),
        ],
        cwd=folder,
        env={"NO_PROXY": "*", "HOME": str(folder), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def still_well(server: Managed, folder: Path) -> None:
    assert server.http.get("/healthz").json() == {"alive": True}
    assert server.http.get(f"/experiments/{STANDING}/results").json()["lanes"]["lanes"]["fixed"]["sessions"] >= 20
    log = (folder / "policy.log").read_text(errors="replace")
    assert "Traceback" not in log, log[-3000:]


@pytest.mark.parametrize("name", [STANDING], ids=["one-that-runs"])
def test_no_5xx_and_no_hang(tmp_path: Path, name: str) -> None:
    with with_traffic(tmp_path) as server:
        operations = server.http.get("/openapi.json").json()["paths"].values()
        words = fuzz(server, tmp_path, "--max-examples", "5", "--generation-deterministic", name=name)
        # All but the document itself, which it has read.
        assert re.search(rf"Tested: +{sum(map(len, operations)) - 1}\n", words)
        passed = re.search(r"(\d+) generated, (\d+) passed", words)
        assert passed is not None
        assert passed[1] == passed[2]
        assert int(passed[1]) > 1000
        still_well(server, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", ["", STANDING], ids=["any-name", "one-that-runs"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_5xx_and_no_hang_at_length(tmp_path: Path, name: str, database: str, postgres: RealPostgres) -> None:
    url = postgres.new_log() if database == "postgresql" else ""
    with with_traffic(tmp_path, url) as server:
        for seed in (1, 2):
            fuzz(server, tmp_path, "--max-examples", "50", "--seed", str(seed), name=name)
        still_well(server, tmp_path)
