"""Pictures of a simulation: what each strategy has lost so far, and what share of the traffic each arm got."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.charts import INK, LINE_COLOURS, LINE_DASHES, WIDTH, shortened, svg_of
from experiments.bandits.curves import BoundCurves
from experiments.over_time.traffic_windows import TrafficWindows

_HEIGHT, _SMALL = 240, 90
_POINTS, _BINS = 120, 40


def regret_chart(windows: Mapping[str, TrafficWindows]) -> str:
    """Cumulative regret over sessions, a line per strategy in its band.

    Args:
        windows: Strategy to its traffic; a band is drawn where there are two runs or more.

    Returns:
        SVG; empty where there is no traffic.
    """
    rows = [row for name, one in windows.items() for row in _regret_rows(name, one)]
    if not rows:
        return ""
    import altair as alt

    colour, dash = _told_apart(alt, [_label(name, one) for name, one in windows.items()])
    x = alt.X("sessions:Q", title="sessions of one run", axis=alt.Axis(tickCount=5, format="~s"))
    y = alt.Y("regret:Q", title="clicks lost", axis=alt.Axis(tickCount=5))
    base = alt.Chart(alt.InlineData(values=rows))
    band = (
        base.transform_filter("isValid(datum.lower)")
        .mark_area(opacity=0.18)
        .encode(x=x, y=alt.Y("lower:Q", title="clicks lost"), y2="upper:Q", color=colour)
    )
    line = base.mark_line(strokeWidth=2.2).encode(x=x, y=y, color=colour, strokeDash=dash, order="sessions:Q")
    return svg_of(alt.layer(band, line), height=_HEIGHT)


def share_chart(windows: Mapping[str, TrafficWindows], arms: Sequence[str]) -> str:
    """Share of the traffic that each arm got over sessions, a frame per strategy.

    Args:
        windows: Strategy to its traffic.
        arms: The k arms; drawn where they can be told apart (six).

    Returns:
        SVG; empty where there is no traffic.
    """
    if not any(len(one.starts) for one in windows.values()):
        return ""
    import altair as alt

    names = [shortened(arm, 24) for arm in arms[: len(LINE_COLOURS)]]
    colour, dash = _told_apart(alt, names)
    frames = []
    for name, one in windows.items():
        rows = [row for row in _share_rows(one, arms) if row["line"] in names]
        title = alt.Title(shortened(name), anchor="start", fontSize=13, fontWeight="normal", color=INK)
        x = alt.X("sessions:Q", title=None, axis=alt.Axis(tickCount=5, format="~s"))
        y = alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=3, format=".0%"))
        chart = alt.Chart(alt.InlineData(values=rows), title=title).mark_line(strokeWidth=2.2)
        frames.append(
            chart.encode(x=x, y=y, color=colour, strokeDash=dash, order="sessions:Q").properties(
                width=WIDTH - 70, height=_SMALL
            )
        )
    return svg_of(alt.vconcat(*frames, spacing=14), height=None)


def bound_chart(bounds: Mapping[str, BoundCurves], arms: Sequence[str]) -> str:
    """What upper-bound strategies took each arm for: its mean, and above it the bound it was chosen by.

    Args:
        bounds: Strategy to its curves.
        arms: The k arms; drawn where they can be told apart (six).

    Returns:
        SVG, a frame per strategy; empty where there is none.
    """
    if not bounds:
        return ""
    import altair as alt

    names = [shortened(arm, 24) for arm in arms[: len(LINE_COLOURS)]]
    colour, dash = _told_apart(alt, names)
    frames = []
    for name, curves in bounds.items():
        rows = _bound_rows(curves, names)
        title = alt.Title(shortened(name), anchor="start", fontSize=13, fontWeight="normal", color=INK)
        x = alt.X("sessions:Q", title="sessions", axis=alt.Axis(tickCount=5, format="~s"))
        y = alt.Y("mean:Q", title="clicks per session", axis=alt.Axis(tickCount=4), scale=alt.Scale(zero=False))
        base = alt.Chart(alt.InlineData(values=rows), title=title)
        area = base.mark_area(opacity=0.14, clip=True).encode(x=x, y=y, y2="upper:Q", color=colour)
        line = base.mark_line(strokeWidth=2.2, clip=True).encode(
            x=x, y=y, color=colour, strokeDash=dash, order="sessions:Q"
        )
        frames.append(alt.layer(area, line).properties(width=WIDTH - 70, height=2 * _SMALL))
    return svg_of(alt.vconcat(*frames, spacing=14), height=None)


def _bound_rows(curves: BoundCurves, names: Sequence[str]) -> list[dict[str, Any]]:
    # The first bounds are far above 1; what a rate can be is enough to see them fall.
    upper = np.minimum(curves.upper, 1.0)
    return [
        {
            "line": name,
            "sessions": int(curves.steps[place]),
            "mean": _number(curves.mean[place, arm]),
            "upper": _number(upper[place, arm]),
        }
        for arm, name in enumerate(names)
        for place in range(len(curves.steps))
    ]


def _told_apart(alt: Any, names: Sequence[str]) -> tuple[Any, Any]:
    """Colours and dashes, named below the chart."""
    colours = [LINE_COLOURS[place % len(LINE_COLOURS)] for place in range(len(names))]
    dashes = [LINE_DASHES[place % len(LINE_DASHES)] for place in range(len(names))]
    legend = alt.Legend(
        orient="bottom",
        direction="vertical",
        title=None,
        labelFontSize=13,
        labelColor=INK,
        labelLimit=WIDTH - 70,
        # As the lines look, not as the bands.
        symbolType="stroke",
        symbolOpacity=1,
        symbolStrokeWidth=2.5,
        symbolSize=260,
    )
    return (
        alt.Color("line:N", scale=alt.Scale(domain=list(names), range=colours), legend=legend),
        alt.StrokeDash("line:N", scale=alt.Scale(domain=list(names), range=dashes), legend=legend),
    )


def _label(name: str, windows: TrafficWindows) -> str:
    lost = windows.regret.cumulative[-1] if len(windows.starts) else math.nan
    return f"{shortened(name, 24)} · {lost:,.1f}"


def _regret_rows(name: str, windows: TrafficWindows) -> list[dict[str, Any]]:
    curve = windows.regret
    if len(curve.ends) == 0:
        return []
    label = _label(name, windows)
    columns = (curve.ends, curve.cumulative, curve.cumulative_lower, curve.cumulative_upper)
    start = {"line": label, "sessions": 0, "regret": 0.0, "lower": 0.0, "upper": 0.0}
    return [start] + [
        {
            "line": label,
            "sessions": int(columns[0][place]),
            "regret": float(columns[1][place]),
            # Nobody can lose less than nothing.
            "lower": _number(max(columns[2][place], 0.0)),
            "upper": _number(columns[3][place]),
        }
        for place in _thinned(len(curve.ends), _POINTS)
    ]


def _share_rows(windows: TrafficWindows, arms: Sequence[str]) -> list[dict[str, Any]]:
    """In bins of consecutive windows, at the sessions until the end of each."""
    ends = [place + 1 for place in _thinned(len(windows.starts), _BINS)]
    rows = []
    for first, last in zip([0, *ends[:-1]], ends, strict=True):
        shown = windows.impressions[first:last].sum(axis=0)
        for arm, share in zip(arms, (shown / shown.sum()).tolist(), strict=True):
            sessions = int(windows.regret.ends[last - 1])
            rows.append({"line": shortened(arm, 24), "sessions": sessions, "share": share})
    return rows


def _thinned(n: int, most: int) -> list[int]:
    """At most so many of n places, the last among them."""
    places: npt.NDArray[np.int64] = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
    return [int(place) for place in places]


def _number(value: float) -> float | None:
    """None for what JSON does not have."""
    return float(value) if math.isfinite(value) else None
