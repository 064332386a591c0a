"""Charts of an offline evaluation as SVG text: no script, no font and no file from outside.

Drawn for a phone's width with letters of its size, so that nothing shrinks there. Nothing is told by colour alone,
and the colours (Okabe & Ito 2008) stay apart for colour-blind eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.summary import MetricSummary

WIDTH = 340
"""CSS pixels from edge to edge: a small phone."""

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#9AA0A6", "#202124"
#: Lines of one chart: colours of Okabe & Ito that stand out from white, and as many patterns.
LINE_COLOURS = [BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]
LINE_DASHES = [[1, 0], [8, 3], [3, 3], [10, 3, 2, 3], [5, 2], [2, 2]]
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
    colour = alt.condition("datum.champion", alt.value(VERMILION), alt.value(BLUE))
    shape = alt.condition("datum.champion", alt.value("diamond"), alt.value("circle"))
    chart = alt.layer(
        base.mark_rule(strokeWidth=3, yOffset=_BELOW).encode(x=x, x2="upper:Q", color=colour),
        base.mark_point(size=110, filled=True, opacity=1, yOffset=_BELOW).encode(x="mean:Q", color=colour, shape=shape),
        # Names stand above their lines: beside them they would be cut off, or leave a phone no room for the lines.
        base.mark_text(align="left", yOffset=-_BELOW, fontSize=13, color=INK, limit=WIDTH - 40).encode(
            x=alt.datum(0), text="label:N"
        ),
    )
    return svg_of(chart, height=_ROW_HEIGHT * len(rows))


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
    names = f"{shortened(candidate, 20)} against {shortened(baseline, 20)}:"
    title = alt.Title([names, told], anchor="start", fontSize=13, fontWeight="normal", limit=WIDTH - 20)
    colour = alt.Color("side:N", scale=alt.Scale(domain=list(shares), range=[VERMILION, GREY, BLUE]), legend=None)
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
    return svg_of(chart, height=150)


def box_chart(values: Mapping[str, npt.NDArray[np.float64]], *, metric: str) -> str:
    """A box per model over its folds: quartiles and median, whiskers to the ends, and every fold as a point.

    Args:
        values: Model to (n_folds,) values, NaN left out; a model without any is left out. Best median on top.
        metric: What the axis says, e.g. "ndcg@10".

    Returns:
        SVG; empty where no model has a value.
    """
    known = {name: folds[~np.isnan(folds)] for name, folds in values.items()}
    known = {name: folds for name, folds in known.items() if len(folds)}
    if not known:
        return ""
    import altair as alt

    order = sorted(known, key=lambda name: -float(np.median(known[name])))
    boxes = [_box_row(name, known[name]) for name in order]
    points = [{"model": name, "value": float(value)} for name in order for value in known[name]]
    y = alt.Y("model:N", sort=order, axis=None)
    x = alt.X("least:Q", title=metric, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=5))
    base = alt.Chart(alt.InlineData(values=boxes)).encode(y=y)
    chart = alt.layer(
        base.mark_rule(strokeWidth=2, yOffset=_BELOW, color=BLUE).encode(x=x, x2="most:Q"),
        base.mark_bar(size=16, yOffset=_BELOW, fill="#CFE3F1", stroke=BLUE).encode(x="lower:Q", x2="upper:Q"),
        base.mark_tick(size=16, thickness=3, yOffset=_BELOW, color=BLUE).encode(x="median:Q"),
        alt.Chart(alt.InlineData(values=points))
        .mark_point(size=22, filled=True, opacity=1, yOffset=_BELOW, color=INK)
        .encode(x="value:Q", y=y),
        base.mark_text(align="left", yOffset=-_BELOW - 4, fontSize=13, color=INK, limit=WIDTH - 40).encode(
            x=alt.value(0), text="label:N"
        ),
    )
    return svg_of(chart, height=_ROW_HEIGHT * len(boxes))


def _box_row(name: str, folds: npt.NDArray[np.float64]) -> dict[str, Any]:
    least, lower, median, upper, most = (float(end) for end in np.quantile(folds, [0, 0.25, 0.5, 0.75, 1]))
    label = f"{shortened(name)} · median {median:.3f} of {len(folds)}"
    ends = {"least": least, "lower": lower, "median": median, "upper": upper, "most": most}
    return {"model": name, "label": label, **ends}


def _metric_row(name: str, summary: MetricSummary, is_champion: bool) -> dict[str, Any]:
    """A model as the chart takes it; where there is no interval, the line has no length."""
    has_interval = summary.status == "ok"
    return {
        "model": name,
        "mean": summary.mean,
        "lower": summary.ci_lower if has_interval else summary.mean,
        "upper": summary.ci_upper if has_interval else summary.mean,
        "label": f"{shortened(name)} · {summary.mean:.3f}",
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


def shortened(name: str, length: int = 30) -> str:
    """A name that leaves room for its figure, cut in the middle: both ends may be what tells it apart.

    >>> shortened("recommender_of_the_late_afternoon", 20)
    'recommender_…ternoon'
    """
    if len(name) <= length:
        return name
    end = (length - 1) * 2 // 5
    return f"{name[: length - 1 - end]}…{name[-end:]}"


def svg_of(chart: Any, *, height: int | None) -> str:
    """An altair chart in the house style, of a phone's width.

    Args:
        chart: Any chart.
        height: CSS pixels; None for a chart made of several, each of which has its own size.
    """
    import altair as alt

    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    size = {} if height is None else {"width": WIDTH, "height": height, "autosize": fit}
    drawn = (
        chart.properties(padding=8, **size)
        .configure(font="system-ui, sans-serif", background="white")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=13,
            titleFontSize=13,
            labelColor=INK,
            titleColor=INK,
            titleFontWeight="normal",
            gridColor="#E8EAED",
            labelFlush=False,
        )
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return _rendered(drawn.to_json(), version)


@lru_cache(maxsize=128)
def _rendered(chart: str, version: str) -> str:
    """SVG of a chart's JSON; kept, since a page that is made again shows mostly the same."""
    import vl_convert

    svg = str(vl_convert.vegalite_to_svg(chart, vl_version=version, allowed_base_urls=[]))
    return svg.replace('class="marks"', 'class="chart"', 1)
