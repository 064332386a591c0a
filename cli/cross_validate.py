"""``screentest cross-validate``: how much models' figures vary from fold to fold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.files import write_whole
from core.settings import load_settings


def cross_validate(
    models: Annotated[str, typer.Argument(help="Names of models, by commas.")],
    data: Annotated[
        str, typer.Option(help="What the demo takes: a folder, a zip, an address, a release's name, or synthetic.")
    ] = "",
    folds: Annotated[int, typer.Option(min=2, help="Folds; each is held out once.")] = 5,
    metric: Annotated[
        str, typer.Option(help="What orders the models: ndcg, recall, precision, map, mrr or hit_rate.")
    ] = "ndcg",
    k: Annotated[int, typer.Option(min=1, max=1000, help="Length of a recommended list.")] = 10,
    configs: Annotated[
        Path | None, typer.Option(help="Hyperparameters by model, as `screentest tune` writes them.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the dealing out, and of synthetic data.")] = 42,
    out: Annotated[Path, typer.Option(help="Folder for the page and the figures.")] = Path("runs/folds"),
) -> None:
    """Train each model once per fold, judge it on that fold, and draw a box plot of its figures.

    All ratings take part, those that the demo holds out too: choose hyperparameters with `screentest tune`, not here.
    """
    from cli.audition import source_of
    from cli.configs import read_configs
    from loaders.base import SplitRule
    from loaders.registry import open_loader
    from wrappers.base import EvaluationConfig
    from wrappers.cross_validation import cross_validate_and_log
    from wrappers.offline import metric_name
    from wrappers.tables import as_csv, as_json

    settings = load_settings(data_source_path=data or None)
    given = read_configs(configs)
    source = source_of(settings)
    split = SplitRule("kfold_per_user", seed=seed, n_folds=folds)
    loader = open_loader(source.kind, source=source.path, split=split, seed=seed, columns=settings.data_columns)
    out.mkdir(parents=True, exist_ok=True)
    typer.echo(f"data: {source.why}")
    found, html = cross_validate_and_log(
        {name: given.get(name, {}) for name in (one.strip() for one in models.split(",")) if name},
        loader,
        tracking_uri=settings.mlflow_tracking_uri or f"sqlite:///{(out / 'mlflow.db').resolve()}",
        metric=metric,
        n_folds=folds,
        seed=seed,
        options=EvaluationConfig.parse({"k": k}, of="evaluation"),
        experiment=settings.mlflow_experiment_name,
        artifact_root=settings.artifact_root,
    )
    write_whole(out / "report.html", html)
    write_whole(out / "folds.json", as_json(found.rows()))
    write_whole(out / "folds.csv", as_csv(found.rows()))
    for name, values in found.figures(metric_name(metric, k)).items():
        typer.echo(f"{name}: {metric}@{k} {values.mean():.4f} ± {values.std(ddof=1):.4f} over {folds} folds")
    typer.echo(f"box plots: {out / 'report.html'}")
