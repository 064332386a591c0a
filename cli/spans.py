"""Lengths of time as people write them on the command line: 30s, 15m, 24h, 90d."""

from __future__ import annotations

import re

from core.errors import ConfigError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 3650 * 86400.0


def seconds(option: str, text: str) -> float:
    """A length of time in seconds, 0 … ten years.

    Raises:
        ConfigError: It is none.
    """
    found = re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII)
    span = float(found[1]) * _UNITS[found[2]] if found else -1.0
    if not 0 <= span <= _LONGEST_S:
        raise ConfigError(f"{option} {text!r}, must be a number with s, m, h or d, e.g. 24h, at most 3650d")
    return span
