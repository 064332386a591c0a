"""Results as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def json_document(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A flat result's fields for JSON, which has neither NaN nor infinity: both become null.

    >>> json_document({"effect_size": 0.5, "pvalue": math.nan, "status": "ok"})
    {'effect_size': 0.5, 'pvalue': None, 'status': 'ok'}

    Args:
        fields: Name to number, text, truth or None.
    """
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()
    }
