"""An event database of a test on both, an MLflow of its own, and a log to write into."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from events.database import opened
from events.records import Exposure, Outcome
from events.store import EventStore
from tests.events.conftest import postgres_url, sqlite_url, url
from tests.mlflow_on_sqlite import empty_database, environment_put_back, tracker

__all__ = ["empty_database", "environment_put_back", "postgres_url", "sqlite_url", "tracker", "url"]
TIMEOUT_S = 10
Shown = Callable[..., None]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    made = EventStore(url)
    yield made
    made.close()


@pytest.fixture
def shown(store: EventStore) -> Shown:
    """Write a session; its clicks may come with it."""

    def write(
        decision: str, variant: str, ts: float, *, clicks: int = 0, experiment: str = "demo", **more: object
    ) -> None:
        fields = {"step": 0, "items": [1, 2, 3]} | more
        exposure = Exposure(decision, experiment, decision, "u", variant=variant, propensity=0.5, ts=ts, **fields)  # type: ignore[arg-type]
        store.record_exposure(exposure).result(TIMEOUT_S)
        for item in range(1, clicks + 1):
            clicked(store, decision, variant, str(item), ts)

    return write


def clicked(store: EventStore, decision: str, variant: str, item: str, ts: float) -> None:
    """Write a click."""
    store.record_outcome(Outcome("u", variant, item, 1.0, ts, decision_id=decision)).result(TIMEOUT_S)
