import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Text, cast, func, select, text

from core.errors import BadInput, ConfigError, EventLogError
from events import dialects
from events.aggregate import commits_so_far, count_exposures, count_orphans, health, session_rows
from events.database import open_database, reading, writing
from events.records import Exposure, Outcome, OutcomeReceipt
from events.rollouts import Route, current_route, put_route
from events.schema import EXPOSURES, OUTCOMES
from events.store import EventStore

TIMEOUT_S = 10

EXPOSURE = Exposure(
    decision_id="d1",
    experiment="demo",
    unit_id="u1",
    user_id="u1",
    step=0,
    variant="challenger",
    propensity=0.5,
    items=[10, 20, 30],
    ts=100.0,
    latency_ms=2.5,
    session_id="s1",
    context={"session_id": "s1", "page": "home"},
    channel="web",
    device="phone",
)
CLICK = Outcome(user_id="u1", arm="challenger", item_id="20", reward=1.0, ts=101.0, decision_id="d1")


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    made = EventStore(url)
    yield made
    made.close()


def settle(store: EventStore, *outcomes: Outcome) -> list[OutcomeReceipt]:
    return [future.result(TIMEOUT_S) for future in [store.record_outcome(outcome) for outcome in outcomes]]


def statuses(store: EventStore, *outcomes: Outcome) -> list[str]:
    return [receipt.status for receipt in settle(store, *outcomes)]


def test_an_exposure_is_stored_as_given(store: EventStore, url: str) -> None:
    store.record_exposure(EXPOSURE).result(TIMEOUT_S)
    with reading(open_database(url)) as connection:
        row = dict(connection.execute(select(EXPOSURES)).mappings().one())
    assert (row.pop("n_items"), row.pop("commit_number")) == (3, 1)
    assert Exposure(**row) == EXPOSURE


def test_the_first_exposure_of_a_decision_stands(store: EventStore, url: str) -> None:
    for exposure in (EXPOSURE, replace(EXPOSURE, variant="control")):
        store.record_exposure(exposure).result(TIMEOUT_S)
    with reading(open_database(url)) as connection:
        assert connection.scalars(select(EXPOSURES.c.variant)).all() == ["challenger"]


def test_a_failed_session_asked_for_again_counts_once_as_it_ended(store: EventStore, url: str) -> None:
    failed = replace(EXPOSURE, error=True, items=[], latency_ms=300.0)
    answered = replace(EXPOSURE, step=1, ts=102.0)
    for exposure in (failed, failed, answered, failed, replace(EXPOSURE, items=[99])):
        store.record_exposure(exposure).result(TIMEOUT_S)
    with reading(open_database(url)) as connection:
        row = dict(connection.execute(select(EXPOSURES)).mappings().one())
    assert (row.pop("n_items"), row.pop("commit_number")) == (3, 3)
    assert Exposure(**row) == answered
    assert statuses(store, CLICK) == ["accepted"]


def test_the_log_as_it_was_after_any_commit_stays_to_be_seen(store: EventStore, url: str) -> None:
    engine = open_database(url)
    failed, other = replace(EXPOSURE, error=True, items=[], latency_ms=300.0), replace(EXPOSURE, decision_id="d2")
    written = [other, failed, replace(failed, latency_ms=400.0), replace(EXPOSURE, step=1), CLICK]
    seen = []
    for entry in written:
        receipt = store.record_outcome(entry) if isinstance(entry, Outcome) else store.record_exposure(entry)
        receipt.result(TIMEOUT_S)
        seen.append((health(engine, "demo"), session_rows(engine, "demo")))
    assert commits_so_far(engine) == len(written)
    for commits, (servers, rows) in enumerate(seen, start=1):
        assert health(engine, "demo", as_of=commits) == servers
        again = session_rows(engine, "demo", as_of=commits)
        assert all(np.array_equal(one, other) for one, other in zip(again, rows, strict=True))
    assert health(engine, "demo", as_of=0).sessions == len(session_rows(engine, "demo", as_of=0).step) == 0
    engine.dispose()


