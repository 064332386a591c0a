"""The container image, run as a cluster runs it: another user than root, no capability, a root that cannot be written.

``make image-test`` runs these; they need podman or docker, and the image that ``make image`` builds.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from components.image import IMAGE
from pipelines.compile import compiled_path
from serving.processes import poll
from tests.small_registry import small_interactions
from wrappers.registry import model

START_S = 120
#: On the machine's own network: its ports are chosen free, and nothing has to be published.
CONFINED = ("--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all")
CONFINED += ("--security-opt", "no-new-privileges")

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def engine() -> str:
    found = shutil.which("podman") or shutil.which("docker")
    assert found, "neither podman nor docker is on the PATH"
    assert subprocess.run([found, "inspect", IMAGE], capture_output=True).returncode == 0, f"no {IMAGE}: make image"
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What is mounted as /data: writable for whoever the image runs as."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def run(
    engine: str, *words: str, data: Path | None = None, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    mount = ("--volume", f"{data}:/data") if data else ()
    command = [engine, "run", "--rm", *CONFINED, *mount, *options, IMAGE, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@contextmanager
def served(engine: str, *words: str, data: Path, port: int, path: str) -> Iterator[str]:
    """A container in the background, once it answers; its name."""
    name = f"screentest-image-test-{port}"
    options = [*CONFINED, "--name", name, "--volume", f"{data}:/data"]
    started = subprocess.run([engine, "run", "--detach", *options, IMAGE, *words], capture_output=True, text=True)
    try:
        assert started.returncode == 0, started.stderr
        url = f"http://127.0.0.1:{port}{path}"
        up = poll(lambda: _status(url) == 200, START_S)
        assert up, subprocess.run([engine, "logs", name], capture_output=True, text=True)
        yield name
    finally:
        subprocess.run([engine, "rm", "--force", name], capture_output=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_is_nobody_of_importance_and_says_what_it_can_do(engine: str) -> None:
    [inspected] = json.loads(subprocess.run([engine, "inspect", IMAGE], capture_output=True).stdout)
    assert inspected["Config"]["User"] == "10001:10001"
    told = run(engine, "--help")
    assert told.returncode == 0, told.stderr
    assert "Audition recommenders" in told.stdout
    refused = run(engine, "-c", "touch /home/x /opt/venv/x /etc/x", options=("--entrypoint", "sh"))
    assert refused.stderr.count("Read-only file system") == 3


def test_a_step_of_the_compiled_pipeline_runs_as_kubeflow_starts_it(engine: str, data: Path) -> None:
    spec = next(yaml.safe_load_all(compiled_path("training").read_text(encoding="utf-8")))
    step = spec["deploymentSpec"]["executors"]["exec-get-data"]["container"]
    assert step["image"] == IMAGE
    parameters = {"source": "", "loader": "synthetic", "split": "random_per_user", "split_n": 10}
    parameters |= {"split_test_fraction": 0.2, "split_folds": 5, "split_fold": 0, "seed": 7}
    made = ("dataset", "description", "validation", "set_aside")
    request = {
        "inputs": {"parameterValues": {**parameters, "thresholds": {}, "quarantine": False, "columns": {}}},
        "outputs": {"artifacts": {name: _artifact(name) for name in made}, "outputFile": "/data/outputs.json"},
    }
    words = [word.replace("{{$}}", json.dumps(request)) for word in [*step["command"], *step["args"]]]
    done = run(engine, *words[1:], data=data, options=("--entrypoint", words[0]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (data / "dataset" / "train.parquet").exists()
    assert json.loads((data / "outputs.json").read_text())["artifacts"]["dataset"]


def test_every_step_of_the_compiled_pipelines_runs_inside(engine: str, data: Path) -> None:
    """From the data to versions in MLflow's registry, and from two of those to a decision."""
    mlflow = ("--env", "MLFLOW_TRACKING_URI=sqlite:////data/mlflow.db")
    asked = ("loader=synthetic", "source=", 'models=["popularity","ease"]', "features=true")
    trained = run(engine, "pipeline", "run", "training", *asked, data=data, options=mlflow)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    made = json.loads(trained.stdout)
    assert (made["champion"], made["challenger"]) == ("models:/recommender/1", "models:/recommender/2")
    spec = {
        "name": "inside",
        "unit": "visitor_id",
        "variants": {name: made[name] for name in ("champion", "challenger")},
        "analysis": {"n_star": 300},
        "stopping": {"look_every": 100, "min_challenger_sessions": 30},
        "rollout": {"steps": [{"percent": 50, "sessions": 1200}], "watch_sessions": 100},
    }
    asked = (f"dataset_uri={made['dataset']}", f"experiment_spec={json.dumps(spec)}", "run_dir=/data/rollout")
    rolled = run(engine, "pipeline", "run", "rollout", *asked, "n_visitors=2000", data=data, options=mlflow)
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    assert json.loads(rolled.stdout)["Output"] in ("promote", "rollback", "keep")
    log = (data / "runs" / "pipeline" / "pipeline.log").read_text(encoding="utf-8")
    compiled = [
        next(yaml.safe_load_all(compiled_path(name).read_text(encoding="utf-8"))) for name in ("training", "rollout")
    ]
    steps = {name.removeprefix("exec-") for one in compiled for name in one["deploymentSpec"]["executors"]}
    begun = re.findall(r"Executing task '([a-z-]+?)(?:-\d+)?'", log)
    # The importer only names what is there.
    assert set(begun) >= steps - {"importer"}, log[-3000:]


