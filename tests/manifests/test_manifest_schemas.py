"""Every object of every overlay against the schema of its kind; a field that the schema does not know is refused."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.kustomized import MANIFESTS, OVERLAYS, ROOT, Document, build, of_kind, overlay, title

#: The oldest and the newest minor version that the manifests are for.
KUBERNETES = ("1.30", "1.37")
CRDS = ROOT / "tests" / "crds"

#: What we know and use of monitoring.coreos.com/v1: the operator's own CRD was not at hand.
_ENDPOINT = {
    "port": {"type": "string"},
    "path": {"type": "string", "pattern": "^/"},
    "interval": {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"},
    "scrapeTimeout": {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"},
}
_SELECTOR = {
    "type": "object",
    "properties": {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
        "matchExpressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {
                    "key": {"type": "string"},
                    "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


def _monitor(kind: str, endpoints: str, endpoint: Document) -> Document:
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"const": kind},
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "required": ["selector", endpoints],
                "properties": {
                    "selector": _SELECTOR,
                    endpoints: {"type": "array", "items": {"type": "object", "properties": endpoint}},
                },
            },
        },
    }


MONITORS = {
    "ServiceMonitor": _monitor("ServiceMonitor", "endpoints", _ENDPOINT),
    "PodMonitor": _monitor(
        "PodMonitor",
        "podMetricsEndpoints",
        {**_ENDPOINT, "portNumber": {"type": "integer", "minimum": 1, "maximum": 65535}},
    ),
}


def strict(schema: Any) -> Any:
    """A schema that refuses what it does not name, as the API server does with ``fieldValidation=Strict``."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    names = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if names and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed["additionalProperties"] = False
    return _int_or_string(closed)


def _int_or_string(schema: Document) -> Document:
    return {**schema, "type": ["integer", "string"]} if schema.get("x-kubernetes-int-or-string") else schema


@cache
def custom_schemas() -> dict[tuple[str, str], Document]:
    """By apiVersion and kind: KServe's own, and the monitors'."""
    found = {("monitoring.coreos.com/v1", kind): strict(schema) for kind, schema in MONITORS.items()}
    for path in sorted(CRDS.glob("*.yaml")):
        spec = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            schema = deepcopy(version["schema"]["openAPIV3Schema"])
            # The API server knows what metadata holds, the CRD does not say it.
            schema["properties"]["metadata"] = {"type": "object", "additionalProperties": True}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = strict(schema)
    return found


def check(document: Document, version: str) -> None:
    kind = (document["apiVersion"], document["kind"])
    if kind in custom_schemas():
        jsonschema.Draft202012Validator(custom_schemas()[kind]).validate(document)
    else:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", ["base", *OVERLAYS])
def test_every_object_is_what_its_schema_says(name: str, version: str) -> None:
    objects = build(MANIFESTS / "base") if name == "base" else overlay(name)
    assert len(objects) > 20
    for document in objects:
        check(document, version)
    titles = [(document["apiVersion"].partition("/")[0], title(document)) for document in objects]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", OVERLAYS)
def test_canary_percentages_are_between_0_and_100(name: str) -> None:
    """The CRD itself takes 500 in Knative mode."""
    services = of_kind(overlay(name), "InferenceService")
    assert services
    for service in services:
        assert 0 <= service["spec"]["predictor"].get("canaryTrafficPercent", 0) <= 100, title(service)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", ("spec", "template", "spec", "containers", 0, "readOnlyRootFilesystem")),
        ("NetworkPolicy", ("spec", "podSelectors")),
        ("InferenceService", ("spec", "predictor", "canaryPercent")),
        ("InferenceService", ("spec", "predictor", "model", "modelURI")),
        ("ServingRuntime", ("spec", "containers", 0, "probe")),
        ("ServiceMonitor", ("spec", "endpoints", 0, "route")),
        ("PodMonitor", ("spec", "jobs")),
        ("HorizontalPodAutoscaler", ("spec", "replicas")),
        ("PodDisruptionBudget", ("spec", "maxUnavailble")),
    ],
)
def test_a_field_that_does_not_exist_is_refused(kind: str, path: tuple[str | int, ...]) -> None:
    document = of_kind(overlay("production"), kind)[0]
    check(document, KUBERNETES[-1])
    *parents, last = path
    place: Any = document
    for step in parents:
        place = place[step]
    place[last] = True
    with pytest.raises(jsonschema.ValidationError):
        check(document, KUBERNETES[-1])