@pytest.mark.parametrize("first", [{"items": []}, {"error": True}], ids=["an empty list", "a degraded session"])
def test_what_was_answered_is_not_replaced(store: EventStore, url: str, first: dict[str, object]) -> None:
    stands = replace(EXPOSURE, **first)
    for exposure in (stands, replace(EXPOSURE, items=[7])):
        store.record_exposure(exposure).result(TIMEOUT_S)
    with reading(open_database(url)) as connection:
        row = dict(connection.execute(select(EXPOSURES)).mappings().one())
    assert (row.pop("n_items"), row.pop("commit_number")) == (len(stands.items), 1)
    assert Exposure(**row) == stands


def test_what_cannot_be_json_is_refused_and_nothing_else(store: EventStore) -> None:
    deep: dict[str, object] = {}
    for _ in range(400):
        deep = {"a": deep}
    others = [store.record_exposure(EXPOSURE), store.record_outcome(CLICK)]
    with pytest.raises(BadInput, match="context cannot be kept as JSON"):
        store.record_exposure(replace(EXPOSURE, decision_id="deep", context=deep))
    with pytest.raises(BadInput, match="meta cannot be kept as JSON"):
        store.record_outcome(replace(CLICK, kind="like", meta=deep))
    with pytest.raises(BadInput, match=r"unit_id == 'a.x00' holds a NUL character"):
        store.record_exposure(replace(EXPOSURE, unit_id="a\0"))
    with pytest.raises(BadInput, match=r"kind == 'a.x00' holds a NUL character"):
        store.record_outcome(replace(CLICK, kind="a\0"))
    for other in others:
        other.result(TIMEOUT_S)
    store.probe().result(TIMEOUT_S)
    assert store.failure is None


