"""``screentest tune``: search a model's hyperparameters, or the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError
from core.files import write_whole
from core.settings import load_settings

if TYPE_CHECKING:
    from wrappers.tuning import Tuned

_SHOWN = 5
_CONFIGS = "configs.json"


def tune(
    model: Annotated[str, typer.Argument(help="A model's name, several by commas, or auto: all that can be tuned.")],
    data: Annotated[
        str, typer.Option(help="What the demo takes: a folder, a zip, an address, a release's name, or synthetic.")
    ] = "",
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those made before included.")] = 30,
    minutes: Annotated[float, typer.Option(min=0, help="Minutes after which no further trial is begun.")] = 60.0,
    parallel: Annotated[int, typer.Option(min=1, help="Processes that search at a time.")] = 1,
    metric: Annotated[
        str, typer.Option(help="What to maximise: ndcg, recall, precision, map, mrr or hit_rate.")
    ] = "ndcg",
    k: Annotated[int, typer.Option(min=1, max=1000, help="Length of a recommended list.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the search, and of synthetic data.")] = 42,
    out: Annotated[Path, typer.Option(help="Folder of the search; one that was stopped there goes on.")] = Path(
        "runs/tune"
    ),
) -> None:
    """Try hyperparameters on parts of the training ratings and keep the best; the test part stays unseen.

    Killed or stopped, the same command goes on where it was. What is found is written to configs.json, which
    `screentest demo --configs` takes; the trials as a page to report.html, and all of it to MLflow.
    """
    from cli.audition import source_of
    from cli.configs import read_configs
    from loaders.base import SplitRule
    from loaders.registry import open_loader
    from wrappers.base import EvaluationConfig
    from wrappers.tables import as_csv, as_json
    from wrappers.tuning import Search
    from wrappers.tuning_run import TuningJob, configs_of, models_named, trial_rows, tune_and_log

    names = models_named(model)
    _check_searchable(names)
    kept = read_configs(out / _CONFIGS if (out / _CONFIGS).exists() else None)
    settings = load_settings(data_source_path=data or None)
    source = source_of(settings)
    split = SplitRule(
        settings.split, settings.split_n, settings.split_test_fraction, seed, settings.split_folds, settings.split_fold
    )
    loader = open_loader(source.kind, source=source.path, split=split, seed=seed, columns=settings.data_columns)
    # Trials are comparable on the same data, split and measure only.
    study = f"{loader.provenance().sha256[:12]} {split} {metric}@{k} {model}"
    out.mkdir(parents=True, exist_ok=True)
    job = TuningJob(
        models=names,
        loader=loader,
        search=Search(trials, seed, minutes * 60, out / "search.db", study),
        parallel=parallel,
        metric=metric,
        options=EvaluationConfig.parse({"k": k}, of="evaluation"),
    )
    typer.echo(f"data: {source.why}")
    tracking = settings.mlflow_tracking_uri or f"sqlite:///{(out / 'mlflow.db').resolve()}"
    tuned, html = tune_and_log(
        job, tracking_uri=tracking, experiment=settings.mlflow_experiment_name, artifact_root=settings.artifact_root
    )
    write_whole(out / _CONFIGS, as_json({**kept, **configs_of(tuned)}))
    write_whole(out / "trials.csv", as_csv(trial_rows(tuned)))
    write_whole(out / "report.html", html)
    _tell(tuned, f"{metric}@{k}")
    typer.echo(f"the trials as a page: {out / 'report.html'}")
    others = ", ".join(name for name in kept if name != tuned.model)
    if others:
        typer.echo(f"{out / _CONFIGS} also keeps what earlier searches found for {others}")
    typer.echo(f"audition it: screentest demo --models popularity,{tuned.model} --configs {out / _CONFIGS}")


def _check_searchable(names: Sequence[str]) -> None:
    """Refuse a search of models that have nothing to search for, before any work."""
    from wrappers.registry import model
    from wrappers.tuning_run import tunable_models

    for name in names:
        model(name)
    tunable = tunable_models()
    if not set(tunable) & set(names):
        raise ConfigError(
            f"nothing of {', '.join(names)} can be searched for: it names no search_space; models that do: "
            f"{', '.join(tunable)}"
        )


def _tell(tuned: Tuned, metric: str) -> None:
    """The best trials as a table, and what they are worth."""
    table = Table("model", metric, "seconds", "hyperparameters", title="Best trials", title_justify="left")
    complete = [one for one in tuned.trials if one.value is not None and one.status == "complete"]
    for one in sorted(complete, key=lambda one: -(one.value or 0.0))[:_SHOWN]:
        options = ", ".join(f"{name} = {_short(value)}" for name, value in one.config.items()) or "the defaults"
        table.add_row(one.model, f"{one.value:.4f}", f"{one.seconds:.1f}", options)
    Console().print(table)
    default = "" if tuned.default_value is None else f", {tuned.default_value:.4f} with the defaults"
    typer.echo(f"{tuned.model}: {metric} {tuned.value:.4f}{default}, on parts held out of the training ratings")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
