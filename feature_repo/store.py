"""Feast over one folder of snapshots and one Redis: apply, materialise, read, push.

Everything computed from given data has a project of its own, ``screentest_<version>``, so that the rows of a new
build never mix with those that models in service still read.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import DataError, FeatureStoreError
from feature_repo.catalogue import CROSS_FEATURES
from feature_repo.columns import rows_of
from feature_repo.lazy_feast import feast
from feature_repo.packed import read_packed, write_packed
from feature_repo.redis_client import TIMEOUT_S, connect, refusals
from feature_repo.removal import project_of
from feature_repo.snapshots import SnapshotSet
from feature_repo.views import (
    CREATED_TIMESTAMP,
    EVENT_TIMESTAMP,
    ITEM_ID,
    ITEM_SERVICE,
    ITEM_VIEWS,
    RANKING_SERVICE,
    USER_ID,
    USER_ITEM,
    USER_SERVICE,
    USER_VIEWS,
    View,
    cross_full_names,
    full_name,
    full_names,
)

_Rows = npt.NDArray[np.float32]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Characters of what Feast says; its longest messages print whole registries.
_LONGEST = 300
#: Rows of a view that Feast holds as messages before it writes them; else all of them at once.
_BATCH = 10_000


class PairRows(NamedTuple):
    """Features of n pairs of a user and an item.

    Attributes:
        user: (n, n_user_features) float32, NaN = missing.
        item: (n, n_item_features) float32, likewise.
        cross: (n, n_cross_features) float32; of a user or an item that is not known, computed from the defaults.
    """

    user: _Rows
    item: _Rows
    cross: _Rows


class Store:
    """Feast, opened once a process and kept: opening it costs seconds.

    Args:
        snapshots: What it serves; Feast's registry lies in the same folder.
        url: Of Redis, see ``redis_client.connect``.
        timeout_s: A Redis that has not answered after this counts as down; more for bulk work.
    """

    def __init__(self, snapshots: SnapshotSet, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.snapshots = snapshots
        self.url = url
        self._timeout_s = timeout_s
        self._services: dict[str, Any] = {}

    @property
    def project(self) -> str:
        """Feast's name for everything of these snapshots."""
        return project_of(self.snapshots.version)

    @cached_property
    def feast_store(self) -> Any:
        """Feast's own object, for what this class does not offer; opened when first asked for."""
        package = feast()
        # Named at once, not when first needed: Feast would then ask for it inside a call.
        feast("infra.offline_stores.duckdb")
        config = package.RepoConfig(
            project=self.project,
            provider="local",
            registry={"path": str(self.snapshots.folder.resolve() / "registry.db"), "cache_ttl_seconds": 0},
            offline_store={"type": "duckdb"},
            online_store={
                "type": "feature_repo.online_store.RedisUrlOnlineStore",
                "url": self.url,
                "timeout_s": self._timeout_s,
            },
            repo_path=self.snapshots.folder.resolve(),
            entity_key_serialization_version=3,
            materialization={"online_write_batch_size": _BATCH},
        )
        return package.FeatureStore(config=config)

    def apply(self) -> None:
        """Tell Feast what there is: entities, views, services. Redis is not needed.

        Raises:
            FeatureStoreError: Feast refused.
        """
        from feature_repo.declare import declare

        with self._plainly(), _silent():
            self.feast_store.apply(declare(self.snapshots.folder).objects())

    def materialise(self, until: int | None = None, *, overwrite: bool = False) -> None:
        """Put every user's and item's latest row into Redis.

        Args:
            until: Rows after this are left out; seconds since 1970. None: the last snapshot.
            overwrite: Over a fresher row, too, which otherwise stays. Nothing is taken offline before, so that whoever
                reads meanwhile, another build of the same version included, finds rows at any time.

        Raises:
            FeatureStoreError: Redis is down or refused.
        """
        end = datetime.fromtimestamp(self.snapshots.as_of if until is None else until, UTC)
        with self._plainly(), _silent(), self._overwriting(overwrite):
            self.feast_store.materialize(_EPOCH, end)

    def user_rows(self, user_ids: Sequence[object]) -> _Rows:
        """(n, n_user_features) float32 as they are online, NaN = missing; all NaN for an unknown user.

        Raises:
            FeatureStoreError: Redis is down or refused, or nothing was applied.
        """
        return self._users(self._online(USER_SERVICE, {USER_ID: user_ids}))

    def item_rows(self, item_ids: Sequence[object]) -> _Rows:
        """(n, n_item_features) float32, likewise."""
        return self._items(self._online(ITEM_SERVICE, {ITEM_ID: item_ids}))

    def pair_rows(self, user_ids: Sequence[object], item_ids: Sequence[object]) -> PairRows:
        """Features of pairs as they are online; the two sequences are as long as each other."""
        ids = {USER_ID: user_ids, ITEM_ID: item_ids}
        found = {**self._online(USER_SERVICE, {USER_ID: user_ids}), **self._online(ITEM_SERVICE, {ITEM_ID: item_ids})}
        return self._pairs({**found, **self._online_cross(ids)})

    def packed_rows(self, user_ids: Sequence[object]) -> _Rows:
        """What the hot path reads in place of :meth:`user_rows`, which it must equal.

        Raises:
            FeatureStoreError: Redis is down or refused, or a row is of another length.
        """
        ids = [str(one) for one in user_ids]
        with refusals(self.url), connect(self.url, timeout_s=self._timeout_s) as client:
            return read_packed(client, self.snapshots.version, ids, len(self.snapshots.layout.user_names))

    def historical(self, pairs: pd.DataFrame) -> PairRows:
        """Features of pairs as they were at given moments, from the snapshots: Feast's point-in-time join.

        For bulk work use ``offline.as_of_join``, which gives the same much faster.

        Args:
            pairs: Columns user_id, item_id, event_timestamp (UTC).

        Raises:
            FeatureStoreError: Feast refused, or nothing was applied.
        """
        asked = pd.DataFrame(
            {
                USER_ID: pairs[USER_ID].astype(str),
                ITEM_ID: pairs[ITEM_ID].astype(str),
                EVENT_TIMESTAMP: pairs[EVENT_TIMESTAMP],
                # Feast gives the rows back in an order of its own.
                "row": np.arange(len(pairs)),
            }
        )
        with self._plainly(), _silent():
            job = self.feast_store.get_historical_features(
                entity_df=asked, features=self._service(RANKING_SERVICE), full_feature_names=True
            )
            found = job.to_df().sort_values("row")
        return self._pairs({name: found[name].to_list() for name in found.columns})

    def push_users(self, fresh: pd.DataFrame) -> None:
        """Put rows of users online that are fresher than the last snapshot, packed rows included.

        Args:
            fresh: Columns user_id, event_timestamp (UTC) and every feature of ``USER_VIEWS``, those per genre as lists;
                ``columns.frame_of`` makes them of rows. Feast skips a view in which no row has any value.

        Raises:
            DataError: A column is missing.
            FeatureStoreError: Redis is down or refused.
        """
        from feature_repo.declare import USER_PUSH

        self._push(USER_PUSH, fresh, USER_ID, USER_VIEWS)
        user_ids = fresh[USER_ID].astype(str).drop_duplicates().to_list()
        # Read back rather than encoded from the frame: Feast keeps whichever row is the latest.
        rows = self.user_rows(user_ids)
        with refusals(self.url), connect(self.url, timeout_s=self._timeout_s) as client:
            write_packed(client, self.snapshots.version, user_ids, rows)

    def push_items(self, fresh: pd.DataFrame) -> None:
        """The same for items, with item_id and ``ITEM_VIEWS``."""
        from feature_repo.declare import ITEM_PUSH

        self._push(ITEM_PUSH, fresh, ITEM_ID, ITEM_VIEWS)

    def _service(self, name: str) -> Any:
        # Kept, because Feast makes it anew of its registry each time, which takes three times as long as a read.
        if name not in self._services:
            self._services[name] = self.feast_store.get_feature_service(name, allow_cache=True)
        return self._services[name]

    def _online(self, service: str, entities: dict[str, Sequence[object]]) -> dict[str, list[Any]]:
        """Feast's full name of each feature of a service to its values; empty for no entities."""
        with self._plainly():
            return self._answer(self._service(service), entities, full=True)

    def _online_cross(self, entities: dict[str, Sequence[object]]) -> dict[str, list[Any]]:
        # Asked for full names, Feast leaves out what a Python view computes; the short ones are unique here.
        with self._plainly():
            short = self._answer([f"{USER_ITEM}:{one.name}" for one in CROSS_FEATURES], entities, full=False)
        return {full_name(USER_ITEM, name): values for name, values in short.items()}

    def _answer(self, features: Any, entities: dict[str, Sequence[object]], *, full: bool) -> dict[str, list[Any]]:
        ids = {key: [str(one) for one in values] for key, values in entities.items()}
        if not any(ids.values()):
            return {}
        answer = self.feast_store.get_online_features(features=features, entity_rows=ids, full_feature_names=full)
        found: dict[str, list[Any]] = answer.to_dict()
        return found

    def _users(self, found: dict[str, list[Any]]) -> _Rows:
        layout = self.snapshots.layout
        return rows_of(_short(found, USER_VIEWS), layout.user_names, layout.genres)

    def _items(self, found: dict[str, list[Any]]) -> _Rows:
        layout = self.snapshots.layout
        return rows_of(_short(found, ITEM_VIEWS), layout.item_names, layout.genres)

    def _pairs(self, found: dict[str, list[Any]]) -> PairRows:
        cross = np.empty((0, len(CROSS_FEATURES)), dtype=np.float32)
        if found:
            cross = np.array([found[name] for name in cross_full_names()], dtype=np.float32).T
        return PairRows(self._users(found), self._items(found), cross)

    def _push(self, source: str, fresh: pd.DataFrame, key: str, views: tuple[View, ...]) -> None:
        wanted = [key, EVENT_TIMESTAMP, *(name for view in views for name in view.features)]
        missing = [name for name in wanted if name not in fresh.columns]
        if missing:
            raise DataError(f"fresh rows lack the columns {', '.join(missing)}; expected {', '.join(wanted)}")
        complete = fresh[wanted].assign(**{key: fresh[key].astype(str)})
        complete[CREATED_TIMESTAMP] = fresh.get(CREATED_TIMESTAMP, fresh[EVENT_TIMESTAMP])
        with self._plainly(), _silent():
            self.feast_store.push(source, complete)

    @contextmanager
    def _overwriting(self, wanted: bool) -> Iterator[None]:
        online = self.feast_store.config.online_store
        online.skip_dedup = wanted
        try:
            yield
        finally:
            online.skip_dedup = False

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Whatever Feast or Redis raises inside the block, as one line of ours."""
        errors = feast("errors")
        with refusals(self.url):
            try:
                yield
            except (errors.FeastError, OSError) as error:
                said = " ".join(str(error).split())[:_LONGEST]
                raise FeatureStoreError(
                    f"Feast refused ({said}); build the features of {self.snapshots.folder} again"
                ) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Without Feast's announcements, progress bars and warnings. Reads go without it: it costs them time."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _short(found: dict[str, list[Any]], views: tuple[View, ...]) -> dict[str, list[Any]]:
    """Catalogue names of one side's features, without the views' names before them."""
    return {name: found[full] for name, full in full_names(views).items() if full in found}
