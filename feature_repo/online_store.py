"""Feast's Redis online store behind a REDIS_URL and our fail-fast client; Feast finds it by the name in its settings.

Feast's own takes ``host:port,password=…`` (a comma in the password ends it) and a client that waits 10 s for a Redis
that is down. Its reads look entities up, serialise their keys and ask Redis once per view; here once per entity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pydantic import SecretStr

from core.errors import ConfigError
from feature_repo.lazy_feast import feast
from feature_repo.redis_client import TIMEOUT_S, connect, connect_async, refusals

_redis: Any = feast("infra.online_stores.redis")
_utils: Any = feast("utils")


class RedisUrlOnlineStoreConfig(_redis.RedisOnlineStoreConfig):  # type: ignore[misc]
    """``online_store:`` of feature_store.yaml."""

    type: Literal["feature_repo.online_store.RedisUrlOnlineStore"] = "feature_repo.online_store.RedisUrlOnlineStore"
    url: SecretStr = SecretStr("")
    """``redis://[:password@]host:port/db``."""
    timeout_s: float = TIMEOUT_S
    """A Redis that has not answered after this counts as down."""


class _Part(NamedTuple):
    """What is wanted of one view.

    Attributes:
        view: Feast's.
        names: Of its features, and last of its timestamp.
        fields: The same as fields of a hash.
    """

    view: Any
    names: list[str]
    fields: list[str | bytes]


class RedisUrlOnlineStore(_redis.RedisOnlineStore):  # type: ignore[misc]
    """Writes are Feast's but for the client; reads are Feast's with its work per view done once per entity."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Any = None
        self._client_async: Any = None
        self._fields: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[str | bytes]]] = {}
        self._types: dict[tuple[tuple[str, tuple[str, ...]], ...], dict[str, Any]] = {}

    def _get_client(self, online_store_config: RedisUrlOnlineStoreConfig) -> Any:
        if self._client is None:
            self._client = connect(_url(online_store_config), timeout_s=online_store_config.timeout_s)
        return self._client

    async def _get_client_async(self, online_store_config: RedisUrlOnlineStoreConfig) -> Any:
        if self._client_async is None:
            self._client_async = connect_async(_url(online_store_config), timeout_s=online_store_config.timeout_s)
        return self._client_async

    def online_write_batch(self, config: Any, table: Any, data: Any, progress: Any) -> None:
        """Feast's own; what Redis refuses is one line, on the ``feast`` command line too."""
        with refusals(_url(config.online_store)):
            super().online_write_batch(config, table, data, progress)

    def _read_features_per_fv(
        self,
        config: Any,
        grouped_refs: list[tuple[Any, list[str]]],
        join_key_values: Any,
        entity_name_to_join_key_map: dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        by_entity: dict[tuple[str, ...], list[_Part]] = {}
        for view, names in grouped_refs:
            # Not the view's join_keys, which Feast checks for their types at each look.
            by_entity.setdefault(tuple(view.entities), []).append(self._part(view, names))
        for parts in by_entity.values():
            entities, places, n_rows = _utils._get_unique_entities(
                parts[0].view, join_key_values, entity_name_to_join_key_map
            )
            keys = self._generate_redis_keys_for_entities(config, _utils._get_entity_key_protos(entities))
            replies = self._fields_of(config, keys, [field for part in parts for field in part.fields])
            for part, values in _split(parts, replies):
                rows = self._convert_redis_values_to_protobuf(values, part.view.name, part.names)
                _utils._populate_response_from_feature_data(
                    # The last is the timestamp, which is no feature: Feast's own adds it and takes it out again.
                    part.names[:-1],
                    rows,
                    places,
                    online_features_response,
                    full_feature_names,
                    part.view,
                    n_rows,
                    include_feature_view_version_metadata,
                )

    def _fields_of(self, config: Any, keys: list[bytes], fields: list[str | bytes]) -> list[list[bytes | None]]:
        client = self._get_client(config.online_store)
        with refusals(_url(config.online_store)):
            if len(keys) == 1:
                return [client.hmget(keys[0], fields)]
            with client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.hmget(key, fields)
                replies: list[list[bytes | None]] = pipe.execute()
                return replies

    def _part(self, view: Any, names: list[str]) -> _Part:
        asked = (view.name, tuple(names))
        if asked not in self._fields:
            # Feast adds the timestamp to the list it is given.
            self._fields[asked] = self._generate_hset_keys_for_features(view, list(names))
        return _Part(view, *self._fields[asked])

    def _build_feature_types(self, grouped_refs: list[tuple[Any, list[str]]]) -> dict[str, Any]:
        asked = tuple((view.name, tuple(names)) for view, names in grouped_refs)
        if asked not in self._types:
            self._types[asked] = super()._build_feature_types(grouped_refs)
        return self._types[asked]


def _split(parts: list[_Part], replies: list[list[bytes | None]]) -> Iterator[tuple[_Part, list[list[bytes | None]]]]:
    """Each part with its share of every entity's reply."""
    start = 0
    for part in parts:
        stop = start + len(part.fields)
        yield part, [reply[start:stop] for reply in replies]
        start = stop


def _url(config: RedisUrlOnlineStoreConfig) -> str:
    url = config.url.get_secret_value()
    # Feast leaves ${REDIS_URL} as it stands where the environment has none.
    if not url or url.startswith("$"):
        raise ConfigError(
            "REDIS_URL is not set; give the Redis that holds the features: redis://[:password@]host:port/db"
        )
    return url
