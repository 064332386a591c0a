"""Pictures of an analysis: every effect with its interval, and over time by period and so far."""

from __future__ import annotations

import math
from typing import Any

from evaluation.charts import BLUE, GREY, INK, VERMILION, WIDTH, shortened, svg_of
from experiments.analysis import Finding
from experiments.figures import Language
from experiments.inference.comparison import Comparison
from experiments.metrics import Metric
from experiments.over_time.periods import Period
from experiments.over_time.words import date_text
from serving.analysis.over_time import MetricOverTime

_HEIGHT, _ROW, _BELOW = 230, 44, 9
_WORDS = {
    "en": {
        "alone": "difference in the period",
        "so_far": "difference so far",
        "points": ", points",
        "relative": "relative difference",
    },
    "ko": {
        "alone": "해당 기간의 차이",
        "so_far": "누적 차이",
        "points": ", %p",
        "relative": "상대 차이",
    },
}


def effects_chart(findings: tuple[Finding, ...], language: Language) -> str:
    """Relative effects of all metrics and variants on one axis, each with its interval.

    Returns:
        SVG; empty where nothing has a relative effect.
    """
    rows = [
        {
            "name": f"{shortened(one.metric.name, 20)} · {shortened(one.variant, 14)}",
            "effect": one.comparison.rel_effect_size,
            "lower": _number(one.comparison.rel_ci_lower),
            "upper": _number(one.comparison.rel_ci_upper),
        }
        for one in findings
        if math.isfinite(one.comparison.rel_effect_size)
    ]
    if not rows:
        return ""
    import altair as alt

    order = [str(row["name"]) for row in rows]
    title = _WORDS[language]["relative"]
    x = alt.X("effect:Q", title=title, axis=alt.Axis(tickCount=4, format="+~%", labelOverlap="greedy"))
    y = alt.Y("name:N", sort=order, axis=None)
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=y)
    chart = alt.layer(
        alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=GREY).encode(x="zero:Q"),
        base.transform_filter("isValid(datum.lower)")
        .mark_rule(strokeWidth=3, color=BLUE, yOffset=_BELOW)
        .encode(x=alt.X("lower:Q", title=title), x2="upper:Q"),
        base.mark_point(size=90, filled=True, opacity=1, color=BLUE, yOffset=_BELOW).encode(x=x),
        # Names stand above their lines: beside them they would be cut off, or leave a phone no room for the lines.
        base.mark_text(align="left", yOffset=-_BELOW, fontSize=13, color=INK, limit=WIDTH - 40).encode(
            x=alt.value(4), text="name:N"
        ),
    )
    return svg_of(chart, height=_ROW * len(rows) + 10)


def over_time_charts(one: MetricOverTime, period: Period, language: Language) -> tuple[str, str]:
    """The difference in each period, and until the end of each, with their intervals.

    Returns:
        Two SVGs; empty where no period has a difference.
    """
    alone = [_row(reading.period, period, reading.alone, one.metric) for reading in one.periods]
    so_far = [_row(reading.period, period, reading.so_far, one.metric) for reading in one.periods]
    unit = _WORDS[language]["points"] if one.metric.kind == "proportion" else ""
    return (
        _bars(_known(alone), _WORDS[language]["alone"] + unit),
        _band(_known(so_far), _WORDS[language]["so_far"] + unit),
    )


def _bars(rows: list[dict[str, Any]], title: str) -> str:
    if not rows:
        return ""
    import altair as alt

    base = alt.Chart(alt.InlineData(values=rows)).encode(x=_dates(alt))
    return svg_of(
        alt.layer(
            _zero(alt),
            base.transform_filter("isValid(datum.lower)")
            .mark_rule(color=BLUE, strokeWidth=2)
            .encode(y=alt.Y("lower:Q", title=title), y2="upper:Q"),
            base.mark_point(color=BLUE, filled=True, opacity=1, size=45).encode(y=_effects(alt, title)),
        ),
        height=_HEIGHT,
    )


def _band(rows: list[dict[str, Any]], title: str) -> str:
    if not rows:
        return ""
    import altair as alt

    base = alt.Chart(alt.InlineData(values=rows)).encode(x=_dates(alt))
    return svg_of(
        alt.layer(
            _zero(alt),
            base.transform_filter("isValid(datum.lower)")
            .mark_area(color=VERMILION, opacity=0.18)
            .encode(y=alt.Y("lower:Q", title=title), y2="upper:Q"),
            base.mark_line(color=VERMILION, strokeWidth=2.2, point={"color": VERMILION, "size": 25}).encode(
                y=_effects(alt, title)
            ),
        ),
        height=_HEIGHT,
    )


def _dates(alt: Any) -> Any:
    # As names, not as times: a renderer's own clock must not move a day. Of many only some are written.
    axis = alt.Axis(labelOverlap="greedy", labelAngle=-40, labelPadding=4)
    return alt.X("date:O", title=None, axis=axis)


def _effects(alt: Any, title: str) -> Any:
    return alt.Y("effect:Q", title=title, axis=alt.Axis(tickCount=5))


def _zero(alt: Any) -> Any:
    return alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=GREY).encode(y="zero:Q")


def _row(number: int, period: Period, compared: Comparison, metric: Metric) -> dict[str, Any]:
    scale = 100.0 if metric.kind == "proportion" else 1.0
    return {
        "date": date_text(number, period),
        "effect": _number(scale * compared.effect_size),
        "lower": _number(scale * compared.ci_lower),
        "upper": _number(scale * compared.ci_upper),
    }


def _known(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["effect"] is not None]


def _number(value: float) -> float | None:
    """None for what JSON does not have."""
    return float(value) if math.isfinite(value) else None
