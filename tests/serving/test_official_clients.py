"""KServe's own clients and Triton's, unchanged, against one server: V1, V2 over REST, V2 over gRPC."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse
from kserve.inference_client import RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from serving.http_errors import MAX_BODY_BYTES
from serving.processes import ServerProcess, poll
from tests.served_model import START_S, model_server
from tests.small_registry import register_small_models, small_interactions
from wrappers.base import ModelWrapper

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAME = "recommender"
REQUESTS = [{"user_id": 100, "k": 3}, {"user_id": "nobody", "k": 3}]


class Served(NamedTuple):
    """A server of version 1, and the model it serves."""

    url: str
    grpc: str
    model: ModelWrapper
    process: ServerProcess


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from wrappers.artifact import load_wrapper

    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as environment:
        # As the settings name it: no option says which model.
        uri = register_small_models(folder / "registry", {"ease": {}, "popularity": {}}, small_interactions())
        environment.setenv("MLFLOW_TRACKING_URI", uri)
        environment.setenv("MLFLOW_MODEL_STAGE", "Production")
        port_file = folder / "grpc.port"
        with model_server(folder, "--grpc-port", "0", "--grpc-port-file", str(port_file)) as process:
            assert poll(port_file.exists, START_S)
            address = f"127.0.0.1:{port_file.read_text().strip()}"
            yield Served(process.url, address, load_wrapper(folder / "registry" / "saved" / "ease"), process)


def rest(version: str, use: Callable[[InferenceRESTClient], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        async with InferenceRESTClient(RESTConfig(protocol=version)) as client:
            return await use(client)

    return asyncio.run(session())


def over_grpc(served: Served, use: Callable[[InferenceGRPCClient], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        async with InferenceGRPCClient(served.grpc) as client:
            return await use(client)

    return asyncio.run(session())


def users(binary: bool) -> InferRequest:
    tensor = InferInput("user_id", [2], "BYTES")
    tensor.set_data_from_numpy(np.array(["100", "nobody"], object), binary_data=binary)
    return InferRequest(NAME, [tensor], request_id="r-1", parameters={"k": 3, "binary_data_output": binary})


def lists_of(answer: InferResponse) -> dict[str, Any]:
    arrays = {one.name: one.as_numpy().tolist() for one in answer.outputs}
    decode = np.vectorize(lambda one: one.decode() if isinstance(one, bytes) else one, otypes=[object])
    return {**arrays, "item_id": decode(arrays["item_id"]).tolist(), "title": decode(arrays["title"]).tolist()}


def expected(served: Served) -> dict[str, Any]:
    answers = served.model.predict(REQUESTS)
    return {
        "item_id": [[str(item["item_id"]) for item in one["items"]] for one in answers],
        "title": [[item["title"] for item in one["items"]] for one in answers],
        "score": [[float(np.float32(item["score"])) for item in one["items"]] for one in answers],
        "n_items": [3, 3],
        "cold": [False, True],
    }


def test_kserves_client_speaks_v1(served: Served) -> None:
    async def use(client: InferenceRESTClient) -> None:
        assert await client.is_server_live(served.url)
        assert await client.is_model_ready(served.url, NAME)
        answer = await client.infer(served.url, {"instances": REQUESTS}, NAME)
        assert answer == {"predictions": served.model.predict(REQUESTS)}
        explained = await client.explain(served.url, NAME, {"instances": REQUESTS})
        assert explained["predictions"] == answer["predictions"]
        with_reasons = served.model.predict([{**one, "explain": True} for one in REQUESTS])
        assert explained["explanations"] == [
            [{key: item[key] for key in ("item_id", "reason", "confidence")} for item in one["items"]]
            for one in with_reasons
        ]
        assert all(item["reason"] for one in explained["explanations"] for item in one)
        with pytest.raises(httpx.HTTPStatusError, match=r"k == 0, must be an integer 1 .*, '400 Bad Request'"):
            await client.infer(served.url, {"instances": [{"user_id": 1, "k": 0}]}, NAME)
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await client.infer(served.url, {"instances": []}, "another")

    rest("v1", use)


@pytest.mark.parametrize("binary", [False, True])
def test_kserves_client_speaks_v2(served: Served, binary: bool) -> None:
    async def use(client: InferenceRESTClient) -> None:
        assert await client.is_server_live(served.url)
        assert await client.is_server_ready(served.url)
        assert await client.is_model_ready(served.url, NAME)
        assert not await client.is_model_ready(served.url, "another")
        answer = await client.infer(served.url, users(binary), NAME)
        assert answer.id == "r-1"
        assert lists_of(answer) == expected(served)
        wrong = InferRequest(NAME, [InferInput("user", [1], "BYTES", ["1"])])
        with pytest.raises(httpx.HTTPStatusError, match=r"unknown input 'user'; known: user_id.*'400 Bad Request'"):
            await client.infer(served.url, wrong, NAME)

    rest("v2", use)


@pytest.mark.parametrize("binary", [False, True])
def test_kserves_client_speaks_grpc(served: Served, binary: bool) -> None:
    async def use(client: InferenceGRPCClient) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready(NAME)
        answer = await client.infer(users(binary))
        assert (answer.id, answer.model_version) == ("r-1", "1")
        assert lists_of(answer) == expected(served)

    over_grpc(served, use)


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (InferRequest(NAME, [InferInput("k", [1], "INT32", [3])]), "INVALID_ARGUMENT", "no input 'user_id'"),
        (InferRequest(NAME, [InferInput("user_id", [9], "BYTES", ["1"])]), "INVALID_ARGUMENT", "do not fit"),
        (
            InferRequest(NAME, [InferInput("user_id", [1], "BYTES", ["1"])], parameters={"k": 0}),
            "INVALID_ARGUMENT",
            "k == 0, must be an integer 1",
        ),
        (InferRequest("another", [InferInput("user_id", [1], "BYTES", ["1"])]), "NOT_FOUND", "another"),
        (
            InferRequest(NAME, [InferInput("user_id", [1], "BYTES", ["1"])], model_version="2"),
            "NOT_FOUND",
            "pinned to version '1' here; there is no '2'",
        ),
        (
            InferRequest(NAME, [InferInput("user_id", [1], "BYTES", ["x" * MAX_BODY_BYTES])]),
            "RESOURCE_EXHAUSTED",
            "larger than max",
        ),
    ],
)
def test_what_is_refused_over_grpc_has_a_code_and_the_reason(
    served: Served, request_: InferRequest, code: str, reason: str
) -> None:
    async def use(client: InferenceGRPCClient) -> None:
        with pytest.raises(grpc.RpcError) as refused:
            await client.infer(request_)
        assert refused.value.code().name == code
        assert reason in refused.value.details()

    over_grpc(served, use)


def test_grpc_tells_versions_and_tensors_and_gives_a_trace_back(served: Served) -> None:
    with grpc.insecure_channel(served.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        found = stub.ModelMetadata(pb.ModelMetadataRequest(name=NAME, version="1"), timeout=30)
        assert (list(found.versions), found.platform, found.inputs[0].name) == (["1"], "screentest-ease", "user_id")
        with pytest.raises(grpc.RpcError, match="there is no '2'"):
            stub.ModelReady(pb.ModelReadyRequest(name=NAME, version="2"), timeout=30)
        with pytest.raises(grpc.RpcError) as refused:
            stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name=NAME), timeout=30)
        assert (refused.value.code().name, "is pinned" in refused.value.details()) == ("UNIMPLEMENTED", True)
        _, call = stub.ModelReady.with_call(
            pb.ModelReadyRequest(name=NAME), metadata=[("traceparent", TRACEPARENT)], timeout=30
        )
        assert ("traceparent", TRACEPARENT) in call.initial_metadata()


def test_tritons_client_speaks_v2_over_both(served: Served) -> None:
    command = [sys.executable, "-m", "tests.triton_client", served.url.removeprefix("http://"), served.grpc]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wanted = expected(served)
    for how, seen in json.loads(done.stdout).items():
        assert seen["ready"] == [True] * 4, how
        assert (seen["versions"], seen["first input"]) == (["1"], "user_id")
        assert seen["items"] == [[*wanted["item_id"][0][:2], ""], wanted["item_id"][1]]
        assert seen["scores"] == [[*wanted["score"][0][:2], 0.0], wanted["score"][1]]
        assert (seen["n_items"], seen["cold"]) == ([2, 3], [False, True])
        assert seen["shape of scores alone"] == [2, 10]
        codes = ("StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND") if how == "grpc" else ("400", "404")
        assert [seen["refused"][0], seen["no such version"][0]] == list(codes)
        assert "no input 'user_id'" in seen["refused"][1]


def test_the_pinned_version_is_told_everywhere(served: Served) -> None:
    with httpx.Client(base_url=served.url, trust_env=False, timeout=30) as http:
        assert http.get("/readyz").json()["model_version"] == "1"
        assert http.post("/recommend", json={"user_id": 100}).json()["model_version"] == "1"
        for path, body in {
            "/predict": {"user_id": 100},
            "/v1/models/recommender:predict": {"instances": [{"user_id": 100}]},
            "/v1/models/recommender:explain": {"instances": [{"user_id": 100}]},
            "/v2/models/recommender/infer": {
                "inputs": [{"name": "user_id", "shape": [1], "datatype": "BYTES", "data": ["100"]}]
            },
        }.items():
            answer = http.post(path, json=body, headers={"authorization": "secret", "traceparent": TRACEPARENT})
            assert (answer.status_code, answer.headers["x-model-version"]) == (200, "1"), path
            assert answer.headers["traceparent"] == TRACEPARENT, path
            # KServe's own explain route sends a caller's headers back to it.
            assert "authorization" not in answer.headers, path
        over_grpc(served, lambda client: client.infer(users(binary=True)))
        counted = http.get("/metrics").text
        for route in ("recommend", "predict", "v1_predict", "v1_explain", "v2_infer", "v2_grpc"):
            assert f'screentest_model_seconds_count{{model="recommender",route="{route}",version="1"}}' in counted
        assert http.get("/v2/models/recommender/versions/1/ready").status_code == 200
        assert http.get("/v2/models/recommender/versions/2/ready").status_code == 404
        assert http.post("/v2/repository/models/another/load").status_code == 404
    log = served.process.command.log_file.read_text(encoding="utf-8")
    assert "models:/recommender@champion is pinned to models:/recommender/1" in log
    assert "Traceback" not in log


def test_a_grpc_port_that_is_taken_names_the_option(served: Served) -> None:
    arguments = ["--port", "0", "--grpc-port", served.grpc.partition(":")[2]]
    folder = served.process.command.port_file.parent / "registry" / "saved" / "ease"
    command = [sys.executable, "-m", "serving.model_server", "--model-uri", str(folder), *arguments]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=START_S)
    assert failed.returncode == 1
    assert "choose another with --grpc-port (0: any)" in failed.stderr
    assert "Traceback" not in failed.stderr
