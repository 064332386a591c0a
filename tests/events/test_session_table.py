"""A row per session as Parquet, the same from both databases, now and as of an earlier commit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from events.database import open_database
from events.records import Exposure, Outcome
from events.session_table import SessionTable, Worth, write_sessions
from events.store import EventStore

TIMEOUT_S = 10
SEEN = Exposure("d1", "demo", "u1", "u1", 0, "control", 0.5, [1], 1.0, device="phone", context={"age": 30, "page": "x"})
CLICK = Outcome("u1", "control", "1", 2.0, 2.0, decision_id="d1")
TABLE = SessionTable(
    worths=(Worth("clicked", "click", "any"), Worth("bought", "buy", "sum"), Worth("liked", "like", "count")),
    texts=("device", "page"),
    numbers=("age",),
)


def test_sessions_now_and_as_of_an_earlier_commit(url: str, tmp_path: Path) -> None:
    engine, store = open_database(url), EventStore(url)
    for entry in (
        replace(SEEN, error=True, items=[]),
        SEEN,
        CLICK,
        replace(CLICK, kind="buy", reward=2.5),
        replace(CLICK, kind="like"),
        replace(SEEN, decision_id="d2", unit_id="u2", context={}, device=None, step=1),
    ):
        told = store.record_exposure(entry) if isinstance(entry, Exposure) else store.record_outcome(entry)
        told.result(TIMEOUT_S)
    store.close()

    def rows(table: SessionTable = TABLE, as_of: int | None = None) -> list[dict[str, object]]:
        file = tmp_path / "sessions.parquet"
        written = write_sessions(engine, "demo", file, table, as_of=as_of)
        found = sorted(pq.read_table(file).to_pylist(), key=lambda row: row["unit_id"])
        assert written == len(found)
        return found

    first = {"unit_id": "u1", "variant": "control", "clicked": 1.0, "bought": 2.5, "liked": 1.0}
    first |= {"device": "phone", "page": "x", "age": 30.0}
    second = {**first, "unit_id": "u2", "clicked": 0.0, "bought": 0.0, "liked": 0.0}
    second |= {"device": None, "page": None, "age": None}
    assert rows() == [first, second]
    assert rows(TABLE._replace(steps=(1,))) == [second]
    assert rows(TABLE._replace(without_units=("u2",))) == [first]
    # As of the first commit the session had failed, and nobody looked at its context.
    assert rows(as_of=1) == [{**second, "unit_id": "u1"}]
    assert rows(as_of=3) == [{**first, "bought": 0.0, "liked": 0.0}]
    assert rows(as_of=0) == []
    engine.dispose()
