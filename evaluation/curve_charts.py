"""Curves of an offline evaluation as SVG text, drawn as ``evaluation.charts`` draws: for a phone, nothing fetched.

Several models share a chart. Lines differ in colour and in dashes, and each is named with its figure below the chart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.calibration import Calibration
from evaluation.charts import GREY, INK, LINE_COLOURS, LINE_DASHES, WIDTH, shortened, svg_of
from evaluation.details import mean_of
from evaluation.ranking_curves import GRID, RECALL_LEVELS, RankingCurves

#: Lines that can be told apart in one chart.
MAX_LINES = len(LINE_COLOURS)
_HEIGHT = 230


def roc_chart(curves: Mapping[str, RankingCurves]) -> str:
    """Mean ROC curve of each model, chance as a grey diagonal.

    Args:
        curves: Model to its curves, at most ``MAX_LINES``; a model without a judged user is left out.

    Returns:
        SVG; empty where no model has a curve.
    """
    lines = {
        _named(name, f"AUC {mean_of(one.auc):.3f}"): [
            (0.0, 0.0),
            *zip(GRID, one.true_positive_rate, strict=True),
        ]
        for name, one in _drawable(curves).items()
    }
    chance = [(0.0, 0.0), (1.0, 1.0)]
    return _lines(lines, x="share of the items not liked", y="share of the liked found", guide=chance, y_top=1.0)


def precision_recall_chart(curves: Mapping[str, RankingCurves]) -> str:
    """Mean precision at each level of recall of each model, a random order as a grey line. See :func:`roc_chart`."""
    known = _drawable(curves)
    lines = {
        _named(name, f"AP {mean_of(one.average_precision):.3f}"): [*zip(RECALL_LEVELS, one.precision, strict=True)]
        for name, one in known.items()
    }
    chance = next((one.share_relevant for one in known.values()), 0.0)
    return _lines(lines, x="recall", y="precision", guide=[(0.0, chance), (1.0, chance)])


def lift_chart(curves: Mapping[str, RankingCurves]) -> str:
    """How many times as many liked items as by chance the best share of the ranking holds. See :func:`roc_chart`."""
    # The first point is at depth 0, where nothing is looked at; beyond a third all models come near 1.
    shown = slice(1, 34)
    lines = {
        _named(name, f"{one.gain[1] / GRID[1]:.1f}x in the best 1 %"): [
            *zip(GRID[shown], one.gain[shown] / GRID[shown], strict=True)
        ]
        for name, one in _drawable(curves).items()
    }
    return _lines(lines, x="share of the ranking looked at", y="lift", guide=[(0.0, 1.0), (float(GRID[33]), 1.0)])


def calibration_chart(told: Mapping[str, Calibration]) -> str:
    """Share that was liked by foretold probability, a point per bin with its interval; perfect is the diagonal.

    Args:
        told: Model to its calibration, at most ``MAX_LINES``; a model without rows is left out.

    Returns:
        SVG; empty where no model has rows.
    """
    known = {name: one for name, one in told.items() if one.n.sum() > 0}
    points = {_named(name, f"ECE {one.ece:.3f}"): one for name, one in known.items()}
    lines = {
        label: [(p, share) for p, share in zip(one.foretold, one.happened, strict=True) if np.isfinite(p)]
        for label, one in points.items()
    }
    whiskers = [
        {"line": label, "x": float(p), "low": float(low), "high": float(high)}
        for label, one in points.items()
        for p, low, high in zip(one.foretold, one.ci_lower, one.ci_upper, strict=True)
        if np.isfinite(p)
    ]
    top = max((end for one in known.values() for end in (_most(one.foretold), _most(one.ci_upper))), default=1.0)
    return _lines(
        lines, x="foretold probability", y="share liked", guide=[(0.0, 0.0), (top, top)], whiskers=whiskers, points=True
    )


def _named(name: str, figure: str) -> str:
    return f"{shortened(name, 20)} · {figure}"


def _most(values: npt.NDArray[np.float64]) -> float:
    return float(np.nanmax(values))


def _drawable(curves: Mapping[str, RankingCurves]) -> dict[str, RankingCurves]:
    return {name: one for name, one in curves.items() if np.isfinite(one.true_positive_rate).all()}


def _lines(
    lines: Mapping[str, list[tuple[float, float]]],
    *,
    x: str,
    y: str,
    guide: list[tuple[float, float]],
    whiskers: list[dict[str, Any]] | None = None,
    points: bool = False,
    y_top: float | None = None,
) -> str:
    """Lines in one frame, their names below, what means nothing as a grey guide."""
    if not lines:
        return ""
    import altair as alt

    rows = [
        {"line": name, "x": float(at), "y": float(value), "order": place}
        for name, line in lines.items()
        for place, (at, value) in enumerate(line)
    ]
    names = list(lines)
    legend = alt.Legend(
        orient="bottom", direction="vertical", title=None, labelFontSize=13, labelColor=INK, labelLimit=WIDTH - 70
    )
    colour = alt.Color("line:N", scale=alt.Scale(domain=names, range=LINE_COLOURS[: len(names)]), legend=legend)
    dash = alt.StrokeDash("line:N", scale=alt.Scale(domain=names, range=LINE_DASHES[: len(names)]), legend=legend)
    x_axis = alt.X("x:Q", title=x, axis=alt.Axis(tickCount=5, format=",.2~f"))
    scale = alt.Scale(domain=[0, y_top]) if y_top is not None else alt.Scale(zero=True)
    y_axis = alt.Y("y:Q", title=y, scale=scale, axis=alt.Axis(tickCount=5, format=",.2~f"))
    base = alt.Chart(alt.InlineData(values=rows))
    drawn = base.mark_line(strokeWidth=2, point={"size": 40, "filled": True} if points else False)
    guides = [{"x": at, "y": value} for at, value in guide]
    layers = [
        alt.Chart(alt.InlineData(values=guides)).mark_line(stroke=GREY, strokeDash=[2, 3]).encode(x=x_axis, y=y_axis),
        drawn.encode(x=x_axis, y=y_axis, color=colour, strokeDash=dash, order="order:O"),
    ]
    if whiskers:
        bars = alt.Chart(alt.InlineData(values=whiskers)).mark_rule(strokeWidth=1)
        layers.append(bars.encode(x="x:Q", y=alt.Y("low:Q"), y2="high:Q", color=colour))
    return svg_of(alt.layer(*layers), height=_HEIGHT)
