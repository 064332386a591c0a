"""Feast's Redis online store behind a REDIS_URL and our fail-fast client; Feast finds it by the name in its settings.

Feast's own takes ``host:port,password=…`` (a comma in the password ends it) and a client that waits 10 s for a Redis
that is down.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

from pydantic import SecretStr

from core.errors import ConfigError
from feature_repo.lazy_feast import feast
from feature_repo.redis_client import TIMEOUT_S, connect, connect_async

#: Keys of hashes, and the fields wanted of each.
Commands = list[tuple[bytes, list[str | bytes]]]

_redis = feast("infra.online_stores.redis")


class RedisUrlOnlineStoreConfig(_redis.RedisOnlineStoreConfig):
    """``online_store:`` of feature_store.yaml."""

    type: Literal["feature_repo.online_store.RedisUrlOnlineStore"] = "feature_repo.online_store.RedisUrlOnlineStore"
    url: SecretStr = SecretStr("")
    """``redis://[:password@]host:port/db``."""
    timeout_s: float = TIMEOUT_S
    """A Redis that has not answered after this counts as down."""


class RedisUrlOnlineStore(_redis.RedisOnlineStore):
    """Everything is Feast's but the clients, and that a read is cheaper.

    It asks Redis once per entity instead of once per view, and hashes the names of its fields once per process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fields: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[str | bytes]]] = {}

    def _get_client(self, online_store_config: RedisUrlOnlineStoreConfig) -> Any:
        if self._client is None:
            self._client = connect(_url(online_store_config), timeout_s=online_store_config.timeout_s)
        return self._client

    async def _get_client_async(self, online_store_config: RedisUrlOnlineStoreConfig) -> Any:
        if self._client_async is None:
            self._client_async = connect_async(_url(online_store_config), timeout_s=online_store_config.timeout_s)
        return self._client_async

    def _generate_hset_keys_for_features(
        self, feature_view: Any, requested_features: list[str] | None = None, fv_name_override: str | None = None
    ) -> tuple[list[str], list[str | bytes]]:
        names = tuple(requested_features or [field.name for field in feature_view.features])
        view = fv_name_override or feature_view.name
        if (view, names) not in self._fields:
            self._fields[view, names] = super()._generate_hset_keys_for_features(feature_view, list(names), view)
        wanted, fields = self._fields[view, names]
        return list(wanted), list(fields)

    def _read_hash_fields(self, config: Any, commands: Commands) -> list[list[bytes | None]]:
        # All views of an entity share one hash.
        fields: dict[bytes, list[str | bytes]] = {}
        for key, wanted in commands:
            fields.setdefault(key, []).extend(wanted)
        client = self._get_client(config.online_store)
        if len(fields) == 1:
            replies = [client.hmget(*asked) for asked in fields.items()]
        else:
            with client.pipeline(transaction=False) as pipe:
                for asked in fields.items():
                    pipe.hmget(*asked)
                replies = pipe.execute()
        left = {key: iter(reply) for key, reply in zip(fields, replies, strict=True)}
        return [list(islice(left[key], len(wanted))) for key, wanted in commands]


def _url(config: RedisUrlOnlineStoreConfig) -> str:
    url = config.url.get_secret_value()
    # Feast leaves ${REDIS_URL} as it stands where the environment has none.
    if not url or url.startswith("$"):
        raise ConfigError(
            "REDIS_URL is not set; give the Redis that holds the features: redis://[:password@]host:port/db"
        )
    return url
