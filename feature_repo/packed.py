"""A user's features as one blob: what the hot path reads with a single GET instead of asking Feast.

The blob is the user's row of ``FeatureLayout.user_names`` as little-endian float32, NaN where a feature is missing.
Keys hold the features' version, so that rows of different data or meaning are never taken for one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.errors import FeatureStoreError

if TYPE_CHECKING:
    import redis

_PREFIX = "screentest:features"
_DTYPE = np.dtype("<f4")
#: Rows sent to Redis before its answers are read.
_CHUNK = 10_000


def user_key(version: str, user_id: object) -> str:
    """The key of a user's blob; ids are text, so 17 and "17" are the same user."""
    return f"{_PREFIX}:{version}:user:{user_id}"


def layout_key(version: str) -> str:
    """The key of the layout document (``layout.json``) that says what stands where in a version's blobs."""
    return f"{_PREFIX}:{version}:layout"


def encode(rows: npt.NDArray[np.float32]) -> list[bytes]:
    """Rows as blobs.

    Args:
        rows: (n, n_features) float32, NaN = missing.
    """
    raw = np.ascontiguousarray(rows, dtype=_DTYPE)
    return [row.tobytes() for row in raw]


def decode(blob: bytes, n_features: int) -> npt.NDArray[np.float32]:
    """The (n_features,) float32 row of a blob, read-only; NaN = missing.

    Raises:
        FeatureStoreError: The blob is of another length than the layout says.
    """
    if len(blob) != n_features * _DTYPE.itemsize:
        raise FeatureStoreError(
            f"packed features of {len(blob)} bytes, expected {n_features * _DTYPE.itemsize} ({n_features} float32); "
            "build the features again"
        )
    return np.frombuffer(blob, dtype=_DTYPE).astype(np.float32, copy=False)


def write_packed(
    client: redis.Redis, version: str, user_ids: Sequence[str], rows: npt.NDArray[np.float32], layout: str | None = None
) -> None:
    """Put users' rows into Redis; rows of users not named stay.

    Args:
        client: See ``redis_client.connect``.
        version: ``FeatureLayout.version`` of the data.
        user_ids: n ids.
        rows: (n, n_features) float32, NaN = missing.
        layout: Text of ``layout.json``, written last: a version that has it is complete. None leaves it as it is.

    Raises:
        redis.RedisError: Redis refused; see ``redis_client.refusals``.
    """
    blobs = encode(rows)
    for start in range(0, len(blobs), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        client.mset({user_key(version, user): blob for user, blob in zip(user_ids[chunk], blobs[chunk], strict=True)})
    if layout is not None:
        client.set(layout_key(version), layout)


def read_packed(client: redis.Redis, version: str, user_ids: Sequence[str], n_features: int) -> npt.NDArray[np.float32]:
    """(n, n_features) float32 rows of the users given; all NaN for a user that has none.

    Raises:
        FeatureStoreError: A blob is of another length.
        redis.RedisError: Redis refused; see ``redis_client.refusals``.
    """
    rows = np.full((len(user_ids), n_features), np.nan, dtype=np.float32)
    if len(user_ids):
        blobs: Any = client.mget([user_key(version, user) for user in user_ids])
        for row, blob in zip(rows, blobs, strict=True):
            if blob is not None:
                row[:] = decode(blob, n_features)
    return rows
