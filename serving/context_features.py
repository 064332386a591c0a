"""A user's features that a spec's context names, where the request itself does not bring them."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from core.errors import FeatureStoreError
from feature_repo.catalogue import FeatureLayout
from feature_repo.packed import layout_key
from feature_repo.redis_client import connect, refusals
from serving.feature_lookup import FeatureLookup
from serving.redis_line import PAUSE_S

_log = logging.getLogger(__name__)


class ContextFeatures:
    """Looks users up in Redis; a Redis that is down, or a user it does not know, has no features.

    Args:
        url: ``redis://…``.
        version: What the features are filed under, as ``screentest features build`` prints it.
        keys: Keys of the context that may be features.
        timeout_s: A Redis that has not answered after this counts as down.

    Raises:
        ConfigError: The URL is no address of a Redis.
    """

    def __init__(self, url: str, version: str, keys: Sequence[str], *, timeout_s: float) -> None:
        self._url = url
        self._client = connect(url, timeout_s=timeout_s)
        self._version = version
        self._keys = keys
        self._timeout_s = timeout_s
        self._places: dict[str, int] = {}
        self._lookup: FeatureLookup | None = None
        self._not_before = 0.0
        self._told = False

    async def of(self, user_id: str, context: Mapping[str, Any]) -> dict[str, float]:
        """Feature to its number, of those that the spec names, the context lacks and Redis knows."""
        if self._lookup is None and not await self._opened():
            return {}
        wanted = [(key, place) for key, place in self._places.items() if key not in context]
        if not wanted or self._lookup is None:
            return {}
        row = (await self._lookup.rows([user_id]))[0]
        if row is None:
            return {}
        found = {key: float(row[place]) for key, place in wanted}
        return {key: number for key, number in found.items() if math.isfinite(number)}

    async def _opened(self) -> bool:
        """Learn which number stands where in a row; tried again a while after it failed."""
        if time.monotonic() < self._not_before:
            return False
        self._not_before = time.monotonic() + PAUSE_S
        try:
            layout = await asyncio.to_thread(self._layout)
        except FeatureStoreError as error:
            if not self._told:
                _log.warning("%s; a bandit's context has no features of users meanwhile", error)
            self._told = True
            return False
        names = layout.user_names
        self._places = {key: names.index(key) for key in self._keys if key in names}
        # Its counters would be those of a model server; what was found stands in each exposure's context.
        self._lookup = FeatureLookup(
            self._url,
            version=self._version,
            n_features=len(names),
            timeout_s=self._timeout_s,
            registry=CollectorRegistry(),
        )
        return True

    def _layout(self) -> FeatureLayout:
        with refusals(self._url):
            found: Any = self._client.get(layout_key(self._version))
        if found is None:
            raise FeatureStoreError(
                f"Redis has no features of version {self._version!r}, which the spec names; build them, or mend "
                "traffic.features_version"
            )
        try:
            return FeatureLayout(tuple(json.loads(found)["genres"]))
        except (ValueError, KeyError, TypeError) as error:
            raise FeatureStoreError(f"the layout of features {self._version!r} in Redis is damaged") from error
