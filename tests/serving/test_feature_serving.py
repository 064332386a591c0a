"""A model with features behind real HTTP, and a real Redis that is well, empty, dead, frozen or damaged."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from events.aggregate import count_exposures
from events.database import open_database
from events.rollouts import Route, put_route
from feature_repo.matrices import FeatureMatrices, features_as_of
from feature_repo.packed import layout_key, user_key, write_packed
from serving.model_source import UNREGISTERED
from serving.policy_process import PolicyProcess
from serving.processes import ServerProcess, poll
from tests.real_redis import RealRedis, real_redis
from tests.served_model import START_S, V1, model_command
from tests.small_registry import small_interactions
from wrappers.artifact import load_wrapper
from wrappers.logreg import LogReg

#: Generous: what is tested is that a deadline exists, not how short it is.
TIMEOUT_MS = "400"
KNOWN, WITHOUT_ROW = 100, 101


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "logreg"
    LogReg({"n_candidates": 20}).fit(small_interactions()).save(folder)
    return folder


@pytest.fixture(scope="module")
def model(artifact: Path) -> LogReg:
    loaded = load_wrapper(artifact)
    assert isinstance(loaded, LogReg)
    return loaded


@pytest.fixture(scope="module")
def features() -> FeatureMatrices:
    return features_as_of(small_interactions())


def fill(redis: RealRedis, model: LogReg, features: FeatureMatrices) -> None:
    """Put a row for everyone but WITHOUT_ROW into Redis."""
    users = [str(user) for user in features.users.ids.tolist()]
    with redis.client() as client:
        write_packed(client, model.features_version, users, features.user, layout="{}")
        client.delete(user_key(model.features_version, WITHOUT_ROW))


@pytest.fixture(scope="module")
def module_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    with real_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(module_redis: RealRedis, model: LogReg, features: FeatureMatrices) -> RealRedis:
    """A Redis with everyone's rows as they should be, whatever the test before did to them."""
    fill(module_redis, model, features)
    return module_redis


@contextmanager
def serving(artifact: Path, folder: Path, redis_url: str) -> Iterator[tuple[ServerProcess, httpx.Client]]:
    environment = {"REDIS_URL": redis_url, "SCREENTEST_FEATURE_TIMEOUT_MS": TIMEOUT_MS}
    server = ServerProcess(model_command(folder, "--model-uri", str(artifact), environment=environment))
    try:
        server.wait_ready(START_S)
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http:
            yield server, http
    finally:
        server.stop()


@pytest.fixture(scope="module")
def http(
    artifact: Path,
    module_redis: RealRedis,
    model: LogReg,
    features: FeatureMatrices,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    fill(module_redis, model, features)
    with serving(artifact, tmp_path_factory.mktemp("server"), module_redis.url) as (_, client):
        yield client


def ask(http: httpx.Client, **request: Any) -> dict[str, Any]:
    answer = http.post("/recommend", json=request)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def lookups(http: httpx.Client) -> dict[str, float]:
    """Look-ups by outcome."""
    prefix = 'screentest_feature_lookups_total{outcome="'
    lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith(prefix)]
    return {line[len(prefix) :].split('"')[0]: float(line.split()[-1]) for line in lines}


def row_of(features: FeatureMatrices, user_id: int) -> np.ndarray:
    return features.user[features.users.index_of([user_id])[0]]


def test_the_model_is_asked_with_the_row_in_redis(
    http: httpx.Client, redis: RealRedis, model: LogReg, features: FeatureMatrices
) -> None:
    # Another user's row in the place of this one's: the list must follow it, not what was known at training time.
    others = row_of(features, 117)
    with redis.client() as client:
        write_packed(client, model.features_version, [str(KNOWN)], others[np.newaxis])
    [expected] = model.predict([{"user_id": KNOWN, "k": 5, "features": others}])
    [trained] = model.predict([{"user_id": KNOWN, "k": 5}])
    assert expected["items"] != trained["items"]
    lean = ask(http, user_id=KNOWN, k=5)
    assert (lean["items"], lean["features"]) == (expected["items"], "store")
    assert ask(http, user_id=str(KNOWN), k=5) == lean
    v1 = http.post(V1, json={"instances": [{"user_id": KNOWN, "k": 5}]}).json()["predictions"]
    assert v1 == [{**expected, "features": "store"}]


