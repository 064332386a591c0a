"""``screentest benchmark``: our models beside published figures, by the published protocols."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import ConfigError
from core.files import write_whole

if TYPE_CHECKING:
    from wrappers.protocols.benchmarking import BenchmarkedModel

_SECONDS_PER_MINUTE = 60.0


def benchmark(
    protocol: Annotated[str, typer.Argument(help="ms75, loo99, full811, rating5 or temporal.")],
    data: Annotated[
        str, typer.Option(help="MovieLens folder or zip, or the name of a release, e.g. ml-100k.", show_default=False)
    ],
    models: Annotated[
        str, typer.Option(help="Models to run, by commas; a model made of others behind them. Default: the protocol's.")
    ] = "",
    json: Annotated[
        Path | None, typer.Option(help="Write the results to this file, after each model: a list of JSON objects.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what the --json file holds and run the rest.")] = False,
    trials: Annotated[
        int, typer.Option(min=0, help="Hyperparameters to try for each model, inside the training part; 0: defaults.")
    ] = 20,
    minutes: Annotated[
        float, typer.Option(min=0, help="Minutes after which no further trial of a model is begun.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the search for hyperparameters.")] = 0,
    params: Annotated[
        str, typer.Option(help='Hyperparameters not to search for, as JSON: {"ease": {"reg": 300}}.')
    ] = "",
) -> None:
    """Train and judge models exactly as published figures were made, and print ours beside them.

    Hyperparameters are chosen on splits of the training part; the test part is looked at once, at the end. The same
    data and seed give the same figures, unless a search runs out of its minutes.
    """
    from cli.benchmark_data import benchmark_data
    from cli.benchmark_table import print_differences, print_table
    from wrappers.protocols.benchmarking import run_protocol
    from wrappers.protocols.registry import protocol as registered
    from wrappers.tuning import Search

    chosen = registered(protocol)
    if resume and json is None:
        raise ConfigError("--resume continues a file of results; name it with --json")
    names = [name.strip() for name in models.split(",") if name.strip()] or list(chosen.models)
    before = _read_results(json, chosen.name) if resume and json is not None and json.exists() else []
    done = {row["model"] for row in before}
    loaded = benchmark_data(chosen, data)
    if any(row["data"] != loaded.name for row in before):
        raise ConfigError(f"{json} holds results on {before[0]['data']}, not on {loaded.name}; name another file")
    typer.echo(f"{chosen.name} on {loaded.name} ({len(loaded.interactions):,} ratings): {chosen.summary}")
    left = [name for name in names if name not in done]
    if before:
        rest = f"; to run: {', '.join(left)}" if left else "; nothing is left to run"
        typer.echo(f"kept from {json}: {', '.join(row['model'] for row in before)}{rest}")
    found: list[BenchmarkedModel] = []
    for one in run_protocol(
        chosen,
        loaded,
        left,
        Search(trials, seed, minutes * _SECONDS_PER_MINUTE) if trials else None,
        given=_parse_params(params),
        # Not all of its hyperparameters: a composite has defaults of its own for its components.
        found_before={row["model"]: row.get("chosen", {}) for row in before},
    ):
        found.append(one)
        if json is not None:
            _write_results(json, [*before, *(each.as_dict() for each in found)])
    print_table(chosen, loaded.name, [*before, *(one.as_dict() for one in found)])
    if before:
        typer.echo(f"differences are told only between models that were run now: {json} keeps no figures by user")
    print_differences(chosen, found)


def _parse_params(text: str) -> dict[str, dict[str, Any]]:
    if not text:
        return {}
    try:
        params = json_format.loads(text)
    except ValueError as error:
        raise ConfigError(f'--params is no JSON ({error}); write it like {{"ease": {{"reg": 300}}}}') from error
    if not isinstance(params, dict) or not all(isinstance(options, dict) for options in params.values()):
        raise ConfigError(f'--params == {text}, must be an object of objects like {{"ease": {{"reg": 300}}}}')
    return params


def _read_results(path: Path, protocol: str) -> list[dict[str, Any]]:
    try:
        rows = json_format.loads(path.read_text(encoding="utf-8"))
        if any(row["protocol"] != protocol for row in rows):
            raise ConfigError(f"{path} holds results of another protocol than {protocol}; name another file")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path} holds no results of a benchmark ({error}); name another file") from error
    return rows


def _write_results(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_whole(path, json_format.dumps(rows, indent=2, ensure_ascii=False) + "\n")
