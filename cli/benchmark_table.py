"""A benchmark's outcome in the terminal: ours, what others published, and whether the best is proven to be it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from evaluation.paired import paired_bootstrap
from wrappers.protocols.benchmarking import BenchmarkedModel
from wrappers.protocols.protocol import Protocol, Published


def print_table(protocol: Protocol, data: str, rows: Sequence[dict[str, Any]]) -> None:
    """Ours beside the published figure of the same model, best first; below them what others published besides."""
    table = Table(title=f"{protocol.name} on {data}", title_justify="left")
    table.add_column("model")
    for metric in protocol.metrics:
        table.add_column(metric, justify="right")
    table.add_column("fit", justify="right")
    table.add_column("published")
    order = sorted(rows, key=lambda row: row["metrics"][protocol.metrics[0]], reverse=not protocol.lower_is_better)
    published = protocol.published.get(data, ())
    for row in order:
        beside = "\n".join(_words(one, protocol.metrics) for one in published if one.model == row["model"])
        figures = (_figure(row["metrics"].get(metric)) for metric in protocol.metrics)
        table.add_row(row["model"], *figures, f"{row['fit_seconds']:.1f} s", beside)
    ran = {row["model"] for row in rows}
    for one in published:
        if one.model not in ran:
            figures = (_figure(one.figures.get(metric)) for metric in protocol.metrics)
            table.add_row("", *figures, "", one.name, style="dim")
    Console().print(table)
    if not published:
        typer.echo(f"no figures are published of {data}; {protocol.name} is published for {protocol.needs}")


def _figure(value: float | None) -> str:
    """Empty where a model has no such figure."""
    return "" if value is None else f"{value:.4f}"


def _words(published: Published, metrics: Sequence[str]) -> str:
    figures = " / ".join(f"{published.figures[metric]:.4f}" for metric in metrics if metric in published.figures)
    return f"{figures} {published.name}"


def print_differences(protocol: Protocol, found: Sequence[BenchmarkedModel]) -> None:
    """The best of this run against each other, paired by user, in every metric that models are compared in."""
    for metric in protocol.compared:
        judged = [one for one in found if np.count_nonzero(~np.isnan(one.per_unit[metric])) > 1]
        if len(judged) < 2:
            continue
        best = max(judged, key=lambda one: one.metrics[metric] * (-1 if protocol.lower_is_better else 1))
        typer.echo(
            f"{best.model} against each of the others, {metric} paired by user, 95 % bootstrap interval "
            "(not corrected):"
        )
        for one in judged:
            if one is not best:
                by_user = paired_bootstrap(best.per_unit[metric], one.per_unit[metric], seed=0)
                typer.echo(
                    f"  {one.model:<18} {by_user.effect_size:+.4f}  ({by_user.ci_lower:+.4f} … {by_user.ci_upper:+.4f})"
                )
