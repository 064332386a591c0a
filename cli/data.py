"""``screentest data``: check and describe rating data, or make some."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError, DataError
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from loaders.check import Checked
    from loaders.describe import Description

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

_BAR = 40


@app.command()
def check(
    path: Annotated[
        str,
        typer.Argument(
            help="MovieLens folder or zip (ml-latest, ml-latest-small, 20M, 25M, 32M, 100k, 1m, 10m); a CSV, Parquet "
            "or JSON file of ratings, or a folder or zip with ratings.* and maybe items.*, tags.*, users.*; or the "
            "http(s):// or gs:// address of one."
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quarantine: Annotated[
        Path | None,
        typer.Option(help="Set bad lines aside in this CSV (file, line, reason, text) and describe the others."),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(help="What a table calls its columns: user_id=uid,item_id=sku,rating=stars,timestamp=ts."),
    ] = "",
    html: Annotated[Path | None, typer.Option(help="Write every check with its figure and limit to this page.")] = None,
) -> None:
    """Check every line of rating data and describe them.

    Each problem is one line: file, line, what is there, what was expected. Exit code 0: the data can be used, with
    --quarantine without the lines set aside. Exit code 2: they cannot, also because they are beyond a threshold of
    `validation` in config.yaml.
    """
    from loaders.base import SplitRule
    from loaders.check import check as check_data
    from loaders.columns import parse_columns

    settings = load_settings(data_columns=parse_columns(columns) or None)
    path = _on_this_machine(path, settings)
    split = SplitRule(
        settings.split,
        n=settings.split_n,
        test_fraction=settings.split_test_fraction,
        n_folds=settings.split_folds,
        fold=settings.split_fold,
    )
    with Console(stderr=True).status(f"reading {path}"):
        found = check_data(
            path, split=split, quarantine=quarantine, thresholds=settings.validation, columns=settings.data_columns
        )
    if html is not None:
        _write_page(found, html)
    if json:
        print(json_format.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        raise typer.Exit(0 if found.refusal is None else 2)
    if found.refusal is not None and found.description is not None:
        # Every line can be read, or is set aside, but the whole is beyond a threshold.
        raise found.refusal
    if found.refusal is not None:
        _refuse(found)
    _tell(found, quarantine)


@app.command()
def synthesize(
    out: Annotated[Path, typer.Argument(help="Folder to write ratings.csv and movies.csv to; new or empty.")],
    shape: Annotated[
        str, typer.Option(help="Release to resemble in size, activity, popularity and stars: ml-latest-small, ml-1m.")
    ] = "ml-latest-small",
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same ratings.")] = 0,
    users: Annotated[
        int | None, typer.Option(min=1, help="Each rates at least 20 films. Default: the shape's.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=50, help="Films. Default: the shape's.")] = None,
    ratings: Annotated[
        int | None, typer.Option(help="Default: 165 per user, as in both shapes, fewer where films are few.")
    ] = None,
) -> None:
    """Make MovieLens-shaped ratings with a long tail and taste to be learned."""
    from loaders.export import write_movielens_csv
    from loaders.synthetic import SyntheticDataLoader
    from loaders.synthetic_shapes import shape as shape_of

    loader = SyntheticDataLoader(seed, n_users=users, n_items=items, n_ratings=ratings, shape=shape_of(shape))
    with Console(stderr=True).status(f"making {loader.n_ratings:,} ratings"):
        files = write_movielens_csv(loader.load(), out)
    print(f"wrote {' and '.join(str(file) for file in files)}: {loader.n_ratings:,} ratings, seed {seed}")


def _on_this_machine(path: str, settings: Settings) -> str:
    from cli.download_bar import download_bar
    from loaders.fetch import on_this_machine

    with download_bar() as watch:
        return on_this_machine(path, settings.cache_dir, sha256=settings.data_sha256, watch=watch)


def _write_page(found: Checked, html: Path) -> None:
    from loaders.validation_page import validation_html

    try:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(validation_html(found.validation, found.description), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html {html} cannot be written ({error.strerror}); give a writable file") from error


def _refuse(found: Checked) -> None:
    """Every problem on a line of its own; the last line says what to do.

    Raises:
        DataError: Always.
    """
    texts = [text for problem in found.problems for text in problem.texts()]
    if len(texts) == 1 or found.refusal is None:
        raise found.refusal or DataError(texts[0])
    for text in texts:
        typer.echo(text, err=True)
    count = sum(problem.count for problem in found.problems)
    raise DataError(
        f"{count} problems; mend the files, or set the bad lines aside with --quarantine FILE", file=found.path
    )


def _tell(found: Checked, quarantine: Path | None) -> None:
    console = Console(highlight=False)
    for problem in found.problems:
        for text in problem.texts():
            typer.echo(f"set aside: {text}", err=True)
    if quarantine is not None:
        console.print(f"{found.n_quarantined:,} lines set aside in {quarantine}", soft_wrap=True)
    for one in found.validation.checks:
        if one.status == "warn":
            console.print(f"within the limit: {one.name}: {one.figure}; {one.limit}", soft_wrap=True)
    if found.description is not None:
        console.print(f"{found.path} is sound ({found.layout}, {found.split})", soft_wrap=True)
        console.print(_figures(found.description))
        console.print("share of ratings of each tenth of the items, most rated first")
        console.print(_bars({f"{10 * n}-{10 * n + 10} %": share for n, share in enumerate(found.description.tenths)}))
        console.print("share of each rating")
        total = found.description.n_ratings
        console.print(_bars({value: n / total for value, n in found.description.rating_counts.items()}))


def _figures(description: Description) -> Table:
    from loaders.describe import facts

    table = Table(show_header=False, box=None, padding=(0, 2))
    for what, figure in facts(description):
        table.add_row(what, figure)
    return table


def _bars(shares: dict[str, float]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    longest = max(shares.values(), default=1.0)
    for name, share in shares.items():
        table.add_row(name, f"{share:.1%}", "█" * round(_BAR * share / longest))
    return table
