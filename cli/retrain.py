"""``screentest retrain``: train again on the settings' data, register, and let the gate name a challenger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigError
from core.settings import Settings, load_settings


def retrain(
    models: Annotated[str, typer.Option(help="Models to train. Default: popularity, item_knn, ease.")] = "",
    configs: Annotated[
        Path | None, typer.Option(help="Hyperparameters by model, as `screentest tune` writes them (configs.json).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and the bootstrap.")] = 42,
    root: Annotated[Path, typer.Option(help="Folder for the steps' artifacts and the log.")] = Path("runs/retrain"),
) -> None:
    """Train again and register: the champion stays, the best that beats it becomes the challenger.

    What `screentest worker` runs for each request of POST /model/retrain. The data are the settings' (DATA_SOURCE_PATH,
    DATA_LOADER_TYPE), never synthetic ones for want of others; MLflow is MLFLOW_TRACKING_URI. Prints JSON.
    """
    from cli.audition import source_of
    from cli.configs import read_configs
    from cli.pipeline import run_here
    from cli.training_arguments import training_arguments
    from wrappers.retrain_arguments import RetrainArguments

    settings = load_settings()
    check_retrainable(settings)
    named = [name.strip() for name in models.split(",") if name.strip()]
    asked = RetrainArguments.parse(
        {"configs": read_configs(configs), "seed": seed} | ({"models": named} if named else {})
    )
    arguments = training_arguments(
        settings,
        source_of(settings),
        models=asked.models,
        configs=asked.configs,
        seed=asked.seed,
        tracking_uri=settings.mlflow_tracking_uri,
    )
    typer.echo(json.dumps(run_here("training", arguments, root), indent=2))


def check_retrainable(settings: Settings) -> None:
    """Refuse to train what nobody would want to serve.

    Raises:
        ConfigError: There is no registry to compare with, or the data are not named.
    """
    if not settings.mlflow_tracking_uri:
        raise ConfigError("MLFLOW_TRACKING_URI is not set; retraining registers beside the champion: name its MLflow")
    if settings.data_loader_type == "local" and not settings.data_source_path:
        raise ConfigError(
            "DATA_SOURCE_PATH is not set; retraining takes no other data for want of the right ones: name them "
            "(or DATA_LOADER_TYPE=synthetic, to try it out)"
        )
