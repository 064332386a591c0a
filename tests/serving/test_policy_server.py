import itertools
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from events.aggregate import count_exposures, health, session_rows, sessions_recorded
from events.database import open_database, reading
from events.rollouts import Route, current_route, put_route
from events.schema import EXPOSURES, OUTCOMES
from experiments.assignment import bucket, rollout_variant
from serving.model_source import UNREGISTERED
from serving.policy_process import PolicyProcess
from serving.processes import ServerCommand, ServerProcess, poll
from tests.small_registry import small_interactions
from wrappers.registry import model

START_S = 60
MODEL_TIMEOUT_S = "0.3"


@dataclass(frozen=True)
class Policy:
    """A running policy server, its log, and the model servers it may send users to."""

    http: httpx.Client
    url: str
    process: ServerProcess
    models: dict[str, str]
    names: Iterator[int]

    def route(self, **changes: Any) -> Route:
        """Put a route of a fresh experiment in force."""
        name = f"exp-{next(self.names)}"
        spec = {"name": name, "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
        route = Route(name, spec, 50, 0, self.models["popularity"], UNREGISTERED, self.models["ease"], UNREGISTERED)
        stored = put_route(open_database(self.url), replace(route, **changes))
        answer = self.http.post("/routes/refresh")
        assert (answer.status_code, answer.json()["revision"]) == (200, stored.revision)
        return stored

    def choose(self, user_id: int | str, **query: Any) -> dict[str, Any]:
        answer = self.http.get("/choose", params={"user_id": user_id, **query})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def update(self, shown: dict[str, Any], user: int | str, /, **changes: Any) -> httpx.Response:
        body = {
            "user_id": user,
            "arm": shown["arm"],
            "item_id": shown["items"][0]["item_id"],
            "reward": 1,
            "decision_id": shown["decision_id"],
        }
        return self.http.post("/update", json={**body, **changes})

    def exposure(self, decision_id: str) -> dict[str, Any]:
        """The exposure as the log holds it; committed before this returns."""
        assert poll(lambda: self._exposure(decision_id) is not None, 10)
        return self._exposure(decision_id) or {}

    def _exposure(self, decision_id: str) -> dict[str, Any] | None:
        with reading(open_database(self.url)) as connection:
            query = select(EXPOSURES).where(EXPOSURES.c.decision_id == decision_id)
            row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)


@contextmanager
def policy_server(folder: Path, url: str, *arguments: str) -> Iterator[ServerProcess]:
    server = ServerProcess(
        ServerCommand(
            name="policy server",
            argv=[
                *(sys.executable, "-m", "serving.policy_server", "--events", url, *arguments),
                *("--port", "0", "--port-file", str(folder / "policy.port")),
            ],
            port_file=folder / "policy.port",
            log_file=folder / "policy.log",
            ready_path="/healthz",
        )
    )
    try:
        server.wait_ready(START_S)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def model_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two real model servers by the name of their model."""
    folder = tmp_path_factory.mktemp("models")
    with ExitStack() as stack:
        servers = {}
        for name in ("popularity", "ease"):
            model(name)().fit(small_interactions()).save(folder / name)
            port_file = folder / f"{name}.port"
            servers[name] = ServerProcess(
                ServerCommand(
                    name=name,
                    argv=[
                        *(sys.executable, "-m", "serving.model_server", "--model-uri", str(folder / name)),
                        *("--port", "0", "--port-file", str(port_file)),
                    ],
                    port_file=port_file,
                    log_file=folder / f"{name}.log",
                    ready_path="/readyz",
                )
            )
            stack.callback(servers[name].stop)
        for server in servers.values():
            server.wait_ready(START_S)
        yield {name: server.url for name, server in servers.items()}


@contextmanager
def running_policy(folder: Path, models: dict[str, str]) -> Iterator[Policy]:
    url = f"sqlite:///{folder / 'events.db'}"
    with (
        policy_server(folder, url, "--model-timeout-s", MODEL_TIMEOUT_S) as process,
        httpx.Client(base_url=process.url, trust_env=False, timeout=30) as http,
    ):
        yield Policy(http, url, process, models, itertools.count())


@pytest.fixture(scope="module")
def policy(model_urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    with running_policy(tmp_path_factory.mktemp("policy"), model_urls) as running:
        yield running


@pytest.fixture
def own_policy(model_urls: dict[str, str], tmp_path: Path) -> Iterator[Policy]:
    """A server of the test's own, to be maltreated."""
    with running_policy(tmp_path, model_urls) as running:
        yield running


def user_of(variant: str, experiment: str, percent: int = 50) -> str:
    """Some user the experiment assigns to a variant."""
    users = map(str, itertools.count(100))
    return next(user for user in users if rollout_variant(bucket(experiment, user), percent) == variant)


