"""A design as a picture: power by size, and what could be shown after so many weeks."""

from __future__ import annotations

import math
from typing import Any

from evaluation.charts import BLUE, GREY, INK, VERMILION, WIDTH, svg_of
from experiments.planning.design import Design

_HEIGHT = 200


def design_chart(design: Design) -> str:
    """Power by units of the control, the planned size marked; below it, where units a day are known, MDE by week.

    Returns:
        SVG; empty where nothing could be planned.
    """
    if not design.curve:
        return ""
    import altair as alt

    power = _power(alt, design)
    if not design.weeks:
        return svg_of(power, height=_HEIGHT)
    return svg_of(alt.vconcat(power, _weeks(alt, design)), height=None)


def _power(alt: Any, design: Design) -> Any:
    points = [{"n": point.n_control, "power": point.power} for point in design.curve]
    planned = [{"n": design.n_control, "power": design.plan.power, "told": f"{design.n_control:,.0f}"}]
    x = alt.X("n:Q", title="units per variant", axis=alt.Axis(tickCount=5, format="~s"), scale=alt.Scale(zero=True))
    y = alt.Y("power:Q", title="power", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5, format=".0%"))
    mark = alt.Chart(alt.InlineData(values=planned)).encode(x=x, y=y)
    return alt.layer(
        alt.Chart(alt.InlineData(values=points)).mark_line(color=BLUE, strokeWidth=2.5).encode(x=x, y=y),
        alt.Chart(alt.InlineData(values=planned)).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x=x),
        mark.mark_point(color=VERMILION, filled=True, size=110, opacity=1),
        mark.mark_text(color=INK, align="left", dx=9, dy=12, fontSize=13).encode(text="told:N"),
    ).properties(width=WIDTH - 60, height=_HEIGHT)


def _weeks(alt: Any, design: Design) -> Any:
    relative = design.baseline.value > 0
    rows = [
        {"week": week.week, "mde": week.rel_mde if relative else week.mde}
        for week in design.weeks
        if math.isfinite(week.mde)
    ]
    title = "smallest effect shown" + (", relative" if relative else "")
    y = alt.Y("mde:Q", title=title, axis=alt.Axis(tickCount=5, format=".1%" if relative else "~g"))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("week:O", title="weeks", axis=alt.Axis(labelAngle=0)), y=y
    )
    return base.mark_bar(color=BLUE).properties(width=WIDTH - 60, height=_HEIGHT)
