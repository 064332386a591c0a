"""PostgreSQL goes away and comes back, and has several writers: nothing acknowledged is lost, nothing is twice."""

from __future__ import annotations

import random
import string
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select, text

from core.errors import EventLogError, RolloutError
from events.aggregate import session_rows
from events.database import database_status, open_database, reading, writing
from events.records import Exposure, Outcome
from events.rollouts import RolloutRecord, Route, create_rollout, current_route, put_route
from events.schema import COMMITS, EXPOSURES, OUTCOMES
from events.store import EventStore
from serving.processes import poll
from tests.real_postgres import RealPostgres, real_postgres

TIMEOUT_S = 30


@pytest.fixture
def own_postgres() -> Iterator[RealPostgres]:
    """One that may be killed, with PostgreSQL's own durability."""
    with real_postgres() as server:
        yield server


def outcome(number: int) -> Outcome:
    return Outcome("u", "control", str(number), 1.0, 1.0, decision_id="d")


def exposure(number: int, **changes: object) -> Exposure:
    fields = {"user_id": "u", "step": 0, "variant": "control", "propensity": 0.5, "items": [1], "ts": 1.0}
    return Exposure(**{"decision_id": f"d{number}", "experiment": "demo", "unit_id": "u", **fields, **changes})


def test_killed_and_started_again_nothing_acknowledged_is_lost(own_postgres: RealPostgres) -> None:
    url = own_postgres.new_log()
    store, engine = EventStore(url), open_database(url)
    acknowledged: set[str] = set()
    stop, failed = threading.Event(), threading.Event()

    def send(first: int) -> None:
        number = first
        while not stop.is_set():
            # Sent until it is acknowledged, as clients do; whether a refused one was kept nobody knows.
            try:
                store.record_outcome(outcome(number)).result(TIMEOUT_S)
            except EventLogError:
                failed.set()
                continue
            acknowledged.add(str(number))
            number += 2

    def fifty_more() -> bool:
        before = len(acknowledged)
        return poll(lambda: len(acknowledged) > before + 50, TIMEOUT_S)

    senders = [threading.Thread(target=send, args=(first,)) for first in (0, 1)]
    for sender in senders:
        sender.start()
    for _ in range(2):
        assert fifty_more()
        failed.clear()
        own_postgres.kill()
        assert failed.wait(TIMEOUT_S)
        assert poll(lambda: store.failure is not None, TIMEOUT_S)
        assert "\n" not in str(store.failure)
        assert "hush" not in str(store.failure)
        with pytest.raises(EventLogError, match="event log postgresql"):
            store.probe().result(TIMEOUT_S)
        with pytest.raises(EventLogError, match="event log postgresql"):
            current_route(engine)
        own_postgres.start()
        assert poll(lambda: store.failure is None, TIMEOUT_S)
    assert fifty_more()
    stop.set()
    for sender in senders:
        sender.join()
    store.close()
    with reading(engine) as connection:
        kept = connection.scalars(select(OUTCOMES.c.item_id)).all()
    assert acknowledged == set(kept)
    assert len(kept) == len(set(kept))
    engine.dispose()


def test_one_that_is_not_there_is_named_without_its_password(own_postgres: RealPostgres) -> None:
    url = own_postgres.new_log()
    own_postgres.kill()
    for attempt in (open_database, EventStore, database_status):
        with pytest.raises(EventLogError, match=r"event log postgresql.*refused") as refused:
            attempt(url)
        assert "\n" not in str(refused.value)
        assert "hush" not in str(refused.value)


def test_what_is_acknowledged_is_on_disk_whatever_the_servers_default(postgres: RealPostgres) -> None:
    options = "options=-csearch_path%3Dpublic%20-csynchronous_commit%3D"
    for asked, got in (("off", "on"), ("remote_apply", "remote_apply")):
        engine = open_database(f"{postgres.url('postgres')}?{options}{asked}")
        with writing(engine) as connection:
            assert connection.scalar(text("SHOW synchronous_commit")) == got
        engine.dispose()


WRITER = """if True:
    import sys
    from events.records import Exposure, Outcome
    from events.store import EventStore
    store = EventStore(sys.argv[1])
    print("open", flush=True)
    sys.stdin.readline()
    told = []
    for number in range(0, 400, 20):
        failed = [Exposure(f"d{i}", "demo", f"u{i % 7}", "u", 0, "control", .5, [], 1.0, error=True)
                  for i in range(number, number + 20)]
        shown = [Exposure(f"d{i}", "demo", f"u{i % 7}", "u", 0, "control", .5, [1], 2.0)
                 for i in range(number, number + 20)]
        for future in [store.record_exposure(one) for one in failed]:
            future.result()
        futures = [store.record_exposure(one) for one in shown]
        clicks = [Outcome("u", "control", "1", 1.0, 3.0, decision_id=f"d{i}") for i in range(number, number + 20)]
        futures = [store.record_outcome(one) for one in clicks]
        told += [future.result().status for future in futures]
    print(" ".join(told), flush=True)
    store.close()
"""


