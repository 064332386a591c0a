"""The manifests' own command lines are started here, and every route that a probe or a monitor asks for answers."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from serving.health import address
from serving.processes import ServerCommand, ServerProcess, poll
from tests.kustomized import MANIFESTS, Document, of_kind, overlay, pods
from tests.real_postgres import RealPostgres
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions

START_S = 90
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def container_of(owner: str, name: str = "local-cluster") -> Document:
    [pod] = [pod for pod in pods(overlay(name)) if pod.owner == owner]
    return pod.containers[0]


def command_line(container: Document, **replaced: str) -> list[str]:
    """What the image runs, with this machine's Python; values of options may be replaced by others."""
    words = [*container.get("command", ["screentest"]), *container["args"]]
    entry = {"screentest": ["-m", "cli.main"], "mlflow": ["-m", "mlflow"], "python": []}[words[0]]
    for option, value in replaced.items():
        # KServe's own options are written with underscores.
        name = f"--{option}" if f"--{option}" in words else f"--{option.replace('_', '-')}"
        if name in words:
            words[words.index(name) + 1] = value
        else:
            [at] = [at for at, word in enumerate(words) if word.startswith(f"{name}=")]
            words[at] = f"{name}={value}"
    return [sys.executable, *entry, *words[1:]]


def asked_paths(container: Document) -> set[str]:
    """What its probes ask for; at the port that it says it listens on."""
    ports = {value for port in container["ports"] for value in (port["containerPort"], port.get("name"))}
    asked = [container[probe]["httpGet"] for probe in PROBES]
    assert all(get["port"] in ports for get in asked)
    return {get["path"] for get in asked}


@contextmanager
def running(command: list[str], folder: Path, name: str, ready_path: str, port: int = 0) -> Iterator[ServerProcess]:
    """A server that takes any free port and tells it, or one that was given a port."""
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / f"{name}.port"
    tells = [] if port else ["--port-file", str(port_file)]
    server = ServerProcess(
        ServerCommand(name, [*command, *tells], port_file, folder / f"{name}.log", ready_path, environment={})
    )
    if port:
        port_file.write_text(str(port), encoding="ascii")
    try:
        server.wait_ready(START_S)
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(server: ServerProcess, path: str, **headers: str) -> int:
    return httpx.get(server.url + path, headers=headers, timeout=10, trust_env=False).status_code


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServerProcess]]:
    """Champion and challenger, as the local cluster starts them, on versions of a registry."""
    folder = tmp_path_factory.mktemp("registry")
    models = {"popularity": {}, "ease": {"reg": 10.0}}
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        environment.setenv("MLFLOW_TRACKING_URI", register_small_models(folder, models, small_interactions()))
        started = {}
        for owner in ("recommender", "recommender-challenger"):
            container = container_of(f"InferenceService/{owner}")
            # KServe gives each the name of its InferenceService.
            command = command_line(container, host="127.0.0.1", port="0")
            started[owner] = stack.enter_context(running(command, folder / owner, owner, "/readyz"))
        yield started


def test_model_servers_serve_the_pinned_version_and_answer_their_probes(servers: dict[str, ServerProcess]) -> None:
    for version, (owner, server) in enumerate(servers.items(), start=1):
        ready = httpx.get(server.url + "/readyz", trust_env=False).json()
        assert (ready["model"], ready["model_version"]) == (owner, str(version))
        paths = asked_paths(container_of(f"InferenceService/{owner}"))
        assert {path: status(server, path) for path in paths} == dict.fromkeys(paths, 200)
    [monitor] = of_kind(overlay("production"), "PodMonitor")
    assert [status(servers["recommender"], end["path"]) for end in monitor["spec"]["podMetricsEndpoints"]] == [200]


def test_the_transformer_is_ready_once_its_predictor_is_and_answers_its_probes(
    servers: dict[str, ServerProcess], tmp_path: Path
) -> None:
    container = container_of("Transformer/recommender", "local-cluster-transformer")
    predictor = servers["recommender"].url.removeprefix("http://")
    command = command_line(container, host="127.0.0.1", http_port="0", predictor_host=predictor)
    with running(command, tmp_path, "transformer", "/readyz") as transformer:
        paths = asked_paths(container)
        assert {path: status(transformer, path) for path in paths} == dict.fromkeys(paths, 200)
        body = {"instances": [{"user_id": 101, "k": 3}]}
        answer = httpx.post(transformer.url + "/v1/models/recommender:predict", json=body, trust_env=False)
        assert len(answer.json()["predictions"][0]["items"]) == 3


