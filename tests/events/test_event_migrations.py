"""The tables are those of events/schema.py, whatever version a database comes from, and no row is lost on the way."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from core.errors import EventLogError
from events import migrations
from events.aggregate import commits_so_far, session_rows
from events.database import connect, database_status, open_database, reading, writing
from events.records import Exposure, Outcome
from events.schema import METADATA
from events.store import EventStore
from tests.old_event_logs import OLD, rows_of, write_old

TIMEOUT_S = 10


def differences(connection: Connection) -> list[object]:
    """What autogenerate would change, defaults included."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))


def indexes(connection: Connection) -> dict[str, list[str]]:
    """Columns by index; on SQLite autogenerate looks at names alone."""
    return {str(index["name"]): index["column_names"] for index in inspect(connection).get_indexes("exposures")}


WANTED = {str(index.name): [column.name for column in index.columns] for index in METADATA.tables["exposures"].indexes}


def test_the_migrations_give_exactly_the_schema(url: str) -> None:
    engine = open_database(url)
    with reading(engine) as connection:
        assert differences(connection) == []
        assert indexes(connection) == WANTED
    with writing(engine) as connection:
        connection.execute(text("DROP INDEX exposures_by_time"))
        connection.execute(text("ALTER TABLE outcomes ADD COLUMN more TEXT"))
    with reading(engine) as connection:
        assert len(differences(connection)) == 2
    engine.dispose()


def test_the_schemas_own_way_gives_the_same_on_sqlite(tmp_path: Path) -> None:
    made = []
    for name in ("migrated.db", "created.db"):
        engine = connect(f"sqlite:///{tmp_path / name}")
        with writing(engine) as connection:
            METADATA.create_all(connection) if name == "created.db" else migrations.upgrade(connection)
        with reading(engine) as connection:
            found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name"))
            made.append({name: sql for name, sql in found if name != migrations.VERSION_TABLE})
    assert ["WITHOUT ROWID" in one["outcomes"] for one in made] == [True, True]
    assert made[0].keys() == made[1].keys()


def test_the_versions_are_those_of_the_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [migrations.HEAD]
    assert [one.revision for one in script.walk_revisions()] == list(reversed(migrations.VERSIONS))


def test_texts_sort_by_code_point_on_postgresql(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    query = "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = current_schema() AND "
    with reading(engine) as connection:
        of_ours = connection.scalars(text(f"{query} data_type = 'text' AND table_name <> 'alembic_version'")).all()
    assert of_ours == ["C"]
    engine.dispose()


@pytest.mark.parametrize("version", OLD)
def test_a_log_from_before_versions_is_brought_up_to_date(tmp_path: Path, version: str) -> None:
    file = tmp_path / "events.db"
    before = write_old(file, version)
    url = f"sqlite:///{file}"
    assert database_status(url).version is None
    assert not database_status(url).up_to_date

    engine = open_database(url)

    with reading(engine) as connection:
        assert differences(connection) == []
        assert indexes(connection) == WANTED
    with sqlite3.connect(file) as connection:
        after = rows_of(connection)
    connection.close()
    for table, rows in before.items():
        # An old row may have got one column more: the commit it came in with, 0, or the servers of its variants, none.
        assert [row[: len(rows[0])] for row in after[table]] == rows, table
        assert all(row[len(rows[0]) :] in ((), (0,), (None,)) for row in after[table]), table
    assert database_status(url).up_to_date
    assert session_rows(engine, "demo").clicked.tolist() == [1, 0]
    assert commits_so_far(engine) == (5 if version == "second version" else 0)
    again = session_rows(engine, "demo", as_of=commits_so_far(engine))
    assert again.sessions.tolist() == [1, 1]
    store = EventStore(url)
    click = Outcome("u1", "control", "2", 1.0, 103.0, decision_id="d1")
    assert store.record_outcome(click).result(TIMEOUT_S).status == "duplicate"
    store.record_exposure(Exposure("d2", "demo", "u2", "u2", 0, "challenger", 0.25, [5], 105.0)).result(TIMEOUT_S)
    store.close()
    assert session_rows(engine, "demo", as_of=commits_so_far(engine)).sessions.tolist() == [1, 1]
    engine.dispose()


def test_an_upgrade_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    write_old(file, "first version")
    with sqlite3.connect(file) as connection:
        # The last of the version's steps cannot be taken.
        connection.execute("CREATE TABLE exposures_by_time (x)")
        before = rows_of(connection)
    connection.close()
    with pytest.raises(EventLogError, match="exposures_by_time"):
        open_database(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        assert rows_of(connection) == before
    connection.close()


def test_a_database_of_a_newer_version_is_refused_in_one_line(url: str) -> None:
    open_database(url).dispose()
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for attempt in (open_database, EventStore):
        with pytest.raises(EventLogError, match=r"version '9999' .* knows them up to .* update this") as refused:
            attempt(url)
        assert "\n" not in str(refused.value)
        assert "hush" not in str(refused.value)
    assert "newer than this Screentest" in database_status(url).sentence


def test_many_may_open_an_empty_database_at_once(url: str) -> None:
    errors: list[EventLogError] = []

    def opened() -> None:
        try:
            open_database(url).dispose()
        except EventLogError as error:
            errors.append(error)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert database_status(url).up_to_date
