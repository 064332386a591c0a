"""Policy servers on a PostgreSQL event log: several at once, and one that outlives the database's failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from core.settings import load_settings
from events.aggregate import count_exposures
from events.database import connect, open_database, reading
from events.rollouts import Route, put_route
from events.schema import OUTCOMES
from serving.model_source import UNREGISTERED
from serving.policy_process import PolicyProcess
from serving.processes import poll
from serving.rollout_folder import RolloutFolder
from tests.policy_servers import START_S
from tests.policy_servers import model_urls as model_urls
from tests.real_postgres import RealPostgres, real_postgres


@pytest.fixture
def own_postgres() -> Iterator[RealPostgres]:
    with real_postgres() as server:
        yield server


@pytest.mark.long
def test_two_servers_share_a_log_and_outlive_its_failure(
    own_postgres: RealPostgres, model_urls: dict[str, str], tmp_path: Path
) -> None:
    url = own_postgres.new_log()
    engine = open_database(url)
    spec = {"name": "shared", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
    put_route(engine, Route("shared", spec, 0, 0, model_urls["popularity"], UNREGISTERED))
    acknowledged = set()
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            process = PolicyProcess(url, tmp_path / name)
            stack.callback(process.stop)
            servers.append(process)
        clients = []
        for process in servers:
            process.wait_alive(START_S)
            clients.append(stack.enter_context(httpx.Client(base_url=process.url, trust_env=False, timeout=30)))
            # Other users of the machine may read a process's arguments.
            assert "hush" not in Path(f"/proc/{process.pid}/cmdline").read_text()

        def click(user: int) -> list[httpx.Response]:
            shown = clients[user % 2].get("/choose", params={"user_id": user, "k": 1}).json()
            body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
            body["decision_id"] = shown["decision_id"]
            return [client.post("/update", json=body) for client in clients]

        for user in range(20):
            first, second = click(user)
            assert sorted((first.json()["status"], second.json()["status"])) in (
                ["accepted", "duplicate"],
                # The exposure, for which nobody waits, was not there yet.
                ["duplicate", "orphan"],
            )
            acknowledged.add(first.json()["decision_id"])

        own_postgres.kill()
        down = clients[0].post("/update", json={"user_id": 1, "arm": "champion", "item_id": 1, "reward": 1})
        assert down.status_code == 503
        assert "hush" not in down.text
        for client in clients:
            assert client.get("/readyz").json()["degraded"] == ["event_log"], "lesser lists are better than none"
        own_postgres.start()
        for client in clients:
            assert poll(lambda client=client: "degraded" not in client.get("/readyz").json(), START_S)  # type: ignore[misc]
        acknowledged.add(click(20)[0].json()["decision_id"])
    with reading(engine) as connection:
        kept = connection.scalars(select(OUTCOMES.c.decision_id)).all()
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))
    assert count_exposures(engine, "shared") == 21
    engine.dispose()


def test_a_server_that_starts_while_the_database_is_down_waits_for_it(
    own_postgres: RealPostgres, model_urls: dict[str, str], tmp_path: Path
) -> None:
    url = own_postgres.new_log()
    own_postgres.kill()
    process = PolicyProcess(url, tmp_path)
    try:
        process.wait_alive(START_S)
        with httpx.Client(base_url=process.url, trust_env=False, timeout=30) as http:
            update = {"user_id": 1, "arm": "champion", "item_id": 1, "reward": 1}
            answers = [http.get("/readyz"), http.get("/choose?user_id=1"), http.post("/update", json=update)]
            assert [answer.status_code for answer in answers] == [503, 503, 503]
            assert all("retry-after" in answer.headers and "hush" not in answer.text for answer in answers)
            own_postgres.start()
            assert poll(lambda: "screentest_event_log_down 0.0" in http.get("/metrics").text, START_S)
            # It has made the tables: nobody else opened the database.
            engine = connect(url)
            spec = {"name": "late", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
            put_route(engine, Route("late", spec, 0, 0, model_urls["popularity"], UNREGISTERED))
            engine.dispose()
            assert poll(lambda: http.get("/readyz").status_code == 200, START_S)
            assert "degraded" not in http.get("/choose?user_id=1").json()
    finally:
        process.stop()


def test_a_rollouts_log_is_the_settings_unless_it_began_on_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own = RolloutFolder(tmp_path), f"sqlite:///{tmp_path / 'events.db'}"
    assert folder.events_url == own
    monkeypatch.setenv("SCREENTEST_EVENTS_URL", "postgresql+psycopg://me:hush@host/events")
    assert "hush" not in str(load_settings())
    assert folder.events_url == "postgresql+psycopg://me:hush@host/events"
    assert folder.events_name == "postgresql+psycopg://me:***@host/events"
    open_database(own).dispose()
    assert folder.events_url == own
