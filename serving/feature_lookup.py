"""A user's features, fetched from Redis before the model is asked; or word, at once, that there are none.

A list without the user's features is worth more than none, so nothing here fails a request: what cannot be had in
time is None, which the model answers with its documented defaults and marks; see ``redis_line.py`` for how long that
may take.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter

from core.errors import FeatureStoreError
from feature_repo.packed import decode, layout_key, user_key
from feature_repo.redis_client import address
from serving.redis_line import RedisLine

_OUTCOMES = (
    "Users looked up in Redis: store (row found), missing (no row), damaged (a row of another length), "
    "unavailable (no Redis, no answer in time, or not asked because it failed just now)."
)

_log = logging.getLogger(__name__)


class FeatureLookup:
    """The rows that one model reads. For one event loop at a time.

    Args:
        url: ``redis://…``; empty: there is no Redis.
        version: What the rows are filed under, the model's ``features_version``.
        n_features: Length of a row.
        timeout_s: A Redis that has not answered after this has failed, > 0.
        registry: Where the outcomes are counted.

    Raises:
        ConfigError: The URL is no address of a Redis.
    """

    def __init__(
        self, url: str, *, version: str, n_features: int, timeout_s: float, registry: CollectorRegistry
    ) -> None:
        self._url = url
        self._line = RedisLine(url, timeout_s=timeout_s, meanwhile="default features are served")
        self._version = version
        self._n_features = n_features
        self._damage_told = False
        counter = Counter("screentest_feature_lookups", _OUTCOMES, ["outcome"], registry=registry)
        self._store, self._missing, self._damaged, self._unavailable = (
            counter.labels(outcome) for outcome in ("store", "missing", "damaged", "unavailable")
        )

    async def rows(self, user_ids: Sequence[int | str]) -> list[npt.NDArray[np.float32] | None]:
        """The users' rows, in order; what Redis does never raises.

        Args:
            user_ids: (n,) external ids; more than one are asked for by one MGET.

        Returns:
            (n_features,) float32 each, read-only, NaN = missing; None where there is no row that can be used.
        """
        if not user_ids:
            return []
        keys = [user_key(self._version, user_id) for user_id in user_ids]
        try:
            # An MGET of one key costs more than a GET.
            blobs = [await self._line.ask("GET", keys[0])] if len(keys) == 1 else await self._line.ask("MGET", *keys)
        except FeatureStoreError:
            self._unavailable.inc(len(keys))
            return [None] * len(keys)
        return [self._row(blob) for blob in blobs]

    def follow(self, version: str, n_features: int) -> None:
        """Read another version's rows from here on.

        Args:
            version: What they are filed under.
            n_features: Length of a row.
        """
        self._version, self._n_features = version, n_features

    async def state(self) -> str:
        """How features stand: ``store``, ``missing`` (never written to this Redis) or ``unavailable``."""
        try:
            return "store" if await self._line.ask("EXISTS", layout_key(self._version)) else "missing"
        except FeatureStoreError:
            return "unavailable"

    async def report(self) -> None:
        """Say in the log, when a server starts, why there are no features to be had and what to do; else nothing."""
        if not self._url:
            _log.warning(
                "REDIS_URL is not set: the model gets default features only; set it to the Redis that has features %s",
                self._version,
            )
            return
        state = await self.state()
        if state == "unavailable":
            # The second failure in a row is the one that is logged.
            state = await self.state()
        if state == "missing":
            _log.warning(
                "Redis at %s has no key %s: the model gets default features until they are there; run build-features "
                "on the data it was trained on, or set REDIS_URL to the Redis that has them",
                address(self._url),
                layout_key(self._version),
            )
        # The connection belongs to this event loop; the server's own opens another.
        await self.close()

    async def close(self) -> None:
        """Close the connection; the next look-up opens a new one."""
        await self._line.close()

    def _row(self, blob: bytes | None) -> npt.NDArray[np.float32] | None:
        if blob is None:
            self._missing.inc()
            return None
        try:
            row = decode(blob, self._n_features)
        except FeatureStoreError as error:
            self._damaged.inc()
            if not self._damage_told:
                _log.warning("default features are served for a damaged row: %s", error)
                self._damage_told = True
            return None
        self._store.inc()
        return row
