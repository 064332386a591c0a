"""Numbers as a reader sees them: rates in per cent, effects in percentage points, intervals, p-values.

English writes ``31.9 %`` and ``+6.9 points``, Korean ``31.9%`` and ``+6.9%p``. What is not a number is written as a
dash, never as ``nan``. Every function takes plain fractions: 0.319 is 31.9 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Literal

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")

MISSING = "–"
_MINUS = "−"
_MOST_DIGITS = 4


def digits_needed(values: Iterable[float], *, least: int = 1) -> int:
    """Decimals that show every value that is not zero as not zero, so that an interval never touches 0 by rounding.

    >>> digits_needed([6.9, 4.1, 9.7])
    1
    >>> digits_needed([0.31, 0.02, 0.6])
    2
    """
    numbers = [abs(value) for value in values if isfinite(value) and value != 0]
    digits = least
    while digits < _MOST_DIGITS and any(float(f"{number:.{digits}f}") == 0 for number in numbers):
        digits += 1
    return digits


def signed(value: float, digits: int = 1) -> str:
    """A difference with its sign: a true minus sign, none at zero, a dash for what is no number.

    >>> signed(6.93), signed(-0.2), signed(0.0), signed(float("nan"))
    ('+6.9', '−0.2', '0.0', '–')
    """
    if not isfinite(value):
        return MISSING
    text = f"{abs(value):,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return ("+" if value > 0 else _MINUS) + text


def count(value: int) -> str:
    """A whole number with thousands separated.

    >>> count(36000)
    '36,000'
    """
    return f"{value:,}"


def percent(fraction: float, language: Language, digits: int = 1) -> str:
    """A share of a whole.

    >>> percent(0.319, "en"), percent(0.319, "ko"), percent(float("nan"), "en")
    ('31.9 %', '31.9%', '–')
    """
    if not isfinite(fraction):
        return MISSING
    return f"{100 * fraction:.{digits}f}{'%' if language == 'ko' else ' %'}"


def share(fraction: float, language: Language) -> str:
    """A share somebody set, a limit or a level, with no more decimals than it has.

    >>> share(0.95, "en"), share(0.025, "ko")
    ('95 %', '2.5%')
    """
    return f"{round(100 * fraction, 6):g}{'%' if language == 'ko' else ' %'}"


def points(effect: float, language: Language, digits: int = 1) -> str:
    """A difference of two rates in percentage points.

    >>> points(0.069, "en"), points(-0.162, "ko")
    ('+6.9 points', '−16.2%p')
    """
    if not isfinite(effect):
        return MISSING
    return signed(100 * effect, digits) + ("%p" if language == "ko" else " points")


def interval(lower: float, upper: float, language: Language, digits: int = 1) -> str:
    """The two ends of an interval of fractions, in hundredths and without unit.

    >>> interval(0.041, 0.097, "en"), interval(-0.012, 0.013, "ko")
    ('+4.1 to +9.7', '−1.2 ~ +1.3')
    """
    between = " ~ " if language == "ko" else " to "
    return signed(100 * lower, digits) + between + signed(100 * upper, digits)


def relative(fraction: float, language: Language, digits: int = 1) -> str:
    """A relative difference, with sign.

    >>> relative(0.276, "en"), relative(-0.5, "ko")
    ('+27.6 %', '−50.0%')
    """
    if not isfinite(fraction):
        return MISSING
    return signed(100 * fraction, digits) + ("%" if language == "ko" else " %")


def pvalue(value: float) -> str:
    """A p-value; below a thousandth only that is said.

    >>> pvalue(0.0421), pvalue(3e-9), pvalue(1.0)
    ('0.042', '< 0.001', '1.000')
    """
    if not isfinite(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def chance(probability: float, language: Language, *, brief: bool = False) -> str:
    """A probability in per cent that never claims certainty.

    >>> chance(0.99997, "en"), chance(0.00002, "ko"), chance(0.5, "en")
    ('more than 99.9 %', '0.1% 미만', '50.0 %')
    >>> chance(0.99997, "en", brief=True)
    '> 99.9 %'
    """
    if not isfinite(probability):
        return MISSING
    if probability > 0.999:
        bound = share(0.999, language)
        return f"> {bound}" if brief else f"{bound} 이상" if language == "ko" else f"more than {bound}"
    if probability < 0.001:
        bound = share(0.001, language)
        return f"< {bound}" if brief else f"{bound} 미만" if language == "ko" else f"less than {bound}"
    return percent(probability, language)


def per_thousand(rate: float, language: Language, *, brief: bool = False) -> str:
    """A rate as a number in 1,000 sessions.

    >>> per_thousand(0.0693, "en"), per_thousand(0.0000041, "en"), per_thousand(0.0, "ko")
    ('69.3', 'fewer than 0.1', '0.0건')
    >>> per_thousand(0.0000041, "ko", brief=True)
    '< 0.1'
    """
    if not isfinite(rate):
        return MISSING
    tiny = 0 < rate < 0.00005
    if brief:
        return "< 0.1" if tiny else f"{1000 * rate:.1f}"
    if language == "ko":
        return "0.1건 미만" if tiny else f"{1000 * rate:.1f}건"
    return "fewer than 0.1" if tiny else f"{1000 * rate:.1f}"


def milliseconds(value: float) -> str:
    """An answer time.

    >>> milliseconds(12.34), milliseconds(1000), milliseconds(float("nan"))
    ('12 ms', '1,000 ms', '–')
    """
    return f"{value:,.0f} ms" if isfinite(value) else MISSING


def seconds(value: float, language: Language) -> str:
    """A duration: one decimal below ten seconds, minutes above two.

    >>> seconds(3.25, "en"), seconds(64.2, "ko"), seconds(200, "en")
    ('3.2 s', '64초', '3 min 20 s')
    """
    if not isfinite(value):
        return MISSING
    second, minute = ("초", "분") if language == "ko" else (" s", " min")
    if value < 10:
        return f"{value:.1f}{second}"
    if value < 120:
        return f"{value:.0f}{second}"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{minute} {rest}{second}"
