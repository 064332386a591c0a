"""The keys of the manifests: by the pods' own command lines, the review page gets in and nobody else does."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import httpx
import pytest

from core.settings import Settings
from tests.kustomized import Document, of_kind, overlay, pods
from tests.manifests.test_manifest_servers import command_line, container_of, running
from tests.real_postgres import RealPostgres

PAGE = "Deployment/review-page"
POLICY = "Deployment/policy-server"


def example_key() -> str:
    [secret] = [
        found
        for found in of_kind(overlay("local-cluster"), "Secret")
        if found["metadata"]["name"] == "policy-server-keys"
    ]
    return base64.b64decode(secret["data"]["review-page"]).decode()


def secret_of(container: Document) -> dict[str, str]:
    [variable] = [variable for variable in container["env"] if variable["name"] == "SCREENTEST_API_KEY"]
    return dict(variable["valueFrom"]["secretKeyRef"])


def first_container(name: str) -> Document:
    [pod] = [pod for pod in pods(overlay(name)) if pod.owner == POLICY]
    [container] = pod.spec["initContainers"]
    return dict(container)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_review_page_gets_in_by_its_secret(
    kind: str, tmp_path: Path, postgres: RealPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "local-cluster" if kind == "sqlite" else "production"
    events = f"sqlite:///{tmp_path / 'events.db'}" if kind == "sqlite" else postgres.new_log()
    server, makes_known = container_of(POLICY, name), first_container(name)
    assert (
        secret_of(makes_known)
        == secret_of(container_of(PAGE, name))
        == {
            "name": "policy-server-keys",
            "key": "review-page",
        }
    )
    written = makes_known["args"][makes_known["args"].index("--events") + 1]
    assert written == server["args"][server["args"].index("--events") + 1], "the same database"
    monkeypatch.setenv("SCREENTEST_API_KEY", example_key())
    for said in ("known from now on", "known already"):
        done = subprocess.run(
            command_line(makes_known, events=events), capture_output=True, text=True, timeout=60, check=True
        )
        assert said in done.stdout
    monkeypatch.delenv("SCREENTEST_API_KEY")
    # What the container is told, in so far as it is about access.
    monkeypatch.setenv(
        "SCREENTEST_ACCESS",
        next(variable["value"] for variable in server["env"] if variable["name"] == "SCREENTEST_ACCESS"),
    )
    with (
        running(command_line(server, host="127.0.0.1", port="0", events=events), tmp_path, "policy", "/healthz") as up,
        httpx.Client(base_url=up.url, trust_env=False) as http,
    ):
        key = {"authorization": f"Bearer {example_key()}"}
        asked = [http.get(path, headers=key).status_code for path in ("/experiments", "/routes")]
        # Nothing is routed yet.
        assert asked == [200, 503]
        assert http.get("/choose?user_id=1", headers=key).status_code == 403
        assert http.get("/experiments").status_code == 401


@pytest.mark.parametrize("name", ["local-cluster", "production", "production-canary"])
def test_every_policy_server_asks_for_keys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in container_of(POLICY, name)["env"]:
        if "value" in variable:
            monkeypatch.setenv(variable["name"], variable["value"])
    assert Settings().access == "keys"
