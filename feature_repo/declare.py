"""The features as Feast's objects: entities, sources, views, services."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, NamedTuple

from feature_repo.catalogue import CROSS_FEATURES
from feature_repo.lazy_feast import feast
from feature_repo.views import (
    CREATED_TIMESTAMP,
    CROSS_INPUTS,
    EVENT_TIMESTAMP,
    ITEM_ID,
    ITEM_SERVICE,
    ITEM_VIEWS,
    LISTS,
    RANKING_SERVICE,
    USER_ID,
    USER_ITEM,
    USER_SERVICE,
    USER_VIEWS,
    View,
)

#: Push sources: rows fresher than the last snapshot.
USER_PUSH = "fresh_users"
ITEM_PUSH = "fresh_items"


class Declared(NamedTuple):
    """Feast's objects.

    Attributes:
        user: The entity.
        item: The entity.
        user_views: As in ``USER_VIEWS``.
        item_views: As in ``ITEM_VIEWS``.
        user_item: The on-demand view of user x item features.
        services: Features of a user, of an item, of a pair.
    """

    user: Any
    item: Any
    user_views: tuple[Any, ...]
    item_views: tuple[Any, ...]
    user_item: Any
    services: tuple[Any, ...]

    def objects(self) -> list[Any]:
        """What ``FeatureStore.apply`` takes."""
        return [self.user, self.item, *self.user_views, *self.item_views, self.user_item, *self.services]


def declare(folder: Path) -> Declared:
    """The objects over the snapshots in a folder; nothing is read.

    Args:
        folder: Holds user_features.parquet and item_features.parquet. Made absolute: Feast's DuckDB store takes a
            relative path from wherever the process runs.
    """
    folder = folder.resolve()
    user = _entity("user", USER_ID, "who rates")
    item = _entity("item", ITEM_ID, "what is rated")
    user_views = _views(USER_VIEWS, user, _source(USER_PUSH, folder / "user_features.parquet"))
    item_views = _views(ITEM_VIEWS, item, _source(ITEM_PUSH, folder / "item_features.parquet"))
    user_item = _cross_view({view.name: view for view in (*user_views, *item_views)})
    service = feast().FeatureService
    return Declared(
        user,
        item,
        user_views,
        item_views,
        user_item,
        (
            service(name=USER_SERVICE, features=list(user_views)),
            service(name=ITEM_SERVICE, features=list(item_views)),
            service(name=RANKING_SERVICE, features=[*user_views, *item_views, user_item]),
        ),
    )


def cross(columns: dict[str, Any]) -> dict[str, Any]:
    """User x item features of Feast's columns; Feast keeps this text in its registry, so it imports what it needs."""
    from feature_repo.cross_view import cross_columns

    return cross_columns(columns)


def _entity(name: str, key: str, description: str) -> Any:
    package = feast()
    return package.Entity(
        name=name, join_keys=[key], value_type=package.ValueType.STRING, description=f"{description}; its id is text"
    )


def _source(name: str, file: Path) -> Any:
    package = feast()
    snapshots = package.FileSource(
        name=file.stem,
        path=str(file),
        timestamp_field=EVENT_TIMESTAMP,
        created_timestamp_column=CREATED_TIMESTAMP,
    )
    return package.PushSource(name=name, batch_source=snapshots)


def _views(views: tuple[View, ...], entity: Any, source: Any) -> tuple[Any, ...]:
    package, types = feast(), feast("types")
    return tuple(
        package.FeatureView(
            name=view.name,
            entities=[entity],
            # No time to live: the latest row counts, however old.
            ttl=None,
            schema=[
                package.Field(name=name, dtype=types.Array(types.Float32) if name in LISTS else types.Float32)
                for name in view.features
            ],
            source=source,
            description=view.description,
        )
        for view in views
    )


def _cross_view(views: dict[str, Any]) -> Any:
    package, types = feast(), feast("types")
    return package.OnDemandFeatureView(
        name=USER_ITEM,
        sources=[views[name][list(inputs)] for name, inputs in CROSS_INPUTS.items()],
        # Feast takes every number of a Python function for a Float64 and accepts no other declaration.
        schema=[package.Field(name=one.name, dtype=types.Float64) for one in CROSS_FEATURES],
        mode="python",
        # Not Feast's decorator, which would pickle the function: its text is what the registry reads back.
        udf=cross,
        udf_string=inspect.getsource(cross),
        description="how a user and an item go together, computed when asked",
    )
