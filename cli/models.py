"""``screentest models``: the recommenders there are, and what can be set on each."""

from __future__ import annotations

import inspect
import json as json_format
from collections.abc import Container
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True)

_LIMITS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


@app.callback()
def models() -> None:
    """The recommenders that can be auditioned."""


@app.command("list")
def list_models(json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False) -> None:
    """Show every registered model with its hyperparameters, their defaults and what they mean.

    Names are what `--models` of `screentest demo` takes; to add a model see the README.
    """
    found = _described()
    if json:
        typer.echo(json_format.dumps(found, indent=2))
        return
    for model in found:
        typer.echo(f"{model['name']}: {model['summary']}{_remarks(model)}")
        _echo_options([option for option in model["options"] if not option["common"]])
    common = {option["name"]: option for model in found for option in model["options"] if option["common"]}
    typer.echo("Every recommender also takes:")
    _echo_options(list(common.values()))


def _echo_options(options: list[dict[str, Any]]) -> None:
    for option in options:
        limits = f", {option['limits']}" if option["limits"] else ""
        typer.echo(f"    {option['name']} = {json_format.dumps(option['default'])}  ({option['type']}{limits})")
        typer.echo(f"        {option['description']}")
    typer.echo("")


def _described() -> list[dict[str, Any]]:
    """A row per model: name, summary, negative_control, alias, needs_features, options, its own before the common."""
    from wrappers.recommender_config import RecommenderConfig
    from wrappers.registry import model, model_names

    return [
        {
            "name": name,
            "summary": _plain((inspect.getdoc(model(name)) or "").partition("\n\n")[0]),
            "negative_control": model(name).negative_control,
            "alias": model(name).alias,
            "needs_features": model(name).needs_features,
            "options": sorted(
                _options(model(name).Config.model_json_schema(), RecommenderConfig.model_fields),
                key=lambda option: option["common"],
            ),
        }
        for name in model_names()
    ]


def _options(schema: dict[str, Any], common: Container[str]) -> list[dict[str, Any]]:
    """A row per option of a configuration."""
    return [
        {
            "name": name,
            "type": option["type"],
            "default": option.get("default", {}),
            "limits": " and ".join(f"{sign} {option[key]:g}" for key, sign in _LIMITS.items() if key in option),
            "description": _plain(option["description"]),
            "common": name in common,
        }
        for name, option in schema.get("properties", {}).items()
    ]


def _remarks(model: dict[str, Any]) -> str:
    """In brackets what sets a model apart; empty where nothing does."""
    alias = [f"registered as {model['alias']}"] if model["alias"] else []
    features = ["ranks on features"] if model["needs_features"] else []
    return f" ({', '.join(alias + features)})" if alias or features else ""


def _plain(docstring: str) -> str:
    """A docstring as one line for the terminal."""
    return " ".join(docstring.replace("``", "").split())
