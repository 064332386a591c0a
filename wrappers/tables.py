"""Figures as text that programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def as_json(document: Any) -> str:
    """Indented JSON; NaN is refused, because it is no JSON.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header line and a line per row; columns in the order of the first row."""
    return pd.DataFrame(rows).to_csv(index=False)
