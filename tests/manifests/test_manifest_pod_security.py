"""Kubernetes' "restricted" pod security standard; and nothing writes to a root file system or is without limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kustomized import MANIFESTS, OVERLAYS, Document, Pod, build, of_kind, overlay, pods

#: The volume types that "restricted" allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(pod: Pod) -> list[str]:
    """What the standard (v1.30 and later) forbids, in words."""
    spec, found = pod.spec, []
    shared = spec.get("securityContext", {})
    found += [f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes", []):
        [kind] = volume.keys() - {"name"}
        if kind not in VOLUMES:
            found.append(f"volume of type {kind}")
    for container in pod.containers:
        own = container.get("securityContext", {})
        found += [f"{container['name']}: {what}" for what in _container_violations({**shared, **own}, own, container)]
    return found


def _container_violations(both: Document, own: Document, container: Document) -> list[str]:
    found = []
    if own.get("privileged"):
        found.append("privileged")
    if own.get("allowPrivilegeEscalation") is not False:
        found.append("may escalate its privileges")
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        found.append("keeps capabilities")
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        found.append("adds capabilities")
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        found.append("may run as root")
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("has no seccomp profile")
    if both.get("procMount", "Default") != "Default" or any("hostPort" in port for port in container.get("ports", [])):
        found.append("procMount or hostPort")
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_keeps_to_the_restricted_standard(name: str) -> None:
    found = {pod.owner: violations(pod) for pod in pods(overlay(name))}
    assert len(found) >= 6
    assert not any(found.values()), found


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_is_limited_and_writes_only_where_something_is_mounted(name: str) -> None:
    for pod in pods(overlay(name)):
        for container in pod.containers:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod.owner
            resources = container["resources"]
            for kind in ("requests", "limits"):
                assert resources[kind].keys() == {"cpu", "memory"}, pod.owner
            # A number: a user's name cannot be proved not to be root.
            user = {**pod.spec.get("securityContext", {}), **container["securityContext"]}["runAsUser"]
            assert user == (999 if container["image"].startswith(("postgres:", "redis:")) else 10001)
            if user == 10001:
                assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
        for volume in pod.spec.get("volumes", []):
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], f"{pod.owner}: {volume['name']}"


def test_only_who_needs_a_token_of_the_cluster_gets_one() -> None:
    for name in OVERLAYS:
        with_token = {pod.owner for pod in pods(overlay(name)) if pod.spec["automountServiceAccountToken"]}
        assert with_token == (set() if name.startswith("local-cluster") else {"Deployment/mlflow"})


def test_the_cluster_enforces_the_standard_in_the_namespace() -> None:
    [namespace] = of_kind(build(MANIFESTS / "base"), "Namespace")
    labels = namespace["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("allowPrivilegeEscalation", True),
        ("privileged", True),
        ("runAsNonRoot", False),
        ("runAsUser", 0),
        ("capabilities", {"drop": ["NET_RAW"]}),
        ("capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        ("seccompProfile", {"type": "Unconfined"}),
    ],
)
def test_the_check_sees_what_it_is_for(path: str, value: Any) -> None:
    [pod] = [pod for pod in pods(overlay("local-cluster")) if pod.owner == "Deployment/policy-server"]
    pod.containers[0]["securityContext"][path] = value
    assert violations(pod)