def test_a_user_without_a_row_gets_the_defaults_and_the_mark(http: httpx.Client, model: LogReg) -> None:
    [expected] = model.predict([{"user_id": WITHOUT_ROW, "k": 5, "features": None}])
    before = lookups(http)
    lean = ask(http, user_id=WITHOUT_ROW, k=5)
    assert (lean["items"], lean["features"]) == (expected["items"], "default")
    assert ask(http, user_id="nobody", k=5)["features"] == "default"
    assert lookups(http)["missing"] == before["missing"] + 2


def test_a_batch_is_one_question_and_what_the_caller_brings_is_none(
    http: httpx.Client, redis: RealRedis, model: LogReg
) -> None:
    row = {"rating_mean": 2.0}
    instances = [
        {"user_id": KNOWN},
        {"user_id": WITHOUT_ROW},
        {"user_id": 102, "features": row},
        {"user_id": 103, "features": None},
        {"user_id": "104"},
    ]
    with redis.client() as client:
        client.config_resetstat()
        answers = http.post(V1, json={"instances": instances}).json()["predictions"]
        asked = {name: each["calls"] for name, each in client.info("commandstats").items()}
    assert [one["features"] for one in answers] == ["store", "default", "partial", "default", "store"]
    assert (asked.get("cmdstat_mget"), asked.get("cmdstat_get")) == (1, None)
    assert answers[2] == model.predict([instances[2]])[0]
    assert ask(http, user_id=102, features=row)["features"] == "partial"


def test_a_row_with_a_hole_is_marked_partial(
    http: httpx.Client, redis: RealRedis, model: LogReg, features: FeatureMatrices
) -> None:
    holed = row_of(features, KNOWN).copy()
    holed[model.layout.user_names.index("rating_mean")] = np.nan
    with redis.client() as client:
        write_packed(client, model.features_version, [str(KNOWN)], holed[np.newaxis])
    assert ask(http, user_id=KNOWN)["features"] == "partial"


@pytest.mark.parametrize("blob", [b"", b"garbage", b"\x00" * 400_000])
def test_a_damaged_row_is_no_row_and_harms_nobody_else(
    http: httpx.Client, redis: RealRedis, model: LogReg, blob: bytes
) -> None:
    with redis.client() as client:
        client.set(user_key(model.features_version, KNOWN), blob)
    before = lookups(http)
    assert ask(http, user_id=KNOWN)["features"] == "default"
    assert ask(http, user_id=102)["features"] == "store"
    assert lookups(http) == {**before, "store": before["store"] + 1, "damaged": before["damaged"] + 1}


@pytest.mark.parametrize("request_", [{}, {"user_id": True}, {"user_id": [1]}, {"user_id": ""}, {"user_id": 1.5}])
def test_what_is_no_request_is_refused_as_ever(http: httpx.Client, request_: dict[str, Any]) -> None:
    assert http.post("/recommend", json=request_).status_code == 400
    assert http.post(V1, json={"instances": [{"user_id": KNOWN}, request_]}).status_code == 400


def test_a_frozen_redis_costs_a_deadline_and_then_nothing(http: httpx.Client, redis: RealRedis) -> None:
    assert ask(http, user_id=KNOWN)["features"] == "store"
    redis.freeze()
    try:
        assert [ask(http, user_id=KNOWN)["features"] for _ in range(20)] == ["default"] * 20
        assert http.get("/readyz").json()["features"] == "unavailable"
    finally:
        redis.thaw()
    assert poll(lambda: ask(http, user_id=KNOWN)["features"] == "store", START_S)
    assert http.get("/readyz").json() == {
        "ready": True,
        "model": "recommender",
        "model_version": UNREGISTERED,
        "features": "store",
    }


def test_without_a_redis_the_server_says_so_once_and_serves(artifact: Path, tmp_path: Path) -> None:
    with serving(artifact, tmp_path, "") as (server, http):
        assert ask(http, user_id=KNOWN)["features"] == "default"
        assert http.get("/readyz").json()["features"] == "unavailable"
        assert lookups(http)["unavailable"] == 1
        log = server.command.log_file.read_text(encoding="utf-8").splitlines()
    assert len(log) == 2, log
    assert "REDIS_URL is not set" in log[0]


