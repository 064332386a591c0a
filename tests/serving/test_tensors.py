"""Tensors to requests and answers to tensors, as REST and gRPC bring them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse
from kserve.protocol.infer_type import RequestedOutput

from core.errors import BadInput, ServerError
from serving.tensors import TensorForm, answer_tensors, read_tensors
from serving.v2_routes import read_infer_request

RANKER = TensorForm(recommender=True, features=True)
ITEMS = [{"item_id": 5, "title": "Five", "score": 0.5}, {"item_id": "six", "title": "Six", "score": 0.25}]


def tensor(name: str, datatype: str, data: Any, shape: list[int] | None = None) -> InferInput:
    return InferInput(name, [len(data)] if shape is None else shape, datatype, data)


def read(*inputs: InferInput, form: TensorForm = RANKER, **request: Any) -> list[Any]:
    return read_tensors(InferRequest("m", list(inputs), **request), form).instances


USERS = ("user_id", "BYTES", ["17", "é"])


def test_users_alone_and_with_everything() -> None:
    assert read(tensor(*USERS)) == [{"user_id": "17"}, {"user_id": "é"}]
    assert read(tensor("user_id", "INT64", [[17], [18]], [2, 1])) == [{"user_id": 17}, {"user_id": 18}]
    whole = read(
        tensor(*USERS),
        tensor("k", "INT32", [3, 4]),
        tensor("exclude_items", "BYTES", ["[1, 2]", ""]),
        tensor("explain", "BYTES", ["ko", "true"]),
        tensor("features", "BYTES", ["null", '{"rating_mean": 2}']),
    )
    assert whole == [
        {"user_id": "17", "k": 3, "exclude_items": [1, 2], "explain": "ko", "features": None},
        {"user_id": "é", "k": 4, "explain": True, "features": {"rating_mean": 2}},
    ]


def test_one_value_or_a_parameter_is_for_all() -> None:
    expected = [{"user_id": "17", "k": 3}, {"user_id": "é", "k": 3}]
    assert read(tensor(*USERS), tensor("k", "UINT8", [3])) == expected
    assert read(tensor(*USERS), parameters={"k": 3, "binary_data_output": True, "priority": 1}) == expected
    all_of_it = read(tensor(*USERS), parameters={"explain": "en", "exclude_items": "[5]"})
    assert all_of_it[1] == {"user_id": "é", "explain": "en", "exclude_items": [5]}
    assert read(tensor("user_id", "BYTES", [])) == []


def test_a_whole_request_each() -> None:
    assert read(tensor("request", "BYTES", ['{"user_id": 1}', "[]"]), form=TensorForm(False)) == [{"user_id": 1}, []]


@pytest.mark.parametrize(
    ("inputs", "request_", "reason"),
    [
        ([], {}, "no input 'user_id'"),
        ([("user", "BYTES", ["1"])], {}, "unknown input 'user'; known: user_id, k, "),
        ([USERS, USERS], {}, "twice"),
        ([("user_id", "FP32", [1.0])], {}, "is 'FP32', must be BYTES or INT16"),
        ([("user_id", "BYTES", [17])], {}, "is BYTES and holds 17"),
        ([("user_id", "INT64", ["17"])], {}, "holds '17'"),
        ([("user_id", "INT64", [True])], {}, "holds True"),
        ([("user_id", "INT64", [1.0])], {}, "holds 1.0"),
        ([("user_id", "BYTES", ["1"], [2])], {}, "has 1 values, its shape [2] says 2"),
        ([("user_id", "BYTES", ["1"], [])], {}, "must be [n] or [n, 1]"),
        ([("user_id", "BYTES", ["1", "2"], [1, 2])], {}, "must be [n] or [n, 1]"),
        ([("user_id", "BYTES", ["1"], [-1])], {}, "must be [n] or [n, 1]"),
        ([("user_id", "BYTES", "1")], {}, "must be a list"),
        ([("user_id", "BYTES", [[[[[[[[["1"]]]]]]]]])], {}, "deep"),
        ([USERS, ("k", "BYTES", ["3", "4"])], {}, "input 'k' is 'BYTES'"),
        ([USERS, ("k", "INT32", [1, 2, 3])], {}, "has 3 values, must have one per user (2), or one for all"),
        ([USERS, ("k", "INT32", [1])], {"parameters": {"k": 1}}, "k is an input and a parameter"),
        ([USERS], {"parameters": {"K": 1}}, "unknown parameter 'K'; known: k, exclude_items, explain"),
        ([USERS, ("exclude_items", "BYTES", ["[1", ""])], {}, "no JSON"),
        ([("request", "BYTES", ["{"])], {}, "no JSON"),
        ([("request", "BYTES", ["{}"]), USERS], {}, "send no other beside it"),
    ],
)
def test_what_is_wrong_is_named(inputs: list[tuple[Any, ...]], request_: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(*(tensor(*one) for one in inputs), **request_)
    assert reason in str(refused.value)


def test_tensors_of_features_are_for_models_that_have_them() -> None:
    with pytest.raises(BadInput, match="unknown input 'features'"):
        read(tensor(*USERS), tensor("features", "BYTES", ["null", "null"]), form=TensorForm(recommender=True))


@pytest.mark.parametrize(
    ("raw", "shape", "datatype"),
    [
        (b"\x02\x00\x00\x0017", [2], "BYTES"),
        (b"\xff\x00\x00\x00", [1], "BYTES"),
        (b"\x01\x00\x00\x00\xff", [1], "BYTES"),
        (b"\x01\x00", [1], "BYTES"),
        (b"\x01\x00\x00", [1], "INT32"),
        (b"\x01\x00\x00\x00", [2], "INT32"),
    ],
)
def test_raw_bytes_that_do_not_fit_are_refused(raw: bytes, shape: list[int], datatype: str) -> None:
    request = InferRequest("m", [InferInput("user_id", shape, datatype, [])], raw_inputs=[raw], from_grpc=True)
    with pytest.raises(BadInput, match="do not fit"):
        read_tensors(request, RANKER)


def answered(answers: list[Any], *inputs: InferInput, **request: Any) -> InferResponse:
    asked = InferRequest("m", list(inputs) or [tensor("user_id", "INT64", list(range(len(answers))))], **request)
    return answer_tensors(read_tensors(asked, RANKER), answers, "7")


def test_lists_of_unequal_length_are_padded() -> None:
    answers = [{"items": ITEMS, "cold": False}, {"items": ITEMS[:1], "cold": True}]
    answer = answered(answers, request_id="x")
    document, length = answer.to_rest()
    assert (document["id"], document["model_version"], length) == ("x", "7", None)
    assert {one["name"]: (one["datatype"], one["shape"], one["data"]) for one in document["outputs"]} == {
        "item_id": ("BYTES", [2, 2], ["5", "six", "5", ""]),
        "title": ("BYTES", [2, 2], ["Five", "Six", "Five", ""]),
        "score": ("FP32", [2, 2], [0.5, 0.25, 0.5, 0.0]),
        "n_items": ("INT32", [2], [2, 1]),
        "cold": ("BOOL", [2], [False, True]),
    }


@pytest.mark.parametrize("answers", [[], [{"items": [], "cold": True}]])
def test_nobody_and_nothing_have_shapes_too(answers: list[Any]) -> None:
    message = answered(answers).to_grpc()
    shapes = {one.name: list(one.shape) for one in message.outputs}
    assert (shapes["item_id"], shapes["n_items"]) == ([len(answers), 0], [len(answers)])
    assert len(message.raw_output_contents) == len(message.outputs)
    assert InferResponse.from_grpc(message).outputs[0].as_numpy().shape == (len(answers), 0)


def test_reasons_and_features_are_told_where_they_are_there() -> None:
    explained = [{**ITEMS[0], "reason": "because", "confidence": 0.5}]
    answers = [{"items": explained, "cold": False, "features": "store"}, {"items": ITEMS, "cold": False}]
    outputs = {one.name: one.as_numpy().tolist() for one in answered(answers).outputs}
    assert outputs["reason"] == [["because", ""], ["", ""]]
    assert outputs["confidence"] == [[0.5, 0.0], [0.0, 0.0]]
    assert outputs["features"] == ["store", ""]


def test_only_what_is_asked_for_is_answered() -> None:
    answers = [{"items": ITEMS, "cold": False}]
    answer = answered(answers, request_outputs=[RequestedOutput("score")])
    assert [one["name"] for one in answer.to_rest()[0]["outputs"]] == ["score"]
    with pytest.raises(BadInput, match="no output 'reason' in this answer; there are: item_id"):
        answered(answers, request_outputs=[RequestedOutput("reason")])


@pytest.mark.parametrize("answer", [None, {}, {"items": [{}], "cold": True}, {"items": 5, "cold": True}])
def test_an_answer_that_is_no_list_is_our_failure(answer: Any) -> None:
    with pytest.raises(ServerError, match="something else than lists"):
        answered([answer])


def test_raw_bytes_behind_the_json_are_read_and_their_length_is_checked() -> None:
    body = b'{"inputs":[{"name":"k","shape":[1],"datatype":"INT32","parameters":{"binary_data_size":4}}]}'
    raw = np.array([9], np.int32).tobytes()
    request = read_infer_request(body + raw, str(len(body)), "m")
    assert request.inputs[0].data == [9]
    for length in ("", "x", "-1", "9" * 5000, str(len(body) + 5), "٣"):
        with pytest.raises(BadInput, match="must be the length of the JSON"):
            read_infer_request(body + raw, length, "m")
    with pytest.raises(BadInput, match="do not fit"):
        read_infer_request(body + raw[:3], str(len(body)), "m")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"[]", "no object"),
        (b"{}", 'no "inputs"'),
        (b'{"inputs": {}}', 'no "inputs"'),
        (b'{"inputs": []}', 'no "inputs"'),
        (b'{"inputs": [5]}', 'inputs[0] must be an object with a "name"'),
        (b'{"inputs": [{"name": 5}]}', 'with a "name"'),
        (b'{"inputs": [{"name": "k", "shape": 1}]}', "inputs[0].shape == 1"),
        (b'{"inputs": [{"name": "k", "shape": [-1]}]}', "inputs[0].shape"),
        (b'{"inputs": [{"name": "k", "shape": [true]}]}', "inputs[0].shape"),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": []}]}', "datatype must be one of"),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT32"}]}', 'needs "data"'),
        (
            b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT32", "parameters": {"binary_data_size": -1}}]}',
            'needs "data"',
        ),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT32", "data": [1], "parameters": 5}]}', "parameters"),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": "FP16", "data": [1]}]}', "FP16"),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT32", "data": [1]}], "outputs": 5}', '"outputs"'),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT32", "data": [1]}], "outputs": [5]}', "outputs[0]"),
        (b'{"inputs": [{"name": "k", "shape": [1], "datatype": "INT32", "data": [1]}], "id": 5}', '"id"'),
    ],
)
def test_a_body_that_is_no_inference_request_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_infer_request(body, None, "m")
    assert reason in str(refused.value)
