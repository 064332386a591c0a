"""A simulation told to people: the table, and one page with its pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.simulation_charts import bound_chart, regret_chart, share_chart
from cli.simulation_results import Results, strategy_rows
from experiments.figures import percent

_TEMPLATE = "simulation.html.jinja"


def table_head(found: Results) -> tuple[str, ...]:
    """Names of the columns of ``table_rows``."""
    shares = " / ".join(found.simulation.world.arms)
    return ("strategy", "sessions", "clicked", f"share of {shares}", "clicks lost (95 % band)", "found best")


def table_rows(found: Results) -> list[tuple[str, ...]]:
    """A row per strategy, as text."""
    arms = found.simulation.world.arms
    rows: list[tuple[str, ...]] = []
    for row in strategy_rows(found):
        shares = " / ".join(f"{100 * row['share'][arm]:.0f}" for arm in arms)
        best = f"{row['found_best']} of {row['runs']}" if found.differ else "–"
        rows.append(
            (
                row["strategy"],
                f"{row['sessions']:,}",
                percent(row["ctr"], "en", 2),
                f"{shares} %",
                f"{_clicks(row['regret'])}{_band(row)}",
                best,
            )
        )
    return rows


def simulation_html(found: Results, told: str) -> str:
    """The page.

    Args:
        found: What the log amounts to.
        told: Where data and models come from.

    Returns:
        HTML that fetches nothing, in which every text is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    world, plan = found.simulation.world, found.simulation.plan
    intervals = {name: kinds["interval"] for name, kinds in found.windows.items()}
    rates = ", ".join(
        f"{arm} {percent(mean, 'en', 2)}" for arm, mean in zip(world.arms, world.means.tolist(), strict=True)
    )
    about = (
        f"True click rates: {rates}. {found.sessions:,} sessions in each of {plan.runs} runs, rewards in batches of "
        f"{plan.batch}{f', {plan.delay} batches late' if plan.delay else ''}, seed {world.seed}. Data: {told}."
    )
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return pages.get_template(_TEMPLATE).render(
        sentence=found.sentence(),
        ab=None if found.ab is None else found.ab.sentence,
        about=about,
        regret=regret_chart(intervals),
        shares=share_chart(intervals, world.arms),
        bounds=bound_chart(found.bounds, world.arms),
        head=table_head(found),
        rows=table_rows(found),
    )


def _band(row: Mapping[str, Any]) -> str:
    if math.isnan(row["regret_lower"]):
        return ""
    # Nobody can lose less than nothing.
    return f" ({_clicks(max(row['regret_lower'], 0.0))} to {_clicks(row['regret_upper'])})"


def _clicks(number: float) -> str:
    return f"{number:,.1f}" if abs(number) < 100 else f"{number:,.0f}"