def test_the_policy_server_is_ready_once_the_first_route_of_the_guide_is_put(
    servers: dict[str, ServerProcess], tmp_path: Path
) -> None:
    container = container_of("Deployment/policy-server")
    events = f"sqlite:///{tmp_path / 'events.db'}"
    command = command_line(container, host="127.0.0.1", port="0", events=events)
    with running(command, tmp_path, "policy", "/healthz") as policy:
        paths = asked_paths(container)
        before = {path: status(policy, path) for path in paths}
        assert before == dict.fromkeys(paths, 200) | {"/readyz": 503}

        put = [*(sys.executable, "-m", "cli.main", "rollout", "route", "--events", events)]
        put += ["--champion", servers["recommender"].url, "--rival", servers["recommender-challenger"].url]
        done = subprocess.run(put, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"everyone to models:/{MODEL_NAME}/1" in done.stdout

        httpx.post(policy.url + "/routes/refresh", trust_env=False).raise_for_status()
        assert {path: status(policy, path) for path in paths} == dict.fromkeys(paths, 200)
        shown = httpx.get(policy.url + "/choose?user_id=101", trust_env=False).json()
        assert (shown["arm"], shown["experiment"], len(shown["items"])) == ("champion", "live", 10)
        [monitor] = of_kind(overlay("production"), "ServiceMonitor")
        assert [status(policy, end["path"]) for end in monitor["spec"]["endpoints"]] == [200]


def test_the_worker_lives_by_its_own_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = container_of("Deployment/worker")
    alive = str(tmp_path / "alive")
    probes = {tuple(container[probe]["exec"]["command"]) for probe in PROBES if probe in container}
    [probe] = [[alive if word == "/tmp/worker.alive" else word for word in words] for words in probes]
    asked = [sys.executable, *probe[1:]]
    assert subprocess.run(asked, stderr=subprocess.DEVNULL).returncode == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    command = command_line(container, events=f"sqlite:///{tmp_path / 'events.db'}", alive_file=alive)
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        assert poll(lambda: subprocess.run(asked, stderr=subprocess.DEVNULL).returncode == 0, START_S)
        worker.terminate()
        assert worker.wait(START_S) == 0, (tmp_path / "log").read_text()
    finally:
        worker.kill()


def test_the_review_page_answers_its_probes(tmp_path: Path) -> None:
    container = container_of("Deployment/review-page")
    port = free_port()
    command = command_line(container, host="127.0.0.1", port=str(port))
    [path] = asked_paths(container)
    with running(command, tmp_path, "page", path, port) as page:
        assert status(page, "/") == 200


@pytest.mark.long
def test_mlflow_wants_a_log_in_and_one_of_its_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = container_of("Deployment/mlflow")
    names = next(variable["value"] for variable in container["env"] if variable["name"] == "ALLOWED_HOSTS")
    settings = (MANIFESTS / "base" / "files" / "mlflow-basic-auth.ini").read_text(encoding="utf-8")
    ini = tmp_path / "basic_auth.ini"
    ini.write_text(re.sub("database_uri = .*", f"database_uri = sqlite:///{tmp_path / 'users.db'}", settings))
    environment = {"CONFIG_PATH": str(ini), "ADMIN_PASSWORD": "correct-horse-battery"}
    for name, value in environment.items():
        monkeypatch.setenv(f"MLFLOW_AUTH_{name}", value)
    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "for this test")
    port = free_port()
    command = command_line(
        container,
        host="127.0.0.1",
        port=str(port),
        workers="1",
        backend_store_uri=f"sqlite:///{tmp_path / 'mlflow.db'}",
        artifacts_destination=str(tmp_path / "artifacts"),
        allowed_hosts=names,
    )
    [path] = asked_paths(container)
    search = "/api/2.0/mlflow/experiments/search?max_results=1"
    with running(command, tmp_path, "mlflow", path, port) as mlflow:
        # As a probe asks: by the pod's address, without a log-in.
        assert status(mlflow, path, host="10.1.2.3:5000") == 200
        assert status(mlflow, search, host="mlflow:5000") == 401
        assert status(mlflow, search, host="elsewhere.example") == 403
        asked = httpx.get(
            mlflow.url + search, headers={"host": "mlflow:5000"}, auth=("admin", "correct-horse-battery"), timeout=10
        )
        assert asked.status_code == 200


def test_the_images_health_check_knows_every_role() -> None:
    """By the very command lines that the containers have, at the port and the path that their probes ask."""
    for pod in pods(overlay("local-cluster-transformer")):
        container = pod.containers[0]
        if not container["image"].startswith("localhost/screentest-python"):
            continue
        words = [*container.get("command", ["screentest"]), *container["args"]]
        if "ports" not in container:
            # It serves nothing; its own probe asks otherwise.
            assert (pod.owner, address(words)) == ("Deployment/worker", None)
            continue
        port = container["ports"][0]["containerPort"]
        assert address(words) in {f"http://127.0.0.1:{port}{path}" for path in asked_paths(container)}, pod.owner


def test_two_policy_servers_share_the_log_in_postgresql(postgres: RealPostgres, tmp_path: Path) -> None:
    """As the overlay starts as many of them as the load wants; libpq has the password from its own variable."""
    container = container_of("Deployment/policy-server", "production")
    written = container["args"][container["args"].index("--events") + 1]
    assert written.startswith("postgresql+psycopg://screentest@postgresql:5432/"), "no password in it"
    command = command_line(container, host="127.0.0.1", port="0", events=postgres.new_log())
    paths = asked_paths(container)
    with ExitStack() as stack:
        for name in ("one", "two"):
            server = stack.enter_context(running(command, tmp_path, name, "/healthz"))
            # No route is put yet: alive, and not ready.
            assert {path: status(server, path) for path in paths} == dict.fromkeys(paths, 200) | {"/readyz": 503}