def metric(policy: Policy, name: str) -> float:
    lines = policy.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@contextmanager
def server_that(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that does one thing to every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                behave(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def answer_with(status: str, body: str) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        connection.sendall(f"{head}connection: close\r\n\r\n{body}".encode())

    return behave


def test_a_session_from_choose_to_the_counted_click(policy: Policy) -> None:
    route = policy.route(step_index=2)
    context = {"session_id": "s-1", "channel": "web", "device": "phone", "page": 7}
    user = user_of("challenger", route.experiment)
    shown = policy.choose(user, context=json.dumps(context))
    assert list(shown) == ["arm", "items", "decision_id", "experiment", "step"]
    assert (shown["arm"], shown["experiment"], shown["step"]) == ("challenger", route.experiment, 2)
    assert len(shown["items"]) == 10
    assert list(shown["items"][0]) == ["item_id", "title", "score"]

    answer = policy.update(shown, user, ts=1.5, meta={"position": 1})
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted", "decision_id": shown["decision_id"]})
    assert policy.update(shown, user).json()["status"] == "duplicate"

    exposure = policy.exposure(shown["decision_id"])
    latency_ms, ts = exposure.pop("latency_ms"), exposure.pop("ts")
    assert latency_ms > 0
    assert ts > 1.7e9
    assert exposure == {
        "decision_id": shown["decision_id"],
        "experiment": route.experiment,
        "unit_id": user,
        "user_id": user,
        "session_id": "s-1",
        "step": 2,
        "variant": "challenger",
        "propensity": 0.5,
        "items": [item["item_id"] for item in shown["items"]],
        "n_items": 10,
        "context": context,
        "channel": "web",
        "device": "phone",
        "error": False,
    }
    rows = session_rows(open_database(policy.url), route.experiment)
    assert [column.tolist() for column in rows] == [[user], [2], ["challenger"], [1], [1]]
    recorded = sessions_recorded(open_database(policy.url), route.experiment)["s-1"]
    assert (recorded.decision_id, recorded.clicked) == (shown["decision_id"], True)


def test_a_request_sent_again_with_its_key_is_recorded_once(policy: Policy) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    first, second = (policy.choose(user, decision_id=f"twice-{route.experiment}") for _ in range(2))

    assert first == second
    assert policy.update(first, user).json()["status"] == "accepted"
    assert count_exposures(open_database(policy.url), route.experiment) == 1


def test_each_arm_is_answered_by_its_own_model(policy: Policy) -> None:
    route = policy.route(percent=25)
    for variant, name in (("challenger", "ease"), ("control", "popularity"), ("champion", "popularity")):
        user = user_of(variant, route.experiment, 25)
        expected = httpx.post(
            f"{policy.models[name]}/recommend", json={"user_id": user, "k": 3}, trust_env=False
        ).json()["items"]
        for _ in range(2):
            shown = policy.choose(user, k=3)
            assert (shown["arm"], shown["items"]) == (variant, expected), "the same unit always gets the same arm"


@pytest.mark.parametrize(
    ("percent", "arms"), [(0, {"champion"}), (100, {"challenger"}), (50, {"challenger", "control"})]
)
def test_the_route_is_obeyed_at_once(policy: Policy, percent: int, arms: set[str]) -> None:
    policy.route(percent=percent)
    assert {policy.choose(user, k=1)["arm"] for user in range(30)} == arms


def test_routes_shows_what_is_in_force(policy: Policy) -> None:
    route = policy.route(percent=5)
    assert policy.http.get("/routes").json() == {**vars(route), "spec": dict(route.spec)}


def test_a_missed_refresh_heals_by_itself(policy: Policy) -> None:
    policy.route()
    stored = put_route(open_database(policy.url), replace(policy.route(), percent=5))
    assert poll(lambda: policy.http.get("/routes").json()["revision"] == stored.revision, 20)


def test_the_unit_may_be_another_than_the_user(policy: Policy) -> None:
    spec = {
        "name": "by-visitor",
        "unit": "visitor_id",
        "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"},
    }
    policy.route(experiment="by-visitor", spec=spec)
    arms = {policy.choose(user, context='{"visitor_id": "v7"}')["arm"] for user in range(20)}
    assert arms == {rollout_variant(bucket("by-visitor", "v7"), 50)}
    refused = policy.http.get("/choose", params={"user_id": 1})
    assert refused.status_code == 400
    assert "visitor_id" in refused.json()["error"]


def test_a_cold_user_is_answered_too(policy: Policy) -> None:
    policy.route()
    assert len(policy.choose("somebody new")["items"]) == 10


@pytest.mark.parametrize(
    "behave",
    [
        lambda connection: None,
        lambda connection: connection.close(),
        answer_with("500 Internal Server Error", '{"error": "boom"}'),
        answer_with("200 OK", "no json"),
        answer_with("200 OK", '{"items": [{}], "model_version": "unregistered"}'),
        answer_with("200 OK", '{"items": [], "cold": false, "model_version": "another"}'),
    ],
    ids=["never answers", "hangs up", "fails", "no JSON", "no list", "another version"],
)
def test_a_failing_challenger_is_replaced_and_counted_against_it(
    policy: Policy, behave: Callable[[socket.socket], None]
) -> None:
    before = metric(policy, 'screentest_model_errors_total{arm="challenger"}')
    with server_that(behave) as broken:
        route = policy.route(challenger_url=broken)
        shown = policy.choose(user_of("challenger", route.experiment))
    assert (shown["arm"], shown["degraded"], len(shown["items"])) == ("challenger", True, 10)
    exposure = policy.exposure(shown["decision_id"])
    assert (exposure["variant"], exposure["error"], exposure["n_items"]) == ("challenger", True, 10)
    assert "degraded" not in policy.choose(user_of("control", route.experiment))
    assert metric(policy, 'screentest_model_errors_total{arm="challenger"}') == before + 1


def test_a_failing_champion_is_503_and_a_failed_session(policy: Policy) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = policy.route(champion_url=broken)
        user = user_of("control", route.experiment)
        key = f"failed-{route.experiment}"
        answer = policy.http.get("/choose", params={"user_id": user, "decision_id": key})
        ready = policy.http.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "cannot be reached" in answer.json()["error"]
    assert (ready.status_code, "not ready" in ready.json()["error"]) == (503, True)
    exposure = policy.exposure(key)
    assert (exposure["variant"], exposure["error"], exposure["items"]) == ("control", True, [])
    rows = session_rows(open_database(policy.url), route.experiment)
    assert [column.tolist() for column in rows] == [[user], [0], ["control"], [1], [0]]


def test_challenger_and_champion_failing_is_a_failed_session_of_the_challenger(policy: Policy) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = policy.route(champion_url=broken, challenger_url=broken)
        user = user_of("challenger", route.experiment)
        assert policy.http.get("/choose", params={"user_id": user}).status_code == 503
    engine = open_database(policy.url)
    assert poll(lambda: count_exposures(engine, route.experiment) == 1, 10)
    assert health(engine, route.experiment)[:3] == (1, 1, 0)


@pytest.mark.parametrize("variant", ["control", "challenger"])
def test_a_failed_session_asked_for_again_counts_once_as_answered(policy: Policy, variant: str) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = policy.route(champion_url=broken, challenger_url=broken)
        user = user_of(variant, route.experiment)
        key = f"again-{route.experiment}"
        for _ in range(2):
            assert policy.http.get("/choose", params={"user_id": user, "decision_id": key}).status_code == 503
    healed = replace(route, champion_url=policy.models["popularity"], challenger_url=policy.models["ease"])
    put_route(open_database(policy.url), healed)
    policy.http.post("/routes/refresh")
    shown = policy.choose(user, decision_id=key)
    engine = open_database(policy.url)
    assert health(engine, route.experiment, variant)[:3] == (1, 0, 0), "on disk before it was answered"
    assert (shown["decision_id"], len(shown["items"])) == (key, 10)
    assert policy.update(shown, user).json()["status"] == "accepted"
    rows = session_rows(engine, route.experiment)
    assert [column.tolist() for column in rows] == [[user], [0], [variant], [1], [1]]


def test_a_click_in_a_degraded_session_is_the_challengers(policy: Policy) -> None:
    with server_that(lambda connection: connection.close()) as broken:
        route = policy.route(challenger_url=broken)
        user = user_of("challenger", route.experiment)
        shown = policy.choose(user)
    assert policy.update(shown, user).json()["status"] == "accepted"
    engine = open_database(policy.url)
    rows = session_rows(engine, route.experiment)
    assert [column.tolist() for column in rows] == [[user], [0], ["challenger"], [1], [1]]
    assert health(engine, route.experiment)[:3] == (1, 1, 0)


def test_a_key_sent_again_gets_the_list_on_record_whatever_the_route_is_now(policy: Policy) -> None:
    route = policy.route()
    user, key = user_of("challenger", route.experiment), f"same-{route.experiment}"
    shown = policy.choose(user, decision_id=key, k=3)
    put_route(open_database(policy.url), replace(route, percent=0))
    policy.http.post("/routes/refresh")
    assert policy.choose(user)["arm"] == "champion"
    assert policy.choose(user, decision_id=key) == shown
    assert policy.update(shown, user).json()["status"] == "accepted"
    refused = policy.http.get("/choose", params={"user_id": "another", "decision_id": key})
    assert (refused.status_code, "was used for another user" in refused.text) == (400, True)


def test_what_could_not_be_recorded_is_refused_and_the_log_goes_on(policy: Policy) -> None:
    route = policy.route()
    user = user_of("control", route.experiment)
    deep = '{"a":' * 400 + "1" + "}" * 400
    context = '{"a":' * 300 + "1" + "}" * 300
    body = f'{{"user_id": "{user}", "arm": "control", "item_id": 1, "reward": 1, "meta": {deep}}}'
    for answer in (
        policy.http.post("/update", content=body),
        policy.http.get("/choose", params={"user_id": user, "context": context}),
        policy.http.post("/update", content=body.replace(deep, "[" * 1000 + "]" * 1000)),
    ):
        assert (answer.status_code, "nested deeper than 8 levels" in answer.json()["error"]) == (400, True)
    assert policy.update(policy.choose(user), user).json()["status"] == "accepted"
    assert policy.http.get("/readyz").status_code == 200


def test_an_update_without_decision_finds_the_latest_exposure(policy: Policy) -> None:
    route = policy.route()
    user = user_of("control", route.experiment)
    earlier, later = policy.choose(user), policy.choose(user)
    found = policy.update(later, user, decision_id=None)
    assert found.json() == {"status": "accepted", "decision_id": later["decision_id"]}
    between = policy.exposure(earlier["decision_id"])["ts"]
    found = policy.update(later, user, decision_id=None, ts=between)
    assert found.json() == {"status": "accepted", "decision_id": earlier["decision_id"]}
    assert policy.update(later, user, decision_id=None, ts=1.0).json()["status"] == "orphan"
    assert policy.update(later, user, decision_id=None, item_id=999_999).json()["status"] == "orphan"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arm": "control"}, "arm 'control'"),
        ({"arm": "treatment"}, "must be one of champion, control, challenger"),
        ({"user_id": "another"}, "user_id 'another'"),
        ({"item_id": 999_999}, "item_id '999999' is not in the list"),
        ({"reward": None}, "reward == None, must be a finite number"),
        ({"ts": "today"}, "ts == 'today'"),
        ({"meta": []}, "meta == []"),
        ({"kind": "stare"}, "kind == 'stare'"),
        ({"extra": 1}, "unknown field 'extra'"),
    ],
)
def test_an_update_that_cannot_be_is_400_with_the_reason(policy: Policy, changes: dict[str, Any], reason: str) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    answer = policy.update(policy.choose(user), user, **changes)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"reward": NaN}', b"\xff\xfe", b'{"user_id": "\\ud800"}'])
def test_an_update_that_is_no_json_object_is_400(policy: Policy, body: bytes) -> None:
    answer = policy.http.post("/update", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("query", "reason"),
    [("", "user_id"), ("user_id=", "user_id"), ("user_id=1&k=0", "k == '0'"), ("user_id=1&context=[1]", "context")],
)
def test_a_choose_that_cannot_be_is_400_with_the_reason(policy: Policy, query: str, reason: str) -> None:
    policy.route()
    answer = policy.http.get(f"/choose?{query}")
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_an_outcome_of_an_unknown_decision_is_kept_as_an_orphan(policy: Policy) -> None:
    body = {"user_id": 1, "arm": "control", "item_id": 5, "reward": 1, "decision_id": "never-heard-of"}
    assert policy.http.post("/update", json=body).json() == {"status": "orphan", "decision_id": "never-heard-of"}
    with reading(open_database(policy.url)) as connection:
        kept = connection.execute(select(OUTCOMES).where(OUTCOMES.c.decision_id == "never-heard-of")).one()
    assert kept.item_id == "5"


def test_metrics_count_what_was_done(policy: Policy) -> None:
    route = policy.route()
    user = user_of("control", route.experiment)
    before = metric(policy, 'screentest_outcomes_total{status="accepted"}')
    policy.update(policy.choose(user), user)
    assert metric(policy, f'screentest_decisions_total{{arm="control",experiment="{route.experiment}"}}') == 1
    assert metric(policy, 'screentest_outcomes_total{status="accepted"}') == before + 1
    assert metric(policy, "screentest_route_revision") == route.revision
    assert metric(policy, "screentest_lost_exposures_total") == 0


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
    refused = own_policy.http.get("/choose", params={"user_id": 1})
    assert (refused.status_code, "removed or replaced" in refused.text) == (503, True), "it could not be recorded"


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
        assert process.refresh() == stored.revision
    finally:
        process.stop()
