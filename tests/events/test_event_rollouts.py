import threading
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from core.errors import RolloutError
from events.database import open_database
from events.rollouts import (
    RolloutRecord,
    Route,
    create_rollout,
    current_route,
    load_looks,
    load_rollout,
    put_route,
    save_rollout,
)

SPEC = {"name": "demo", "rollout": {"steps": [{"percent": 5, "sessions": 1000}]}}
RECORD = RolloutRecord("demo", SPEC, "running", "models:/r/1", "1", "models:/r/2", "2", details={"plant": "aa"})
ROUTE = Route("demo", SPEC, 5, 0, "http://a", "1", "http://b", "2")


@pytest.fixture
def engine(url: str) -> Engine:
    return open_database(url)


def test_a_rollout_comes_back_as_it_was_stored(engine: Engine, url: str) -> None:
    assert load_rollout(engine, "demo") is None
    stored = create_rollout(engine, RECORD)
    assert stored.created_at == stored.updated_at > 0
    assert replace(stored, created_at=0.0, updated_at=0.0) == RECORD
    another_process = open_database(url)
    assert load_rollout(another_process, "demo") == stored


def test_a_rollout_is_created_once(engine: Engine) -> None:
    create_rollout(engine, RECORD)
    with pytest.raises(RolloutError, match=r"'demo' exists already .*'running'"):
        create_rollout(engine, RECORD)
    create_rollout(engine, replace(RECORD, experiment="another"))


def test_a_look_and_the_state_it_led_to_are_saved_together(engine: Engine) -> None:
    created = create_rollout(engine, RECORD)
    looked = save_rollout(engine, replace(created, looks=1, decision="continue"), look={"effect_size": 0.25})
    done = save_rollout(engine, replace(looked, looks=2, decision="promote", reasons=("won",)), look={"look": 2})
    assert load_rollout(engine, "demo") == done
    assert (done.created_at, done.reasons) == (created.created_at, ("won",))
    assert load_looks(engine, "demo") == [{"effect_size": 0.25}, {"look": 2}]
    assert load_looks(engine, "another") == []


def test_a_look_taken_twice_changes_nothing(engine: Engine) -> None:
    created = create_rollout(engine, RECORD)
    first = save_rollout(engine, replace(created, looks=1), look={"who": "first"})
    with pytest.raises(RolloutError, match=r"look 1 .* already taken"):
        save_rollout(engine, replace(created, looks=1, decision="rollback"), look={"who": "second"})
    assert load_rollout(engine, "demo") == first
    assert load_looks(engine, "demo") == [{"who": "first"}]


def test_saving_what_was_never_created_is_refused(engine: Engine) -> None:
    with pytest.raises(RolloutError, match="does not exist"):
        save_rollout(engine, RECORD)


def test_every_write_of_a_route_is_a_new_revision(engine: Engine) -> None:
    assert current_route(engine) is None
    assert put_route(engine, ROUTE).revision == 1
    second = put_route(engine, replace(ROUTE, percent=25, step_index=1))
    assert second.revision == 2
    assert current_route(engine) == second
    other = put_route(engine, replace(ROUTE, experiment="another", percent=0, challenger_url=None))
    assert current_route(engine) == other
    assert put_route(engine, ROUTE).revision == 4
    assert current_route(engine) == replace(ROUTE, revision=4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"percent": -1}, "0 … 50, or 100"),
        ({"percent": 51}, "0 … 50, or 100"),
        ({"challenger_url": None}, "needs a challenger_url"),
    ],
)
def test_an_impossible_route_is_refused(engine: Engine, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(RolloutError, match=reason):
        put_route(engine, replace(ROUTE, **changes))
    assert current_route(engine) is None


def test_writers_at_once_never_share_a_revision(engine: Engine) -> None:
    revisions: list[int] = []

    def write(name: str) -> None:
        revisions.extend(put_route(engine, replace(ROUTE, experiment=name)).revision for _ in range(20))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(revisions) == list(range(1, 61))
