"""The always-valid interval over time, drawn with letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.figures import Language, count, share, signed
from experiments.report_charts import drawable, effect_range
from experiments.result import LookResult

_MOST_ROWS = 12
_LEAST_WIDTH = 20


@dataclass(frozen=True)
class Glyphs:
    """The letters an interval is drawn with: its ends, ends beyond the picture, its line, its estimate, and zero."""

    lower: str
    upper: str
    beyond_lower: str
    beyond_upper: str
    line: str
    estimate: str
    zero: str


UNICODE = Glyphs("├", "┤", "◂", "▸", "─", "●", "│")
ASCII = Glyphs("[", "]", "<", ">", "-", "o", "|")


def interval_picture(
    looks: Sequence[LookResult], language: Language, *, width: int, glyphs: Glyphs = UNICODE
) -> list[str]:
    """One line per look, from the first to the last: step, sessions, interval around the estimate, estimate in points.

    Args:
        looks: The rollout's looks; those without an interval are left out, and of many only some are drawn.
        language: How percentages are written.
        width: Columns to use, line for line; the bars get what is left, at least 20.
        glyphs: The letters.

    Returns:
        The lines, the scale first; empty where no look has an interval.
    """
    drawn = drawable(looks)
    if not drawn:
        return []
    low, high = effect_range(drawn)
    bars = max(width - 26, _LEAST_WIDTH)

    def column(points: float) -> int:
        return round((points - low) / (high - low) * (bars - 1))

    lines = [f"{'':17}{_scale(low, high, column(0.0), bars)}"]
    for look in _some(drawn):
        bar = _bar(look, column, bars, glyphs)
        step = share(look.step_percent / 100, language)
        lines.append(f"{step:>5} {count(look.sessions):>9}  {bar} {signed(100 * look.effect_size):>7}".rstrip())
    return lines


def _some(looks: Sequence[LookResult]) -> list[LookResult]:
    """At most a dozen looks, evenly spread, the last one among them."""
    stride = -(-len(looks) // _MOST_ROWS)
    return list(looks[::-1][::stride][::-1])


def _bar(look: LookResult, column: Callable[[float], int], bars: int, glyphs: Glyphs) -> str:
    lower, upper = column(100 * look.ci_lower), column(100 * look.ci_upper)
    cells = [" "] * bars
    for place in range(max(lower, 0), min(upper, bars - 1) + 1):
        cells[place] = glyphs.line
    cells[column(0.0)] = glyphs.zero
    cells[max(lower, 0)] = glyphs.lower if lower >= 0 else glyphs.beyond_lower
    cells[min(upper, bars - 1)] = glyphs.upper if upper < bars else glyphs.beyond_upper
    cells[min(max(column(100 * look.effect_size), 0), bars - 1)] = glyphs.estimate
    return "".join(cells)


def _scale(low: float, high: float, zero: int, bars: int) -> str:
    """The range's ends and zero, written where they lie; an end that would touch the zero is left out."""
    left, right = signed(low), signed(high)
    cells = list(" " * bars)
    cells[zero] = "0"
    if zero > len(left):
        cells[: len(left)] = left
    if zero < bars - len(right) - 1:
        cells[-len(right) :] = right
    return "".join(cells).rstrip()
