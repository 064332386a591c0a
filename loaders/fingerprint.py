"""A hash of the ratings themselves, whatever file they came from."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.interactions import RATING_COLUMNS

_STORED_AS = {"rating": "<f4", "timestamp": "<i8"}


def ratings_sha256(ratings: pd.DataFrame) -> str:
    """SHA-256 of user_id, item_id, rating and timestamp in row order.

    The same ratings as a folder, a zip or Parquet hash alike; another value, row or row order does not. Row
    order counts because a leave-last-n split breaks ties in time by it.

    Args:
        ratings: The four columns of ``core.interactions.RATING_COLUMNS``; may be empty.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for column in RATING_COLUMNS:
        digest.update(f"{column}:{len(ratings)}:".encode())
        digest.update(_canonical(ratings[column].to_numpy(), _STORED_AS.get(column, "<i8")))
    return digest.hexdigest()


def _canonical(values: npt.NDArray[np.generic], stored_as: str) -> bytes | memoryview:
    if values.dtype.kind in "iuf":
        return np.ascontiguousarray(values, dtype=stored_as).data
    texts = [str(value).encode() for value in values.tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
