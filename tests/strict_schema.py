"""A CustomResourceDefinition's schema, strictly: fields that it does not know are refused, as with
``kubectl --validate=strict``, and what KServe's webhook alone would find, a canary share beyond 100, too."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

CRDS = Path(__file__).parent / "crds"


@cache
def strict_validator(crd: str) -> Draft202012Validator:
    """Validator of a CRD's objects.

    Args:
        crd: File name under tests/crds, e.g. ``serving.kserve.io_inferenceservices.yaml``.
    """
    # Two megabytes of YAML: the C loader is ten times faster.
    document = yaml.load((CRDS / crd).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]
    _make_strict(spec)
    # The API server knows these two, whatever the CRD says.
    schema["additionalProperties"] = False
    schema["properties"]["metadata"] = {"type": "object"}
    for component in spec["properties"].values():
        share = component.get("properties", {}).get("canaryTrafficPercent")
        if share is not None:
            share.update(minimum=0, maximum=100)
    return Draft202012Validator(schema)


def problems(crd: str, document: dict[str, Any]) -> list[str]:
    """What is wrong with an object, each with its place; none if it is valid."""
    found = strict_validator(crd).iter_errors(document)
    return [f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message}" for error in found]


def _make_strict(schema: Any) -> None:
    """Refuse unknown fields wherever fields are named; numbers written as text are fine where the CRD says so."""
    if isinstance(schema, list):
        for part in schema:
            _make_strict(part)
    elif isinstance(schema, dict):
        for part in schema.values():
            _make_strict(part)
        fields = schema.get("properties")
        named = isinstance(fields, dict) and not isinstance(fields.get("type"), str) and schema.get("type") == "object"
        if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
