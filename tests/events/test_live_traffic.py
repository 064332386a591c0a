"""What is added up commit by commit is what a count of the whole log gives, whatever the order and whoever died."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from events import live_traffic
from events.database import opened, reading
from events.live_traffic import JOB, count_new, mark_told, untold
from events.records import Exposure, Outcome
from events.store import EventStore
from events.worker_jobs import claim_job, load_job, note_round, release_job
from serving.processes import poll

TIMEOUT_S = 10
#: Sessions lie around it.
MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
WHOLE_LOG = """
SELECT ts, experiment, step, variant, error,
    (SELECT count(*) FROM outcomes o WHERE o.decision_id = e.decision_id AND o.kind = 'click' AND o.reward > 0) AS n,
    (SELECT sum(o.reward) FROM outcomes o WHERE o.decision_id = e.decision_id) AS reward
FROM exposures e
"""


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    made = EventStore(url)
    yield made
    made.close()


def whole_log(engine: Engine) -> dict[tuple[str, str, int, str], tuple[int, int, int, float]]:
    """The same sums by a count of all rows, in plain Python."""
    sums: dict[tuple[str, str, int, str], list[float]] = {}
    with reading(engine) as connection:
        for ts, experiment, step, variant, error, clicks, reward in connection.execute(text(WHOLE_LOG)):
            key = (f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d}", experiment, step, variant)
            row = sums.setdefault(key, [0, 0, 0, 0.0])
            for place, value in enumerate((1, bool(error), clicks > 0, reward or 0.0)):
                row[place] += value
    return {key: (int(n), int(failed), int(clicks), reward) for key, (n, failed, clicks, reward) in sums.items()}


def counted(engine: Engine) -> dict[tuple[str, str, int, str], tuple[int, int, int, float]]:
    """What was added up; nothing is marked told in these tests unless they say so."""
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT * FROM live_traffic")).mappings().all()
    return {
        (row["day"], row["experiment"], row["step"], row["variant"]): (
            row["impressions"],
            row["failed"],
            row["clicks"],
            pytest.approx(row["reward"]),
        )
        for row in rows
        if row["impressions"]
    }


def traffic(store: EventStore, draw: random.Random, n: int, first: int = 0) -> None:
    """Sessions and outcomes in whatever order: early and late clicks, several a session, failures that are retried."""
    waiting = []
    decisions = [f"d{first + number}" for number in range(n)]
    events = [*decisions, *(draw.choice(decisions) for _ in range(n))]
    draw.shuffle(events)
    for event in events:
        if event in decisions and draw.random() < 0.5:
            failed = draw.random() < 0.6
            exposure = Exposure(
                event,
                draw.choice(("demo", "other")),
                event,
                event,
                draw.choice((0, 1)),
                draw.choice(("control", "challenger")),
                0.5,
                [] if failed else [1, 2, 3],
                MIDNIGHT + draw.uniform(-100, 100),
                latency_ms=1.0,
                error=failed,
            )
            waiting.append(store.record_exposure(exposure))
        else:
            kind, reward = draw.choice((("click", 1.0), ("click", 0.0), ("rating", 4.5), ("like", 1.0)))
            arm = draw.choice(("control", "challenger"))
            outcome = Outcome(event, arm, str(draw.choice((1, 2, 3))), reward, MIDNIGHT, kind=kind, decision_id=event)
            waiting.append(store.record_outcome(outcome))
    for one in waiting:
        one.exception(TIMEOUT_S)


def test_read_bit_by_bit_it_is_what_the_whole_log_says(engine: Engine, store: EventStore) -> None:
    draw = random.Random(4)
    superseded = "SELECT count(*) FROM superseded_exposures"
    for round_number in range(12):
        # Decisions of earlier rounds get outcomes, and failed ones their answer.
        traffic(store, draw, 30, first=draw.choice((0, 10, 20, 30 * round_number)))
        count_new(engine)
        assert counted(engine) == whole_log(engine)
    assert len({key[0] for key in counted(engine)}) == 2, "no session after midnight"
    with reading(engine) as connection:
        assert (connection.scalar(text(superseded)) or 0) > 5, "no failed session was answered later"
        assert connection.scalar(text("SELECT sum(clicks) FROM live_traffic")) > 20
    before = load_job(engine, JOB)
    assert count_new(engine) == 0
    assert load_job(engine, JOB) == before


def test_read_at_once_or_a_commit_at_a_time_it_is_the_same(
    engine: Engine, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(5)
    for first in (0, 10, 20, 0, 30):
        traffic(store, draw, 30, first)
    # A place in the middle: what was superseded later must be found as it was.
    monkeypatch.setattr(live_traffic, "_COMMITS_AT_ONCE", 1)
    commits = count_new(engine)
    assert commits > 5
    assert counted(engine) == whole_log(engine)


def test_a_round_that_is_cut_off_is_read_again_and_added_once(
    engine: Engine, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic(store, random.Random(6), 50)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # Its place has been moved on, nothing is added yet.
        patched.setattr(live_traffic, "_add", killed)
        with pytest.raises(KeyboardInterrupt):
            count_new(engine)
    assert counted(engine) == {}
    count_new(engine)
    assert counted(engine) == whole_log(engine)


def test_several_readers_at_once_add_each_commit_once(engine: Engine, store: EventStore, url: str) -> None:
    ended = threading.Event()

    def read_on() -> None:
        with opened(url) as own:
            while not ended.is_set():
                count_new(own)

    readers = [threading.Thread(target=read_on) for _ in range(3)]
    for reader in readers:
        reader.start()
    draw = random.Random(7)
    for first in (0, 20, 0, 40, 20):
        traffic(store, draw, 40, first)
    ended.set()
    for reader in readers:
        reader.join()
    count_new(engine)
    assert counted(engine) == whole_log(engine)


_READER = """
import sys
from events import live_traffic
from events.database import opened
live_traffic._COMMITS_AT_ONCE = 1
with opened(sys.argv[1]) as engine:
    while True:
        live_traffic.count_new(engine)
