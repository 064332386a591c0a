"""``screentest rollout run``: a decision between servers that somebody else runs, as compose and manifests run them."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from core.errors import ConfigError, ServerError
from events.aggregate import count_units
from events.database import open_database
from events.rollouts import Route, current_route, put_route
from serving.deployers.base import Site
from serving.deployers.standing import StandingDeployer
from serving.processes import ServerCommand, ServerProcess
from tests.policy_servers import policy_server
from tests.small_registry import MODEL_NAME, SmallLoader, register_small_models
from tracking.client import connect
from tracking.registry import CHAMPION, list_versions, set_alias

FIRST, SECOND = f"models:/{MODEL_NAME}/1", f"models:/{MODEL_NAME}/2"
START_S = 60
SPEC: dict[str, Any] = {
    "unit": "visitor_id",
    "variants": {"champion": FIRST, "challenger": SECOND},
    "analysis": {"n_star": 300},
    "stopping": {"look_every": 100, "min_challenger_sessions": 30},
    "rollout": {"steps": [{"percent": 50, "sessions": 1200}], "watch_sessions": 100},
}


@dataclass(frozen=True)
class Standing:
    """Model servers and a policy server as somebody else left them running."""

    tracking_uri: str
    champion: str
    challenger: str
    policy: str
    events: str

    def run(self, folder: Path, spec: dict[str, Any], *more: str) -> dict[str, Any]:
        folder.mkdir(exist_ok=True)
        file = folder / "spec.yaml"
        file.write_text(yaml.safe_dump(spec))
        arguments = ["rollout", "run", "--policy", self.policy, "--champion", self.champion]
        arguments += ["--challenger", self.challenger, "--events", self.events, "--spec", str(file)]
        arguments += ["--run-dir", str(folder / "run"), *more]
        found = CliRunner().invoke(app, arguments)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == 0, found.output
        document: dict[str, Any] = json.loads((folder / "run" / "result.json").read_text())
        return document


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("standing")
    uri = register_small_models(folder / "registry", {"popularity": {}, "ease": {}}, SmallLoader().train())
    events = f"sqlite:///{folder / 'events.db'}"
    with ExitStack() as stack:
        servers = [model_server(folder / str(version), f"models:/{MODEL_NAME}/{version}", uri) for version in (1, 2)]
        for server in servers:
            stack.callback(server.stop)
        policy = stack.enter_context(policy_server(folder, events))
        for server in servers:
            server.wait_ready(START_S)
        yield Standing(uri, servers[0].url, servers[1].url, policy.url, events)


def model_server(folder: Path, model_uri: str, tracking_uri: str) -> ServerProcess:
    folder.mkdir()
    arguments = ["--model-uri", model_uri, "--name", MODEL_NAME, "--tracking-uri", tracking_uri]
    command = ServerCommand(
        name=model_uri,
        argv=[
            sys.executable,
            "-m",
            "serving.model_server",
            *arguments,
            "--port",
            "0",
            "--port-file",
            str(folder / "p"),
        ],
        port_file=folder / "p",
        log_file=folder / "log",
        ready_path="/readyz",
    )
    return ServerProcess(command)


@pytest.fixture(autouse=True)
def _its_mlflow(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", standing.tracking_uri)
    monkeypatch.setenv("MLFLOW_MODEL_NAME", MODEL_NAME)


def test_simulated_visitors_lead_to_a_decision(
    standing: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.simulated_world.chosen_loader", lambda settings, seed: (SmallLoader(), "small"))
    found = standing.run(tmp_path, {**SPEC, "name": "simulated"}, "--visitors", "2000")
    assert found["decision"] == "promote"
    assert found["simulated"]
    # The servers were not touched, and go on; everyone is on the new champion.
    route = httpx.get(f"{standing.policy}/routes", trust_env=False).json()
    assert (route["percent"], route["champion_url"], route["champion_version"]) == (0, standing.challenger, "2")
    # A stack that comes up again: the champion's server still serves the version that lost.
    arguments = ["rollout", "route", "--keep", "--events", standing.events, "--champion", standing.champion]
    kept = CliRunner().invoke(app, arguments)
    assert f"stays in force (version 2 at {standing.challenger})" in kept.output
    assert httpx.get(f"{standing.policy}/routes", trust_env=False).json() == route
    context = '{"visitor_id": 5}'
    shown = httpx.get(f"{standing.policy}/choose", params={"user_id": 5, "context": context}, trust_env=False)
    assert shown.json()["arm"] == "champion"
    aliases = {one.version: one.aliases for one in list_versions(connect(standing.tracking_uri), MODEL_NAME)}
    assert "champion" in aliases["2"]
    again = standing.run(tmp_path, {**SPEC, "name": "simulated"}, "--visitors", "2000")
    assert again["looks"] == found["looks"], "a finished one is only told again"


def test_live_traffic_is_waited_for_and_decides(standing: Standing, tmp_path: Path) -> None:
    spec = {**SPEC, "name": "live", "unit": "user_id"}
    spec["variants"] = {"champion": FIRST, "challenger": SECOND}
    stop = threading.Event()
    thread = threading.Thread(target=visitors, args=(standing.policy, stop))
    thread.start()
    try:
        found = standing.run(tmp_path, spec, "--settle", "0.2")
    finally:
        stop.set()
        thread.join()
    # Visitors click in four of five sessions with the challenger, in one of five with the control.
    assert (found["decision"], found["simulated"]) == ("promote", False)
    engine = open_database(standing.events)
    assert 0 < found["exposed_units"] <= count_units(engine, "live", "challenger")
    engine.dispose()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "visitors of the live traffic were compared" in page
    assert "are simulated" not in page


def visitors(policy: str, stop: threading.Event) -> None:
    user = 0
    with httpx.Client(base_url=policy, trust_env=False, timeout=30) as http:
        while not stop.is_set():
            user += 1
            answer = http.get("/choose", params={"user_id": user})
            if answer.status_code != 200 or answer.json()["experiment"] != "live":
                stop.wait(0.05)
                continue
            shown = answer.json()
            if (user % 5 > 0) == (shown["arm"] == "challenger"):
                body = {"user_id": user, "arm": shown["arm"], "item_id": shown["items"][0]["item_id"], "reward": 1}
                http.post("/update", json={**body, "decision_id": shown["decision_id"]})


def test_without_a_spec_the_servers_must_serve_champion_and_challenger_of_today(
    standing: Standing, tmp_path: Path
) -> None:
    """After a promotion whose servers nobody restarted, a rollout would put the loser before everyone again."""
    set_alias(connect(standing.tracking_uri), MODEL_NAME, CHAMPION, "2")
    for champion, said in (
        (standing.champion, f"serves {FIRST}, the champion is {SECOND} now; restart the server"),
        (standing.challenger, f"champion and challenger both serve {SECOND}"),
    ):
        servers = ["--champion", champion, "--challenger", standing.challenger]
        more = ["--policy", standing.policy, "--events", standing.events, "--run-dir", str(tmp_path / "run")]
        found = CliRunner().invoke(app, ["rollout", "run", *servers, *more])
        assert isinstance(found.exception, ConfigError)
        assert said in str(found.exception)


def test_what_cannot_be_is_refused(standing: Standing, tmp_path: Path) -> None:
    swapped = {**SPEC, "name": "swapped", "variants": {"champion": SECOND, "challenger": FIRST}}
    with pytest.raises(ConfigError, match=rf"serves {re.escape(FIRST)}, the rollout names {re.escape(SECOND)}"):
        standing.run(tmp_path, swapped, "--settle", "0")
    deployer = StandingDeployer(Site(tmp_path, "sqlite:///unused.db", addresses={FIRST: "http://127.0.0.1:9"}))
    with pytest.raises(ConfigError, match=f"no address is known of a model server of {SECOND}"):
        deployer.apply(FIRST, SECOND)
    deployer.apply(FIRST)
    with pytest.raises(ServerError, match=r"not ready after 0\.2 s"):
        deployer.wait(0.2)
    with pytest.raises(ServerError, match="no server is known for variant 'challenger'"):
        deployer.url("challenger")


def test_a_policy_server_of_another_database_is_told_before_anybody_is_routed(
    standing: Standing, tmp_path: Path
) -> None:
    here, elsewhere = (open_database(url) for url in (standing.events, f"sqlite:///{tmp_path / 'elsewhere.db'}"))
    # Both have the name that `rollout route` gives, and the policy server obeys a later one than the other's.
    route = Route("live", {**SPEC, "name": "live"}, 0, 0, standing.champion, "1")
    for _ in range(2):
        put_route(here, route)
    other = put_route(elsewhere, route)
    with pytest.raises(ServerError, match="it reads another event database"):
        replace(standing, events=str(elsewhere.url)).run(tmp_path / "told", {**SPEC, "name": "elsewhere"})
    assert current_route(elsewhere) == other
    for engine in (here, elsewhere):
        engine.dispose()
