"""Titles as catalogues file them, and as people say them."""

from __future__ import annotations

import re

_ARTICLE = re.compile(r"^(.*), (The|A|An|Le|La|Les|L'|Il|El|Los|Las|Das|Der|Die)(?=$| \(\d{4}\)$)")


def natural_title(title: str) -> str:
    """A title with the article in front that a catalogue puts behind; a year at its end stays.

    >>> natural_title("American President, The (1995)")
    'The American President (1995)'
    >>> natural_title("Avventura, L'")
    "L'Avventura"
    """
    return _ARTICLE.sub(lambda found: f"{found[2]}{'' if found[2].endswith(chr(39)) else ' '}{found[1]}", title)
