"""kill -9 of a policy server that runs a bandit: what is known afterwards is what the log says, to the last bit."""

from __future__ import annotations

import itertools
import random
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from events.database import open_database, reading
from events.schema import OUTCOMES
from experiments.spec import ExperimentSpec
from serving.bandit_state import BanditState, read_log
from tests.live_experiments import VARIANTS, live_spec, started
from tests.policy_servers import policy_server
from tests.real_redis import real_redis

#: How often, and on which database.
KILLS = [
    (2, "sqlite"),
    pytest.param(10, "sqlite", marks=pytest.mark.long),
    pytest.param(10, "postgresql", marks=pytest.mark.long),
]


def visit(base: str, first: int, acknowledged: list[str], stop: threading.Event) -> None:
    """Ask, click, and note what was acknowledged, until the server is gone."""
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as http:
        for user in itertools.count(first, 3):
            try:
                shown = http.get("/choose", params={"user_id": user, "k": 1}).json()
                body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
                answer = http.post("/update", json={**body, "decision_id": shown["decision_id"]})
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.append(shown["decision_id"])
            if stop.is_set():
                return


@pytest.mark.parametrize(("kills", "database"), KILLS)
def test_posteriors_after_kills_are_those_of_the_log(
    kills: int,
    database: str,
    model_urls: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    on_postgres = database == "postgresql"
    url = request.getfixturevalue("postgres").new_log() if on_postgres else f"sqlite:///{tmp_path / 'events.db'}"
    spec = live_spec({"policy": "bandit", "share": 0.7})
    engine = open_database(url)
    record = started(engine, spec, dict.fromkeys(VARIANTS, model_urls["popularity"]))
    acknowledged: list[str] = []
    moments = random.Random(5)
    with real_redis(tmp_path) as redis:
        monkeypatch.setenv("REDIS_URL", redis.url)
        for life in range(kills):
            killed_at(moments.uniform(0.3, 1.0), tmp_path / str(life), url, acknowledged)
        shared = BanditState(engine, spec, record.id, redis.url)
        shared.catch_up()
        rebuilt = BanditState(engine, spec, record.id, redis.url)
        rebuilt.rebuild()
    check(spec, shared, rebuilt)
    with reading(engine) as connection:
        outcomes = list(connection.scalars(select(OUTCOMES.c.decision_id)))
    assert len(outcomes) == len(set(outcomes))
    assert set(acknowledged) <= set(outcomes)
    engine.dispose()


def killed_at(seconds: float, folder: Path, url: str, acknowledged: list[str]) -> None:
    folder.mkdir()
    with policy_server(folder, url) as process:
        stop = threading.Event()
        threads = [threading.Thread(target=visit, args=(process.url, first, acknowledged, stop)) for first in range(3)]
        for thread in threads:
            thread.start()
        stop.wait(seconds)
        subprocess.run(["kill", "-9", str(process.pid)], check=True)
        for thread in threads:
            thread.join()


def check(spec: ExperimentSpec, shared: BanditState, rebuilt: BanditState) -> None:
    log = read_log(shared._engine, spec, shared.known.commit)
    assert shared.known.sums == rebuilt.known.sums == log.sums
    assert shared.policy.state() == rebuilt.policy.state() == log.sums.policy().state()
    sessions = sum(n for n, _ in log.sums.totals().values())
    assert sessions > 20, "the servers were asked"
    assert sum(reward for _, reward in log.sums.totals().values()) > 0.8 * sessions
