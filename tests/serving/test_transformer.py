"""The Feast transformer over real HTTP: a real Redis, a real predictor, and each of them gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import httpx
import numpy as np
import orjson
import pytest
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from core.errors import ServerError
from feature_repo.catalogue import USER_FEATURES, FeatureLayout
from feature_repo.matrices import FeatureMatrices, features_as_of
from feature_repo.packed import user_key, write_packed
from serving.feature_lookup import FeatureLookup
from serving.feature_transformer import FeatureTransformer, named_features
from serving.predictor import Predictor, WantedFeatures
from serving.processes import ServerProcess, poll
from tests.real_redis import RealRedis, real_redis
from tests.served_model import START_S, V1, model_command, model_server
from tests.small_registry import small_interactions
from tests.transformed_model import transformer
from wrappers.artifact import load_wrapper
from wrappers.feature_rows import parse_features
from wrappers.logreg import LogReg
from wrappers.popularity import Popularity

KNOWN, WITHOUT_ROW = 100, 101
EXPLAIN = V1.replace(":predict", ":explain")
V2 = "/v2/models/recommender/infer"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LogReg:
    folder = tmp_path_factory.mktemp("model") / "logreg"
    LogReg({"n_candidates": 20}).fit(small_interactions()).save(folder)
    loaded = load_wrapper(folder)
    assert isinstance(loaded, LogReg)
    loaded.folder = folder  # type: ignore[attr-defined]
    return loaded


@pytest.fixture(scope="module")
def features() -> FeatureMatrices:
    return features_as_of(small_interactions())


@pytest.fixture(scope="module")
def redis(model: LogReg, features: FeatureMatrices, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """With rows for everyone but WITHOUT_ROW."""
    with real_redis(tmp_path_factory.mktemp("redis")) as server:
        users = [str(user) for user in features.users.ids.tolist()]
        with server.client() as client:
            write_packed(client, model.features_version, users, features.user, layout="{}")
            client.delete(user_key(model.features_version, WITHOUT_ROW))
        yield server


@pytest.fixture(scope="module")
def predictor(model: LogReg, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A predictor that knows no Redis."""
    with model_server(tmp_path_factory.mktemp("predictor"), "--model-uri", str(model.folder)) as server:  # type: ignore[attr-defined]
        yield server


@pytest.fixture(scope="module")
def http(
    redis: RealRedis, predictor: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    environment = {"REDIS_URL": redis.url, "SCREENTEST_FEATURE_TIMEOUT_MS": "400"}
    with ExitStack() as stack:
        server = stack.enter_context(
            transformer(tmp_path_factory.mktemp("transformer"), predictor.url, environment=environment)
        )
        client = stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=30))
        assert poll(lambda: client.get("/readyz").status_code == 200, START_S)
        yield client


def predicted(http: httpx.Client, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = http.post(V1, json={"instances": instances})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["predictions"])


def row_of(features: FeatureMatrices, user_id: int) -> np.ndarray:
    return features.user[features.users.ids.tolist().index(user_id)]


def test_what_goes_over_the_wire_is_the_row_to_the_last_bit(model: LogReg, features: FeatureMatrices) -> None:
    row = row_of(features, KNOWN).copy()
    row[[3, -1]] = np.nan
    received = orjson.loads(orjson.dumps(named_features(row, model.layout)))
    assert np.array_equal(parse_features(received, model.layout, ""), row, equal_nan=True)


def test_a_predictor_without_redis_answers_as_one_with_it(
    http: httpx.Client, model: LogReg, features: FeatureMatrices
) -> None:
    users = [KNOWN, 102, 103]
    with_rows = [{"user_id": user, "k": 5, "features": row_of(features, user)} for user in users]
    expected = [{**one, "features": "store"} for one in model.predict(with_rows)]
    assert predicted(http, [{"user_id": user, "k": 5} for user in users]) == expected
    alone = [predicted(http, [{"user_id": user, "k": 5}])[0] for user in users]
    assert alone == expected


def test_who_has_no_row_and_who_brings_one(http: httpx.Client, model: LogReg) -> None:
    instances = [{"user_id": WITHOUT_ROW}, {"user_id": "nobody"}, {"user_id": 102, "features": {"rating_mean": 2.0}}]
    answers = predicted(http, instances)
    assert [one["features"] for one in answers] == ["default", "default", "partial"]
    assert answers[2] == model.predict([instances[2]])[0]