def test_model_server_and_policy_server_serve_from_inside(engine: str, data: Path) -> None:
    folder = data / "popularity"
    model("popularity")().fit(small_interactions()).save(folder)
    _open_to_all(data)
    ports = free_port(), free_port()
    events = "sqlite:////data/events.db"
    server = ("serve", "model", "--model-uri", "/data/popularity", "--port", str(ports[0]))
    policy = ("serve", "policy", "--events", events, "--port", str(ports[1]))
    with (
        served(engine, *server, data=data, port=ports[0], path="/readyz") as model_server,
        served(engine, *policy, data=data, port=ports[1], path="/healthz") as policy_server,
    ):
        listed = httpx.post(f"http://127.0.0.1:{ports[0]}/recommend", json={"user_id": 101, "k": 5}).json()
        assert len(listed["items"]) == 5
        assert [_health(engine, name) for name in (model_server, policy_server)] == [0, 0]
        assert _status(f"http://127.0.0.1:{ports[1]}/readyz") == 503
        assert _health(engine, policy_server, f"http://127.0.0.1:{ports[1]}/readyz") == 1
        stopped = subprocess.run([engine, "stop", "--time", "20", policy_server], capture_output=True, timeout=60)
        assert stopped.returncode == 0
        code = [engine, "inspect", "--format", "{{.State.ExitCode}}", policy_server]
        assert subprocess.run(code, capture_output=True, text=True).stdout.strip() == "0"


def test_the_review_page_is_served_from_inside(engine: str, data: Path) -> None:
    port = free_port()
    words = ("serve", "page", "--policy", "http://127.0.0.1:1", "--port", str(port))
    with served(engine, *words, data=data, port=port, path="/_stcore/health") as page:
        assert _health(engine, page) == 0


def _artifact(name: str) -> dict[str, Any]:
    kind = {"dataset": "Dataset", "set_aside": "Artifact"}.get(name, "HTML")
    return {
        "artifacts": [{"name": name, "type": {"schemaTitle": f"system.{kind}"}, "uri": f"/data/{name}", "metadata": {}}]
    }


def _health(engine: str, container: str, *url: str) -> int:
    """The image's own check, asked for by hand: who asks regularly is the engine's affair."""
    asked = [engine, "exec", container, "python", "-m", "serving.health", *url]
    return subprocess.run(asked, capture_output=True, timeout=60).returncode


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def _open_to_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