"""


def test_a_reader_that_is_killed_again_and_again_leaves_neither_a_gap_nor_a_double(
    engine: Engine, store: EventStore, url: str
) -> None:
    draw, places = random.Random(8), []
    for _ in range(4):
        reader = subprocess.Popen([sys.executable, "-c", _READER, url])
        before = load_job(engine, JOB).position
        try:
            for first in (0, 15, 30):
                traffic(store, draw, 40, first)
            # In the middle of its work, wherever that is.
            assert poll(lambda past=before: load_job(engine, JOB).position > past, 30)
        finally:
            reader.kill()
            reader.wait()
        places.append(load_job(engine, JOB).position)
    assert places == sorted(set(places))
    count_new(engine)
    assert counted(engine) == whole_log(engine)


def test_what_changed_is_told_with_its_day_and_experiment_until_it_is_marked(engine: Engine, store: EventStore) -> None:
    def shown(decision: str, experiment: str, variant: str, ts: float) -> None:
        exposure = Exposure(decision, experiment, "u", "u", 0, variant, 0.5, [1], ts)
        store.record_exposure(exposure).result(TIMEOUT_S)

    shown("d1", "demo", "control", MIDNIGHT)
    shown("d2", "demo", "challenger", MIDNIGHT)
    shown("d3", "demo", "control", MIDNIGHT - 1)
    shown("d4", "other", "control", MIDNIGHT)
    count_new(engine)
    first = untold(engine)
    assert [row.key[:2] for row in first] == [
        ("2026-01-30", "demo"),
        ("2026-01-31", "demo"),
        ("2026-01-31", "demo"),
        ("2026-01-31", "other"),
    ]
    shown("d5", "demo", "control", MIDNIGHT)
    count_new(engine)
    mark_told(engine, first)
    again = untold(engine)
    # One of both changed; the other's share has changed with it.
    assert [(row.key.variant, row.traffic.impressions) for row in again] == [("challenger", 1), ("control", 2)]
    mark_told(engine, again)
    assert untold(engine) == []


def test_one_worker_at_a_time_has_a_job(engine: Engine) -> None:
    assert claim_job(engine, "retention", "w1", lease_s=60)
    assert claim_job(engine, "retention", "w1", lease_s=60)
    assert not claim_job(engine, "retention", "w2", lease_s=60)
    note_round(engine, "retention", "w2", failure="not its own")
    assert load_job(engine, "retention").failure == ""
    note_round(engine, "retention", "w1", failure="disk full")
    assert (load_job(engine, "retention").failure, load_job(engine, "retention").ran_at) == ("disk full", None)
    note_round(engine, "retention", "w1")
    kept = load_job(engine, "retention")
    assert kept.failure == ""
    assert kept.ran_at is not None
    release_job(engine, "retention", "w1")
    assert claim_job(engine, "retention", "w2", lease_s=-1)
    assert claim_job(engine, "retention", "w3", lease_s=60)
    assert load_job(engine, "retention").id == kept.id
