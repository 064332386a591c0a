"""The OpenAPI document as a page of its own: no script, no font, no address but the server's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment


class Operation(NamedTuple):
    """One method of one path, as the page tells it.

    Attributes:
        method: GET, POST …
        path: With its parameters in braces.
        summary: In a line.
        description: More, where there is more.
        parameters: Name, where it goes, its type, and what it is.
        body: The schema of the body as JSON; empty without one.
        answers: Status and what it means.
        answer: The schema of the first success as JSON; empty where it is none.
    """

    method: str
    path: str
    summary: str
    description: str
    parameters: list[tuple[str, str, str, str]]
    body: str
    answers: list[tuple[str, str]]
    answer: str


def docs_html(document: Mapping[str, Any]) -> str:
    """The page."""
    groups: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            groups.setdefault(told.get("tags", ["other"])[0], []).append(_operation(method, path, told, document))
    source = (files(__package__) / "docs.html.jinja").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    schemas = {name: _json(schema) for name, schema in document["components"]["schemas"].items()}
    return page.render(info=document["info"], groups=groups, schemas=schemas)


def _operation(method: str, path: str, told: Mapping[str, Any], document: Mapping[str, Any]) -> Operation:
    success = next(told["responses"][status] for status in sorted(told["responses"]) if status.startswith("2"))
    return Operation(
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        description=told.get("description", ""),
        parameters=[
            (
                one["name"] + ("" if one.get("required") else "?"),
                one["in"],
                _type(one.get("schema", {})),
                one.get("description", ""),
            )
            for one in told.get("parameters", [])
        ],
        body=_schema_of(told.get("requestBody", {})),
        answers=[(status, _said(one, document)) for status, one in sorted(told["responses"].items())],
        answer=_schema_of(success),
    )


def _said(response: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """What a status means; one that several operations share stands among the components."""
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return str(response["description"])


def _type(schema: Mapping[str, Any]) -> str:
    return str(schema.get("type") or " | ".join(_type(part) for part in schema.get("anyOf", [])) or "any")


def _schema_of(part: Mapping[str, Any]) -> str:
    schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    return _json(schema) if schema else ""


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False)
