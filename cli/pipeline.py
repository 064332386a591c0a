"""``screentest pipeline``: compile the Kubeflow pipelines, run a compiled one on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ConfigError
from core.settings import load_settings

app = typer.Typer(no_args_is_help=True)


@app.command("compile")
def compile_(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: the committed pipelines/compiled.")
    ] = None,
    image: Annotated[str, typer.Option(help="Image that the steps run in, with your registry's prefix.")] = "",
    pipeline_root: Annotated[
        str,
        typer.Option(help="Where the cluster keeps artifacts, e.g. gs://bucket/kfp. Default: setting pipeline_root."),
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if the committed YAML is stale.")
    ] = False,
) -> None:
    """Compile every pipeline to the YAML that the KFP UI and the local runner take."""
    from components.image import IMAGE
    from pipelines import compile as compiling

    if check:
        stale = compiling.stale()
        if stale:
            typer.echo(f"stale: {', '.join(stale)}; run `screentest pipeline compile` and commit the result", err=True)
            raise typer.Exit(1)
        typer.echo("the committed pipelines are fresh")
        return
    root = pipeline_root or load_settings().pipeline_root
    for path in compiling.write_compiled(out or compiling.COMPILED, image=image or IMAGE, root=root):
        typer.echo(str(path))


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="training or rollout")],
    arguments: Annotated[list[str] | None, typer.Argument(help="parameter=value; values are JSON, or text.")] = None,
    root: Annotated[Path, typer.Option(help="Folder for the steps' artifacts and the log.")] = Path("runs/pipeline"),
) -> None:
    """Run a compiled pipeline on this machine, each step a process; prints its outputs as JSON.

    Example: screentest pipeline run training source=ml-latest-small.zip k=20
    """
    from pipelines.compile import compiled_path
    from pipelines.local_runner import check_root, parameters_of

    check_root(root)
    parameters = parameters_of(compiled_path(name))
    given = {**_from_settings(parameters, root), **dict(_argument(text) for text in arguments or [])}
    typer.echo(json.dumps(run_here(name, given, root), indent=2))


def run_here(name: str, given: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Run a compiled pipeline on this machine, with its progress on standard error.

    Args:
        name: Key of ``pipelines.compile.PIPELINES``.
        given: Values of its parameters.
        root: Folder for the steps' artifacts, the log, and an embedded Redis where none is named.

    Returns:
        Its outputs, artifacts as their addresses.

    Raises:
        UnknownName: There is no such pipeline.
        ConfigError: An argument is not allowed.
        StepError: A step failed.
    """
    from rich.console import Console

    from cli.feature_store import feature_store
    from cli.run_folder import RunFolder
    from cli.stages import StageBoard
    from core.logs import log_to_file
    from pipelines.compile import compiled_path
    from pipelines.local_runner import check_arguments, run_pipeline
    from serving.reaper import reaped
    from tracking.client import connect

    compiled = compiled_path(name)
    check_arguments(compiled, given)
    settings = load_settings()
    log_to_file(root / "screentest.log")
    if given.get("tracking_uri"):
        # Parallel steps would race to create the tables of a new database.
        connect(given["tracking_uri"], experiment=given["experiment"], artifact_root=settings.artifact_root)
    features = feature_store(settings, RunFolder(root.resolve())) if given.get("features") else nullcontext()
    with reaped(), features as redis, StageBoard(Console(file=sys.stderr)) as board:
        outputs = run_pipeline(compiled, given, root=root / "artifacts", log=root / "pipeline.log", watcher=board)
        if redis is not None:
            redis.save()
    return {key: getattr(value, "uri", value) for key, value in outputs.items()}


def _from_settings(parameters: Mapping[str, bool], root: Path) -> dict[str, str]:
    """Where the settings say something that a pipeline has a parameter for."""
    settings = load_settings()
    said = {
        "tracking_uri": settings.mlflow_tracking_uri or f"sqlite:///{root.resolve() / 'mlflow.db'}",
        "experiment": settings.mlflow_experiment_name,
        "model_name": settings.mlflow_model_name,
    }
    return {name: value for name, value in said.items() if name in parameters}


def _argument(text: str) -> tuple[str, Any]:
    """``k=10`` → ("k", 10); what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"argument {text!r} is not parameter=value, e.g. source=ml-latest-small.zip")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