def test_a_redis_without_these_features_is_told_with_the_key(
    artifact: Path, redis: RealRedis, model: LogReg, tmp_path: Path
) -> None:
    key = layout_key(model.features_version)
    with redis.client() as client:
        client.delete(key)
    with serving(artifact, tmp_path, redis.url) as (server, http):
        assert http.get("/readyz").json()["features"] == "missing"
        log = server.command.log_file.read_text(encoding="utf-8").splitlines()
    assert len(log) == 2, log
    assert all(part in log[0] for part in (key, f"127.0.0.1:{redis.port}", "build-features", "REDIS_URL"))


def test_a_refused_password_is_told_without_it(artifact: Path, tmp_path: Path) -> None:
    with (
        real_redis(tmp_path, "--requirepass", "right", credentials=":right@") as redis,
        serving(artifact, tmp_path, redis.url.replace("right", "hunter2")) as (server, http),
    ):
        assert ask(http, user_id=KNOWN)["features"] == "default"
        log = server.command.log_file.read_text(encoding="utf-8").splitlines()
    assert len(log) == 2, log
    assert "refused the password" in log[0]
    assert "hunter2" not in log[0]


def test_an_address_that_is_none_stops_the_server(artifact: Path, tmp_path: Path) -> None:
    server = ServerProcess(
        model_command(tmp_path, "--model-uri", str(artifact), environment={"REDIS_URL": "localhost"})
    )
    try:
        assert poll(lambda: not server.alive, START_S)
    finally:
        server.stop()
    log = server.command.log_file.read_text(encoding="utf-8").splitlines()
    assert len(log) == 1, log
    assert "is no address of a Redis" in log[0]


@contextmanager
def everyone_on(model_url: str, folder: Path) -> Iterator[tuple[str, httpx.Client]]:
    """A policy server that sends everyone to one model: its event log, and a client of it."""
    events = f"sqlite:///{folder / 'events.db'}"
    spec = {"name": "features", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
    engine = open_database(events)
    put_route(engine, Route("features", spec, 0, 0, model_url, UNREGISTERED))
    engine.dispose()
    with ExitStack() as stack:
        policy = PolicyProcess(events, folder)
        stack.callback(policy.stop)
        policy.wait_alive(START_S)
        yield events, stack.enter_context(httpx.Client(base_url=policy.url, trust_env=False, timeout=30))


def test_redis_is_killed_under_traffic_and_comes_back(
    artifact: Path, model: LogReg, features: FeatureMatrices, tmp_path: Path
) -> None:
    answers: list[dict[str, Any]] = []
    trouble: list[str] = []
    over = threading.Event()

    def users(policy: httpx.Client) -> None:
        while not over.is_set():
            answer = policy.get("/choose", params={"user_id": KNOWN})
            if answer.status_code != 200:
                trouble.append(answer.text)
            answers.append(answer.json())

    def seen(mark: str) -> bool:
        """Whether the mark is on an answer from now on."""
        first = len(answers)
        return poll(lambda: any(one.get("features") == mark for one in answers[first:]), START_S)

    with (
        real_redis(tmp_path) as redis,
        serving(artifact, tmp_path, redis.url) as (server, _),
        everyone_on(server.url, tmp_path) as (events, policy),
    ):
        fill(redis, model, features)
        traffic = [threading.Thread(target=users, args=[policy]) for _ in range(4)]
        for thread in traffic:
            thread.start()
        try:
            assert seen("store")
            redis.kill()
            assert seen("default")
            redis.start()
            fill(redis, model, features)
            assert seen("store")
        finally:
            over.set()
            for thread in traffic:
                thread.join()
        metrics = policy.get("/metrics").text
        engine = open_database(events)
        assert poll(lambda: count_exposures(engine, "features") == len(answers), START_S)
        engine.dispose()
        log = server.command.log_file.read_text(encoding="utf-8")
    assert not trouble
    assert all(one["items"] and "degraded" not in one for one in answers)
    assert {one["features"] for one in answers} == {"store", "default"}
    for mark in ("store", "default"):
        counted = f'screentest_choose_features_total{{arm="champion",features="{mark}"}} '
        [line] = [line for line in metrics.splitlines() if line.startswith(counted)]
        assert float(line.split()[-1]) == sum(one["features"] == mark for one in answers)
    assert "Traceback" not in log
    assert log.count("cannot be reached") <= 2, "said once, not for every request"
    assert "answers again" in log
