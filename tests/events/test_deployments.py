"""What a route puts behind which variant is kept with it, from when until when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from events.database import connect, opened, writing
from events.deployments import list_deployments
from events.experiments import create_experiment, halt_experiment, start_experiment
from events.migrations import upgrade
from events.rollouts import Route, put_route

ALONE = Route("demo", {}, 0, 0, "http://a", "1")
SERVERS = {"plain": {"url": "http://a", "version": "1"}, "bold": {"url": "http://c", "version": "3"}}


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as engine:
        yield engine


def told(engine: Engine) -> list[tuple[object, ...]]:
    """Oldest first: variant, version, percent, revision, whether in force."""
    found = reversed(list_deployments(engine))
    return [(one.variant, one.version, one.percent, one.revision, one.until is None) for one in found]


def test_a_rollouts_steps_are_deployments_that_follow_each_other(engine: Engine) -> None:
    put_route(engine, ALONE)
    put_route(engine, ALONE)
    assert told(engine) == [("champion", "1", 100, 1, True)]
    step = replace(ALONE, percent=5, challenger_url="http://b", challenger_version="2")
    put_route(engine, step)
    put_route(engine, replace(step, step_index=1))
    put_route(engine, replace(step, percent=0))
    assert told(engine) == [
        ("champion", "1", 100, 1, False),
        ("champion", "1", 95, 3, False),
        ("challenger", "2", 5, 3, False),
        ("champion", "1", 100, 5, True),
        ("challenger", "2", 0, 5, True),
    ]
    ended = list_deployments(engine)[2]
    following = list_deployments(engine)[0]
    assert ended.until == following.since


def test_another_experiments_route_ends_them(engine: Engine) -> None:
    put_route(engine, ALONE)
    put_route(engine, replace(ALONE, experiment="other"))
    assert [(one.experiment, one.until is None) for one in list_deployments(engine)] == [
        ("other", True),
        ("demo", False),
    ]
    assert [one.experiment for one in list_deployments(engine, experiment="demo")] == ["demo"]


def test_a_tests_variants_are_dealt_by_its_own_rules_and_paused_the_control_has_everyone(engine: Engine) -> None:
    create_experiment(engine, "home", {})
    running = Route("home", {}, 100, 0, "http://a", "1", servers=SERVERS)
    start_experiment(engine, "home", SERVERS, running)
    assert sorted(told(engine)) == [("bold", "3", None, 1, True), ("plain", "1", None, 1, True)]
    halt_experiment(engine, "home", "paused", replace(running, percent=0))
    assert [row for row in told(engine) if row[-1]] == [("plain", "1", 100, 2, True)]


def test_the_route_in_force_before_deployments_were_kept_is_the_first(url: str) -> None:
    with opened(url) as engine:
        put_route(engine, replace(ALONE, experiment="before"))
        put_route(engine, replace(ALONE, percent=25, challenger_url="http://b", challenger_version="2"))
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE deployments"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
        upgrade(connection)
    assert told(engine) == [("champion", "1", 75, 2, True), ("challenger", "2", 25, 2, True)]
    engine.dispose()
