"""The interval of the effect, narrowing from look to look, as an Altair chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from app.words import word
from experiments.figures import Language, digits_needed, interval, points, share
from experiments.report_charts import drawable, effect_range
from experiments.result import LookResult
from experiments.words import label, looks_text, short_reason

HEIGHT = 340

_EFFECT, _SOFT, _INK, _LINE = "#4356d6", "#5b6270", "#181b23", "#c9cdd6"
_GROUNDS = ["#ffffff", "#f1f2f6"]
TONES = {
    "promote": "#12784a",
    "rollback": "#b3261e",
    "keep": "#45506a",
    "invalid": "#94570a",
    "continue": "#1f5fae",
}
"""A decision's colour."""
_SESSIONS = "sessions:Q"

_SIGNED = "datum.value === 0 ? '0' : format(datum.value, '+.1~f')"

Axis = Callable[..., Any]


def look_rows(looks: Sequence[LookResult], language: Language) -> pd.DataFrame:
    """The drawable looks, one row each: numbers to draw (points), texts to show.

    Args:
        looks: In order; those of the watch and those without an interval are left out.
        language: Of the texts.

    Returns:
        Columns sessions, effect, lower, upper, look, step, shown_effect, shown_interval, shown_decision; empty where
        nothing can be drawn.
    """
    rows = []
    for look in drawable(looks):
        digits = digits_needed([100 * look.effect_size, 100 * look.ci_lower, 100 * look.ci_upper])
        reasons = "; ".join(short_reason(language, code) for code in look.reasons)
        rows.append(
            {
                "sessions": look.sessions,
                "effect": 100 * look.effect_size,
                "lower": 100 * look.ci_lower,
                "upper": 100 * look.ci_upper,
                "look": look.look,
                "step": share(look.step_percent / 100, language),
                "shown_effect": points(look.effect_size, language, digits),
                "shown_interval": interval(look.ci_lower, look.ci_upper, language, digits),
                "shown_decision": f"{label(language, f'decision.{look.decision}')} ({reasons})",
            }
        )
    return pd.DataFrame(rows)


def step_bands(looks: Sequence[LookResult], language: Language) -> pd.DataFrame:
    """From where to where, in sessions, each canary step reached: start, end, step, odd."""
    bands: list[dict[str, Any]] = []
    for look in drawable(looks):
        step = share(look.step_percent / 100, language)
        if bands and bands[-1]["step"] == step:
            bands[-1]["end"] = look.sessions
        else:
            start = bands[-1]["end"] if bands else 0
            bands.append({"start": start, "end": look.sessions, "step": step, "odd": len(bands) % 2 == 1})
    return pd.DataFrame(bands)


def interval_chart(looks: Sequence[LookResult], decision: str, language: Language) -> alt.LayerChart | None:
    """Interval and estimate over the sessions, with zero, the canary's steps and the decision.

    Args:
        looks: The rollout's looks, in order.
        decision: Of the rollout; ``continue`` while it runs.
        language: Of axes and tooltips.

    Returns:
        None where no look has an interval yet.
    """
    rows = look_rows(looks, language)
    if rows.empty:
        return None
    low, high = effect_range(drawable(looks))
    # Layers share their axes only where each says the same of them.
    x = partial(
        alt.X,
        title=label(language, "sessions"),
        scale=alt.Scale(domain=[0, int(rows["sessions"].iloc[-1])], nice=False),
        axis=alt.Axis(format=",d", tickCount=4, grid=False, labelFlush=True),
    )
    y = partial(
        alt.Y,
        title=word(language, "chart.axis"),
        scale=alt.Scale(domain=[low, high], nice=False),
        axis=alt.Axis(labelExpr=_SIGNED, tickCount=6, gridColor="#e8eaef"),
    )
    zero = alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(color=_INK, strokeWidth=1.5).encode(y=y("at:Q"))
    layers = [
        *_steps(step_bands(looks, language), x),
        *_interval(rows, x, y),
        zero,
        *_estimate(rows, x, y, language),
        *_ending(rows, x, y, decision, language),
    ]
    soft: dict[str, Any] = {"labelColor": _SOFT, "titleColor": _SOFT, "domainColor": _LINE, "tickColor": _LINE}
    letters: dict[str, Any] = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    drawn = alt.layer(*layers).properties(height=HEIGHT, background="#ffffff")
    return drawn.configure_view(stroke=None).configure_axis(**soft, **letters)


