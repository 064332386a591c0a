"""``screentest demo``: data, training, registry, servers, A/B test, decision, promotion, report."""

from __future__ import annotations

import errno
import json as json_format
import os
import signal
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.configs import read_configs
from cli.run_folder import RunFolder
from core.errors import ConfigError
from core.files import write_whole
from core.settings import Settings, load_settings

DEFAULT_MODELS = "popularity,item_knn,ease"


class Plant(StrEnum):
    """What to plant in the rollout on purpose, to see that it is found."""

    NONE = "none"
    AA = "aa"
    UPLIFT = "uplift"
    DAMAGE = "damage"
    SHUFFLE = "shuffle"


def demo(
    data: Annotated[
        str,
        typer.Option(
            help="MovieLens folder or zip, a release's name (ml-1m: downloaded), a CSV, Parquet or JSON file, or the "
            "http(s):// or gs:// address of one. Default: a cached MovieLens, else synthetic ratings."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same decision, effect and interval.")] = 42,
    plant: Annotated[
        Plant,
        typer.Option(
            help="none: audition the gate's challenger. aa, uplift, damage: the champion against itself, the "
            "challenger's clicks multiplied by 1, 1.15, 0.9. shuffle: ease against its own top 200 in random order."
        ),
    ] = Plant.NONE,
    models: Annotated[
        str,
        typer.Option(help="Models to train. Exactly two name the pair: champion,challenger. More: the gate decides."),
    ] = DEFAULT_MODELS,
    configs: Annotated[
        Path | None, typer.Option(help="Hyperparameters by model, as `screentest tune` writes them (configs.json).")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the result as JSON to this file; - for standard output.")
    ] = None,
) -> None:
    """The whole audition on this machine, in a folder of its own under runs/."""
    from cli.audition import Audition, source_of

    # A run folder is made, and work begun, only for a request that can be met.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_settings(data_source_path=data or None)
    # The stream of this moment: while a pipeline runs, standard output is the steps' log.
    console = Console(file=sys.stderr if str(json) == "-" else sys.stdout)
    names, chosen = _models(models, plant), read_configs(configs)
    source = source_of(settings)
    _check_writable(json)
    _check_deployer(settings)
    run = RunFolder.create(settings.runs_dir, f"{plant.value}-seed{seed}", datetime.now())
    audition = Audition(
        settings, run, source, seed=seed, plant=plant.value, models=names, configs=chosen, console=console
    )
    try:
        result = audition.perform()
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {_how_to_go_on(run)}", err=True)
        raise typer.Exit(130) from None
    _write_json(json, result)


def _models(text: str, plant: Plant) -> list[str]:
    """The models named, known ones only, each once.

    Raises:
        UnknownName: A name that no registry knows.
        ConfigError: A name twice, none at all, one alone, or plant=shuffle without ease.
    """
    from wrappers.registry import model

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        model(name)
    if len(names) < 2 or len(set(names)) != len(names):
        raise ConfigError(
            f"--models {text!r}: name two different models (champion,challenger) or more, e.g. {DEFAULT_MODELS}"
        )
    if plant is Plant.SHUFFLE and "ease" not in names:
        raise ConfigError(f"--models {text!r}: --plant shuffle serves ease against its own shuffled list; add ease")
    return names


def _check_deployer(settings: Settings) -> None:
    """Find out before the work, not after it, that its models could not be served.

    Raises:
        BadInput: Nobody registered the deployer, or it misses a setting.
    """
    from serving.deployers.base import Site
    from serving.deployers.registry import deployer

    # A demo without an MLflow of its own keeps one in its run folder.
    tracking_uri = settings.mlflow_tracking_uri or f"sqlite:///{settings.runs_dir}"
    site = Site(settings.runs_dir, tracking_uri, settings.mlflow_model_name, cluster=settings.kserve)
    deployer(settings.deployer)(site).close()


def _how_to_go_on(run: RunFolder) -> str:
    from serving.rollout_folder import RolloutFolder

    if RolloutFolder(run.path).begun:
        return f"go on with: screentest rollout resume {run.path}"
    return f"the rollout had not begun; start again (what there is lies in {run.path})"


def _check_writable(target: Path | None) -> None:
    """Find out before the work, not after it, that its result cannot be written.

    Raises:
        ConfigError: Names the file and why.
    """
    if target is None or str(target) == "-":
        return
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".part")
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise ConfigError(f"--json {target}: cannot be written ({error.strerror}); name a file that can") from error


def _write_json(target: Path | None, result: dict[str, Any]) -> None:
    text = json_format.dumps(result, indent=2, allow_nan=False)
    if target is None:
        return
    if str(target) == "-":
        typer.echo(text)
        return
    write_whole(target, text + "\n")
