"""Who may reach whom: the connections that the policies allow are those that the stack needs, and no other."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.kustomized import Document, Pod, of_kind, overlay, pods, selects

CLIENTS, PIPELINES = "namespaces labelled screentest/clients=true", "namespaces labelled screentest/pipelines=true"
MONITORING, ISTIO, KNATIVE = (
    f"namespaces labelled kubernetes.io/metadata.name={name}"
    for name in ("monitoring", "istio-system", "knative-serving")
)
DNS_PEER = "namespaces labelled kubernetes.io/metadata.name=kube-system"
EVERYWHERE = {
    (CLIENTS, "policy-server", "8080"),
    (CLIENTS, "review-page", "8501"),
    (PIPELINES, "mlflow", "5000"),
    (PIPELINES, "redis", "6379"),
    ("review-page", "policy-server", "8080"),
    ("policy-server", "model server", "8080"),
    ("model server", "mlflow", "5000"),
    ("model server", "redis", "6379"),
    ("mlflow", "postgresql", "5432"),
    ("policy-server", "mlflow", "5000"),
    ("policy-server", "redis", "6379"),
    ("worker", "mlflow", "5000"),
    ("worker", "redis", "6379"),
}
IN_PRODUCTION = EVERYWHERE | {
    ("policy-server", ISTIO, "8081"),
    (ISTIO, "model server", "8012"),
    (KNATIVE, "model server", "8012"),
    (KNATIVE, "model server", "9090"),
    (MONITORING, "policy-server", "8080"),
    (MONITORING, "model server", "8080"),
    ("policy-server", "postgresql", "5432"),
    ("worker", "postgresql", "5432"),
    ("mlflow", "addresses 0.0.0.0/0", "443"),
    *(("mlflow", f"addresses 169.254.169.{host}/32", port) for host in (252, 254) for port in ("80", "988")),
}
NEEDED = {
    "local-cluster": EVERYWHERE,
    "local-cluster-transformer": EVERYWHERE
    | {(CLIENTS, "transformer", "8080"), ("transformer", "model server", "8080"), ("transformer", "redis", "6379")}
    # The base takes every pod of an InferenceService for a model server.
    | {("policy-server", "transformer", "8080"), ("transformer", "mlflow", "5000")},
    "production": IN_PRODUCTION,
    "production-canary": IN_PRODUCTION,
}


class Allowed(NamedTuple):
    """One side's permission: ``pod`` may talk with ``peer`` on ``port``."""

    pod: str
    peer: str
    port: str


@pytest.mark.parametrize("name", NEEDED)
def test_the_policies_allow_what_is_needed_and_nothing_else(name: str) -> None:
    objects = overlay(name)
    out, into = _permissions(objects, "egress", "to"), _permissions(objects, "ingress", "from")
    inside = {_actor(pod) for pod in pods(objects)}
    # Between two pods of the namespace both sides must agree; nobody speaks for the other side outside of it.
    both = {(a.pod, a.peer, a.port) for a in out} & {(a.peer, a.pod, a.port) for a in into}
    leaving = {(a.pod, a.peer, a.port) for a in out if a.peer not in inside}
    entering = {(a.peer, a.pod, a.port) for a in into if a.peer not in inside}
    dns = {(source, DNS_PEER, port) for source in inside for port in ("UDP 53", "53")}
    assert both | leaving | entering == NEEDED[name] | dns
    # A permission of one side alone is a mistake: nothing comes of it.
    assert {(a.pod, a.peer, a.port) for a in out if a.peer in inside} == both
    assert {(a.peer, a.pod, a.port) for a in into if a.peer in inside} == both


#: Whoever is told of one of these in its environment wants to talk with it.
TOLD_OF = {"REDIS_URL": "redis", "MLFLOW_TRACKING_URI": "mlflow", "PGPASSWORD": "postgresql"}


@pytest.mark.parametrize("name", NEEDED)
def test_whoever_is_told_of_a_server_may_reach_it(name: str) -> None:
    objects = overlay(name)
    told = {
        (_actor(pod), TOLD_OF[variable["name"]])
        for pod in pods(objects)
        for container in pod.containers
        for variable in container.get("env", [])
        if variable["name"] in TOLD_OF
    }
    assert told >= {("policy-server", "redis"), ("policy-server", "mlflow"), ("model server", "redis")}
    assert told <= {(source, target) for source, target, _ in NEEDED[name]}


@pytest.mark.parametrize("name", NEEDED)
def test_what_no_policy_names_is_refused_both_ways(name: str) -> None:
    [deny] = [policy for policy in of_kind(overlay(name), "NetworkPolicy") if policy["spec"]["podSelector"] == {}][:1]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", NEEDED)
def test_the_ports_that_are_opened_are_those_that_pods_listen_on(name: str) -> None:
    objects = overlay(name)
    listening = {
        (_actor(pod), str(port["containerPort"]))
        for pod in pods(objects)
        for container in pod.containers
        for port in container.get("ports", [])
    }
    # Knative's queue-proxy, in the model server's pod.
    listening |= {("model server", "8012"), ("model server", "9090")}
    for allowed in _permissions(objects, "ingress", "from"):
        assert (allowed.pod, allowed.port) in listening


def _permissions(objects: list[Document], direction: str, side: str) -> set[Allowed]:
    found = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        chosen = [pod for pod in pods(objects) if selects(spec["podSelector"], pod.labels)]
        assert chosen, f"{policy['metadata']['name']} selects no pod"
        assert (direction not in spec) or direction.title() in spec["policyTypes"]
        for rule in spec.get(direction, []):
            assert rule[side], f"{policy['metadata']['name']}: an empty {side!r} is everybody"
            assert rule["ports"], f"{policy['metadata']['name']}: no ports is every port"
            for peer in [name for part in rule[side] for name in _peers(part, objects)]:
                found |= {Allowed(_actor(pod), peer, _port(port)) for pod in chosen for port in rule["ports"]}
    return found


def _peers(peer: dict[str, Any], objects: list[Document]) -> set[str]:
    [(kind, value)] = peer.items()
    if kind == "podSelector":
        assert value, "an empty selector is every pod"
        named = {_actor(pod) for pod in pods(objects) if selects(value, pod.labels)}
        assert named, f"{value} selects no pod"
        return named
    if kind == "ipBlock":
        return {f"addresses {value['cidr']}"}
    [(label, wanted)] = value["matchLabels"].items()
    return {f"namespaces labelled {label}={wanted}"}


def _port(port: dict[str, Any]) -> str:
    return f"{port['port']}" if port["protocol"] == "TCP" else f"{port['protocol']} {port['port']}"


def _actor(pod: Pod) -> str:
    kind, _, name = pod.owner.partition("/")
    return {"InferenceService": "model server", "Transformer": "transformer"}.get(kind, name)
