"""The visual language of genres: each has a ground, a light and a shape of its own (cover_shapes.py).

Every ground is dark enough for white letters (contrast at least 5 to 1), every light bright enough to be seen on it
(at least 2 to 1); a test holds all of them to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Look(NamedTuple):
    """How a genre looks.

    Attributes:
        ground: The cover's colour, ``#rrggbb``.
        light: The colour of its shape.
        shape: Name of the shape, a function of cover_shapes.py.
    """

    ground: str
    light: str
    shape: str


OTHER = Look("#3d4451", "#aab4c4", "dots")
"""Of an item without a genre, or with one that nobody has drawn yet."""

LOOKS = {
    "Film-Noir": Look("#16171c", "#b9bcc6", "blinds"),
    "Western": Look("#8a3f12", "#ffc98a", "mesa"),
    "Musical": Look("#8a1c5b", "#ffb0d0", "bars"),
    "War": Look("#4a4a26", "#d9d08c", "chevrons"),
    "Documentary": Look("#3b5340", "#cfe3b4", "lens"),
    "Animation": Look("#5b2a9d", "#ffb3d9", "bounce"),
    "Horror": Look("#1c1013", "#e5484d", "fangs"),
    "Sci-Fi": Look("#101c4f", "#6fe3e1", "planet"),
    "Mystery": Look("#1d3a45", "#e8c468", "keyhole"),
    "Fantasy": Look("#3a2c7d", "#c9b6ff", "spires"),
    "Children": Look("#0b5f8a", "#ffd166", "balloons"),
    "Romance": Look("#a01f4b", "#ffb3c4", "hearts"),
    "Crime": Look("#2f3640", "#e2574c", "whorl"),
    "Adventure": Look("#0f5a4a", "#f2c14e", "peaks"),
    "Thriller": Look("#1f2a38", "#f0b429", "tunnel"),
    "Action": Look("#8f1d14", "#ff9d5c", "burst"),
    "Comedy": Look("#96500a", "#ffd95c", "smile"),
    "Drama": Look("#27406b", "#a9c4f5", "masks"),
    "IMAX": Look("#0a4a6e", "#8fd8ff", "screen"),
}
"""The most telling first: a Western says more of a film than Drama does, and catalogues list genres by the alphabet."""


def telling(genres: Sequence[str]) -> list[str]:
    """Genres, the most telling first, those that nobody has drawn last.

    >>> telling(["Action", "Adventure", "Sci-Fi"])
    ['Sci-Fi', 'Adventure', 'Action']
    """
    places = {genre: place for place, genre in enumerate(LOOKS)}
    return sorted(genres, key=lambda genre: places.get(genre, len(places)))


def look_of(genres: Sequence[str]) -> tuple[Look, str]:
    """How an item looks: its most telling genre's look, with the light of the next one beside it.

    Args:
        genres: In any order; may be empty. Those that nobody has drawn count only where nothing else is there.

    Returns:
        The look, and a second light, which is the first where there is one genre only.
    """
    known = [LOOKS[genre] for genre in telling(genres) if genre in LOOKS] or [OTHER]
    return known[0], known[min(1, len(known) - 1)].light


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 … 21 (WCAG 2.2, relative luminance).

    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
