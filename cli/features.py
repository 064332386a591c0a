"""``screentest features``: build the features of rating data, look at one user's, put fresher rows online."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError, DataError
from core.settings import load_settings

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

_OUT = Path(__file__).parents[1] / "feature_repo" / "data"
_Out = Annotated[Path, typer.Option(help="Folder of the snapshots, the report and what an embedded Redis saved.")]


@app.command()
def build(
    data: Annotated[
        str | None, typer.Option(help="What the demo takes: a folder, a zip, or synthetic. Default: as for the demo.")
    ] = None,
    out: _Out = _OUT,
) -> None:
    """Compute every feature of rating data, put them into Feast and Redis, and check them there.

    Redis is the one REDIS_URL names; without it an embedded one, saved in the folder for `features show`. The feast
    command line works on the result: see feature_repo/README.md.
    """
    from cli.audition import source_of
    from core.files import write_whole
    from events.catalogue import record_features
    from feature_repo.build import build_features
    from loaders.base import SplitRule
    from loaders.registry import open_loader
    from serving.redis_process import redis_for

    settings = load_settings(data_source_path=data)
    source = source_of(settings)
    typer.echo(f"data: {source.why}")
    with redis_for(settings, out / "redis") as redis:
        loader = open_loader(source.kind, source=source.path, split=SplitRule(), columns=settings.data_columns)
        redis.clear()
        built = build_features(
            loader.load(), out / "snapshots", every_days=settings.feature_snapshot_days, redis_url=redis.url
        )
        redis.save()
    events_url = settings.events_url.get_secret_value()
    record_features(events_url, built.figures, built.definitions, provenance=loader.provenance().as_params())
    write_whole(out / "report.html", built.html)
    typer.echo(
        f"{built.figures['n_users']:,} users and {built.figures['n_items']:,} items, version "
        f"{built.figures['version']}: {out / 'report.html'}, or one user: screentest features show USER"
    )


@app.command()
def show(
    user: Annotated[str, typer.Argument(help="Id of a user.")],
    item: Annotated[str | None, typer.Argument(help="Id of an item: its features too, and those of both.")] = None,
    out: _Out = _OUT,
) -> None:
    """Read a user's features, as they are online, through Feast."""
    from feature_repo.catalogue import CROSS_FEATURES
    from feature_repo.redis_client import BULK_TIMEOUT_S
    from feature_repo.snapshots import read_snapshots
    from feature_repo.store import Store
    from serving.redis_process import redis_for

    _check_built(out)
    snapshots = read_snapshots(out / "snapshots")
    layout = snapshots.layout
    with redis_for(load_settings(), out / "redis") as redis:
        store = Store(snapshots, redis.url, timeout_s=BULK_TIMEOUT_S)
        if item is None:
            _print_row(f"user {user}", layout.user_names, store.user_rows([user])[0], layout.user_defaults)
            return
        pair = store.pair_rows([user], [item])
    _print_row(f"user {user}", layout.user_names, pair.user[0], layout.user_defaults)
    _print_row(f"item {item}", layout.item_names, pair.item[0], layout.item_defaults)
    _print_row(f"user {user} x item {item}", [one.name for one in CROSS_FEATURES], pair.cross[0], pair.cross[0])


@app.command()
def push(
    file: Annotated[Path, typer.Argument(help="Parquet with the columns of user_features.parquet or the items'.")],
    out: _Out = _OUT,
) -> None:
    """Put rows online that are fresher than the last snapshot. They give way to the next build."""
    from feature_repo.redis_client import BULK_TIMEOUT_S
    from feature_repo.snapshots import read_snapshots
    from feature_repo.store import Store
    from feature_repo.views import ITEM_ID, USER_ID
    from serving.redis_process import redis_for

    fresh = _read_fresh(file)
    if (USER_ID in fresh) == (ITEM_ID in fresh):
        raise DataError(f"has neither or both of the columns {USER_ID} and {ITEM_ID}; expected one", file=str(file))
    _check_built(out)
    snapshots = read_snapshots(out / "snapshots")
    with redis_for(load_settings(), out / "redis") as redis:
        store = Store(snapshots, redis.url, timeout_s=BULK_TIMEOUT_S)
        (store.push_users if USER_ID in fresh else store.push_items)(fresh)
        redis.save()
    typer.echo(f"{len(fresh):,} fresh rows are online, version {snapshots.version}")


@app.command()
def remove(
    version: Annotated[str, typer.Argument(help="As `features build` and layout.json tell it.")],
    out: _Out = _OUT,
) -> None:
    """Remove a version's rows from Redis. A model that still reads them gets default features from then on."""
    from feature_repo.redis_client import BULK_TIMEOUT_S, connect, refusals
    from feature_repo.removal import remove_version
    from serving.redis_process import redis_for

    with redis_for(load_settings(), out / "redis") as redis:
        with connect(redis.url, timeout_s=BULK_TIMEOUT_S) as client, refusals(redis.url):
            removed = remove_version(client, version)
        redis.save()
    typer.echo(
        f"{removed:,} keys of version {version} removed" if removed else f"there is nothing of version {version}"
    )


def _check_built(out: Path) -> None:
    if not (out / "snapshots").is_dir():
        raise ConfigError(f"{out} holds no features yet; build them: screentest features build --data ml-latest-small")


def _read_fresh(file: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # One thread: a process that used pyarrow's now and then aborts when it ends (apache/arrow#34314).
        fresh: pd.DataFrame = pq.read_table(file, use_threads=False, pre_buffer=False).to_pandas(use_threads=False)
        return fresh
    except (pa.ArrowException, OSError) as error:
        raise DataError("is no readable Parquet file of feature rows", file=str(file)) from error


def _print_row(title: str, names: Any, row: Any, defaults: Any) -> None:
    """One table; where a feature is missing, what a model takes instead."""
    from feature_repo.catalogue import CROSS_FEATURES, ITEM_FEATURES, USER_FEATURES

    row = row.tolist()
    known = not all(math.isnan(value) for value in row)
    meanings = {
        one.name: one.meaning for one in (*CROSS_FEATURES, *(USER_FEATURES if "user" in title else ITEM_FEATURES))
    }
    table = Table(title=title if known else f"{title}: not known", box=None, padding=(0, 2), title_justify="left")
    for heading, justify in (("feature", "left"), ("value", "right"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for name, value, default in zip(names, row, defaults.tolist(), strict=True):
        missing = math.isnan(value)
        note = f"missing; a model takes {default:g}" if missing else meanings.get(name, "")
        table.add_row(name, "–" if missing else f"{value:.6g}", note)
    Console(highlight=False).print(table)
