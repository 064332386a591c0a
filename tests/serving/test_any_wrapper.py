"""A model that is no recommender behind every protocol; what is too long; and a bug that must not show outside."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
import pytest

from core.errors import BadInput, ServerError
from core.protocols import DataLoader
from serving.http_errors import MAX_BODY_BYTES
from serving.kserve_model import PinnedModel
from serving.kserve_server import ModelApplication, pinned_application
from tests.called_application import call
from wrappers.artifact import Artifact
from wrappers.base import EvaluationConfig, ModelConfig, ModelWrapper

V1, V2 = "/v1/models/counter:predict", "/v2/models/counter/infer"
EXPLAIN = "/v1/models/counter:explain"
SECRET = "password-of-the-inside"


class Counter(ModelWrapper):
    """Counts letters: neither users nor items."""

    name = "counter"

    def train(self, data_loader: DataLoader, config: Mapping[str, Any] | ModelConfig | None = None) -> Self:
        return self

    def evaluate(self, data_loader: DataLoader, config: Mapping[str, Any] | EvaluationConfig | None = None) -> Any:
        return None

    def predict(self, input_data: Any) -> Any:
        for place, request in enumerate(input_data):
            if request == {"text": "bug"}:
                raise KeyError(SECRET)
            if request == {"text": "down"}:
                raise ServerError("the dictionary is down")
            if not isinstance(request, dict) or not isinstance(request.get("text"), str):
                raise BadInput(f'request {place} must be {{"text": "…"}}')
        return [{"letters": np.int64(len(request["text"]))} for request in input_data]

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        raise NotImplementedError


@pytest.fixture(scope="module")
def served() -> ModelApplication:
    model = PinnedModel("counter", "7", Counter())
    model.load()
    return pinned_application(model)


def tensors(*texts: str) -> dict[str, Any]:
    return {"inputs": [{"name": "request", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}]}


@pytest.mark.parametrize("path", ["/predict", "/invoke"])
def test_plain_json_one_request_or_many(served: ModelApplication, path: str) -> None:
    one = call(served, "POST", path, json={"text": "abc"})
    assert (one.status_code, one.json(), one.headers["x-model-version"]) == (200, {"letters": 3}, "7")
    many = call(served, "POST", path, json=[{"text": "a"}, {"text": "ab"}])
    assert many.json() == [{"letters": 1}, {"letters": 2}]
    assert call(served, "POST", path, json=[]).json() == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json; charset=latin-1", "nonsense"])
def test_plain_json_whatever_it_is_called(served: ModelApplication, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = call(served, "POST", "/predict", content='{"text": "é"}'.encode(), headers=headers)
    assert answer.json() == {"letters": 1}


def test_v1_and_v2_carry_whole_requests(served: ModelApplication) -> None:
    v1 = call(served, "POST", V1, json={"instances": [{"text": "abc"}]})
    assert (orjson.loads(v1.content), v1.headers["x-model-version"]) == ({"predictions": [{"letters": 3}]}, "7")
    v2 = call(served, "POST", V2, json={"id": "x", **tensors('{"text": "abc"}', '{"text": ""}')})
    assert v2.json() == {
        "id": "x",
        "model_name": "counter",
        "model_version": "7",
        "outputs": [
            {"name": "answer", "shape": [2], "datatype": "BYTES", "data": ['{"letters":3}', '{"letters":0}']},
        ],
    }


def test_metadata_tell_version_and_tensors(served: ModelApplication) -> None:
    whole = {"datatype": "BYTES", "shape": [-1]}
    expected = {
        "name": "counter",
        "versions": ["7"],
        "platform": "screentest-counter",
        "inputs": [{"name": "request", **whole}],
        "outputs": [{"name": "answer", **whole}],
    }
    for path in ("/v2/models/counter", "/v2/models/counter/versions/7"):
        assert call(served, "GET", path).json() == expected
    assert call(served, "GET", "/readyz").json() == {"ready": True, "model": "counter", "model_version": "7"}


def test_what_only_recommenders_have_is_refused_with_the_reason(served: ModelApplication) -> None:
    explained = call(served, "POST", EXPLAIN, json={"instances": [{"text": "a"}]})
    assert (explained.status_code, explained.json()["error"]) == (
        501,
        "model 'counter' is no recommender: it gives no reasons; ask for predictions",
    )
    listed = call(served, "POST", "/recommend", json={"text": "a"})
    assert (listed.status_code, "POST /predict" in listed.json()["error"]) == (404, True)
    user = {"inputs": [{"name": "user_id", "shape": [1], "datatype": "BYTES", "data": ["17"]}]}
    assert "known: request" in call(served, "POST", V2, json=user).json()["error"]
    assert call(served, "GET", "/items?item_id=1").status_code == 404
    assert call(served, "GET", "/features").status_code == 404


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("/predict", [{"text": "a"}, 17]), ("/invoke", 17), (V1, {"instances": [17]}), (V2, tensors("17"))],
)
def test_a_request_that_the_model_refuses_is_400_everywhere(served: ModelApplication, path: str, wrong: Any) -> None:
    answer = call(served, "POST", path, json=wrong)
    assert answer.status_code == 400
    assert 'must be {"text": "…"}' in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"text": "{}"}),
        ("/invoke", [{"text": "{}"}]),
        (V1, {"instances": [{"text": "{}"}]}),
        (V2, tensors('{"text": "{}"}')),
    ],
)
def test_a_bug_says_nothing_outside_and_what_is_down_says_so(
    served: ModelApplication, path: str, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(what: str) -> Any:
        return call(served, "POST", path, content=orjson.dumps(body).replace(b"{}", what.encode()))

    with caplog.at_level(logging.ERROR):
        bug = answer("bug")
    assert (bug.status_code, bug.json()) == (500, {"error": "internal error; the reason is in the server's log"})
    assert SECRET in caplog.text
    down = answer("down")
    assert (down.status_code, down.json()) == (503, {"error": "the dictionary is down"})
    assert down.headers["retry-after"] == "1"


LONG_PATHS = ("/predict", "/invoke", V1, EXPLAIN, V2, "/v2/models/counter/versions/7/infer")


@pytest.mark.parametrize("path", LONG_PATHS)
def test_what_is_too_long_is_413_whether_it_says_so_or_comes_in_pieces(served: ModelApplication, path: str) -> None:
    body = b'{"text": "%s"}' % (b"x" * MAX_BODY_BYTES)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for content in (body, pieces()):
        answer = call(served, "POST", path, content=content)
        assert (answer.status_code, list(answer.json())) == (413, ["error"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", [{"text": ""}] * 1001),
        (V1, {"instances": [{"text": ""}] * 1001}),
        (V2, tensors(*['{"text": ""}'] * 1001)),
    ],
)
def test_a_batch_has_a_limit(served: ModelApplication, path: str, body: Any) -> None:
    answer = call(served, "POST", path, json=body)
    assert answer.status_code == 400
    assert "holds 1001, must be at most 1000" in answer.json()["error"]


def test_every_route_is_timed_by_model_and_version(served: ModelApplication) -> None:
    def counted() -> dict[str, float]:
        lines = call(served, "GET", "/metrics").text.splitlines()
        prefix = 'screentest_model_seconds_count{model="counter",route="'
        own = [line.removeprefix(prefix).split('",version="7"} ') for line in lines if line.startswith(prefix)]
        return {route: float(count) for route, count in own}

    bodies = {
        "predict": ("/predict", {"text": "a"}),
        "invoke": ("/invoke", {"text": "a"}),
        "v1_predict": (V1, {"instances": [{"text": "a"}]}),
        "v2_infer": (V2, tensors('{"text": "a"}')),
    }
    before = counted()
    for path, body in bodies.values():
        assert call(served, "POST", path, json=body).status_code == 200
        assert call(served, "POST", path, content=b"{").status_code == 400
    assert {route: counted()[route] - before.get(route, 0) for route in bodies} == dict.fromkeys(bodies, 1)
