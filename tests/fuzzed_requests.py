"""Bodies that a model server may get: right ones, ones with something spoilt, others of their kind, and bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

DATATYPES = ("BYTES", "INT32", "INT64", "UINT8", "BOOL", "FP16", "FP32", "FP64", "bytes", "", "STRING")

texts = st.sampled_from(
    ["", "17", "100", "é", "en", "true", "null", "[1]", '{"user_id": 100}', "{", "\x00", "k", "name", "data"]
) | st.text(max_size=8)
#: Beyond 64 bits too, which JSON has and no machine word.
integers = st.sampled_from([0, 1, 3, 100, -1, 1001, 2**31, 2**63, 2**64, -(2**70), 10**400]) | st.integers()
scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

_RIGHT_INSTANCES: list[dict[str, Any]] = [
    {"user_id": 100},
    {"user_id": "117", "k": 3, "exclude_items": [1000, "1001"], "explain": "ko"},
    {"user_id": "nobody", "k": 2, "features": {"rating_mean": 2.0, "genre_share": [0.1, 0.2, None, 0.4]}},
    {"user_id": 101, "features": None, "explain": True},
]
instances = st.sampled_from(_RIGHT_INSTANCES).map(copy.deepcopy)


def _tensor(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}


@st.composite
def right_v2(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """An inference request that is answered with 200."""
    if draw(st.booleans()):
        whole = draw(st.lists(instances, min_size=1, max_size=3))
        inputs = [_tensor("request", "BYTES", [json.dumps(one) for one in whole])]
    else:
        n = draw(st.integers(0, 3))
        users = draw(st.sampled_from([("INT64", [100, 101, 7]), ("BYTES", ["100", "nobody", "é"])]))
        inputs = [_tensor("user_id", users[0], users[1][:n])]
        more = [
            _tensor("k", "INT32", [1, 2, 3][:n]),
            _tensor("exclude_items", "BYTES", ["[1000]"]),
            _tensor("explain", "BYTES", ["ko", "", "true"][:n]),
            _tensor("features", "BYTES", ["null", '{"rating_mean": 1}', "{}"][:n]),
        ]
        inputs += [one for one in more if draw(st.booleans())]
    document: dict[str, Any] = {"inputs": inputs}
    if draw(st.booleans()):
        document["id"] = "x"
    if draw(st.booleans()):
        document["parameters"] = {"binary_data_output": draw(st.booleans())}
    return document


@st.composite
def spoilt(draw: Callable[[st.SearchStrategy[Any]], Any], documents: st.SearchStrategy[Any]) -> Any:
    """A document in which up to two values anywhere are replaced, doubled or missing."""
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(0, 2))):
        places = list(_places(document))
        if not places:
            break
        owner, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "replace", "drop", "add"]))
        if how == "replace":
            owner[key] = draw(values)
        elif how == "drop":
            del owner[key]
        elif isinstance(owner, list):
            owner.append(copy.deepcopy(owner[key]))
        else:
            owner[draw(texts)] = draw(values)
    return document


def _places(document: Any) -> Any:
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in list(pairs):
        yield document, key
        yield from _places(value)


v1_documents = spoilt(st.lists(instances, max_size=3).map(lambda drawn: {"instances": drawn})) | values
v2_documents = spoilt(right_v2()) | spoilt(right_v2()) | spoilt(right_v2()) | values
plain_documents = spoilt(instances) | spoilt(st.lists(instances, max_size=3)) | values


def as_json(value: Any) -> bytes:
    """By the standard library, which writes integers of any size and half a surrogate pair."""
    return json.dumps(value, ensure_ascii=True).encode("ascii")


def bodies(documents: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Documents as JSON; cut or followed by something; nested without end; and bytes that are no JSON."""
    whole = documents.map(as_json)
    cut = st.tuples(whole, st.integers(0, 60)).map(lambda drawn: drawn[0][: drawn[1]])
    followed = st.tuples(whole, st.binary(max_size=16)).map(b"".join)
    deep = st.integers(1, 1100).map(lambda n: b'{"instances":' + b"[" * n + b"]" * n + b"}")
    return st.one_of(*[whole] * 6, cut, followed, deep, st.binary(max_size=200))


#: Content types, and headers that mean something to KServe.
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            [
                *("application/json", "application/json; charset=utf-16", "application/octet-stream", "text/plain"),
                *("application/cloudevents+json", "multipart/form-data; boundary=x", "nonsense", ""),
            ]
        ),
        "traceparent": st.sampled_from(["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x"]),
    },
) | st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(["application/json", "application/cloudevents+json", "text/plain"]),
        "inference-header-content-length": st.sampled_from(["0", "5", "40", "-1", "x", "1e3", "9" * 30]),
        "ce-specversion": st.sampled_from(["1.0", "1.0", "9"]),
        "ce-id": st.just("1"),
        "ce-source": st.sampled_from(["/here", ""]),
        "ce-type": st.just("t"),
    },
)


_INPUTS = ("user_id", "user_id", "k", "exclude_items", "explain", "features", "request", "")
_KINDS = ("bytes_contents", "int_contents", "int64_contents", "uint_contents", "bool_contents", "fp32_contents")


@st.composite
def infer_messages(draw: Callable[[st.SearchStrategy[Any]], Any]) -> pb.ModelInferRequest:
    """Inference requests of gRPC, right ones among them; every field is of its type, as protobuf has it."""
    message = pb.ModelInferRequest(model_name=draw(st.sampled_from(["recommender"] * 9 + ["", "é"])))
    message.model_version = draw(st.sampled_from(["", "", "", "unregistered", "7"]))
    for _ in range(draw(st.integers(0, 3))):
        n = draw(st.integers(0, 3))
        tensor = message.inputs.add()
        tensor.name = draw(
            st.sampled_from(["user_id", "user_id", "k", "exclude_items", "explain", "features", "request", ""])
        )
        tensor.datatype = draw(st.sampled_from(["BYTES", "BYTES", "INT64", "INT32", *DATATYPES]))
        tensor.shape.extend(draw(st.sampled_from([[n], [n], [n, 1], [-1], [], [2**40], [2**62, 2**62]])))
        kind = draw(st.sampled_from(_KINDS))
        values = draw(st.lists(texts if kind == "bytes_contents" else st.integers(0, 3), min_size=n, max_size=n))
        if kind == "bytes_contents":
            values = [value.encode("utf-8", "surrogatepass") for value in values]
        if draw(st.booleans()):
            getattr(tensor.contents, kind).extend(values)
    if draw(st.integers(0, 3)) == 0:
        message.raw_input_contents.extend(draw(st.lists(st.binary(max_size=12), max_size=3)))
    if draw(st.booleans()):
        message.parameters["k"].int64_param = draw(st.integers(-1, 3))
    if draw(st.integers(0, 3)) == 0:
        message.outputs.add().name = draw(st.sampled_from(["score", "answer", "none"]))
    return message
