"""Charts of an offline evaluation as SVG text: no script, no font and no file from outside.

Drawn for a phone's width with letters of its size, so that nothing shrinks there. Nothing is told by colour alone,
and the colours (Okabe & Ito 2008) stay apart for colour-blind eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.summary import MetricSummary

WIDTH = 340
"""CSS pixels from edge to edge: a small phone."""

_BLUE, _VERMILION, _GREY, _INK = "#0072B2", "#D55E00", "#9AA0A6", "#202124"
_ROW_HEIGHT, _BELOW = 44, 9
_BINS = 21
"""Odd, so that one bin has zero in its middle."""


def metric_chart(summaries: Mapping[str, MetricSummary], *, metric: str, champion: str | None = None) -> str:
    """One metric of several models: a point for the mean, a line for its interval, best model on top.

    Args:
        summaries: Model name to its summary of the metric. A model without a mean is left out, one without an
            interval is drawn as a point.
        metric: What the axis says, e.g. "ndcg@10".
        champion: The model drawn as a diamond of another colour; None: no model is.

    Returns:
        SVG; empty where no model has a mean.
    """
    known = {name: summary for name, summary in summaries.items() if np.isfinite(summary.mean)}
    if not known:
        return ""
    import altair as alt

    rows = [_metric_row(name, summary, name == champion) for name, summary in known.items()]
    order = sorted(known, key=lambda name: -known[name].mean)
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("model:N", sort=order, axis=None))
    x = alt.X("lower:Q", title=metric, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(tickCount=5))
    colour = alt.condition("datum.champion", alt.value(_VERMILION), alt.value(_BLUE))
    shape = alt.condition("datum.champion", alt.value("diamond"), alt.value("circle"))
    chart = alt.layer(
        base.mark_rule(strokeWidth=3, yOffset=_BELOW).encode(x=x, x2="upper:Q", color=colour),
        base.mark_point(size=110, filled=True, opacity=1, yOffset=_BELOW).encode(x="mean:Q", color=colour, shape=shape),
        # Names stand above their lines: beside them they would be cut off, or leave a phone no room for the lines.
        base.mark_text(align="left", yOffset=-_BELOW, fontSize=13, color=_INK).encode(x=alt.datum(0), text="label:N"),
    )
    return _svg(chart, height=_ROW_HEIGHT * len(rows))


def difference_chart(difference: npt.NDArray[np.float64], *, candidate: str, baseline: str, metric: str) -> str:
    """How the users' differences are spread: for how many is the candidate better, for how many worse.

    Args:
        difference: (n_users,) candidate minus baseline; NaN is left out.
        candidate: The model named on the right side.
        baseline: The model named on the left side.
        metric: What the difference is of, e.g. "ndcg@10".

    Returns:
        SVG; empty where no user has a difference.
    """
    known = difference[~np.isnan(difference)]
    if len(known) == 0:
        return ""
    import altair as alt

    shares = {"worse": np.mean(known < 0), "equal": np.mean(known == 0), "better": np.mean(known > 0)}
    told = ", ".join(f"{side} for {share:.0%}" for side, share in reversed(shares.items()))
    title = alt.Title([f"{candidate} against {baseline}:", told], anchor="start", fontSize=13, fontWeight="normal")
    colour = alt.Color("side:N", scale=alt.Scale(domain=list(shares), range=[_VERMILION, _GREY, _BLUE]), legend=None)
    chart = (
        alt.Chart(alt.InlineData(values=_difference_rows(known)), title=title)
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("low:Q", title=f"difference in {metric} per user", axis=alt.Axis(tickCount=5, format="+.1~f")),
            x2="high:Q",
            y=alt.Y("users:Q", title="users", axis=alt.Axis(tickCount=4, tickMinStep=1)),
            y2=alt.datum(0),
            color=colour,
        )
    )
    return _svg(chart, height=150)


def _metric_row(name: str, summary: MetricSummary, is_champion: bool) -> dict[str, Any]:
    """A model as the chart takes it; where there is no interval, the line has no length."""
    has_interval = summary.status == "ok"
    return {
        "model": name,
        "mean": summary.mean,
        "lower": summary.ci_lower if has_interval else summary.mean,
        "upper": summary.ci_upper if has_interval else summary.mean,
        "label": f"{name} · {summary.mean:.3f}",
        "champion": is_champion,
    }


def _difference_rows(difference: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """Bins of equal width around zero; the middle one holds users for whom the models are about equal."""
    widest = float(np.abs(difference).max()) or 1.0
    users, edges = np.histogram(difference, bins=_BINS, range=(-widest, widest))
    middle = _BINS // 2
    return [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            "users": int(users[place]),
            "side": "equal" if place == middle else "worse" if place < middle else "better",
        }
        for place in range(_BINS)
    ]


def _svg(chart: Any, *, height: int) -> str:
    import altair as alt
    import vl_convert

    drawn = (
        chart.properties(
            width=WIDTH, height=height, padding=8, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
        )
        .configure(font="system-ui, sans-serif", background="white")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=13,
            titleFontSize=13,
            labelColor=_INK,
            titleColor=_INK,
            titleFontWeight="normal",
            gridColor="#E8EAED",
            labelFlush=False,
        )
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return str(vl_convert.vegalite_to_svg(drawn.to_dict(), vl_version=version, allowed_base_urls=[]))
