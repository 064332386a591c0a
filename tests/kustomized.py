"""The manifests as kubectl builds them, and what tests ask of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "manifests"
#: What people apply; base and components are of no use alone.
OVERLAYS = ("local-cluster", "local-cluster-transformer", "production", "production-canary")

Document = dict[str, Any]
_INFERENCE_SERVICE = "serving.kserve.io/inferenceservice"


class Pod(NamedTuple):
    """A pod that some object makes.

    Attributes:
        owner: ``Kind/name``.
        labels: Of the pod.
        spec: The pod's, as Kubernetes will see it.
    """

    owner: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def containers(self) -> list[Document]:
        return [*self.spec["containers"], *self.spec.get("initContainers", [])]


@cache
def _built(path: Path) -> str:
    kubectl = Path(sys.executable).parent / "kubectl"
    made = subprocess.run([kubectl, "kustomize", str(path)], capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    return made.stdout


def build(path: Path) -> list[Document]:
    """Every object that ``kubectl kustomize`` prints for a folder; a copy of the caller's own."""
    return [document for document in yaml.load_all(_built(path), Loader=yaml.CSafeLoader) if document]


def overlay(name: str) -> list[Document]:
    return build(MANIFESTS / "overlays" / name)


def of_kind(objects: list[Document], *kinds: str) -> list[Document]:
    return [document for document in objects if document["kind"] in kinds]


def title(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def pods(objects: list[Document]) -> list[Pod]:
    """A pod of each workload; of an InferenceService what KServe makes of it and its ServingRuntime, and of its
    transformer, if it has one.
    """
    templates = [
        Pod(title(owner), template["metadata"]["labels"], template["spec"])
        for owner in of_kind(objects, "Deployment", "StatefulSet")
        for template in [owner["spec"]["template"]]
    ]
    runtimes = {runtime["metadata"]["name"]: runtime for runtime in of_kind(objects, "ServingRuntime")}
    services = of_kind(objects, "InferenceService")
    transformers = [_transformer_pod(service) for service in services if "transformer" in service["spec"]]
    return templates + [_predictor_pod(service, runtimes) for service in services] + transformers


def _predictor_pod(service: Document, runtimes: Mapping[str, Document]) -> Pod:
    """As KServe merges them: the model's args follow the runtime's, other fields of the model replace the runtime's."""
    predictor = deepcopy(service["spec"]["predictor"])
    model = predictor.pop("model")
    runtime = deepcopy(runtimes[model["runtime"]]["spec"])
    [container] = runtime["containers"]
    name = service["metadata"]["name"]
    container["args"] = [arg.replace("{{.Name}}", name) for arg in container["args"] + model.get("args", [])]
    container.update({key: model[key] for key in ("resources", "securityContext", "readinessProbe") if key in model})
    container["env"] = container.get("env", []) + model.get("env", [])
    spec = {**predictor, "containers": [container], "volumes": runtime.get("volumes", [])}
    labels = {**service["metadata"].get("labels", {}), _INFERENCE_SERVICE: name, "component": "predictor"}
    return Pod(title(service), labels, spec)


def _transformer_pod(service: Document) -> Pod:
    """As KServe makes it; the command line that it would complete is complete in the manifests."""
    name = service["metadata"]["name"]
    labels = {**service["metadata"].get("labels", {}), _INFERENCE_SERVICE: name, "component": "transformer"}
    return Pod(f"Transformer/{name}", labels, deepcopy(service["spec"]["transformer"]))


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector (with matchLabels and matchExpressions) selects these labels; empty selects all."""
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "Exists", f"not understood here: {expression}"
        if expression["key"] not in labels:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def references(node: Any) -> Iterator[tuple[str, str, str]]:
    """Every (Secret | ConfigMap, name, key) that something names, the key empty where the whole is taken."""
    if isinstance(node, list):
        for part in node:
            yield from references(part)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("secretKeyRef", "configMapKeyRef"):
                yield ("Secret" if key == "secretKeyRef" else "ConfigMap"), value["name"], value["key"]
            elif key in ("secretRef", "configMapRef"):
                yield ("Secret" if key == "secretRef" else "ConfigMap"), value["name"], ""
            elif key == "secret" and "secretName" in value:
                yield "Secret", value["secretName"], ""
            elif key == "configMap" and "name" in value:
                yield "ConfigMap", value["name"], ""
            yield from references(value)
