"""The compose file: what the tool itself makes of it, and that its parts fit together and match the manifests."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.image import IMAGE
from core.settings import Settings
from events.api_keys import KeyRights, import_key
from events.database import open_database
from serving.health import address
from tests.composed import TOOL, command_line, composed, is_one_shot
from tests.kustomized import MANIFESTS, ROOT, overlay, pods

#: They end: what waits for them waits for that.
ONE_SHOT = {"train", "keys", "route", "rollout-key", "rollout"}
#: Started on request alone.
ON_REQUEST = {"rollout-key", "rollout"}


@pytest.fixture
def services() -> dict[str, Any]:
    return composed()


def test_a_field_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "compose.yaml").read_text(encoding="utf-8").replace("read_only:", "readonly:"))
    told = subprocess.run([TOOL, "-f", str(wrong), "config"], capture_output=True, text=True, timeout=60)
    assert told.returncode != 0
    assert "readonly" in told.stderr


def test_everybody_has_a_health_check_and_waits_for_what_is_well(services: dict[str, Any]) -> None:
    assert services.keys() > ONE_SHOT
    for name, service in services.items():
        assert bool(service["healthcheck"].get("disable")) == (name in ONE_SHOT), name
        assert is_one_shot(service) == (name in ONE_SHOT), name
        for other, condition in (service.get("depends_on") or {}).items():
            ends = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert condition["condition"] == ends, f"{name} waits for {other}"


def test_the_stack_comes_up_without_what_is_there_on_request(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service.get("profiles")} == ON_REQUEST
    for name, service in services.items():
        assert name in ON_REQUEST or not ON_REQUEST & (service.get("depends_on") or {}).keys(), name


def test_whoever_works_with_a_server_is_told_where_it_is(services: dict[str, Any]) -> None:
    clients = ("champion", "challenger", "policy-server", "worker", "train", "rollout")
    told = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD", "REDIS_URL")
    assert {(name, one) for name in clients for one in told if one not in services[name]["environment"]} == set()


def test_every_key_is_one_and_belongs_to_one_of_them(services: dict[str, Any], tmp_path: Path) -> None:
    """What its import makes of it, by the very options that stand there."""
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    keys = {}
    for service in services.values():
        words = command_line(service)
        if words[1:3] == ["keys", "import"]:
            options = dict(zip(words[4::2], words[5::2], strict=True))
            rights = KeyRights(options["--role"], "all", int(options.get("--rate", 300)))
            key, is_new = import_key(engine, words[3], service["environment"]["SCREENTEST_API_KEY"], rights)
            assert is_new
            keys[service["environment"]["SCREENTEST_API_KEY"]] = (key.name, key.role)
    engine.dispose()
    sent = {
        name: keys[service["environment"]["SCREENTEST_API_KEY"]]
        for name, service in services.items()
        if "SCREENTEST_API_KEY" in service.get("environment", {})
    }
    assert {name: sent[name] for name in ("review-page", "rollout")} == {
        "review-page": ("review-page", "viewer"),
        "rollout": ("rollout", "operator"),
    }


def test_every_health_check_asks_where_the_server_listens(services: dict[str, Any]) -> None:
    checked = set()
    for name, service in services.items():
        test = service["healthcheck"].get("test", [])
        if "serving.health" in test:
            asked = address(command_line(service))
            assert asked is not None, name
            host = asked.rpartition("/")[0]
            assert all(url.startswith(host) for url in test[4:]), name
            checked.add(name)
    assert checked == {"mlflow", "champion", "challenger", "policy-server", "review-page"}


def test_every_address_is_a_service_that_listens_there(services: dict[str, Any]) -> None:
    listens = {name: f":{port}" for name, port in (("postgresql", 5432), ("redis", 6379))}
    for name, service in services.items():
        found = address(command_line(service)) if service["image"] == IMAGE else None
        if found:
            listens[name] = found.removeprefix("http://127.0.0.1").partition("/")[0]
    named = set()
    for service in services.values():
        text = (
            " ".join([*command_line(service), *service.get("environment", {}).values()]) if service["command"] else ""
        )
        named |= set(re.findall(r"(?:http|redis|postgresql\+psycopg)://(?:[^@\s/]*@)?([a-z-]+)(:\d+)", text))
    assert named == {(name, port) for name, port in listens.items() if name != "review-page"}


def test_containers_are_not_root_write_to_mounts_alone_and_gain_nothing(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # The image itself says who its user is.
        assert service.get("user", "10001") == ("10001" if service["image"] == IMAGE else "999:999"), name
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name


def test_names_in_the_environment_are_settings_or_the_manifests_know_them(services: dict[str, Any]) -> None:
    known = {
        variable["name"] for pod in pods(overlay("local-cluster")) for variable in pod.containers[0].get("env", [])
    }
    known |= {
        str(field.validation_alias.choices[0]) for field in Settings.model_fields.values() if field.validation_alias
    }
    for name, service in services.items():
        assert service.get("environment", {}).keys() <= known, name


def test_images_and_files_are_those_of_the_manifests(services: dict[str, Any]) -> None:
    images = {pod.containers[0]["image"].removeprefix("localhost/") for pod in pods(overlay("local-cluster"))}
    assert {service["image"] for service in services.values()} == images
    assert IMAGE in images
    mounted = [
        Path(volume["source"])
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert sorted(mounted) == sorted((MANIFESTS / "base" / "files").iterdir())
