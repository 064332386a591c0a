"""The charts of the rollout report as SVG text: drawn here, coloured by the page's style sheet.

Each chart is drawn for a width in CSS pixels, once for a desktop and once for a phone, so that its letters keep their
size. Text goes through ElementTree, which escapes it. Nothing is told by colour alone: arms are named, the control's
bars are hatched, zero is labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from xml.etree.ElementTree import Element, SubElement, tostring

from experiments.figures import Language, count, percent, share, signed
from experiments.result import LookResult, StepResult

WIDE, NARROW = 760, 336
_CLIP_RATIO = 5.0
"""Intervals more than this many times as wide as the last one run off the chart."""


@dataclass(frozen=True)
class Words:
    """The words in the charts, in the reader's language.

    Attributes:
        language: How numbers are written.
        title: What the chart shows, for screen readers.
        challenger: What the challenger is called, e.g. "challenger".
        control: What the control is called.
        better: Written above zero: the challenger is better.
        worse: Written below zero.
        no_difference: Written at zero.
        sessions: The word "sessions".
        step: Written before a step's percentage, e.g. "Step".
        watch: Written before 100 %, e.g. "Watch at".
    """

    language: Language
    title: str
    challenger: str
    control: str
    better: str
    worse: str
    no_difference: str
    sessions: str
    step: str
    watch: str


@dataclass(frozen=True)
class _Scale:
    """Linear map of data onto pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def ticks(low: float, high: float, at_most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) inside a range, zero among them where it lies inside.

    >>> ticks(-3.0, 9.5, 5)
    [0.0, 5.0]
    >>> ticks(0, 36000, 4)
    [0.0, 10000.0, 20000.0, 30000.0]
    """
    raw = (high - low) / at_most
    power = 10.0 ** floor(log10(raw))
    gap = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return [round(number * gap, 10) for number in range(ceil(low / gap - 1e-9), floor(high / gap + 1e-9) + 1)]


def drawable(looks: Sequence[LookResult]) -> list[LookResult]:
    """Looks of the test itself whose interval is finite: an arm without sessions has none; may be empty."""
    return [
        look for look in looks if look.step_percent < 100 and isfinite(look.effect_size + look.ci_lower + look.ci_upper)
    ]


def effect_range(looks: Sequence[LookResult]) -> tuple[float, float]:
    """The range of effects, in points, that shows zero and every interval not much wider than the last.

    Args:
        looks: At least one, each with an interval (``drawable``).

    Returns:
        Its lower and its upper end; the first is below the second.
    """
    last = looks[-1].ci_upper - looks[-1].ci_lower
    shown = [look for look in looks if look.ci_upper - look.ci_lower <= _CLIP_RATIO * last] or [looks[-1]]
    low = min(0.0, *(look.ci_lower for look in shown))
    high = max(0.0, *(look.ci_upper for look in shown))
    room = 0.08 * (high - low) or 0.01
    return 100 * (low - room), 100 * (high + room)


def _svg(width: float, height: float, name: str, title: str) -> Element:
    svg = Element(
        "svg",
        {"class": "chart", "viewBox": f"0 0 {width:g} {height:g}", "role": "img", "aria-labelledby": name},
    )
    SubElement(svg, "title", {"id": name}).text = title
    return svg


def _text(parent: Element, words: str, x: float, y: float, kind: str, anchor: str = "start") -> None:
    SubElement(parent, "text", {"x": f"{x:g}", "y": f"{y:g}", "class": kind, "text-anchor": anchor}).text = words


def _line(parent: Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    SubElement(parent, "line", {"x1": f"{x1:g}", "y1": f"{y1:g}", "x2": f"{x2:g}", "y2": f"{y2:g}", "class": kind})


def interval_chart(looks: Sequence[LookResult], words: Words, *, width: int, name: str) -> str:
    """The always-valid interval of the effect narrowing from look to look.

    Args:
        looks: The rollout's looks, in order; those of the watch at 100 % and those without an interval are left out.
        words: The chart's words.
        width: Width in CSS pixels.
        name: An id unique in the page, for the title.

    Returns:
        One ``<svg>`` element; an empty string where no look has an interval.
    """
    drawn = drawable(looks)
    if not drawn:
        return ""
    height = 340 if width >= 500 else 290
    left, right, top, bottom = 46, width - 14, 34, height - 40
    svg = _svg(width, height, name, words.title)
    x = _Scale(0, drawn[-1].sessions, left, right)
    y = _Scale(*effect_range(drawn), bottom, top)
    clip = SubElement(SubElement(svg, "defs"), "clipPath", {"id": f"{name}-area"})
    area = {"x": f"{left}", "y": f"{top}", "width": f"{right - left}", "height": f"{bottom - top}"}
    SubElement(clip, "rect", area)
    _effect_axes(svg, x, y, words, narrow=width < 500)
    _step_boundaries(svg, drawn, words, x, top, bottom)
    _band(SubElement(svg, "g", {"clip-path": f"url(#{name}-area)"}), drawn, x, y)
    _effect_notes(svg, x, y, words)
    _last_interval(svg, drawn[-1], x, y, top)
    return tostring(svg, encoding="unicode")


def _effect_axes(svg: Element, x: _Scale, y: _Scale, words: Words, *, narrow: bool) -> None:
    """Grid, zero line and numbers."""
    marks = ticks(y.low, y.high, 6)
    digits = 0 if all(mark == round(mark) for mark in marks) else 1 if y.high - y.low > 0.5 else 2
    for mark in marks:
        _line(svg, x.start, y(mark), x.end, y(mark), "zero" if mark == 0 else "grid")
        _text(svg, signed(mark, digits), x.start - 8, y(mark) + 4, "tick", "end")
    for mark in ticks(0, x.high, 3 if narrow else 6):
        anchor = "start" if mark == 0 else "middle" if x(mark) < x.end - 16 else "end"
        _text(svg, count(round(mark)), x(mark), y.start + 18, "tick", anchor)
    _text(svg, words.sessions, x.end, y.start + 35, "axis", "end")


def _effect_notes(svg: Element, x: _Scale, y: _Scale, words: Words) -> None:
    """What zero and its two sides mean, where there is room."""
    _text(svg, words.no_difference, x.start + 6, y(0) - 6, "note halo")
    if y(0) - y.end > 60:
        _text(svg, f"▲ {words.better}", x.end - 4, y.end + 14, "note halo", "end")
    if y.start - y(0) > 40:
        _text(svg, f"▼ {words.worse}", x.end - 4, y.start - 8, "note halo", "end")


def _step_boundaries(
    svg: Element, looks: Sequence[LookResult], words: Words, x: _Scale, top: float, bottom: float
) -> None:
    """A dashed line where a step of the canary ends, its share of the traffic written above it."""
    begin = 0
    percents = list(dict.fromkeys(look.step_percent for look in looks))
    for step_percent in percents:
        end = max(look.sessions for look in looks if look.step_percent == step_percent)
        _text(svg, share(step_percent / 100, words.language), (x(begin) + x(end)) / 2, top - 12, "step", "middle")
        if step_percent != percents[-1]:
            _line(svg, x(end), top - 22, x(end), bottom, "boundary")
        begin = end


def _band(group: Element, looks: Sequence[LookResult], x: _Scale, y: _Scale) -> None:
    """The interval as an area, the estimate as a line with a dot at each look."""
    upper = [f"{x(look.sessions)},{y(100 * look.ci_upper)}" for look in looks]
    lower = [f"{x(look.sessions)},{y(100 * look.ci_lower)}" for look in reversed(looks)]
    SubElement(group, "polygon", {"points": " ".join(upper + lower), "class": "band"})
    SubElement(group, "polyline", {"points": " ".join(upper), "class": "bound"})
    SubElement(group, "polyline", {"points": " ".join(lower), "class": "bound"})
    estimates = [(x(look.sessions), y(100 * look.effect_size)) for look in looks]
    SubElement(group, "polyline", {"points": " ".join(f"{a},{b}" for a, b in estimates), "class": "effect"})
    for a, b in estimates[:-1]:
        SubElement(group, "circle", {"cx": f"{a}", "cy": f"{b}", "r": "2", "class": "dot"})


def _last_interval(svg: Element, look: LookResult, x: _Scale, y: _Scale, top: float) -> None:
    """The last look as a bar with caps, its estimate written beside it."""
    at, low, high = x(look.sessions), y(100 * look.ci_lower), y(100 * look.ci_upper)
    _line(svg, at, low, at, high, "whisker")
    for end in (low, high):
        _line(svg, at - 5, end, at + 5, end, "whisker")
    SubElement(svg, "circle", {"cx": f"{at}", "cy": f"{y(100 * look.effect_size)}", "r": "4.5", "class": "last"})
    above = high - 10 > top + 24
    _text(svg, signed(100 * look.effect_size), at + 4, high - 9 if above else low + 19, "value halo", "end")


def step_chart(steps: Sequence[StepResult], words: Words, *, width: int, name: str) -> str:
    """Click rate of both arms in each step, as bars from zero with their sessions.

    Args:
        steps: The canary's steps in order; an arm without sessions in a step is left out.
        words: The chart's words.
        width: Width in CSS pixels.
        name: An id unique in the page, for the title.

    Returns:
        One ``<svg>`` element; an empty string where no step has a click rate.
    """
    rows = [(step, _arms(step, words)) for step in steps]
    rows = [(step, arms) for step, arms in rows if arms]
    if not rows:
        return ""
    bar, gap, head, between = 20, 5, 24, 14
    height = sum(head + len(arms) * (bar + gap) + between for _, arms in rows)
    svg = _svg(width, height, name, words.title)
    hatch = SubElement(SubElement(svg, "defs"), "pattern", _hatch(f"{name}-hatch"))
    SubElement(hatch, "rect", {"width": "6", "height": "6", "class": "control"})
    _line(hatch, 0, 0, 0, 6, "hatch")
    left, room = (96, 210) if width >= 500 else (80, 128)
    most = max(rate for _, arms in rows for _, rate, _, _ in arms) or 1.0
    x = _Scale(0, most, left, width - room)
    y = 0.0
    for step, arms in rows:
        name_of_step = words.watch if step.percent == 100 else words.step
        _text(svg, f"{name_of_step} {share(step.percent / 100, words.language)}", 0, y + 15, "step")
        y += head
        for label, rate, sessions, kind in arms:
            style = {"fill": f"url(#{name}-hatch)"} if kind == "control" else {}
            box = {"x": f"{left}", "y": f"{y:g}", "width": f"{max(x(rate) - left, 1):g}", "height": f"{bar}", "rx": "3"}
            SubElement(svg, "rect", {**box, **style, "class": kind})
            _text(svg, label, left - 8, y + 14, "tick", "end")
            said = f"{percent(rate, words.language)} · {count(sessions)}"
            _text(svg, said if width < 500 else f"{said} {words.sessions}", x(rate) + 8, y + 14, "value")
            y += bar + gap
        y += between
    return tostring(svg, encoding="unicode")


def _arms(step: StepResult, words: Words) -> list[tuple[str, float, int, str]]:
    both = [
        (words.challenger, step.challenger_mean, step.challenger_sessions, "challenger"),
        (words.control, step.control_mean, step.control_sessions, "control"),
    ]
    return [arm for arm in both if isfinite(arm[1])]


def _hatch(name: str) -> dict[str, str]:
    return {"id": name, "width": "6", "height": "6", "patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}


@dataclass(frozen=True)
class Difference:
    """A row of the chart of differences.

    Attributes:
        name: What differs, e.g. "ndcg@10".
        effect_size: By how much.
        ci_lower: Lower end of its interval; NaN where it has none.
        ci_upper: Upper end of it.
        solid: Whether its dot is filled.
        online: Set apart from the others, below them.
    """

    name: str
    effect_size: float
    ci_lower: float
    ci_upper: float
    solid: bool = True
    online: bool = False


def difference_chart(rows: Sequence[Difference], title: str, *, width: int, name: str) -> str:
    """A dot with its interval per row, all over one axis with zero on it.

    Args:
        rows: From top to bottom; those without an effect are left out.
        title: What the chart shows, for screen readers.
        width: Width in CSS pixels.
        name: An id unique in the page, for the title.

    Returns:
        One ``<svg>`` element; an empty string where no row has an effect.
    """
    rows = [row for row in rows if isfinite(row.effect_size)]
    if not rows:
        return ""
    high_of_row, apart, foot = 28, 10, 30
    height = len(rows) * high_of_row + apart + foot
    svg = _svg(width, height, name, title)
    ends = [end for row in rows for end in (row.effect_size, row.ci_lower, row.ci_upper) if isfinite(end)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.08 * (high - low) or 0.01
    x = _Scale(low - room, high + room, 124, width - 62)
    _difference_axis(svg, x, height - foot, width)
    y = high_of_row / 2
    for row in rows:
        if row.online:
            _line(svg, 0, y - high_of_row / 2 + apart / 2, width, y - high_of_row / 2 + apart / 2, "boundary")
            y += apart
        _difference(svg, row, x, y)
        _text(svg, signed(row.effect_size, 3), width, y + 5, "value", "end")
        y += high_of_row
    return tostring(svg, encoding="unicode")


def _difference_axis(svg: Element, x: _Scale, bottom: float, width: int) -> None:
    marks = ticks(x.low, x.high, 3 if width < 500 else 6)
    gap = marks[1] - marks[0] if len(marks) > 1 else abs(marks[0]) or 1.0
    digits = max(0, -floor(log10(gap) + 1e-9))
    for mark in marks:
        _line(svg, x(mark), 0, x(mark), bottom, "zero" if mark == 0 else "grid")
        _text(svg, signed(mark, digits), x(mark), bottom + 18, "tick", "middle")


def _difference(svg: Element, row: Difference, x: _Scale, y: float) -> None:
    _text(svg, row.name, 0, y + 5, "tick")
    if isfinite(row.ci_lower) and isfinite(row.ci_upper):
        _line(svg, x(row.ci_lower), y, x(row.ci_upper), y, "whisker")
        for end in (row.ci_lower, row.ci_upper):
            _line(svg, x(end), y - 5, x(end), y + 5, "whisker")
    dot = {"cx": f"{x(row.effect_size)}", "cy": f"{y:g}", "r": "4.5", "class": "last" if row.solid else "hollow"}
    SubElement(svg, "circle", dot)
