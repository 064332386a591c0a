"""What replicas of a live bandit know: a function of the event log, shared in Redis, counted once whatever dies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from events.aggregate import commits_so_far
from events.database import open_database
from events.records import Exposure, Outcome
from experiments import bandit_sums
from experiments.bandits.per_segment import PerSegment
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE, OUTSIDE
from serving.bandit_state import BanditState, read_log
from tests.live_experiments import event_store, live_spec, started, write_sessions
from tests.real_postgres import RealPostgres
from tests.real_redis import RealRedis, real_redis

TRAFFIC: list[dict[str, Any]] = [
    {"policy": "bandit"},
    {"policy": "bandit", "algorithm": "linucb", "context": [{"kind": "number", "key": "hour", "mean": 12, "scale": 6}]},
    {"policy": "bandit", "segment": "country", "options": {"window": 10}},
]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    with real_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'events.db'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = open_database(url)
    yield made
    made.dispose()


@pytest.mark.parametrize("traffic", TRAFFIC)
def test_replicas_know_the_same_and_it_is_what_the_log_says(
    url: str, engine: Engine, redis_server: RealRedis, traffic: dict[str, Any]
) -> None:
    spec = live_spec(traffic)
    record = started(engine, spec)
    one, two, alone = (
        BanditState(engine, spec, record.id, redis) for redis in (redis_server.url, redis_server.url, "")
    )
    with event_store(url) as store:
        for seed, turn in enumerate((one, two, two, one)):
            write_sessions(store, spec, 40, seed, late=seed % 2 == 1)
            assert turn.catch_up()
        # Rewards that come when their session has long been learned.
        late = Outcome("u0", "plain", "7", 1.0, 2e9, decision_id=f"{spec.name}-9-0")
        shown = Exposure(f"{spec.name}-9-0", spec.name, "u0", "u0", BANDIT_LANE, "plain", 0.3, [7], 1.8e9)
        store.record_exposure(shown).result(30)
        one.catch_up()
        assert store.record_outcome(late).result(30).status == "accepted"
        assert store.record_outcome(late).result(30).status == "duplicate"
    for state in (one, two, alone):
        state.catch_up()
    assert one.known.commit == two.known.commit == alone.known.commit == commits_so_far(engine)
    assert one.known.sums == two.known.sums == alone.known.sums == read_log(engine, spec, one.known.commit).sums
    assert one.policy.state() == two.policy.state() == alone.policy.state()
    assert sum(n for n, _ in one.known.sums.totals().values()) == 161
    assert not one.catch_up()


def test_only_the_bandits_own_lane_teaches_and_failed_sessions_do_not(url: str, engine: Engine) -> None:
    spec = live_spec(TRAFFIC[0])
    state = BanditState(engine, spec, started(engine, spec).id)
    with event_store(url) as store:
        for number, lane in enumerate((FIXED_LANE, BANDIT_LANE, OUTSIDE)):
            shown = Exposure(f"d{number}", spec.name, "u", "u", lane, "bold", 0.3, [7], 1.8e9)
            store.record_exposure(shown).result(30)
        failed = Exposure("f", spec.name, "u", "u", BANDIT_LANE, "fresh", 0.3, [], 1.8e9, error=True)
        store.record_exposure(failed).result(30)
        state.catch_up()
        assert state.known.sums.totals() == {"plain": (0, 0), "bold": (1, 0), "fresh": (0, 0)}
        # Answered when it was asked for again, by chance with another variant.
        again = Exposure("f", spec.name, "u", "u", BANDIT_LANE, "plain", 0.3, [7], 1.8e9)
        store.record_exposure(again).result(30)
        state.catch_up()
    assert state.known.sums.totals() == {"plain": (1, 0), "bold": (1, 0), "fresh": (0, 0)}


def test_redis_may_die_be_emptied_and_come_back(url: str, engine: Engine, tmp_path: Path) -> None:
    spec = live_spec(TRAFFIC[0])
    record = started(engine, spec)
    with real_redis(tmp_path) as server, event_store(url) as store:
        one, two = (BanditState(engine, spec, record.id, server.url) for _ in range(2))
        write_sessions(store, spec, 30, 0)
        assert one.catch_up()
        server.kill()
        write_sessions(store, spec, 30, 1)
        assert one.catch_up()
        assert two.catch_up()
        assert one.known.sums == two.known.sums
        server.start()
        write_sessions(store, spec, 30, 2)
        # A pause after a failure: nobody waits for Redis, and nothing is lost.
        assert one.catch_up()
        assert two.catch_up()
        assert one.known.sums == two.known.sums == read_log(engine, spec, commits_so_far(engine)).sums


def test_what_is_shared_spares_the_reading(url: str, engine: Engine, redis_server: RealRedis) -> None:
    spec = live_spec(TRAFFIC[0])
    record = started(engine, spec)
    with event_store(url) as store:
        write_sessions(store, spec, 30, 0)
    first = BanditState(engine, spec, record.id, redis_server.url)
    first.catch_up()
    # Were the log read by the second one, it would not find these.
    client = redis_server.client()
    key = next(client.scan_iter(f"screentest:bandit:{record.id}:*"))
    planted = BanditState(engine, live_spec(TRAFFIC[0]), "x").known.sums.fields()
    assert planted == {}
    client.hset(key, '["",0]', b"\0" * 72)
    second = BanditState(engine, spec, record.id, redis_server.url)
    second.catch_up()
    assert second.known.commit == first.known.commit
    assert set(second.known.sums.totals().values()) == {(0.0, 0.0)}
    # One command mends what somebody broke.
    assert second.rebuild().sums == first.known.sums
    third = BanditState(engine, spec, record.id, redis_server.url)
    third.catch_up()
    assert third.known.sums == first.known.sums


@pytest.mark.parametrize("damage", [{'["",0]': b"short"}, {"nonsense": b""}, {"commit": b"many"}])
def test_damaged_sums_are_made_again(
    url: str, engine: Engine, redis_server: RealRedis, damage: dict[str, bytes]
) -> None:
    spec = live_spec(TRAFFIC[0])
    record = started(engine, spec)
    with event_store(url) as store:
        write_sessions(store, spec, 30, 0)
    first = BanditState(engine, spec, record.id, redis_server.url)
    first.catch_up()
    client = redis_server.client()
    client.hset(next(client.scan_iter(f"screentest:bandit:{record.id}:*")), mapping=damage)
    second = BanditState(engine, spec, record.id, redis_server.url)
    second.catch_up()
    assert second.known == first.known


def test_a_log_put_back_to_an_earlier_state_is_believed(tmp_path: Path, redis_server: RealRedis) -> None:
    spec = live_spec(TRAFFIC[0])
    urls = [f"sqlite:///{tmp_path / name}" for name in ("later.db", "earlier.db")]
    engines = [open_database(url) for url in urls]
    records = [started(engine, spec) for engine in engines]
    for url, parts in zip(urls, (3, 1), strict=True):
        with event_store(url) as store:
            for seed in range(parts):
                write_sessions(store, spec, 30, seed)
    later = BanditState(engines[0], spec, records[0].id, redis_server.url)
    later.catch_up()
    restored = BanditState(engines[1], spec, records[0].id, redis_server.url)
    restored.catch_up()
    assert restored.known.sums == read_log(engines[1], spec, commits_so_far(engines[1])).sums
    assert restored.known.commit < later.known.commit
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("shared", [True, False])
def test_a_log_put_back_under_a_server_that_runs_is_believed(
    tmp_path: Path, redis_server: RealRedis, shared: bool
) -> None:
    """As a fail-over to a replica does that had not got the last commits."""
    spec = live_spec(TRAFFIC[2])
    file = tmp_path / "events.db"
    url = f"sqlite:///{file}"
    engine = open_database(url)
    record = started(engine, spec)
    with event_store(url) as store:
        write_sessions(store, spec, 1, 0)
    engine.dispose()
    before = file.read_bytes()
    address = redis_server.url if shared else ""
    state = BanditState(engine, spec, record.id, address)
    with event_store(url) as store:
        write_sessions(store, spec, 30, 1)
    state.catch_up()
    engine.dispose()
    for name in ("events.db-wal", "events.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    file.write_bytes(before)
    state.catch_up()
    with event_store(url) as store:
        write_sessions(store, spec, 40, 2)
    other = BanditState(engine, spec, record.id, address)
    for one in (other, state):
        one.catch_up()
        assert one.known.sums == read_log(engine, spec, commits_so_far(engine)).sums
    engine.dispose()


def test_all_readers_keep_the_same_segments(url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = live_spec({"policy": "bandit", "segment": "country"})
    record = started(engine, spec)
    monkeypatch.setattr(bandit_sums, "MOST_SEGMENTS", 3)
    bit_by_bit, at_once = (BanditState(engine, spec, record.id) for _ in range(2))
    rng = random.Random(2)
    with event_store(url) as store:
        for _ in range(4):
            for name in rng.sample(range(1000), 5):
                context = {"country": f"c{name}"}
                shown = Exposure(f"d{name}", spec.name, "u", "u", BANDIT_LANE, "bold", 0.3, [7], 1.8e9, context=context)
                store.record_exposure(shown)
            store.probe().result(30)
            bit_by_bit.catch_up()
    at_once.catch_up()
    assert isinstance(at_once.policy, PerSegment)
    assert len(at_once.policy.segments) == 4
    assert bit_by_bit.known.sums == at_once.known.sums == read_log(engine, spec, commits_so_far(engine)).sums


def test_on_postgresql_too(postgres: RealPostgres, redis_server: RealRedis) -> None:
    url = postgres.new_log()
    engine = open_database(url)
    spec = live_spec(TRAFFIC[1])
    record = started(engine, spec)
    one, two = (BanditState(engine, spec, record.id, redis_server.url) for _ in range(2))
    with event_store(url) as store, event_store(url) as other:
        for seed, (writer, reader) in enumerate(((store, one), (other, two), (store, two))):
            write_sessions(writer, spec, 30, seed, late=True)
            reader.catch_up()
    one.catch_up()
    two.catch_up()
    assert one.known.sums == two.known.sums == read_log(engine, spec, commits_so_far(engine)).sums
    assert sum(n for n, _ in one.known.sums.totals().values()) == 90
    engine.dispose()
