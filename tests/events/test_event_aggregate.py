import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from events.aggregate import (
    RecordedSession,
    count_exposures,
    count_orphans,
    health,
    session_rows,
    sessions_recorded,
    unit_counts,
)
from events.database import open_database, writing
from events.records import Exposure, Outcome
from events.schema import EXPOSURES, OUTCOMES
from events.store import EventStore

TIMEOUT_S = 10
VARIANTS = ("challenger", "control", "champion")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('log') / 'events.db'}"
    return request.getfixturevalue("postgres").new_log()


@pytest.fixture(scope="module")
def store(store_url: str) -> Iterator[EventStore]:
    made = EventStore(store_url)
    yield made
    made.close()


@pytest.fixture
def engine(store: EventStore, store_url: str) -> Iterator[Engine]:
    """The store's database, empty."""
    engine = open_database(store_url)
    empty(engine)
    yield engine
    engine.dispose()


def empty(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(delete(EXPOSURES))
        connection.execute(delete(OUTCOMES))


def exposure(number: int, unit: str = "u", step: int = 0, variant: str = "challenger", **changes: object) -> Exposure:
    fields = {
        "decision_id": f"d{number}",
        "experiment": "demo",
        "unit_id": unit,
        "user_id": unit,
        "step": step,
        "variant": variant,
        "propensity": 0.5,
        "items": [1, 2, 3],
        "ts": float(number),
        **changes,
    }
    return Exposure(**fields)


def click(number: int, unit: str = "u", variant: str = "challenger", **changes: object) -> Outcome:
    fields = {"user_id": unit, "arm": variant, "item_id": "1", "reward": 1.0, "ts": 1e9, "decision_id": f"d{number}"}
    return Outcome(**{**fields, **changes})


def record(store: EventStore, *events: Exposure | Outcome) -> None:
    futures = [
        store.record_exposure(event) if isinstance(event, Exposure) else store.record_outcome(event) for event in events
    ]
    for future in futures:
        future.result(TIMEOUT_S)


def test_hand_counted_sessions(store: EventStore, engine: Engine) -> None:
    record(
        store,
        *[exposure(number, "a", step=0) for number in (1, 2, 3)],
        exposure(4, "a", step=1),
        exposure(5, "b", step=1, variant="control"),
        exposure(6, "c", step=1, variant="champion"),
        exposure(7, "a", step=0, experiment="another"),
        click(1, "a"),
        click(1, "a", item_id="2"),
        click(1, "a", kind="like"),
        click(2, "a", kind="like"),
        click(3, "a", reward=0.0),
        click(5, "b", "control", reward=0.5),
    )
    rows = session_rows(engine, "demo")
    table = list(zip(*(column.tolist() for column in rows), strict=True))
    assert table == [("a", 0, "challenger", 3, 1), ("a", 1, "challenger", 1, 0), ("b", 1, "control", 1, 1)]
    assert session_rows(engine, "demo", variants=("champion",)).unit_id.tolist() == ["c"]
    assert unit_counts(engine, "demo") == {"challenger": 1, "control": 1, "champion": 1}
    assert unit_counts(engine, "demo", step=0) == {"challenger": 1}
    assert [count_exposures(engine, "demo"), count_exposures(engine, "demo", step=1)] == [6, 3]


def test_an_empty_log_gives_empty_arrays_of_the_right_kind(engine: Engine) -> None:
    rows = session_rows(engine, "demo")
    assert [len(column) for column in rows] == [0] * 5
    assert [column.dtype.kind for column in rows] == ["U", "i", "U", "i", "i"]
    assert unit_counts(engine, "demo") == {}
    assert count_exposures(engine, "demo") == count_orphans(engine) == 0
    assert sessions_recorded(engine, "demo") == {}
    nothing = health(engine, "demo")
    assert nothing[:3] == (0, 0, 0)
    assert math.isnan(nothing.latency_p95_ms)


def test_health_is_of_one_variant_from_a_step_on(store: EventStore, engine: Engine) -> None:
    latencies = np.random.default_rng(0).exponential(20, 200)
    record(
        store,
        *[
            exposure(number, step=number % 2, latency_ms=latency, error=number < 6, items=[] if number < 9 else [1])
            for number, latency in enumerate(latencies.tolist())
        ],
        exposure(1000, variant="control", latency_ms=1e6, error=True),
    )
    assert health(engine, "demo", "challenger") == (200, 6, 3, pytest.approx(np.percentile(latencies, 95)))
    assert health(engine, "demo", since_step=1) == (100, 3, 1, pytest.approx(np.percentile(latencies[1::2], 95)))
    assert health(engine, "demo", "control").errors == 1


def test_a_failed_session_is_a_session_without_a_click_and_an_error_but_not_empty(
    store: EventStore, engine: Engine
) -> None:
    record(store, exposure(1, error=True, items=[]), exposure(2), exposure(3, "v", error=True), click(3, "v"))
    rows = session_rows(engine, "demo")
    assert list(zip(rows.unit_id.tolist(), rows.sessions.tolist(), rows.clicked.tolist(), strict=True)) == [
        ("u", 2, 0),
        ("v", 1, 1),
    ]
    assert (count_exposures(engine, "demo"), unit_counts(engine, "demo")) == (3, {"challenger": 2})
    assert health(engine, "demo")[:3] == (3, 2, 0)


def test_recorded_sessions_are_found_by_their_name(store: EventStore, engine: Engine) -> None:
    record(
        store,
        exposure(1, session_id="s1", items=[3, "x"]),
        exposure(2, session_id="s2", variant="control", step=2),
        exposure(3, session_id="s1", items=[9]),
        exposure(4, session_id=None),
        exposure(5, session_id="s3", error=True, items=[]),
        exposure(6, session_id="s4", items=[]),
        exposure(7, session_id="s5", error=True),
        click(2, variant="control"),
    )
    assert sessions_recorded(engine, "demo") == {
        "s1": RecordedSession("d1", "challenger", [3, "x"], 0, clicked=False),
        "s2": RecordedSession("d2", "control", [1, 2, 3], 2, clicked=True),
        "s3": RecordedSession("d5", "challenger", [], 0, clicked=False, failed=True),
        "s4": RecordedSession("d6", "challenger", [], 0, clicked=False),
        "s5": RecordedSession("d7", "challenger", [1, 2, 3], 0, clicked=False),
    }


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 2),
        st.sampled_from(VARIANTS),
        st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["click", "like"]), st.sampled_from([0.0, 1.0]))),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