def chart_description(looks: Sequence[LookResult], language: Language) -> str:
    """What the chart shows, for who cannot see it; empty where there is nothing to draw."""
    drawn = drawable(looks)
    if not drawn:
        return ""
    last = drawn[-1]
    digits = digits_needed([100 * last.effect_size, 100 * last.ci_lower, 100 * last.ci_upper])
    return label(
        language,
        "interval_chart.alt",
        looks=looks_text(len(drawn), language),
        points=points(last.effect_size, language, digits),
        interval=interval(last.ci_lower, last.ci_upper, language, digits),
    )


def _steps(bands: pd.DataFrame, x: Axis) -> list[alt.Chart]:
    """Every other step on a darker ground, each step's share of the visitors above it."""
    base = alt.Chart(bands.assign(middle=(bands["start"] + bands["end"]) / 2))
    grounds = alt.Color("odd:N", scale=alt.Scale(range=_GROUNDS), legend=None)
    return [
        base.mark_rect().encode(x=x("start:Q"), x2="end:Q", color=grounds),
        base.mark_text(baseline="bottom", y=-6, color=_SOFT, fontSize=12).encode(x=x("middle:Q"), text="step:N"),
    ]


def _interval(rows: pd.DataFrame, x: Axis, y: Axis) -> list[alt.Chart]:
    base = alt.Chart(rows)
    ends = [
        base.mark_line(color=_EFFECT, opacity=0.5, strokeWidth=1, clip=True).encode(x=x(_SESSIONS), y=y(end))
        for end in ("lower:Q", "upper:Q")
    ]
    area = base.mark_area(color=_EFFECT, opacity=0.16, clip=True)
    return [area.encode(x=x(_SESSIONS), y=y("lower:Q", stack=None), y2="upper:Q"), *ends]


def _estimate(rows: pd.DataFrame, x: Axis, y: Axis, language: Language) -> list[alt.Chart]:
    told = [
        alt.Tooltip("look:Q", title=label(language, "look")),
        alt.Tooltip(_SESSIONS, title=label(language, "sessions"), format=",d"),
        alt.Tooltip("step:N", title=label(language, "step")),
        alt.Tooltip("shown_effect:N", title=label(language, "difference")),
        alt.Tooltip("shown_interval:N", title=word(language, "chart.interval")),
        alt.Tooltip("shown_decision:N", title=label(language, "decision")),
    ]
    base = alt.Chart(rows).encode(x=x(_SESSIONS), y=y("effect:Q"), tooltip=told)
    return [
        base.mark_line(color=_EFFECT, strokeWidth=2.5, clip=True),
        base.mark_point(color=_EFFECT, filled=True, size=46, opacity=1, clip=True),
    ]


def _ending(rows: pd.DataFrame, x: Axis, y: Axis, decision: str, language: Language) -> list[alt.Chart]:
    """The last look's interval as a bar, in the decision's colour and with its word."""
    tone = TONES[decision]
    last = alt.Chart(rows.tail(1).assign(word=label(language, f"decision.{decision}"))).encode(x=x(_SESSIONS))
    beside: dict[str, Any] = {
        "align": "right",
        "baseline": "bottom",
        "dx": -9,
        "dy": -9,
        "fontSize": 14,
        "fontWeight": "bold",
    }
    return [
        last.mark_rule(color=tone, strokeWidth=3, clip=True).encode(y=y("lower:Q"), y2="upper:Q"),
        last.mark_point(color=tone, filled=True, size=150, opacity=1).encode(y=y("effect:Q")),
        last.mark_text(color=tone, **beside).encode(y=y("effect:Q"), text="word:N"),
    ]
