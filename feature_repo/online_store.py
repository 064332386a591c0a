"""Feast's Redis online store behind a REDIS_URL and our fail-fast client; Feast finds it by the name in its settings.

Feast's own takes ``host:port,password=…`` (a comma in the password ends it) and a client that waits 10 s for a Redis
that is down.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import SecretStr

from core.errors import ConfigError
from feature_repo.lazy_feast import feast
from feature_repo.redis_client import TIMEOUT_S, connect, connect_async

_redis = feast("infra.online_stores.redis")


class RedisUrlOnlineStoreConfig(_redis.RedisOnlineStoreConfig):
    """``online_store:`` of feature_store.yaml."""

    type: Literal["feature_repo.online_store.RedisUrlOnlineStore"] = "feature_repo.online_store.RedisUrlOnlineStore"
    url: SecretStr = SecretStr("")
    """``redis://[:password@]host:port/db``."""
    timeout_s: float = TIMEOUT_S
    """A Redis that has not answered after this counts as down."""


class RedisUrlOnlineStore(_redis.RedisOnlineStore):
    """Everything is Feast's but the clients."""

    def _get_client(self, online_store_config: RedisUrlOnlineStoreConfig) -> Any:
        if self._client is None:
            self._client = connect(_url(online_store_config), timeout_s=online_store_config.timeout_s)
        return self._client

    async def _get_client_async(self, online_store_config: RedisUrlOnlineStoreConfig) -> Any:
        if self._client_async is None:
            self._client_async = connect_async(_url(online_store_config), timeout_s=online_store_config.timeout_s)
        return self._client_async


def _url(config: RedisUrlOnlineStoreConfig) -> str:
    url = config.url.get_secret_value()
    # Feast leaves ${REDIS_URL} as it stands where the environment has none.
    if not url or url.startswith("$"):
        raise ConfigError("REDIS_URL is not set; give the Redis that holds the features: redis://[:password@]host:port/db")
    return url