def test_two_writers_at_once_number_their_commits_in_order_and_count_once(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WRITER, postgres_url]
    writers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    seen: list[tuple[int, tuple[int, int]]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with reading(engine) as connection:
                commits = connection.scalar(select(COMMITS.c.commits)) or 0
                rows = connection.execute(
                    select(func.count(), func.coalesce(func.max(OUTCOMES.c.commit_number), 0)).select_from(OUTCOMES)
                ).one()
            seen.append((commits, (rows[0], rows[1])))

    reader = threading.Thread(target=read)
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
        reader.start()
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        told = Counter(word for writer in writers for word in writer.communicate(timeout=TIMEOUT_S)[0].split())
    finally:
        done.set()
        with suppress(RuntimeError):
            reader.join()
        for writer in writers:
            writer.kill()
            writer.wait()

    assert told == {"accepted": 400, "duplicate": 400}
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(OUTCOMES)) == 400
        assert connection.scalar(select(func.count()).select_from(EXPOSURES)) == 400
        assert connection.scalars(select(EXPOSURES.c.error).distinct()).all() == [False]
    assert session_rows(engine, "demo").clicked.sum() == 400
    # Whoever sees commit n sees all before it, and nothing of a later one: the log as of then is what was seen then.
    assert len({commits for commits, _ in seen}) > 10
    for commits, (n_outcomes, last) in seen:
        assert last <= commits
        with_clicks = session_rows(engine, "demo", as_of=commits)
        assert with_clicks.clicked.sum() == n_outcomes
    engine.dispose()


def test_a_writer_that_froze_does_not_hold_up_the_others_for_ever(
    postgres_url: str, postgres: RealPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.dialects._IDLE_TRANSACTION_S", 1)
    frozen = open_database(postgres_url)
    store = EventStore(postgres_url)

    def freeze_after_its_first_statement() -> None:
        with writing(frozen) as connection:
            connection.execute(COMMITS.insert().values(log="events", commits=1))
            # It is waited for, then the frozen one loses its transaction.
            store.probe().result(TIMEOUT_S)
            connection.execute(select(COMMITS))

    with pytest.raises(EventLogError, match="idle-in-transaction"):
        freeze_after_its_first_statement()
    assert store.failure is None
    store.close()
    frozen.dispose()


def test_many_controllers_at_once(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    errors: list[str] = []

    def control(number: int) -> None:
        for _ in range(10):
            put_route(engine, Route(f"demo-{number}", {}, 0, 0, "http://a", "1"))
        try:
            create_rollout(engine, RolloutRecord("demo", {}, "running", "a", "1", "b", "2"))
        except RolloutError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=control, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    route = current_route(engine)
    assert route is not None
    assert route.revision == 40
    assert len(errors) == 3
    assert all("exists already" in error for error in errors)
    engine.dispose()


def test_the_server_of_the_tests_is_real(postgres: RealPostgres, tmp_path: Path) -> None:
    with psycopg.connect(postgres.address("postgres")) as connection:
        found = connection.execute("SHOW server_version_num").fetchone()
    assert found is not None
    assert int(found[0]) >= 160000


def test_what_no_index_takes_fails_alone_and_the_log_goes_on(postgres_url: str) -> None:
    store = EventStore(postgres_url)
    # Random text: what can be compressed an index takes longer.
    endless = "".join(random.Random(1).choices(string.ascii_letters, k=8_000))
    with pytest.raises(EventLogError, match="index row size"):
        store.record_exposure(exposure(1, unit_id=endless)).result(TIMEOUT_S)
    store.record_exposure(exposure(2)).result(TIMEOUT_S)
    assert store.failure is None
    longest = "\N{MONKEY FACE}" * 256
    fields = {"unit_id": longest, "user_id": longest, "decision_id": longest, "variant": longest[:63]}
    shown = exposure(3, **fields, experiment="e" * 63)
    store.record_exposure(shown).result(TIMEOUT_S)
    clicked = Outcome(longest, longest[:63], longest, 1.0, 1.0, decision_id=longest)
    assert store.record_outcome(replace(clicked, item_id="1")).result(TIMEOUT_S).status == "accepted"
    assert store.record_outcome(replace(clicked, decision_id=longest[:255])).result(TIMEOUT_S).status == "orphan"
    store.close()
