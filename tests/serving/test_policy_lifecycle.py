"""A policy server that starts, stops, is killed, or is not alone."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import httpx
from sqlalchemy import select

from events.aggregate import count_exposures, session_rows
from events.database import open_database, reading
from events.rollouts import Route, current_route, put_route
from events.schema import OUTCOMES
from serving.policy_process import PolicyProcess
from tests.policy_servers import START_S, Policy, policy_server


def test_ready_only_with_log_route_and_champion(own_policy: Policy) -> None:
    assert own_policy.http.get("/healthz").json() == {"alive": True}
    nothing_routed = own_policy.http.get("/readyz")
    assert (nothing_routed.status_code, "no experiment is routed" in nothing_routed.text) == (503, True)
    assert own_policy.http.get("/choose", params={"user_id": 1}).status_code == 503
    route = own_policy.route()
    ready = own_policy.http.get("/readyz")
    assert ready.json() == {"ready": True, "experiment": route.experiment, "revision": route.revision}
    Path(own_policy.url.removeprefix("sqlite:///")).unlink()
    lost = own_policy.http.get("/readyz")
    assert (lost.status_code, "removed or replaced" in lost.text) == (503, True)
    shown = own_policy.choose(1)
    assert (shown["degraded"], shown["decision_id"], shown["arm"]) == ("event_log", None, None), "it is not recorded"


def test_stopping_commits_what_is_queued_and_a_new_server_goes_on(own_policy: Policy, tmp_path: Path) -> None:
    route = own_policy.route(percent=25)
    for user in range(40):
        own_policy.choose(user, k=1)
    own_policy.process.stop()
    engine = open_database(own_policy.url)
    assert count_exposures(engine, route.experiment) == 40
    with policy_server(tmp_path, own_policy.url) as again:
        answer = httpx.get(f"{again.url}/routes", trust_env=False)
    assert answer.json()["revision"] == route.revision
    assert current_route(engine) == route


def test_after_kill_9_every_acknowledged_update_is_there_exactly_once(own_policy: Policy) -> None:
    route = own_policy.route()
    acknowledged: list[str] = []
    enough = threading.Event()

    def visit(first: int) -> None:
        with httpx.Client(base_url=own_policy.process.url, trust_env=False) as http:
            for user in itertools.count(first, 4):
                try:
                    shown = http.get("/choose", params={"user_id": user, "k": 1}).json()
                    body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
                    for _ in range(2):
                        answer = http.post("/update", json={**body, "decision_id": shown["decision_id"]})
                except httpx.TransportError:
                    return
                assert answer.json()["status"] == "duplicate"
                acknowledged.append(shown["decision_id"])
                if len(acknowledged) >= 100:
                    enough.set()

    threads = [threading.Thread(target=visit, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    subprocess.run(["kill", "-9", str(own_policy.process.pid)], check=True)
    for thread in threads:
        thread.join()
    engine = open_database(own_policy.url)
    with reading(engine) as connection:
        outcomes = connection.scalars(select(OUTCOMES.c.decision_id)).all()
    assert set(acknowledged) <= set(outcomes)
    assert len(outcomes) == len(set(outcomes))
    rows = session_rows(engine, route.experiment)
    assert rows.clicked.sum() == len(outcomes), "each acknowledged click has its exposure"


def test_a_second_server_on_the_same_log_is_refused(policy: Policy) -> None:
    command = [sys.executable, "-m", "serving.policy_server", "--events", policy.url, "--port", "0"]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
    assert failed.returncode == 1
    assert f"already written by process {policy.process.pid}" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_the_rollout_controllers_client_gets_the_revision_in_force(own_policy: Policy, tmp_path: Path) -> None:
    own_policy.process.stop()
    process = PolicyProcess(own_policy.url, tmp_path)
    try:
        process.wait_alive(START_S)
        spec = {"name": "x", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        stored = put_route(open_database(own_policy.url), Route("x", spec, 0, 0, "http://127.0.0.1:9", "1"))
        assert process.refresh(stored.experiment) == stored.revision
    finally:
        process.stop()
