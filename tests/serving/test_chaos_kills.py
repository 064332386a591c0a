"""kill -9 of the policy server under a load of updates, again and again at random moments."""

from __future__ import annotations

import itertools
import random
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from events.aggregate import session_rows
from events.database import open_database, reading
from events.rollouts import Route, put_route
from events.schema import OUTCOMES
from serving.model_source import UNREGISTERED
from tests.policy_servers import policy_server
from tests.switched_models import switched_model

CLIENTS = 4


class Clicks:
    """Clients that ask, click, and note what they sent and what was acknowledged, until the server is gone."""

    def __init__(self) -> None:
        self._users = itertools.count(100)
        self.sent: list[str] = []
        self.acknowledged: list[str] = []

    def until_gone(self, url: str) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
            while True:
                user = next(self._users)
                try:
                    shown = http.get("/choose", params={"user_id": user, "k": 1}).json()
                    body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
                    self.sent.append(shown["decision_id"])
                    # What is sent twice counts once.
                    for _ in range(2):
                        answer = http.post("/update", json={**body, "decision_id": shown["decision_id"]})
                        if answer.status_code == 200:
                            self.acknowledged.append(shown["decision_id"])
                except httpx.TransportError:
                    return


@pytest.mark.parametrize(
    ("kills", "database"),
    [
        (3, "sqlite"),
        pytest.param(10, "sqlite", marks=pytest.mark.long),
        pytest.param(10, "postgresql", marks=pytest.mark.long),
    ],
)
def test_acknowledged_updates_are_there_once_and_others_at_most_once(
    kills: int, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    on_postgres = database == "postgresql"
    url = request.getfixturevalue("postgres").new_log() if on_postgres else f"sqlite:///{tmp_path / 'events.db'}"
    clicks, moments = Clicks(), random.Random(6)
    with switched_model("old") as model:
        engine = open_database(url)
        spec = {"name": "kills", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        put_route(engine, Route("kills", spec, 0, 0, model.url, UNREGISTERED))
        for life in range(kills):
            (tmp_path / str(life)).mkdir()
            with policy_server(tmp_path / str(life), url) as process:
                threads = [threading.Thread(target=clicks.until_gone, args=[process.url]) for _ in range(CLIENTS)]
                for thread in threads:
                    thread.start()
                threading.Event().wait(moments.uniform(0.1, 1.0))
                subprocess.run(["kill", "-9", str(process.pid)], check=True)
                for thread in threads:
                    thread.join()
    with reading(engine) as connection:
        kept = list(connection.scalars(select(OUTCOMES.c.decision_id)))
    assert len(clicks.acknowledged) > 10 * kills, "there was load"
    assert len(kept) == len(set(kept)), "at most once"
    assert set(clicks.acknowledged) <= set(kept) <= set(clicks.sent)
    rows = session_rows(engine, "kills", variants=("champion",))
    assert rows.clicked.sum() == len(kept), "each acknowledged click has its exposure"
    engine.dispose()