def test_what_sqlalchemy_refuses_is_a_failure_of_the_log(url: str) -> None:
    with (
        pytest.raises(EventLogError, match="required for bind parameter"),
        writing(open_database(url)) as connection,
    ):
        connection.execute(text("SELECT :nothing"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_died_is_a_failure_of_the_log(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("events.store.place", defect)
    with pytest.raises(EventLogError, match="writer died"):
        store.record_outcome(CLICK).result(TIMEOUT_S)
    assert store.failure is not None
    assert "writer died" in store.failure


def test_an_outcome_counts_once_however_often_it_is_sent(store: EventStore, url: str) -> None:
    store.record_exposure(EXPOSURE)
    assert statuses(store, CLICK) == ["accepted"]
    assert statuses(store, CLICK, replace(CLICK, reward=5.0, ts=300.0)) == ["duplicate", "duplicate"]
    assert statuses(store, replace(CLICK, kind="like"), replace(CLICK, item_id="30")) == ["accepted", "accepted"]
    with reading(open_database(url)) as connection:
        rows = connection.execute(select(OUTCOMES.c.item_id, OUTCOMES.c.kind, OUTCOMES.c.reward)).all()
    assert sorted(map(tuple, rows)) == [("20", "click", 1.0), ("20", "like", 1.0), ("30", "click", 1.0)]


def test_twice_in_one_batch_is_once_accepted(store: EventStore) -> None:
    store.record_exposure(EXPOSURE)
    assert sorted(statuses(store, *[CLICK] * 20)) == ["accepted"] + ["duplicate"] * 19


def test_many_senders_of_the_same_outcomes_are_told_once_each(store: EventStore) -> None:
    store.record_exposure(EXPOSURE)
    outcomes = [replace(CLICK, decision_id=f"other-{number}") for number in range(50)]
    told: list[str] = []
    threads = [threading.Thread(target=lambda: told.extend(statuses(store, *outcomes))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["duplicate"] * 150 + ["orphan"] * 50


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (replace(CLICK, arm="control"), "arm 'control' .* which is 'challenger'"),
        (replace(CLICK, user_id="u2"), "user_id 'u2'"),
        (replace(CLICK, item_id="99"), "item_id '99' is not in the list"),
    ],
)
def test_an_outcome_that_contradicts_its_exposure_is_refused(store: EventStore, outcome: Outcome, reason: str) -> None:
    store.record_exposure(EXPOSURE)
    refused, accepted = store.record_outcome(outcome), store.record_outcome(CLICK)
    with pytest.raises(BadInput, match=reason):
        refused.result(TIMEOUT_S)
    assert accepted.result(TIMEOUT_S).status == "accepted"


def test_an_orphan_is_kept_and_adopted_by_its_late_exposure(store: EventStore, url: str) -> None:
    engine = open_database(url)
    assert settle(store, CLICK) == [OutcomeReceipt("orphan", "d1")]
    assert count_orphans(engine) == 1
    store.record_exposure(EXPOSURE).result(TIMEOUT_S)
    assert count_orphans(engine) == 0
    assert session_rows(engine, "demo").clicked.tolist() == [1]
    assert statuses(store, CLICK) == ["duplicate"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ts": 250.0}, "second"),
        ({"ts": 200.0}, "second"),
        ({"ts": 199.0}, "first"),
        ({"ts": 250.0, "item_id": "10"}, "first"),
        ({"ts": 350.0}, "second"),
        ({"ts": 350.0, "arm": "control"}, "other arm"),
    ],
)
def test_without_decision_id_the_latest_exposure_not_later_counts(
    store: EventStore, changes: dict[str, object], expected: str
) -> None:
    shown = [
        ("first", "u1", "challenger", [10, 20], 100.0),
        ("second", "u1", "challenger", ["20", "30"], 200.0),
        ("other arm", "u1", "control", [20], 300.0),
        ("other user", "u2", "challenger", [20], 150.0),
    ]
    for decision_id, user_id, variant, items, ts in shown:
        store.record_exposure(
            replace(EXPOSURE, decision_id=decision_id, user_id=user_id, variant=variant, items=items, ts=ts)
        )
    outcome = replace(CLICK, decision_id=None, **changes)
    assert settle(store, outcome) == [OutcomeReceipt("accepted", expected)]
    assert statuses(store, outcome) == ["duplicate"]


def test_without_any_matching_exposure_the_same_outcome_is_one_orphan(store: EventStore) -> None:
    store.record_exposure(EXPOSURE)
    too_early = replace(CLICK, decision_id=None, ts=99.0)
    first, again = settle(store, too_early, too_early)
    assert (first.status, again.status) == ("orphan", "duplicate")
    assert first.decision_id == again.decision_id
    assert statuses(store, replace(too_early, ts=98.0)) == ["orphan"]


def test_a_second_writer_of_a_file_is_refused_while_the_first_lives(sqlite_url: str) -> None:
    store = EventStore(sqlite_url)
    with pytest.raises(EventLogError, match=f"already written by process {os.getpid()}"):
        EventStore(sqlite_url)
    store.close()
    EventStore(sqlite_url).close()


def test_the_lock_holds_between_processes_and_dies_with_its_holder(sqlite_url: str) -> None:
    program = """if True:
        import sys
        from events.store import EventStore
        EventStore(sys.argv[1])
        print("open", flush=True)
        sys.stdin.read()
    """
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program, sqlite_url], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(EventLogError, match=f"process {holder.pid}"):
            EventStore(sqlite_url)
        holder.kill()
    EventStore(sqlite_url).close()


def test_after_kill_9_every_acknowledged_outcome_is_there_exactly_once(url: str) -> None:
    program = """if True:
        import sys
        from events.records import Outcome
        from events.store import EventStore
        store, number = EventStore(sys.argv[1]), 0
        while True:
            batch = [Outcome("u", "control", str(number + i), 1.0, 1.0, decision_id="d") for i in range(20)]
            futures = [store.record_outcome(outcome) for outcome in batch + batch]
            for i, future in enumerate(futures[:20]):
                future.result()
                print(number + i, flush=True)
            number += 20
    """
    with subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(150)]
        writer.kill()
        acknowledged += writer.stdout.read().split("\n")[:-1]
    with reading(open_database(url)) as connection:
        kept = connection.scalars(select(OUTCOMES.c.item_id)).all()
    assert len(acknowledged) >= 150
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


