"""A database of any version with rows in it, on SQLite and PostgreSQL: brought up to date it has all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, insert, inspect, select

from events import migrations
from events.aggregate import commits_so_far, session_rows
from events.database import connect, database_status, open_database, reading, writing
from events.deployments import list_deployments
from events.experiments import load_experiment
from events.live_traffic import count_new, untold
from events.records import Exposure, Outcome
from events.rollouts import current_route
from events.schema import METADATA
from events.store import EventStore
from events.worker_jobs import NOTHING_READ

TIMEOUT_S = 30
SERVERS = {"plain": {"url": "http://a", "version": "1"}, "bold": {"url": "http://b", "version": "2"}}
#: Of every table that some version has, as that version knows it: columns it lacks are left out.
ROWS: dict[str, list[dict[str, Any]]] = {
    "exposures": [
        {
            "decision_id": f"d{number}",
            "experiment": "home",
            "unit_id": f"u{number}",
            "user_id": f"u{number}",
            "step": 0,
            "variant": ("plain", "bold")[number % 2],
            "propensity": 0.5,
            "items": [1, "\N{SNOWMAN}"],
            "n_items": 2,
            "context": {"b": 1, "a": "\N{SNOWMAN}"},
            "latency_ms": 1.5,
            "error": False,
            "ts": 1.7e9 + number,
            "commit_number": 1 + number,
        }
        for number in range(4)
    ],
    "outcomes": [
        {
            "decision_id": "d1",
            "item_id": "1",
            "kind": "click",
            "reward": 1.0,
            "user_id": "u1",
            "arm": "bold",
            "ts": 1.7e9 + 9,
            "meta": {"z": 0, "y": 0.1},
            "commit_number": 5,
        }
    ],
    "commits": [{"log": "events", "commits": 5}],
    "superseded_exposures": [
        {
            "decision_id": "d2",
            "superseded_by": 3,
            "experiment": "home",
            "unit_id": "u2",
            "step": 0,
            "variant": "plain",
            "latency_ms": 9.0,
            "ts": 1.7e9 + 1,
            "commit_number": 2,
        }
    ],
    "rollout_looks": [{"id": 7, "experiment": "old", "look": 1, "result": {"look": 1}, "taken_at": 3.0}],
    "routes": [
        {
            "experiment": "home",
            "revision": 3,
            "spec": {},
            "percent": 100,
            "step_index": 0,
            "champion_url": "http://a",
            "champion_version": "1",
            "servers": SERVERS,
            "updated_at": 104.0,
        }
    ],
    "experiments": [
        {
            "name": "home",
            "id": "i",
            "spec": {"name": "home"},
            "state": "running",
            "servers": SERVERS,
            "created_at": 1.0,
            "updated_at": 2.0,
            "started_at": 2.0,
        }
    ],
    "retrain_requests": [
        {
            "key": "k",
            "arguments": {"models": ["ease"]},
            "reason": "",
            "requested_by": "ann",
            "state": "waiting",
            "attempts": 0,
            "progress": "",
            "message": "",
            "run": "",
            "result": {},
            "requested_at": 1.0,
        }
    ],
    "worker_jobs": [
        {
            "job": "live-traffic",
            "id": "j",
            "worker": "w",
            "lease_until": 0.0,
            "position": NOTHING_READ,
            "failure": "",
        }
    ],
}


def upgraded_to(connection: Connection, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def filled(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Rows into every table there is; what was written, by table."""
    found = MetaData()
    there = [name for name in ROWS if inspect(connection).has_table(name)]
    found.reflect(connection, only=there)
    written = {}
    for name in there:
        table = found.tables[name]
        # What JSON columns are, SQLite does not tell.
        known = [column for column in METADATA.tables[name].c if column.name in table.c]
        rows = [{column.name: row[column.name] for column in known if column.name in row} for row in ROWS[name]]
        connection.execute(insert(METADATA.tables[name]).values(rows))
        written[name] = rows
    return written


@pytest.mark.parametrize("version", migrations.VERSIONS[:-1])
def test_every_row_of_every_version_is_there_afterwards(url: str, version: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        upgraded_to(connection, version)
        before = filled(connection)
    engine.dispose()
    assert database_status(url).version == version

    engine = open_database(url)

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
        for name, rows in before.items():
            after = [dict(row) for row in connection.execute(select(METADATA.tables[name])).mappings()]
            kept = [{key: row[key] for key in rows[0]} for row in after]
            assert sorted(kept, key=repr) == sorted(rows, key=repr), name
    assert session_rows(engine, "home", variants=("plain", "bold")).clicked.sum() == 1
    route = current_route(engine)
    assert route is not None
    assert route.revision == 3
    deployed = {(one.variant, one.url, one.version, one.percent) for one in list_deployments(engine)}
    if "servers" in before["routes"][0] and version < "0005":
        assert deployed == {("plain", "http://a", "1", None), ("bold", "http://b", "2", None)}
        record = load_experiment(engine, "home")
        assert record is not None
        assert (record.state, record.servers) == ("running", SERVERS)
    goes_on(url)
    count_new(engine)
    assert sum(row.traffic.impressions for row in untold(engine)) == 5
    assert sum(row.traffic.clicks for row in untold(engine)) == 2
    assert commits_so_far(engine) > 0
    engine.dispose()


def goes_on(url: str) -> None:
    """What was there counts once, and new things come in."""
    store = EventStore(url)
    click = Outcome("u1", "bold", "1", 1.0, 1.7e9 + 10, decision_id="d1")
    assert store.record_outcome(click).result(TIMEOUT_S).status == "duplicate"
    store.record_exposure(Exposure("d9", "home", "u9", "u9", 0, "bold", 0.5, [5], 1.7e9)).result(TIMEOUT_S)
    new = Outcome("u9", "bold", "5", 1.0, 1.7e9 + 10, decision_id="d9")
    assert store.record_outcome(new).result(TIMEOUT_S).status == "accepted"
    store.close()
