"""``screentest design``: how large an experiment must be, and how long it takes."""

from __future__ import annotations

import json as json_format
import math
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.output_file import write_output
from core.errors import ConfigError

if TYPE_CHECKING:
    from experiments.planning.baselines import Baseline
    from experiments.planning.design import Design

_BAR = 40


class Kind(StrEnum):
    """What kind of metric it is."""

    proportion = "proportion"
    mean = "mean"
    ratio = "ratio"
    quantile = "quantile"


class Method(StrEnum):
    """How the experiment will be analysed."""

    fixed = "fixed"
    sequential = "sequential"
    group = "group"


class Side(StrEnum):
    """What is to be shown of treatment - control."""

    two_sided = "two-sided"
    greater = "greater"
    less = "less"


def design(
    baseline: Annotated[float, typer.Option(help="The metric today: a share, mean, ratio or quantile.")],
    mde: Annotated[float, typer.Option(help="Smallest effect to be shown: relative, .05 is 5 %; see --absolute.")],
    kind: Annotated[Kind, typer.Option(help="Kind of metric.")] = Kind.proportion,
    sd: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation between units; of a ratio or quantile: standard error times root of units."
        ),
    ] = None,
    absolute: Annotated[bool, typer.Option("--absolute", help="The effect is in the metric's unit.")] = False,
    method: Annotated[
        Method, typer.Option(help="fixed: one look at the end; sequential: as often as you like; group: --looks looks.")
    ] = Method.fixed,
    looks: Annotated[int, typer.Option(min=1, max=100, help="Looks of a group design.")] = 5,
    alpha: Annotated[float, typer.Option(help="False positives, over all comparisons together.")] = 0.05,
    power: Annotated[float, typer.Option(help="Chance of showing the effect if it is real.")] = 0.8,
    side: Annotated[Side, typer.Option(help="What is to be shown.")] = Side.two_sided,
    margin: Annotated[float, typer.Option(help="Non-inferiority margin, with --side greater or less.", min=0)] = 0.0,
    correlation: Annotated[
        float,
        typer.Option(help="Of a covariate with the metric: CUPED takes its square of the variance.", min=-1, max=1),
    ] = 0.0,
    variants: Annotated[int, typer.Option(min=2, help="Variants, the control included.")] = 2,
    allocation: Annotated[float, typer.Option(help="Units of each other variant per unit of the control.")] = 1.0,
    daily: Annotated[str, typer.Option(help="New units a day, all variants together; or each day's, by commas.")] = "",
    chart: Annotated[Path | None, typer.Option(help="Write the chart to this .svg file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Plan an experiment: units, days, and the smallest effect it can show week by week."""
    from experiments.planning.design import DAILY_LOOKS
    from experiments.planning.design import design as designed
    from experiments.planning.power_plan import PowerPlan

    plan = PowerPlan(
        alpha=alpha,
        power=power,
        alternative=side.value,
        relative=not absolute,
        margin=margin,
        variance_reduction=correlation**2,
        allocation=allocation,
    )
    found = designed(
        _baseline(kind, baseline, sd),
        mde,
        plan,
        method=method.value,
        looks=looks if method is Method.group else DAILY_LOOKS,
        treatments=variants - 1,
        daily_new_units=_daily(daily),
    )
    if chart is not None:
        _write_chart(found, chart)
    if json:
        typer.echo(json_format.dumps(_document(found), indent=2))
        return
    _tell(found, variants)
    if chart is not None:
        typer.echo(f"the chart: {chart}")


def _baseline(kind: Kind, value: float, sd: float | None) -> Baseline:
    from experiments.planning.baselines import Baseline, mean_baseline, proportion_baseline

    if kind is Kind.proportion:
        if sd is not None:
            raise ConfigError(f"sd == {sd}, must be left out for a proportion: its variance follows from --baseline")
        return proportion_baseline(value)
    if sd is None:
        raise ConfigError(f"--kind {kind.value} needs --sd, the standard deviation between units")
    if kind is Kind.mean:
        return mean_baseline(value, sd)
    return Baseline(value, mean_baseline(value, sd).variance)


def _daily(text: str) -> float | list[float] | None:
    if not text:
        return None
    try:
        days = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"daily == {text!r}, must be a number, or numbers by commas") from None
    return days[0] if len(days) == 1 else days


def _write_chart(found: Design, path: Path) -> None:
    from cli.design_chart import design_chart

    if path.suffix.lower() != ".svg":
        raise ConfigError(f"chart == {str(path)!r}, must end in .svg")
    drawn = design_chart(found)
    if not drawn:
        raise ConfigError(f"there is nothing to draw: the design is {found.status}")
    write_output(path, drawn)


def _document(found: Design) -> dict[str, object]:
    """For JSON, which has no NaN and no infinity."""

    def plain(value: object) -> object:
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        return value

    weeks = [week._asdict() for week in found.weeks]
    curve = [point._asdict() for point in found.curve]
    document = {**asdict(found), "baseline": found.baseline._asdict(), "weeks": weeks, "curve": curve}
    return {name: plain(value) for name, value in document.items()}


def _tell(found: Design, variants: int) -> None:
    from experiments.inference.status_words import status_sentence

    console = Console(highlight=False)
    if found.status != "ok":
        raise ConfigError(f"nothing can be planned: {status_sentence(found.status, 'en')}")
    plan, change = found.plan, f"{found.mde:+.4g}"
    if math.isfinite(found.rel_mde):
        change += f" ({found.rel_mde:+.2%})"
    looks = {"fixed": "one look at the end", "sequential": "looks at will", "group": "a planned number of looks"}
    console.print(
        f"To show a change of {change} from {found.baseline.value:g} with {plan.power:.0%} power at alpha "
        f"{plan.alpha:g} ({plan.alternative}, {looks[found.method]}):",
        soft_wrap=True,
    )
    console.print(f"  units of the control     {found.n_control:>12,.0f}", style="bold")
    console.print(f"  units of each other      {found.n_treatment:>12,.0f}", style="bold")
    console.print(f"  units in all             {found.total:>12,.0f}", style="bold")
    if found.method != "fixed":
        console.print(f"  on average, if it is real {found.expected_total:>11,.0f}  because a look may end it earlier")
    if not math.isnan(found.n_star):
        console.print(f"  analyse it with          --method sequential --n-star {found.n_star:.0f}")
    if not math.isnan(found.days):
        console.print(f"  days                     {_days(found.days):>12}")
    if variants > 2:
        console.print(f"  alpha is shared by {plan.comparisons} comparisons with the control")
    console.print(_picture(found))
    if found.weeks:
        console.print(_weeks(found))


def _days(days: float) -> str:
    return f"{days:,.0f}" if math.isfinite(days) else "never enough"


def _picture(found: Design) -> Table:
    """Power by size, drawn with letters."""
    table = Table(box=None, pad_edge=False)
    table.add_column("units of the control", justify="right")
    table.add_column("power", justify="right")
    table.add_column("")
    for point in found.curve[::4]:
        bar = "█" * round(point.power * _BAR)
        table.add_row(f"{point.n_control:,.0f}", f"{point.power:.0%}", bar)
    return table


def _weeks(found: Design) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("weeks", "units of the control", "smallest effect shown", "relative"):
        table.add_column(column, justify="right")
    for week in found.weeks:
        relative = f"{week.rel_mde:.2%}" if math.isfinite(week.rel_mde) else "–"
        table.add_row(str(week.week), f"{week.n_control:,.0f}", f"{week.mde:.4g}", relative)
    return table
