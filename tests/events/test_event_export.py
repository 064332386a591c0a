"""Export to Parquet and retention: whole, once, and nothing deleted that is not in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, select

from core.errors import ConfigError, EventLogError
from events import export
from events.aggregate import count_exposures, count_orphans
from events.database import open_database, reading
from events.experiments import create_experiment, halt_experiment
from events.export import export_events
from events.live_traffic import count_new, untold
from events.records import Exposure, Outcome
from events.rollouts import RolloutRecord, create_rollout, save_rollout
from events.schema import EXPOSURES, OUTCOMES, SUPERSEDED
from events.store import EventStore

TIMEOUT_S = 10
DAY_1 = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
DAY_2 = datetime(2026, 2, 1, tzinfo=UTC).timestamp()
SEEN = Exposure("", "demo", "u", "u", 0, "control", 0.5, [1, "2"], DAY_1, context={"b": 1, "a": [2]})
CLICK = Outcome("u", "control", "1", 1.0, DAY_1 + 60, decision_id="", meta={"é": None})


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = open_database(url)
    yield made
    made.dispose()


def write(url: str, *entries: Exposure | Outcome) -> None:
    store = EventStore(url)
    for entry in entries:
        told = store.record_exposure(entry) if isinstance(entry, Exposure) else store.record_outcome(entry)
        told.result(TIMEOUT_S)
    store.close()


def seen(name: str, ts: float = DAY_1, **changes: Any) -> Exposure:
    return replace(SEEN, decision_id=name, ts=ts, **changes)


def click(name: str, ts: float = DAY_1 + 60, **changes: Any) -> Outcome:
    return replace(CLICK, decision_id=name, ts=ts, **changes)


def in_files(folder: Path, table: str) -> dict[str, list[str]]:
    """Decisions by partition."""
    files = sorted((folder / table).glob("date=*/part-0.parquet"))
    return {file.parent.name: pq.ParquetFile(file).read()["decision_id"].to_pylist() for file in files}


def in_log(engine: Engine) -> tuple[list[str], list[str]]:
    with reading(engine) as connection:
        tables = (EXPOSURES, OUTCOMES)
        found = [connection.scalars(select(t.c.decision_id).order_by(t.c.decision_id)).all() for t in tables]
    return list(found[0]), list(found[1])


def bytes_of(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_rows_come_by_day_as_they_are(url: str, engine: Engine, tmp_path: Path) -> None:
    write(url, seen("b"), seen("a", DAY_2 - 1e-3), seen("c", DAY_2), click("c", DAY_2), click("b"))
    done = export_events(engine, tmp_path)
    assert in_files(tmp_path, "exposures") == {"date=2026-01-31": ["a", "b"], "date=2026-02-01": ["c"]}
    assert in_files(tmp_path, "outcomes") == {"date=2026-01-31": ["b"], "date=2026-02-01": ["c"]}
    assert [(day.table, day.day, day.rows, day.written) for day in done.days] == [
        ("exposures", date(2026, 1, 31), 2, True),
        ("exposures", date(2026, 2, 1), 1, True),
        ("outcomes", date(2026, 1, 31), 1, True),
        ("outcomes", date(2026, 2, 1), 1, True),
    ]
    row = pq.ParquetFile(done.days[0].file).read().to_pylist()[1]
    with reading(engine) as connection:
        wanted = dict(connection.execute(select(EXPOSURES).where(EXPOSURES.c.decision_id == "b")).mappings().one())
    assert row.pop("items") == '[1,"2"]'
    assert row.pop("context") == '{"b":1,"a":[2]}'
    assert wanted.pop("items") == [1, "2"]
    assert wanted.pop("context") == {"b": 1, "a": [2]}
    assert row == wanted
    assert json.loads(pq.ParquetFile(done.days[2].file).read()["meta"][0].as_py()) == {"é": None}
    assert in_log(engine) == (["a", "b", "c"], ["b", "c"])


def test_again_changes_nothing_and_adds_what_came_since(url: str, engine: Engine, tmp_path: Path) -> None:
    write(url, seen("b"), click("b"), seen("f", error=True, items=[]))
    export_events(engine, tmp_path)
    before = bytes_of(tmp_path)
    again = export_events(engine, tmp_path)
    assert [day.written for day in again.days] == [False, False]
    assert bytes_of(tmp_path) == before
    write(url, seen("a"), click("b", kind="like"), seen("f", latency_ms=7.0))
    export_events(engine, tmp_path)
    assert in_files(tmp_path, "exposures") == {"date=2026-01-31": ["a", "b", "f"]}
    assert in_files(tmp_path, "outcomes") == {"date=2026-01-31": ["b", "b"]}
    # The failed session that was answered counts once, as it ended.
    found = pq.ParquetFile(tmp_path / "exposures" / "date=2026-01-31" / "part-0.parquet").read()
    assert found["error"].to_pylist() == [False, False, False]
    assert found["latency_ms"].to_pylist() == [0.0, 0.0, 7.0]


def test_what_is_deleted_stays_in_the_files(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several transactions.
    monkeypatch.setattr(export, "_DELETED_AT_ONCE", 2)
    names = [f"d{number}" for number in range(5)]
    write(url, *map(seen, names), *map(click, names), seen("later", DAY_2), click("orphan"))
    done = export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert done[1:] == (5, 6, 0)
    assert in_log(engine) == (["later"], [])
    assert count_orphans(engine) == 0
    files = bytes_of(tmp_path)
    # Nothing of that day is left, then something late: it joins the others.
    assert export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True).days == ()
    assert bytes_of(tmp_path) == files
    write(url, click("d1", kind="like"), seen("late"))
    export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert in_files(tmp_path, "exposures") == {"date=2026-01-31": [*names, "late"]}
    assert in_files(tmp_path, "outcomes") == {"date=2026-01-31": ["d0", "d1", "d1", "d2", "d3", "d4", "orphan"]}
    assert in_log(engine) == (["later"], [])


def test_what_is_deleted_has_been_added_up(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(url, seen("d0", items=[], error=True), seen("d0"), click("d0"))

    def something_late_comes_in(engine: Engine) -> int:
        counted = count_new(engine)
        write(url, seen("d1"), click("d1"))
        return counted

    with monkeypatch.context() as patched:
        patched.setattr(export, "count_new", something_late_comes_in)
        export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert in_log(engine) == (["d1"], ["d1"])
    export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert in_log(engine) == ([], [])
    with reading(engine) as connection:
        assert connection.execute(select(SUPERSEDED)).all() == []
    [row] = untold(engine)
    assert (row.traffic.impressions, row.traffic.clicks) == (2, 2)


def test_what_must_stay_stays(url: str, engine: Engine, tmp_path: Path) -> None:
    runs = RolloutRecord("runs", {}, "running", "a", "1", "b", "2")
    ended = create_rollout(engine, replace(runs, experiment="ended"))
    create_rollout(engine, runs)
    save_rollout(engine, replace(ended, state="done"))
    write(
        url,
        *(seen("running", experiment="runs"), click("running")),
        *(seen("ended", experiment="ended"), click("ended")),
        *(seen("clicked later"), click("clicked later"), click("clicked later", DAY_2, kind="like")),
    )
    done = export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert done[1:] == (1, 1, 2)
    assert in_log(engine) == (["clicked later", "running"], ["clicked later", "clicked later", "running"])
    assert in_files(tmp_path, "exposures")["date=2026-01-31"] == ["clicked later", "ended", "running"]
    assert count_exposures(engine, "runs") == 1


def test_what_a_test_or_a_bandit_is_decided_on_stays_until_it_is_over(url: str, engine: Engine, tmp_path: Path) -> None:
    create_experiment(engine, "home", {})
    write(url, seen("a", experiment="home"), click("a"))
    assert export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)[1:] == (0, 0, 1)
    halt_experiment(engine, "home", "stopped", None)
    assert export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)[1:] == (1, 1, 0)


def test_nothing_is_deleted_that_could_not_be_read_back(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(url, seen("a"), click("a"))
    real = export.write_parquet
    monkeypatch.setattr(export, "write_parquet", lambda table, target: real(table.slice(1), target))
    with pytest.raises(EventLogError, match="does not hold what was written; nothing was deleted"):
        export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert in_log(engine) == (["a"], ["a"])
    monkeypatch.undo()
    (tmp_path / "exposures" / "date=2026-01-31" / "part-0.parquet").write_text("no Parquet")
    with pytest.raises(EventLogError, match=r"part-0.parquet is damaged or no export"):
        export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert in_log(engine) == (["a"], ["a"])


def test_what_comes_in_meanwhile_is_left_for_the_next_time(
    url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(url, seen("a"), seen("b"))
    real = export._remove

    def late(*arguments: Any) -> tuple[int, int]:
        write(url, click("a"), seen("c"))
        return real(*arguments)

    monkeypatch.setattr(export, "_remove", late)
    done = export_events(engine, tmp_path, before=date(2026, 2, 1), remove=True)
    assert done[1:] == (1, 0, 1)
    assert in_log(engine) == (["a", "c"], ["a"])
    assert in_files(tmp_path, "exposures") == {"date=2026-01-31": ["a", "b"]}


def test_deleting_needs_a_date_and_times_of_no_calendar_stay(url: str, engine: Engine, tmp_path: Path) -> None:
    write(url, seen("odd", 1e300), seen("older", -5.0), seen("first", 0.0))
    with pytest.raises(ConfigError, match="--before"):
        export_events(engine, tmp_path, remove=True)
    export_events(engine, tmp_path, before=date(9999, 12, 31), remove=True)
    assert in_files(tmp_path, "exposures") == {"date=1970-01-01": ["first"]}
    assert in_log(engine)[0] == ["odd", "older"]
