"""Users' rows by Feast itself, for a transformer: slower than packed rows, and the same (feature_repo/checks.py)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter

from core.errors import FeatureStoreError
from feature_repo.snapshots import SnapshotSet
from feature_repo.store import Store

_log = logging.getLogger(__name__)


class FeastRows:
    """Reads by ``get_online_features``, one question at a time, in a thread of its own.

    Args:
        snapshots: What is online, with Feast's registry beside it.
        url: Of the Redis where it is.
        timeout_s: Longest wait, behind other questions included, > 0.
        registry: Where outcomes are counted.
    """

    def __init__(self, snapshots: SnapshotSet, url: str, *, timeout_s: float, registry: CollectorRegistry) -> None:
        self._store = Store(snapshots, url, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, "feast")
        self._wanted = snapshots.version
        self._told = ""
        self._outcomes = Counter(
            "screentest_feature_lookups",
            "Users looked up by Feast: store (row found), missing (no row), unavailable (no answer in time).",
            ["outcome"],
            registry=registry,
        )

    def open(self) -> None:
        """Import and open Feast, which takes seconds; that Redis is down is no reason not to."""
        try:
            self._store.user_rows(["nobody-has-this-id"])
        except FeatureStoreError as error:
            _log.warning("%s; default features are served meanwhile", error)

    def follow(self, version: str, n_features: int) -> None:
        """The version that is wanted; there are rows of one only."""
        self._wanted = version
        if version != self._store.snapshots.version:
            _log.warning(
                "the predictor wants features of version %s, %s holds %s: it gets default features; give the folder "
                "that was built from its training data",
                *(version, self._store.snapshots.folder, self._store.snapshots.version),
            )

    async def rows(self, user_ids: Sequence[int | str]) -> list[npt.NDArray[np.float32] | None]:
        """The users' rows, in order; None where there is none, or none in time."""
        if not user_ids:
            return []
        try:
            found = await self._read(user_ids)
        except (FeatureStoreError, TimeoutError) as error:
            reason = str(error) or f"Feast did not answer within {self._timeout_s:g} s"
            if reason != self._told:
                _log.warning("%s; default features are served meanwhile", reason)
            self._told = reason
            self._outcomes.labels("unavailable").inc(len(user_ids))
            return [None] * len(user_ids)
        self._told = ""
        rows = [None if np.isnan(row).all() else row for row in found]
        for row in rows:
            self._outcomes.labels("missing" if row is None else "store").inc()
        return rows

    async def close(self) -> None:
        """End the thread once it has its answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _read(self, user_ids: Sequence[int | str]) -> npt.NDArray[np.float32]:
        if self._wanted != self._store.snapshots.version:
            raise FeatureStoreError(f"no features of version {self._wanted}")
        async with asyncio.timeout(self._timeout_s):
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._store.user_rows, user_ids)
