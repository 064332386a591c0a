"""Lists made before, in Redis, for the same request of the same user; forgotten when that user does something.

An A/B test stays honest: a list is only given again to the variant, version and step that it was made for, and each
time it is shown that is an exposure. A user's lists are one hash, of which nothing is older than the time to live.
Feedback replaces the hash by a mark, and a list is only kept if the mark is still the one that was there before the
list was made: what a model answered before the feedback is not kept after it. A Redis that is down or slow is no cache.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any, NamedTuple

import orjson
from prometheus_client import CollectorRegistry, Counter

from core.errors import FeatureStoreError
from serving.model_client import Listing
from serving.policy_requests import ChooseRequest
from serving.redis_line import RedisLine
from serving.routing import ActiveRoute, Assignment

#: Different requests of one user, e.g. page after page of what was not excluded before.
MOST_PER_USER = 32

_MARK = "mark"
_KEEP = """
if (redis.call('HGET', KEYS[1], 'mark') or '') ~= ARGV[1] then return 0 end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
"""
_FORGET = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'mark', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class Looked(NamedTuple):
    """What the cache has for a request.

    Attributes:
        listing: The list; None where there is none.
        key: Of the user's hash.
        field: Of the list in it.
        mark: As it was when it was looked for; None where Redis did not answer, so that nothing can be kept.
        at: When it was looked for, by ``time.monotonic``.
    """

    listing: Listing | None
    key: str
    field: str
    mark: bytes | None
    at: float


class ListCache:
    """Lists in Redis. For one event loop at a time.

    Args:
        url: ``redis://…``.
        ttl_s: Nothing is given that was made longer ago, > 0.
        timeout_s: A Redis that has not answered after this has failed, > 0.
        registry: Where hits and misses are counted.

    Raises:
        ConfigError: The URL is no address of a Redis.
    """

    def __init__(self, url: str, *, ttl_s: float, timeout_s: float, registry: CollectorRegistry) -> None:
        self._line = RedisLine(url, timeout_s=timeout_s, meanwhile="no lists are cached")
        self._ttl_s = ttl_s
        told = "Lists looked for in the cache: hit, miss, or unavailable (no Redis, or no answer in time)."
        counter = Counter("screentest_list_cache", told, ["outcome"], registry=registry)
        self._hit, self._miss, self._unavailable = (counter.labels(name) for name in ("hit", "miss", "unavailable"))

    async def find(self, active: ActiveRoute, assigned: Assignment, asked: ChooseRequest) -> Looked:
        """What is there for a request; what Redis does never raises."""
        key, field, at = _key(asked.user_id), _field(active, assigned, asked), time.monotonic()
        try:
            text, mark = await self._line.ask("HMGET", key, field, _MARK)
        except FeatureStoreError:
            self._unavailable.inc()
            return Looked(None, key, field, None, at)
        listing = None if text is None else _listing(text)
        (self._miss if listing is None else self._hit).inc()
        return Looked(listing, key, field, mark or b"", at)

    async def keep(self, looked: Looked, listing: Listing) -> None:
        """Keep the variant's own list for a request that had none, unless its user did something meanwhile."""
        if looked.mark is None or time.monotonic() - looked.at >= self._ttl_s:
            return
        text = orjson.dumps([listing.items, listing.features, listing.cold, listing.model, listing.version])
        try:
            await self._line.ask(
                *("EVAL", _KEEP, 1, looked.key, looked.mark, looked.field, text, self._ttl_ms, MOST_PER_USER)
            )
        except FeatureStoreError:
            self._unavailable.inc()

    async def forget(self, user_id: str) -> None:
        """Forget a user's lists. Where Redis does not answer they may be given until their time is over."""
        try:
            await self._line.ask("EVAL", _FORGET, 1, _key(user_id), os.urandom(8), self._ttl_ms)
        except FeatureStoreError:
            self._unavailable.inc()

    async def close(self) -> None:
        """Close the connection."""
        await self._line.close()

    @property
    def _ttl_ms(self) -> int:
        return max(1, int(1000 * self._ttl_s))


def _key(user_id: str) -> str:
    return f"screentest:lists:{user_id}"


def _field(active: ActiveRoute, assigned: Assignment, asked: ChooseRequest) -> str:
    """What a list depends on. The route's revision is in it: a folder that is served has no version to tell by."""
    route, excluded = active.route, sorted(map(str, asked.exclude_items))
    made_for = [route.experiment, route.revision, assigned.variant, assigned.server.version, asked.k, excluded]
    return hashlib.blake2b(orjson.dumps([*made_for, asked.explain]), digest_size=16).hexdigest()


def _listing(text: bytes) -> Listing | None:
    """A list that was kept; None where somebody else wrote there."""
    try:
        kept: Any = orjson.loads(text)
        items, features, cold, model, version = kept
        item_ids = [item["item_id"] for item in items]
    except (ValueError, TypeError, KeyError):
        return None
    return Listing(items, item_ids, features, cold, b"", model, version)
