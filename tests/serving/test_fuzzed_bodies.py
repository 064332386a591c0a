"""Whatever comes in a body: no 5xx, no hang, and the server answers as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from serving.processes import ServerProcess, poll
from tests.fuzzed_requests import bodies, headers, infer_messages, plain_documents, v1_documents, v2_documents
from tests.served_model import START_S, V1, model_server
from tests.small_registry import small_interactions
from tests.transformed_model import transformer
from wrappers.logreg import LogReg

#: An answer takes milliseconds; what takes this long hangs.
HANG_S = 20
PATHS: dict[str, Any] = {
    V1: v1_documents,
    V1.replace(":predict", ":explain"): v1_documents,
    "/v2/models/recommender/infer": v2_documents,
    "/recommend": plain_documents,
    "/predict": plain_documents,
}
THROUGH_A_TRANSFORMER = (V1, V1.replace(":predict", ":explain"), "/v2/models/recommender/infer")
GOOD = {"instances": [{"user_id": 100, "k": 3}]}
EXAMPLES, MANY = 200, 8000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A model that takes features, so that those are fuzzed too."""
    folder = tmp_path_factory.mktemp("fuzzed")
    LogReg({"n_candidates": 20}).fit(small_interactions()).save(folder / "model")
    grpc_port = ("--grpc-port", "0", "--grpc-port-file", str(folder / "grpc.port"))
    with model_server(folder, "--model-uri", str(folder / "model"), *grpc_port) as process:
        assert poll((folder / "grpc.port").exists, START_S)
        yield process


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=HANG_S) as client:
        yield client


def fuzz(http: httpx.Client, server: ServerProcess, path: str, n_examples: int) -> None:
    before = http.post(V1, json=GOOD).json()

    @settings(
        max_examples=n_examples,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(body=bodies(PATHS[path]), more=headers)
    def run(body: bytes, more: dict[str, str]) -> None:
        answer = http.post(path, content=body, headers=more)
        assert answer.status_code < 500, (answer.status_code, answer.text, body, more)
        if answer.status_code != 200:
            assert list(answer.json()) == ["error"]
            assert "Traceback" not in answer.text
            assert "site-packages" not in answer.text

    run()
    assert http.post(V1, json=GOOD).json() == before
    assert "Traceback" not in Path(server.command.log_file).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS)
def test_no_body_makes_the_server_fail(http: httpx.Client, server: ServerProcess, path: str) -> None:
    fuzz(http, server, path, EXAMPLES)


def fuzz_grpc(server: ServerProcess, n_examples: int) -> None:
    port = (server.command.port_file.parent / "grpc.port").read_text().strip()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GRPCInferenceServiceStub(channel)

        @settings(max_examples=n_examples, suppress_health_check=list(HealthCheck))
        @given(message=infer_messages())
        def run(message: pb.ModelInferRequest) -> None:
            call = stub.ModelInfer.future(message, timeout=HANG_S)
            assert call.code().name in ("OK", "INVALID_ARGUMENT", "NOT_FOUND"), (call.details(), message)
            assert call.code() == grpc.StatusCode.OK or call.details()

        run()
        assert stub.ModelReady(pb.ModelReadyRequest(name="recommender"), timeout=HANG_S).ready
    assert "Traceback" not in Path(server.command.log_file).read_text(encoding="utf-8")


def test_no_message_makes_grpc_fail(server: ServerProcess) -> None:
    fuzz_grpc(server, EXAMPLES)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_message_of_thousands_makes_grpc_fail(server: ServerProcess) -> None:
    fuzz_grpc(server, MANY)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", PATHS)
def test_no_body_of_thousands_makes_the_server_fail(http: httpx.Client, server: ServerProcess, path: str) -> None:
    fuzz(http, server, path, MANY)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_body_of_thousands_makes_a_transformer_fail(server: ServerProcess, tmp_path: Path) -> None:
    """Without a Redis: every look-up fails on its way."""
    environment = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    with (
        transformer(tmp_path, server.url, environment=environment) as before_it,
        httpx.Client(base_url=before_it.url, trust_env=False, timeout=HANG_S) as client,
    ):
        assert poll(lambda: client.get("/readyz").status_code == 200, START_S)
        for path in THROUGH_A_TRANSFORMER:
            fuzz(client, before_it, path, MANY // 4)