def test_closing_commits_what_is_queued(store: EventStore, url: str) -> None:
    futures = [store.record_exposure(replace(EXPOSURE, decision_id=str(number))) for number in range(500)]
    store.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert count_exposures(open_database(url), "demo") == 500
    with pytest.raises(EventLogError, match="closed"):
        store.record_exposure(EXPOSURE)
    store.close()


def test_a_log_that_was_removed_is_not_written_into_the_void(sqlite_url: str) -> None:
    store = EventStore(sqlite_url)
    store.record_exposure(EXPOSURE).result(TIMEOUT_S)
    Path(store.name).unlink()
    with pytest.raises(EventLogError, match="removed or replaced"):
        store.record_outcome(CLICK).result(TIMEOUT_S)
    assert store.failure is not None
    assert "removed" in store.failure
    store.close()


def test_a_log_that_cannot_be_written_says_so_and_recovers(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "BUSY_TIMEOUT_S", 0.01)
    store = EventStore(sqlite_url)
    try:
        assert store.failure is None
        with writing(open_database(sqlite_url)):
            with pytest.raises(EventLogError, match="database is locked"):
                store.probe().result(TIMEOUT_S)
            assert store.failure is not None
        store.probe().result(TIMEOUT_S)
        assert store.failure is None
    finally:
        store.close()


def test_another_process_may_write_its_routes_meanwhile(store: EventStore, url: str) -> None:
    engine = open_database(url)
    spec = {"name": "demo"}
    futures = []
    for number in range(50):
        futures += [store.record_exposure(replace(EXPOSURE, decision_id=f"{number}-{i}")) for i in range(4)]
        put_route(engine, Route("demo", spec, 0, number, "http://a", "1"))
    for future in futures:
        future.result(TIMEOUT_S)
    route = current_route(engine)
    assert route is not None
    assert (route.revision, count_exposures(engine, "demo")) == (50, 200)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hush@host/db",
        "postgresql+psycopg2://host/db",
        "postgresql://me:hush@host",
        "sqlite://",
        "sqlite:///:memory:",
        "events.db",
        "",
    ],
)
def test_a_url_that_is_no_lasting_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"give sqlite:////absolute/path/events.db or postgresql") as refused:
        EventStore(url)
    assert "hush" not in str(refused.value)


def test_a_missing_folder_and_a_file_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(EventLogError, match="does not exist; create it"):
        EventStore(f"sqlite:///{tmp_path / 'nowhere' / 'events.db'}")
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(EventLogError, match="not a database"):
        EventStore(f"sqlite:///{tmp_path / 'text.db'}")


def test_every_commit_is_synced(sqlite_url: str) -> None:
    with reading(open_database(sqlite_url)) as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert pragmas == ["wal", 2]
        assert connection.scalar(select(func.count()).select_from(EXPOSURES)) == 0


def test_context_and_meta_survive_as_json(store: EventStore, url: str) -> None:
    meta = {"list": [1, None, "é", "\0"], "nested": {"b": 0.1, "a": 2}}
    store.record_exposure(replace(EXPOSURE, context=meta))
    settle(store, replace(CLICK, meta=meta))
    with reading(open_database(url)) as connection:
        assert connection.scalar(select(OUTCOMES.c.meta)) == meta
        assert json.loads(connection.scalar(select(cast(EXPOSURES.c.context, Text))) or "") == meta
