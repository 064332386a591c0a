"""The charts are well-formed, in scale and safe."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report_charts import (
    NARROW,
    WIDE,
    Difference,
    Words,
    difference_chart,
    effect_range,
    interval_chart,
    step_chart,
    ticks,
)
from experiments.result import StepResult
from tests.rollout_examples import EXAMPLES, promoted, running

WORDS = Words("en", "A title", "challenger", "control", "better", "worse", "no difference", "sessions", "Step", "Watch")


def by_class(svg: Element, kind: str) -> list[Element]:
    return [element for element in svg.iter() if element.get("class") == kind]


def texts(svg: Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


def numbers(points: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", points)]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_drawn_lies_inside_the_chart(name: str, width: int) -> None:
    result = EXAMPLES[name]()
    for drawing in (
        interval_chart(result.looks, WORDS, width=width, name="a"),
        step_chart(result.steps, WORDS, width=width, name="b"),
    ):
        assert bool(drawing) == bool(result.looks)
        if not drawing:
            continue
        svg = fromstring(drawing)
        _, _, chart_width, height = numbers(svg.get("viewBox", ""))
        assert chart_width == width
        assert "nan" not in drawing
        for element in [*svg.iter("text"), *svg.iter("circle"), *svg.iter("line")]:
            across = [float(element.get(key, 0)) for key in ("x", "cx", "x1", "x2")]
            down = [float(element.get(key, 0)) for key in ("y", "y1", "y2")]
            assert all(0 <= place <= width for place in across)
            assert all(0 <= place <= height for place in down)


def test_the_band_follows_the_intervals() -> None:
    looks = running().looks
    svg = fromstring(interval_chart(looks, WORDS, width=WIDE, name="a"))
    (band,) = by_class(svg, "band")
    points = numbers(band.get("points", ""))
    upper, lower = points[1 : 2 * len(looks) : 2], points[2 * len(looks) + 1 :: 2][::-1]
    widths = [low - high for low, high in zip(lower, upper, strict=True)]
    true = [look.ci_upper - look.ci_lower for look in looks]
    assert [width / widths[-1] for width in widths] == pytest.approx([width / true[-1] for width in true], rel=0.01)
    (zero,) = by_class(svg, "zero")
    between = (float(zero.get("y1", 0)) - upper[-1]) / widths[-1]
    assert between == pytest.approx(looks[-1].ci_upper / true[-1], abs=0.01)


def test_steps_are_marked_where_they_end() -> None:
    svg = fromstring(interval_chart(promoted().looks, WORDS, width=WIDE, name="a"))
    assert [text.text for text in by_class(svg, "step")] == ["5 %", "25 %", "50 %"]
    whisker, *_ = by_class(svg, "whisker")
    end = float(whisker.get("x1", 0))
    left = float(by_class(svg, "zero")[0].get("x1", 0))
    marks = [(float(mark.get("x1", 0)) - left) / (end - left) for mark in by_class(svg, "boundary")]
    assert marks == pytest.approx([4 / 17, 10 / 17], abs=0.001)


def test_a_single_look_is_drawn() -> None:
    svg = fromstring(interval_chart(running().looks[:1], WORDS, width=NARROW, name="a"))
    assert len(by_class(svg, "whisker")) == 3
    assert len(by_class(svg, "last")) == 1


def test_looks_without_interval_are_left_out() -> None:
    first, *rest = running().looks
    blind = replace(first, effect_size=math.nan, ci_lower=math.nan, ci_upper=math.nan)
    assert interval_chart([blind], WORDS, width=WIDE, name="a") == ""
    assert interval_chart([blind, *rest], WORDS, width=WIDE, name="a") == interval_chart(
        rest, WORDS, width=WIDE, name="a"
    )
    assert interval_chart([], WORDS, width=WIDE, name="a") == ""
    assert step_chart([], WORDS, width=WIDE, name="a") == ""


def test_bars_are_in_proportion_and_start_at_zero() -> None:
    steps = (
        StepResult(5, 1000, 1, 50, 50, 0.4, 0.1, "continue"),
        StepResult(100, 1000, 1, 1000, 0, 0.2, math.nan, "promote"),
    )
    svg = fromstring(step_chart(steps, WORDS, width=WIDE, name="a"))
    bars = [bar for bar in svg.iter("rect") if bar.get("rx")]
    assert [bar.get("class") for bar in bars] == ["challenger", "control", "challenger"]
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.25, 0.5], abs=0.01)
    assert "40.0 % · 50 sessions" in texts(svg)
    assert "Watch 100 %" in texts(svg)


def test_no_click_at_all_draws_empty_bars() -> None:
    svg = fromstring(step_chart([StepResult(5, 1000, 1, 50, 50, 0.0, 0.0, "continue")], WORDS, width=WIDE, name="a"))
    assert [bar.get("width") for bar in svg.iter("rect") if bar.get("rx")] == ["1", "1"]


DIFFERENCES = (
    Difference("ndcg@10", 0.08, 0.06, 0.10),
    Difference("mrr@10", -0.01, -0.03, 0.01, solid=False),
    Difference("coverage@10", 0.07, math.nan, math.nan, solid=False),
    Difference("online clicks", 0.066, 0.039, 0.093, online=True),
)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_differences_lie_on_one_axis(width: int) -> None:
    svg = fromstring(difference_chart(DIFFERENCES, "A title", width=width, name="a"))
    dots = [float(dot.get("cx", 0)) for dot in svg.iter("circle")]
    (zero,) = by_class(svg, "zero")
    start = float(zero.get("x1", 0))
    places = [(dot - start) / (dots[0] - start) for dot in dots]
    assert places == pytest.approx([row.effect_size / 0.08 for row in DIFFERENCES], abs=0.01)
    assert (len(by_class(svg, "last")), len(by_class(svg, "hollow"))) == (2, 2)
    assert len(by_class(svg, "whisker")) == 9, "a line and two caps for each of three intervals"
    assert len(by_class(svg, "boundary")) == 1
    assert {"ndcg@10", "+0.080", "−0.010", "online clicks"} <= set(texts(svg))
    _, _, _, height = numbers(svg.get("viewBox", ""))
    for element in [*svg.iter("text"), *svg.iter("circle"), *svg.iter("line")]:
        assert all(0 <= float(element.get(key, 0)) <= width for key in ("x", "cx", "x1", "x2"))
        assert all(0 <= float(element.get(key, 0)) <= height for key in ("y", "cy", "y1", "y2"))


def test_a_difference_that_is_no_number_is_left_out() -> None:
    blank = Difference("mrr@10", math.nan, math.nan, math.nan)
    assert difference_chart([blank], "A title", width=WIDE, name="a") == ""
    with_blank = difference_chart([*DIFFERENCES, blank], "A title", width=WIDE, name="a")
    assert with_blank == difference_chart(DIFFERENCES, "A title", width=WIDE, name="a")
    flat = difference_chart([Difference("mrr@10", 0.0, math.nan, math.nan)], "A title", width=WIDE, name="a")
    assert fromstring(flat).findtext("title") == "A title"


def test_words_are_escaped() -> None:
    hostile = replace(WORDS, title='</title><script>"&', challenger="<b>")
    drawings = [
        interval_chart(promoted().looks, hostile, width=WIDE, name="a"),
        step_chart(promoted().steps, hostile, width=WIDE, name="a"),
    ]
    for drawing in drawings:
        assert "<script" not in drawing
        assert "<b>" not in drawing
        assert fromstring(drawing).findtext("title") == hostile.title


def test_charts_are_named_for_screen_readers() -> None:
    svg = fromstring(interval_chart(promoted().looks, WORDS, width=WIDE, name="here"))
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "here"
    assert svg.find("title").get("id") == "here"  # type: ignore[union-attr]


@given(st.floats(-100, 100), st.floats(0.001, 100), st.integers(2, 8))
def test_ticks_are_round_few_and_inside(low: float, span: float, at_most: int) -> None:
    marks = ticks(low, low + span, at_most)
    assert len(marks) <= at_most + 1
    assert all(low - 1e-6 <= mark <= low + span + 1e-6 for mark in marks)
    if low <= 0 <= low + span:
        assert 0 in marks


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_the_range_always_shows_zero_and_the_last_interval(intervals: list[tuple[float, float]]) -> None:
    base = running().looks[0]
    looks = [replace(base, ci_lower=low, ci_upper=low + width, effect_size=low) for low, width in intervals]
    low, high = effect_range(looks)
    assert low < 0 < high
    assert low < 100 * looks[-1].ci_lower or looks[-1].ci_lower >= 0
    assert high > 100 * looks[-1].ci_upper or looks[-1].ci_upper <= 0