def test_tensors_and_reasons_get_features_too(http: httpx.Client) -> None:
    tensor = {"name": "user_id", "shape": [2], "datatype": "INT64", "data": [KNOWN, WITHOUT_ROW]}
    answer = http.post(V2, json={"inputs": [tensor], "parameters": {"k": 3}})
    assert answer.status_code == 200, answer.text
    outputs = {one["name"]: one["data"] for one in answer.json()["outputs"]}
    [expected] = predicted(http, [{"user_id": KNOWN, "k": 3}])
    assert outputs["item_id"][:3] == [str(item["item_id"]) for item in expected["items"]]
    assert outputs["features"] == ["store", "default"]
    assert (answer.json()["model_version"], answer.headers["x-model-version"]) == ("unregistered", "unregistered")
    reply = http.post(EXPLAIN, json={"instances": [{"user_id": KNOWN, "k": 3}]})
    explained = reply.json()
    # The predictor's version is told with its predictions alone.
    assert (explained["predictions"], "x-model-version" in reply.headers) == ([expected], False)
    assert http.get("/v2/models/recommender").json()["versions"] == []
    assert all(one["reason"] for one in explained["explanations"][0])


def test_more_than_one_body_may_hold_keeps_its_order(http: httpx.Client) -> None:
    """A thousand users' features are longer than the predictor takes at once."""
    users = [100 + number % 60 for number in range(1000)]
    answers = predicted(http, [{"user_id": user, "k": 1} for user in users])
    assert [one["user_id"] for one in answers] == users
    assert {one["features"] for one in answers} == {"store", "default"}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "unexpected end of data"),
        (b'{"instances": [{"user_id": 100, "k": 0}]}', 400, "k == 0, must be an integer 1"),
        (b'{"instances": [17]}', 400, "request 0"),
        (b'{"inputs": []}', 400, 'no "instances"'),
    ],
)
def test_bad_input_is_refused_with_the_reason_here_or_there(
    http: httpx.Client, body: bytes, status: int, reason: str
) -> None:
    answer = http.post(V1, content=body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert reason in answer.json()["error"]


def test_a_trace_goes_on_to_the_predictor_and_back(http: httpx.Client) -> None:
    answer = http.post(V1, json={"instances": [{"user_id": KNOWN}]}, headers={"traceparent": TRACEPARENT})
    assert answer.headers["traceparent"] == TRACEPARENT


def test_a_redis_that_is_frozen_costs_a_deadline_and_default_features(http: httpx.Client, redis: RealRedis) -> None:
    redis.freeze()
    try:
        answers = [predicted(http, [{"user_id": KNOWN}])[0]["features"] for _ in range(5)]
    finally:
        redis.thaw()
    assert answers == ["default"] * 5
    assert poll(lambda: predicted(http, [{"user_id": KNOWN}])[0]["features"] == "store", START_S)


def test_another_version_of_the_predictor_gets_its_own_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.feature_transformer._PAUSE_S", 0.0)
    told = [
        ServerError("starting"),
        WantedFeatures("v1", FeatureLayout(("Drama",))),
        WantedFeatures("v1", FeatureLayout(("Drama",))),
        ServerError("restarting"),
        # Of a gateway between the two.
        HTTPException(403, "not now"),
        WantedFeatures("v2", FeatureLayout(("Drama", "War"))),
    ]

    class Told(Predictor):
        async def wanted(self) -> WantedFeatures | None:
            if not told:
                await asyncio.sleep(60)
            answer = told.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    class Followed(FeatureLookup):
        asked: ClassVar[list[tuple[str, int]]] = []

        def follow(self, version: str, n_features: int) -> None:
            self.asked.append((version, n_features))

    async def live() -> bool:
        lookup = Followed("", version="", n_features=0, timeout_s=1, registry=CollectorRegistry())
        model = FeatureTransformer("m", Told("http://127.0.0.1:1", "m", 1), lookup)
        assert not model.ready
        model.start_following()
        while told:
            await asyncio.sleep(0.01)
        await model.close()
        return model.ready

    assert asyncio.run(live())
    n = len(USER_FEATURES)
    assert Followed.asked == [("v1", n + 2), ("v2", n + 4)]


def test_a_transformer_waits_for_its_predictor_and_survives_it(redis: RealRedis, tmp_path: Path) -> None:
    """Started first, as on a cluster; the model behind it needs no features at all."""
    Popularity().fit(small_interactions()).save(tmp_path / "popularity")
    with ExitStack() as stack:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        server = stack.enter_context(transformer(tmp_path / "t", url, environment={"REDIS_URL": redis.url}))
        client = stack.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=30))
        assert client.get("/readyz").status_code == 503
        assert client.post(V1, json={"instances": [{"user_id": KNOWN}]}).status_code == 503
        command = model_command(tmp_path, "--model-uri", str(tmp_path / "popularity"))
        argv = list(command.argv)
        argv[argv.index("--port") + 1] = str(port)
        predictor = ServerProcess(replace(command, argv=argv))
        try:
            assert poll(lambda: client.get("/readyz").status_code == 200, START_S)
            [answer] = predicted(client, [{"user_id": KNOWN}])
            assert "features" not in answer
        finally:
            predictor.stop()
        gone = client.post(V1, json={"instances": [{"user_id": KNOWN}]})
        assert (gone.status_code, gone.json()) == (503, {"error": "the predictor cannot be reached"})
        assert gone.headers["retry-after"]
        log = server.command.log_file.read_text(encoding="utf-8")
    assert "wants no features" in log
    assert "Traceback" not in log
