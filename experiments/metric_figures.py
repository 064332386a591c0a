"""A metric's values, differences and intervals as a reader sees them, whatever their size."""

from __future__ import annotations

import math

from experiments.figures import MISSING, Language, digits_needed, percent, points, relative, signed
from experiments.metrics import Metric

#: Numbers from and to which all their digits are written.
_SHORT, _LONG = 1e-6, 1e15
_NO_LIMIT: dict[Language, str] = {"en": "no limit", "ko": "한계 없음"}


def value_text(metric: Metric, value: float, language: Language, figures: int = 4) -> str:
    """A metric's value to so many figures, a share in per cent to one fewer.

    >>> value_text(Metric("bought", "proportion", "bought"), 0.123, "en")
    '12.3 %'
    >>> value_text(Metric("paid", "mean", "paid"), -123456.7, "ko")
    '−123,457'
    """
    if not math.isfinite(value):
        return MISSING
    if metric.kind != "proportion":
        return _figures(value, figures)
    decimals = figures - 2 - math.floor(math.log10(abs(100 * value))) if value else 1
    return percent(value, language, min(max(decimals, 1), 9))


def effect_text(metric: Metric, effect: float, language: Language) -> str:
    """A difference with its sign, in points for a share."""
    if metric.kind == "proportion":
        return points(effect, language, digits_needed([100 * effect], least=2))
    return _signed(effect)


def relative_text(effect: float, language: Language) -> str:
    """A relative difference that is not 0 never looks like it.

    >>> relative_text(0.0004, "en"), relative_text(-0.12, "ko")
    ('+0.04 %', '−12.0%')
    """
    return relative(effect, language, digits_needed([100 * effect]))


def interval_text(metric: Metric, lower: float, upper: float, language: Language) -> str:
    """The two ends of an interval, in hundredths for a share; a dash where there is none."""
    if math.isnan(lower) or math.isnan(upper):
        return MISSING
    digits = digits_needed([100 * lower, 100 * upper], least=2)
    ends = [
        _NO_LIMIT[language]
        if math.isinf(end)
        else signed(100 * end, digits)
        if metric.kind == "proportion"
        else _signed(end)
        for end in (lower, upper)
    ]
    return (" ~ " if language == "ko" else " to ").join(ends)


def _figures(number: float, figures: int) -> str:
    size = abs(number)
    text = f"{size:,.0f}" if 10**figures <= size < _LONG else f"{size:,.{figures}g}"
    return f"−{text}" if number < 0 and text != "0" else text


def _signed(value: float) -> str:
    """Four figures with their sign; as a power of ten where they would be lost among zeros."""
    size = abs(value)
    if size and not _SHORT <= size < _LONG and math.isfinite(size):
        return ("+" if value > 0 else "−") + f"{size:.4g}"
    digits = min(max(3 - math.floor(math.log10(size)), 0), 9) if size and math.isfinite(size) else 1
    return signed(value, digits)
