"""Charts of a search: its history, and what an option did to the figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from evaluation.charts import BLUE, GREY, VERMILION, svg_of

_HEIGHT = 200


def history_chart(trials: Sequence[tuple[int, str, float]], *, metric: str) -> str:
    """Each trial as a point, the best so far as a line.

    Args:
        trials: (number, model, figure), numbers ascending.
        metric: What the axis says.

    Returns:
        SVG; empty for no trial.
    """
    if not trials:
        return ""
    import altair as alt

    best = accumulate((value for _, _, value in trials), max)
    rows = [
        {"number": number, "model": model, "value": value, "best": so_far}
        for (number, model, value), so_far in zip(trials, best, strict=True)
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("number:Q", title="trial", axis=alt.Axis(tickMinStep=1))
    )
    y = alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))
    shape = alt.Shape("model:N", legend=alt.Legend(orient="bottom", columns=3) if _several(trials) else None)
    points = base.mark_point(size=60, color=BLUE).encode(y=y, shape=shape)
    line = base.mark_line(interpolate="step-after", color=VERMILION).encode(y=alt.Y("best:Q", title=metric))
    return svg_of(alt.layer(line, points), height=_HEIGHT)


def option_chart(points: Sequence[tuple[Any, float]], *, option: str, metric: str) -> str:
    """A trial per point: the option's value against the figure.

    Args:
        points: (value, figure).
        option: What the horizontal axis says; logarithmic where values span two orders of magnitude.
        metric: What the vertical axis says.

    Returns:
        SVG; empty for fewer than three points.
    """
    if len(points) < 3:
        return ""
    import altair as alt

    values = [value for value, _ in points]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    spread = numeric and min(values) > 0 and max(values) >= 100 * min(values)
    rows = [{"option": value if numeric else str(value), "value": figure} for value, figure in points]
    x = (
        alt.X("option:Q", title=option, scale=alt.Scale(type="log" if spread else "linear", zero=False))
        if numeric
        else alt.X("option:N", title=option)
    )
    chart = alt.Chart(alt.InlineData(values=rows)).mark_point(size=60, color=BLUE if numeric else GREY)
    return svg_of(chart.encode(x=x, y=alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))), height=_HEIGHT)


def _several(trials: Sequence[tuple[int, str, float]]) -> bool:
    return len({model for _, model, _ in trials}) > 1
