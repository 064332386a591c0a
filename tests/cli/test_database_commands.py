"""``screentest database`` and ``screentest events``; and a URL given to every command that reads a log."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ConfigError, EventLogError, RolloutError, UnknownName
from events.database import connect, open_database, writing
from events.rollouts import Route, put_route
from loaders.export import write_movielens_csv
from tests.old_event_logs import write_old
from tests.real_postgres import RealPostgres
from tests.rollout_examples import SPEC, broke_guardrail
from tests.small_registry import small_interactions
from tests.written_rollouts import write_rollout


def screentest(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def postgres_url(postgres: RealPostgres) -> str:
    return postgres.new_log()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_empty_database_is_made_by_upgrade_and_left_alone_by_status(
    kind: str, tmp_path: Path, postgres_url: str
) -> None:
    url = postgres_url if kind == "postgresql" else f"sqlite:///{tmp_path / 'events.db'}"
    before = screentest("database", "status", url)
    assert (before.exit_code, "no event log yet; `screentest database upgrade`" in before.output) == (1, True)
    assert not (tmp_path / "events.db").exists()
    assert screentest("database", "upgrade", url).output.endswith("up to date\n")
    after = screentest("database", "status", url)
    assert (after.exit_code, after.output.endswith("up to date\n")) == (0, True)
    assert "hush" not in before.output + after.output


def test_an_old_runs_folder_is_told_and_brought_up_to_date(tmp_path: Path) -> None:
    write_old(tmp_path / "events.db", "first version")
    told = screentest("database", "status", tmp_path)
    assert (told.exit_code, "from before versions were counted" in told.output) == (1, True)
    assert screentest("database", "upgrade", tmp_path).exit_code == 0
    assert screentest("database", "status", tmp_path / "events.db").exit_code == 0


def test_a_newer_one_is_told_and_refused(postgres_url: str) -> None:
    open_database(postgres_url).dispose()
    engine = connect(postgres_url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    told = screentest("database", "status", postgres_url)
    assert (told.exit_code, "newer than this Screentest" in told.output) == (1, True)
    for command in (("database", "upgrade"), ("decide",), ("ope", "--policy", "uniform")):
        assert isinstance(screentest(*command, postgres_url).exception, EventLogError)


def test_a_url_is_taken_wherever_a_file_is_and_says_the_same(tmp_path: Path, postgres_url: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(json.dumps(SPEC.document()))
    told = []
    for url in (postgres_url, f"sqlite:///{tmp_path / 'events.db'}"):
        engine = open_database(url)
        write_rollout(engine, broke_guardrail(), SPEC)
        engine.dispose()
        answers = [
            screentest("decide", url, "--json"),
            screentest("decide", spec, url, "--json"),
            screentest("ope", url, "--policy", "always=champion", "--json"),
        ]
        assert [answer.exit_code for answer in answers] == [0, 0, 0], answers
        told.append([answer.output for answer in answers])
    of_file = [
        screentest("decide", tmp_path / "events.db", "--json").output,
        screentest("decide", spec, tmp_path, "--json").output,
    ]
    assert told[0] == told[1]
    assert of_file == told[0][:2]


def test_messages_name_a_database_without_its_password(postgres_url: str) -> None:
    for command in (("decide",), ("ope", "--policy", "uniform")):
        refused = screentest(*command, postgres_url)
        assert isinstance(refused.exception, RolloutError)
        assert "postgresql+psycopg://postgres:***@127.0.0.1" in str(refused.exception)
        assert "hush" not in str(refused.exception)


def test_export_tells_files_and_deletes_only_with_a_date(tmp_path: Path, postgres_url: str) -> None:
    engine = open_database(postgres_url)
    write_rollout(engine, broke_guardrail(), SPEC)
    engine.dispose()
    out = tmp_path / "parquet"
    refused = screentest("events", "export", postgres_url, out, "--delete")
    assert isinstance(refused.exception, ConfigError)
    told = screentest("events", "export", postgres_url, out)
    assert told.exit_code == 0
    assert "exposures/date=2023-11-14/part-0.parquet  3,000 rows\n" in told.output
    again = screentest("events", "export", postgres_url, out, "--before", "2023-11-16", "--delete", "--json")
    document = json.loads(again.output)
    assert (document["deleted_exposures"], document["kept_exposures"]) == (3000, 0)
    assert {day["written"] for day in document["days"]} == {False}
    files = list(out.glob("exposures/date=*/part-0.parquet"))
    assert sum(pq.ParquetFile(file).metadata.num_rows for file in files) == 3000
    assert screentest("events", "export", postgres_url, out).output == "nothing to export\n"


def test_users_and_items_of_data_are_loaded_and_shown(tmp_path: Path, postgres_url: str) -> None:
    write_movielens_csv(small_interactions(), tmp_path / "ratings")
    loaded = screentest("database", "load", postgres_url, "--data", tmp_path / "ratings")
    assert loaded.output.endswith("60 users and 40 items written\n")
    assert screentest("database", "show", postgres_url, "deployments").output == "deployments is empty\n"
    shown = screentest("database", "show", postgres_url, "items", "--json", "--limit", 3)
    items = json.loads(shown.output)
    assert len(items) == 3
    assert items[0]["ratings"] >= items[1]["ratings"]
    assert items[0]["title"].startswith("Film ")
    # Too wide for a table: a block of lines for each.
    blocks = screentest("database", "show", postgres_url, "items", "--limit", 2).output.split("\n\n")
    assert [block.splitlines()[0].split() for block in blocks] == [["item_id", item["item_id"]] for item in items[:2]]
    assert "first_ts     2001-" in blocks[0]


def test_a_table_that_fits_is_a_table_and_one_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    address = f"sqlite:///{tmp_path / 'events.db'}"
    engine = open_database(address)
    put_route(engine, Route("demo", {}, 0, 0, "http://a", "1"))
    engine.dispose()
    head, row = screentest("database", "show", address, "deployments").output.splitlines()
    assert head.split()[:6] == ["id", "experiment", "variant", "url", "version", "percent"]
    assert row.split()[:6] == ["1", "demo", "champion", "http://a", "1", "100"]
    assert row.split()[-1] == "–"
    refused = screentest("database", "show", address, "commits").exception
    assert isinstance(refused, UnknownName)
