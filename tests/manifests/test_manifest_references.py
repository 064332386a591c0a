"""What the objects name exists: pods behind Services, ports, Secrets, ConfigMaps, volumes, workloads, settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import mlflow.environment_variables
import pytest
from mlflow.cli import server as mlflow_server
from sqlalchemy import QueuePool

from core.settings import Settings
from events.dialects import database_url, make_engine
from tests.kustomized import (
    OVERLAYS,
    ROOT,
    Document,
    Pod,
    of_kind,
    overlay,
    pods,
    references,
    selects,
    title,
)

DEPLOYMENT = ROOT / "docs" / "DEPLOYMENT.md"
#: Documented by the images of PostgreSQL and Redis, by libpq, and by MLflow's log-in (it reads these two by itself).
FOREIGN_NAMES = {
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "PGDATA", "POSTGRES_INITDB_ARGS"},
    "redis": {"REDISCLI_AUTH"},
    "mlflow": {"PGPASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"},
    "policy-server": {"PGPASSWORD"},
    "worker": {"PGPASSWORD"},
    "keys": {"PGPASSWORD"},
}

pytestmark = pytest.mark.parametrize("objects", OVERLAYS, indirect=True)


@pytest.fixture
def objects(request: pytest.FixtureRequest) -> list[Document]:
    return overlay(request.param)


def test_every_service_has_pods_that_listen_where_it_sends(objects: list[Document]) -> None:
    for service in of_kind(objects, "Service"):
        behind = [pod for pod in pods(objects) if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        assert len(behind) == 1, f"{title(service)} selects {[pod.owner for pod in behind]}"
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in _ports(behind[0]), title(service)


def test_every_selector_of_a_workload_selects_its_own_pods_alone(objects: list[Document]) -> None:
    for owner in of_kind(objects, "Deployment", "StatefulSet"):
        selected = [pod.owner for pod in pods(objects) if selects(owner["spec"]["selector"], pod.labels)]
        assert selected == [title(owner)]


def test_every_secret_and_config_map_is_there_or_is_asked_of_the_user(objects: list[Document]) -> None:
    there = {(document["kind"], document["metadata"]["name"]): document for document in objects}
    asked = _secrets_in_the_document()
    named = set(references(objects))
    assert len(named) > 6
    for kind, name, key in named:
        found = there.get((kind, name))
        if found is None:
            assert kind == "Secret", f"ConfigMap {name} is missing"
            assert key in asked.get(name, set()), f"docs/DEPLOYMENT.md asks for no key {key!r} of Secret {name}"
        elif key:
            assert key in found["data"], f"{kind} {name} lacks {key}"


def test_every_name_in_the_environment_is_known_to_who_reads_it(objects: list[Document]) -> None:
    known = _settings_names() | _mlflow_names()
    checked = 0
    for pod in pods(objects):
        for container in pod.containers:
            words = " ".join([*container.get("command", []), *container.get("args", [])])
            scripts = words + _scripts(pod, objects)
            for variable in container.get("env", []):
                name = variable["name"]
                expanded = f"$({name})" in words or f"${name}" in scripts
                foreign = name in FOREIGN_NAMES.get(container["image"].partition(":")[0], set())
                foreign |= name in FOREIGN_NAMES.get(container["name"], set())
                assert expanded or foreign or name in known, f"{pod.owner}: nobody reads {name}"
                checked += 1
    assert checked > 15


def test_every_setting_has_a_value_that_is_allowed(objects: list[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    for pod in pods(objects):
        for container in pod.containers:
            with monkeypatch.context() as environment:
                for variable in container.get("env", []):
                    if "value" in variable and variable["name"] in _settings_names():
                        environment.setenv(variable["name"], variable["value"])
                Settings()


def test_no_secret_is_written_down_but_the_examples(objects: list[Document]) -> None:
    for secret in of_kind(objects, "Secret"):
        assert secret["metadata"]["annotations"]["screentest/example-only"] == "true"
    for pod in pods(objects):
        for container in pod.containers:
            for variable in container.get("env", []):
                if re.search("PASSWORD|SECRET|API_KEY|REDIS_URL|REDISCLI_AUTH", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"], variable["name"]
            for word in [*container.get("command", []), *container.get("args", [])]:
                assert not re.search(r"://[^/@\s]*:[^/@\s]+@", word), word


def test_every_mount_has_a_volume_and_every_claim_is_there(objects: list[Document]) -> None:
    claims = {claim["metadata"]["name"] for claim in of_kind(objects, "PersistentVolumeClaim")}
    used = set()
    for pod in pods(objects):
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        made = {
            template["metadata"]["name"]
            for owner in of_kind(objects, "StatefulSet")
            if title(owner) == pod.owner
            for template in owner["spec"]["volumeClaimTemplates"]
        }
        for container in pod.containers:
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted == volumes.keys() | made, pod.owner
        used |= {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in volumes.values()
            if "persistentVolumeClaim" in volume
        }
    assert used == claims


def test_autoscalers_and_disruption_budgets_are_for_workloads_that_exist(objects: list[Document]) -> None:
    workloads = {title(owner): owner for owner in of_kind(objects, "Deployment", "StatefulSet")}
    scaled = of_kind(objects, "HorizontalPodAutoscaler")
    for scaler in scaled:
        target = scaler["spec"]["scaleTargetRef"]
        owner = workloads[f"{target['kind']}/{target['name']}"]
        # Two writers of one number would fight.
        assert "replicas" not in owner["spec"]
        assert scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]
        for container in owner["spec"]["template"]["spec"]["containers"]:
            assert "cpu" in container["resources"]["requests"]
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert budgets
    for budget in budgets:
        selected = [owner for owner in workloads.values() if _pod_labels_match(budget, owner)]
        assert len(selected) == 1, title(budget)
        # A budget that never lets a pod go blocks every drain of its node.
        assert (
            budget["spec"].get("maxUnavailable", 0) or selected[0]["spec"]["replicas"] > budget["spec"]["minAvailable"]
        )


def test_only_a_log_outside_the_pod_has_more_than_one_policy_server(objects: list[Document]) -> None:
    [server] = [owner for owner in of_kind(objects, "Deployment") if owner["metadata"]["name"] == "policy-server"]
    arguments = server["spec"]["template"]["spec"]["containers"][0]["args"]
    in_a_file = arguments[arguments.index("--events") + 1].startswith("sqlite:")
    scaled = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in of_kind(objects, "HorizontalPodAutoscaler")]
    assert in_a_file == (server["spec"].get("replicas") == 1)
    assert in_a_file == (server["spec"]["strategy"]["type"] == "Recreate")
    assert in_a_file != ("policy-server" in scaled)


def test_postgresql_takes_the_connections_of_all_there_may_be(objects: list[Document]) -> None:
    """Else the last replica that the autoscaler starts, under load, has no event log."""
    [postgresql] = [pod for pod in pods(objects) if pod.owner == "StatefulSet/postgresql"]
    arguments = postgresql.containers[0].get("args", ["-c", "max_connections=100"])
    allowed = int(arguments[arguments.index("-c") + 1].removeprefix("max_connections="))
    engine = make_engine(database_url("postgresql+psycopg://nobody@localhost/none"))
    assert isinstance(engine.pool, QueuePool)
    # One pool for the writer, one for the readers; MLflow's processes have one for runs and one for users.
    each = 2 * (engine.pool.size() + engine.pool._max_overflow)
    scaled = [one["spec"] for one in of_kind(objects, "HorizontalPodAutoscaler")]
    # While they are replaced there is one more; and the worker.
    ours = sum(spec["maxReplicas"] + 2 for spec in scaled)
    mlflow = next(pod for pod in pods(objects) if pod.owner == "Deployment/mlflow").containers[0]["args"]
    [processes] = [int(word.removeprefix("--workers=")) for word in mlflow if word.startswith("--workers=")]
    assert (ours + processes) * each <= allowed - 3, "three are the superuser's"


def test_the_worker_has_the_policy_servers_database(objects: list[Document]) -> None:
    """On a volume of one node it must be on that node."""
    of = {owner["metadata"]["name"]: owner["spec"]["template"]["spec"] for owner in of_kind(objects, "Deployment")}
    urls = []
    for name in ("policy-server", "worker"):
        arguments = of[name]["containers"][0]["args"]
        urls.append(arguments[arguments.index("--events") + 1])
    assert urls[0] == urls[1]
    [claimed] = {
        volume.get("persistentVolumeClaim", {}).get("claimName") == "policy-server"
        for volume in of["worker"]["volumes"]
        if volume["name"] == "data"
    } or {False}
    assert claimed == urls[0].startswith("sqlite:")
    assert ("affinity" in of["worker"]) == claimed


def test_monitors_find_what_they_scrape(objects: list[Document]) -> None:
    for monitor in of_kind(objects, "ServiceMonitor"):
        services = [
            service
            for service in of_kind(objects, "Service")
            if selects(monitor["spec"]["selector"], service["metadata"]["labels"])
        ]
        assert len(services) == 1, title(monitor)
        names = {port["name"] for port in services[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= names
    for monitor in of_kind(objects, "PodMonitor"):
        found = [pod for pod in pods(objects) if selects(monitor["spec"]["selector"], pod.labels)]
        assert found, title(monitor)
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert all(endpoint["portNumber"] in _ports(pod) for pod in found)


def test_images_have_a_version(objects: list[Document]) -> None:
    images = {container["image"] for pod in pods(objects) for container in pod.containers}
    assert len(images) == 3
    for image in images:
        name, _, version = image.rpartition(":")
        assert name, f"{image} has no tag"
        assert version != "latest"
        assert re.search(r"\d", version), image


def _ports(pod: Pod) -> set[int | str]:
    ports = [port for container in pod.containers for port in container.get("ports", [])]
    return {port["containerPort"] for port in ports} | {port["name"] for port in ports if "name" in port}


def _pod_labels_match(budget: Document, owner: Document) -> bool:
    return selects(budget["spec"]["selector"], owner["spec"]["template"]["metadata"]["labels"])


def _scripts(pod: Pod, objects: list[Document]) -> str:
    """The text of the ConfigMaps that a pod mounts."""
    named = {name for kind, name, _ in references(pod.spec) if kind == "ConfigMap"}
    maps = [document for document in of_kind(objects, "ConfigMap") if document["metadata"]["name"] in named]
    return "".join("".join(document["data"].values()) for document in maps)


def _secrets_in_the_document() -> dict[str, set[str]]:
    """What docs/DEPLOYMENT.md asks the user to make: rows ``| `secret` | `key`, `key` | … |``."""
    rows = re.findall(r"^\| `([a-z-]+)` \| ((?:`[a-z-]+`(?:, )?)+) \|", DEPLOYMENT.read_text(encoding="utf-8"), re.M)
    return {name: set(re.findall(r"`([a-z-]+)`", keys)) for name, keys in rows}


def _settings_names() -> set[str]:
    def names() -> Iterator[str]:
        for name, field in Settings.model_fields.items():
            alias: Any = field.validation_alias
            yield alias.choices[0] if alias is not None else f"SCREENTEST_{name.upper()}"

    return set(names())


def _mlflow_names() -> set[str]:
    """What MLflow itself declares: its variables, and those that stand for its server's options."""
    declared = vars(mlflow.environment_variables).values()
    variables = {variable.name for variable in declared if hasattr(variable, "name")}
    options = [parameter for parameter in mlflow_server.params if isinstance(parameter, click.Option)]
    return variables | {str(option.envvar) for option in options if option.envvar}
