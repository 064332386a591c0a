"""Everything behind the policy server is killed and started again, one after the other, while users go on.

Redis, the challenger's model server, the champion's, both, PostgreSQL: no list is refused, lesser ones say so, and all
is well again without a restart of the policy server. Frozen, the challenger and PostgreSQL are treated alike.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from events.database import open_database, reading
from events.rollouts import Route, put_route
from events.schema import EXPOSURES, OUTCOMES
from feature_repo.matrices import features_as_of
from feature_repo.packed import write_packed
from serving.model_source import UNREGISTERED
from serving.policy_process import PolicyProcess
from serving.ports import listen
from serving.processes import ServerCommand, ServerProcess, poll
from tests.real_postgres import real_postgres
from tests.real_redis import RealRedis, real_redis
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions
from wrappers.artifact import load_wrapper
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model

START_S = 60
USERS = 4


class Model:
    """A model server that may be killed and started again at its port."""

    def __init__(self, folder: Path, uri: str, **environment: str) -> None:
        with listen("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        words = ["--model-uri", uri, "--port", str(port), "--port-file", str(folder / "port")]
        self._command = ServerCommand(
            name=folder.name,
            argv=[sys.executable, "-m", "serving.model_server", *words],
            port_file=folder / "port",
            log_file=folder / "log",
            ready_path="/readyz",
            environment=environment,
        )
        self.url = f"http://127.0.0.1:{port}"
        self._process: ServerProcess

    def begin(self) -> None:
        self._process = ServerProcess(self._command)

    def wait(self) -> None:
        self._process.wait_ready(START_S)

    def start(self) -> None:
        self.begin()
        self.wait()

    def kill(self) -> None:
        subprocess.run(["kill", "-9", str(self._process.pid)], check=True)
        assert poll(lambda: not self._process.alive, START_S)

    def freeze(self) -> None:
        subprocess.run(["kill", "-STOP", str(self._process.pid)], check=True)

    def thaw(self) -> None:
        subprocess.run(["kill", "-CONT", str(self._process.pid)], check=True)

    def stop(self) -> None:
        self._process.stop()


class Users:
    """Ask for lists and click, until told to stop; what they got is kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count()
        self._over = threading.Event()
        self.answers: list[dict[str, Any]] = []
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.acknowledged: list[str] = []
        self.trouble: list[str] = []

    def __call__(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as http:
            while not self._over.wait(0.01):
                user = 100 + next(self._numbers) % 60
                answer = http.get("/choose", params={"user_id": user, "k": 3})
                self.statuses["choose", answer.status_code] += 1
                if answer.status_code != 200:
                    self.trouble.append(answer.text)
                    continue
                shown = answer.json()
                self.answers.append(shown)
                if shown["decision_id"] is None:
                    continue
                body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
                done = http.post("/update", json={**body, "decision_id": shown["decision_id"]})
                self.statuses["update", done.status_code] += 1
                if done.status_code == 200:
                    self.acknowledged.append(shown["decision_id"])
                elif "retry-after" not in done.headers:
                    self.trouble.append(done.text)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self) for _ in range(USERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def see(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Return when an answer from now on is as wanted."""
        first = len(self.answers)
        assert poll(lambda: any(wanted(one) for one in self.answers[first:]), START_S), self.answers[-3:]

    def well(self) -> None:
        """Return when both models' lists come as they should, a while on end."""

        def so(first: int) -> bool:
            new = self.answers[first:]
            models = {one["arm"] for one in new}
            return len(new) >= 20 and {"control", "challenger"} <= models and all("degraded" not in one for one in new)

        assert poll(lambda: so(max(0, len(self.answers) - 20)), START_S), self.answers[-3:]


def marked(word: str) -> Callable[[dict[str, Any]], bool]:
    return lambda answer: answer.get("degraded") == word


def fill(redis: RealRedis, ranker: RecommenderWrapper) -> None:
    rows = features_as_of(small_interactions())
    with redis.client() as client:
        users = [str(user) for user in rows.users.ids.tolist()]
        write_packed(client, ranker.features_version, users, rows.user, layout="{}")  # type: ignore[attr-defined]


@pytest.mark.long
def test_whatever_is_killed_everyone_gets_a_list_and_all_is_well_again(tmp_path: Path) -> None:
    for name, config in (("popularity", {}), ("logreg", {"n_candidates": 20})):
        (tmp_path / f"{name}-server").mkdir()
        model(name)(config).fit(small_interactions()).save(tmp_path / name)  # type: ignore[attr-defined]
    ranker = load_wrapper(tmp_path / "logreg")
    with ExitStack() as stack:
        postgres = stack.enter_context(real_postgres())
        redis = stack.enter_context(real_redis(tmp_path))
        fill(redis, ranker)
        champion = Model(tmp_path / "popularity-server", str(tmp_path / "popularity"))
        challenger = Model(tmp_path / "logreg-server", str(tmp_path / "logreg"), REDIS_URL=redis.url)
        for server in (champion, challenger):
            server.begin()
            stack.callback(server.stop)
        url = postgres.new_log()
        engine = open_database(url)
        spec = {"name": "chaos", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        put_route(engine, Route("chaos", spec, 50, 0, champion.url, UNREGISTERED, challenger.url, UNREGISTERED))
        policy = PolicyProcess(url, tmp_path)
        stack.callback(policy.stop)
        for ready in (champion.wait, challenger.wait, lambda: policy.wait_alive(START_S)):
            ready()
        users = Users(policy.url)
        with users.at_work():
            users.well()

            redis.kill()
            users.see(lambda one: one.get("features") == "default")
            redis.start()
            fill(redis, ranker)
            users.see(lambda one: one.get("features") == "store")

            challenger.kill()
            users.see(marked("control"))
            challenger.start()
            users.well()

            champion.kill()
            users.see(marked("remembered"))
            users.see(lambda one: one["arm"] == "challenger" and "degraded" not in one)
            challenger.kill()
            users.see(lambda one: one["arm"] == "challenger" and one.get("degraded") == "remembered")
            champion.begin()
            challenger.begin()
            champion.wait()
            challenger.wait()
            users.well()

            postgres.kill()
            users.see(marked("event_log"))
            assert not any(status == 503 and what == "choose" for what, status in users.statuses)
            postgres.start()
            users.well()

            challenger.freeze()
            users.see(marked("control"))
            challenger.thaw()
            users.well()

            postgres.freeze()
            users.see(marked("event_log"))
            assert httpx.get(f"{policy.url}/readyz", trust_env=False, timeout=4).json()["degraded"] == ["event_log"]
            postgres.thaw()
            users.well()
        policy.check()
        metrics = httpx.get(f"{policy.url}/metrics", trust_env=False).text
        policy.stop()
        with reading(engine) as connection:
            exposed = list(connection.scalars(select(EXPOSURES.c.decision_id)))
            outcomes = list(connection.scalars(select(OUTCOMES.c.decision_id)))
        engine.dispose()
    assert users.trouble == []
    assert {status for what, status in users.statuses if what == "choose"} == {200}
    assert {status for what, status in users.statuses if what == "update"} <= {200, 503}
    assert all(one["items"] for one in users.answers)
    # Each list that has a key is in the log, those queued when PostgreSQL was killed too; each acknowledged click once.
    assert sorted(exposed) == sorted(one["decision_id"] for one in users.answers if one["decision_id"])
    assert set(users.acknowledged) <= set(outcomes)
    assert len(outcomes) == len(set(outcomes))
    assert "screentest_lost_exposures_total 0.0" in metrics
    words = Counter(one.get("degraded") for one in users.answers)
    told = {word: 0.0 for word in words if word}
    for line in metrics.splitlines():
        if line.startswith("screentest_degraded_total{"):
            word = line.split('answer="')[1].split('"')[0]
            told[word] = told.get(word, 0.0) + float(line.split()[-1])
    assert told == {word: count for word, count in words.items() if word}


@pytest.mark.long
def test_mlflow_may_be_gone_once_the_servers_run(tmp_path: Path) -> None:
    data = small_interactions()
    tracking_uri = register_small_models(tmp_path / "registry", {"popularity": {}, "ease": {}}, data)
    (tmp_path / "server").mkdir()
    with ExitStack() as stack:
        served = Model(tmp_path / "server", f"models:/{MODEL_NAME}/1", MLFLOW_TRACKING_URI=tracking_uri)
        served.start()
        stack.callback(served.stop)
        shutil.rmtree(tmp_path / "registry")
        url = f"sqlite:///{tmp_path / 'events.db'}"
        engine = open_database(url)
        spec = {"name": "alone", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        put_route(engine, Route("alone", spec, 0, 0, served.url, "1"))
        engine.dispose()
        policy = PolicyProcess(url, tmp_path)
        stack.callback(policy.stop)
        policy.wait_alive(START_S)
        for user in range(100, 120):
            answer = httpx.get(f"{policy.url}/choose?user_id={user}", trust_env=False)
            assert (answer.status_code, "degraded" in answer.json()) == (200, False)


def test_the_policy_server_does_not_know_mlflow() -> None:
    code = "import sys, serving.policy_server; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=START_S).returncode == 0
