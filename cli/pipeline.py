"""``screentest pipeline``: compile the Kubeflow pipelines, run a compiled one on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import ConfigError

app = typer.Typer(no_args_is_help=True)


@app.command("compile")
def compile_(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: the committed pipelines/compiled.")
    ] = None,
    image: Annotated[str, typer.Option(help="Image that the steps run in, with your registry's prefix.")] = "",
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
    for path in compiling.write_compiled(out or compiling.COMPILED, image=image or IMAGE):
        typer.echo(str(path))


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="training or rollout")],
    arguments: Annotated[list[str] | None, typer.Argument(help="parameter=value; values are JSON, or text.")] = None,
    root: Annotated[Path, typer.Option(help="Folder for the steps' artifacts and the log.")] = Path("runs/pipeline"),
) -> None:
    """Run a compiled pipeline on this machine, each step a process; prints its outputs as JSON.

    Example: screentest pipeline run training source=ml-latest-small.zip tracking_uri=sqlite:///mlflow.db
    """
    from rich.console import Console

    from cli.stages import StageBoard
    from pipelines.compile import compiled_path
    from pipelines.local_runner import run_pipeline

    given = dict(_argument(text) for text in arguments or [])
    with StageBoard(Console(stderr=True)) as board:
        outputs = run_pipeline(
            compiled_path(name), given, root=root / "artifacts", log=root / "pipeline.log", watcher=board
        )
    typer.echo(json.dumps({key: getattr(value, "uri", value) for key, value in outputs.items()}, indent=2))


def _argument(text: str) -> tuple[str, Any]:
    """``k=10`` → ("k", 10); what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"argument {text!r} is not parameter=value, e.g. source=ml-latest-small.zip")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
