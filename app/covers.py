"""A film's cover, drawn: the same film gets the same cover everywhere, and nothing is fetched.

The most telling genre gives ground and shape, the next one a light, the title a whim and itself, in white.
"""

from __future__ import annotations

import base64
import re
import unicodedata
import zlib
from collections.abc import Sequence
from html import escape

from app.cover_shapes import SHAPES
from app.genres import look_of, telling
from core.titles import natural_title

WIDTH, HEIGHT = 160, 240

_MARGIN = 13
_TITLE_BOTTOM = 206
_MOST_LINES = 4
#: Letter sizes, largest first: the first in which the title fits is taken.
_SIZES = (18, 16, 14, 12.5)
_LINE = 1.14
_SMALL = 12
#: Letters of ordinary weight are narrower than bold ones.
_LIGHT = 0.88
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
#: What XML 1.0 cannot hold, escaped or not: one such character, and a browser draws nothing.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif"


def shown_title(title: str) -> str:
    """A catalogue's title as people say it.

    >>> shown_title("American President, The (1995)")
    'The American President'
    """
    return natural_title(_YEAR.sub("", title).strip()) or title


def described(title: str, year: int | None, genres: Sequence[str]) -> str:
    """A cover in words, for who cannot see it: ``Heat, 1995, Action, Crime``."""
    return ", ".join([shown_title(title), *([str(year)] if year else []), *genres])


def cover_svg(title: str, year: int | None, genres: Sequence[str]) -> str:
    """A cover as one SVG element of 160 x 240 pixels.

    Args:
        title: As the catalogue has it; its year and a trailing article are taken off, as are control characters. What
            is too long is cut with an ellipsis.
        year: None where unknown.
        genres: In any order; may be empty.
    """
    title, genres = _drawable(title), [_drawable(genre) for genre in genres]
    look, second = look_of(genres)
    fate = zlib.crc32(title.encode())
    whim, side = fate % 1000 / 999, 'transform="matrix(-1 0 0 1 160 0)"' if fate & 1 else ""
    size, lines = _fitted(shown_title(title))
    first = _TITLE_BOTTOM - (len(lines) - 1) * size * _LINE
    letters = "".join(
        f'<tspan x="{_MARGIN}" y="{first + place * size * _LINE:.1f}">{escape(line)}</tspan>'
        for place, line in enumerate(lines)
    )
    below = _facts(year, genres)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="0" y2="1"><stop offset=".45" stop-color="{look.ground}" '
        f'stop-opacity="0"/><stop offset=".64" stop-color="{look.ground}"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{look.ground}"/>'
        f"<g {side}>{SHAPES[look.shape](look.light, second, whim)}</g>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#g)"/>'
        f'<g font-family="{_FONT}" fill="#fff"><text font-size="{size}" font-weight="700">{letters}</text>'
        f'<text x="{_MARGIN}" y="226" font-size="{_SMALL}">{escape(below)}</text></g></svg>'
    )


def cover_uri(title: str, year: int | None, genres: Sequence[str]) -> str:
    """The cover as the address of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(cover_svg(title, year, genres).encode()).decode()


def _drawable(text: str) -> str:
    return _NOT_XML.sub("", text)


def _facts(year: int | None, genres: Sequence[str]) -> str:
    """The year and as many genres as fit into a line."""
    facts = [*([str(year)] if year else []), *telling(genres)[:2]]
    while len(facts) > 1 and _width(" · ".join(facts), _LIGHT * _SMALL) > WIDTH - 2 * _MARGIN:
        facts.pop()
    return _cut(" · ".join(facts), _LIGHT * _SMALL)


def _fitted(title: str) -> tuple[float, list[str]]:
    """Letter size and lines of a title; in the smallest size, what goes beyond the last line is cut."""
    lines: list[str] = []
    for size in _SIZES:
        lines = _wrapped(title, size)
        if len(lines) <= _MOST_LINES:
            return size, lines
    last = _cut(" ".join(lines[_MOST_LINES - 1 :]), _SIZES[-1])
    return _SIZES[-1], [*lines[: _MOST_LINES - 1], last]


def _wrapped(title: str, size: float) -> list[str]:
    lines = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size) > WIDTH - 2 * _MARGIN:
            lines.append(_cut(word, size))
        else:
            lines[-1] = _cut(longer, size)
    return lines


def _cut(text: str, size: float) -> str:
    """The text, as much of it as fits into a line."""
    if _width(text, size) <= WIDTH - 2 * _MARGIN:
        return text
    while text and _width(text + "…", size) > WIDTH - 2 * _MARGIN:
        text = text[:-1]
    return text.rstrip() + "…"


def _width(text: str, size: float) -> float:
    """How wide a text is in bold letters of a wide font; the font is the reader's own."""
    return size * sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in "iljtfrI.,:;'!|()[] -":
        return 0.42
    if letter in "mwMW@%—…":
        return 1.04
    return 0.78 if letter.isupper() else 0.69
