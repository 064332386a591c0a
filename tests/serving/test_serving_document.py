"""The examples of docs/SERVING.md, as they stand there, against a server."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.processes import ServerProcess, poll
from serving.tensors import TensorForm
from tests.served_model import START_S, model_server
from tests.small_registry import small_interactions
from wrappers.ease import Ease

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "SERVING.md").read_text(encoding="utf-8")
CURLS = re.findall(r"^    (curl (?:.|\n      )+)$", TEXT, re.MULTILINE)
SCRIPTS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("documented")
    Ease().fit(small_interactions()).save(folder / "ease")
    grpc_port = ("--grpc-port", "0", "--grpc-port-file", str(folder / "grpc.port"))
    with model_server(folder, "--model-uri", str(folder / "ease"), *grpc_port) as process:
        assert poll((folder / "grpc.port").exists, START_S)
        yield process


def at(server: ServerProcess, text: str) -> str:
    grpc_port = (server.command.port_file.parent / "grpc.port").read_text().strip()
    return text.replace("localhost:8081", f"127.0.0.1:{server.port}").replace(
        "localhost:8082", f"127.0.0.1:{grpc_port}"
    )


def test_every_curl_is_answered(server: ServerProcess) -> None:
    assert len(CURLS) == 3
    answers = []
    for line in CURLS:
        curl, url, option, body = shlex.split(at(server, line))
        assert (curl, option) == ("curl", "-d")
        # What curl says of a body given by -d.
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = httpx.post(f"http://{url}", content=body.encode(), headers=headers, trust_env=False, timeout=30)
        assert answer.status_code == 200, (line, answer.text)
        answers.append(answer.json())
    plain, explained, tensors = answers
    assert [len(one["items"]) for one in plain] == [2, 2]
    assert all(one.keys() == {"item_id", "reason", "confidence"} for one in explained["explanations"][0])
    assert [(one["name"], one["shape"]) for one in tensors["outputs"]] == [("item_id", [2, 3]), ("score", [2, 3])]


@pytest.mark.parametrize("script", SCRIPTS, ids=["kserve", "triton"])
def test_every_script_prints_lists(server: ServerProcess, script: str) -> None:
    done = subprocess.run([sys.executable, "-c", at(server, script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "b'1014'" in done.stdout


def test_the_tables_name_every_tensor() -> None:
    form = TensorForm(recommender=True, features=True)
    for tensor in (*form.inputs(), *form.outputs()):
        assert f"`{tensor['name']}`" in TEXT