def test_sums_equal_counting_by_hand(store: EventStore, engine: Engine, events: list[tuple]) -> None:
    empty(engine)
    sessions: Counter[tuple[str, int, str]] = Counter()
    clicked: Counter[tuple[str, int, str]] = Counter()
    for number, (unit, step, variant, outcomes, late) in enumerate(events):
        shown = exposure(number, unit, step, variant)
        done = [click(number, unit, variant, item_id=item, kind=kind, reward=r) for item, kind, r in outcomes]
        record(store, *([*done, shown] if late else [shown, *done]))
        first: dict[tuple[str, str], float] = {}
        for item, kind, reward in outcomes:
            first.setdefault((item, kind), reward)
        key = (unit, step, variant)
        sessions[key] += 1
        clicked[key] += any(kind == "click" and reward > 0 for (_, kind), reward in first.items())
    rows = session_rows(engine, "demo", variants=VARIANTS)
    keys = list(zip(rows.unit_id.tolist(), rows.step.tolist(), rows.variant.tolist(), strict=True))
    assert keys == sorted(sessions)
    assert rows.sessions.tolist() == [sessions[key] for key in keys]
    assert rows.clicked.tolist() == [clicked[key] for key in keys]
    assert count_orphans(engine) == 0


def test_two_databases_do_not_mix(store: EventStore, engine: Engine, tmp_path: Path) -> None:
    record(store, exposure(1))
    assert count_exposures(open_database(f"sqlite:///{tmp_path / 'other.db'}"), "demo") == 0
