"""Requests as tensors, and answers: what the Open Inference Protocol (V2, over REST and gRPC) says to a model.

    in    user_id        BYTES or integers [n] (or [n, 1])     whom to recommend to
          k              integers [n] or [1]                   how many items; default 10
          exclude_items  BYTES [n] or [1]                      a JSON list of item ids each
          explain        BYTES or BOOL [n] or [1]              reasons: "en", "ko", "true"; "" or "false" for none
          features       BYTES [n]                             a JSON object of features each, or null
    out   item_id, title BYTES [n, m]; score FP32 [n, m]       best first; m is the longest list, shorter ones are
                                                               padded with "" and 0
          n_items        INT32 [n]                             how long each list is
          cold           BOOL [n]
          reason, confidence, features                         where they were asked for, or the model has them

    in    request        BYTES [n]                             or a whole request each, as JSON, for any model
    out   answer         BYTES [n]                             its answer, as JSON

``k``, ``exclude_items`` and ``explain`` may stand in the request's parameters instead, for all of it.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.errors import InferenceError, InvalidInput
from kserve.protocol.infer_type import to_http_parameters

from core.errors import BadInput, ServerError
from core.shown import shown

REQUEST, ANSWER = "request", "answer"
INTEGERS = frozenset(("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"))
DATATYPES = INTEGERS | {"BOOL", "FP16", "FP32", "FP64", "BYTES"}
#: What ``kserve`` and numpy raise at data that are not what their shape and type say.
MALFORMED = (ValueError, TypeError, OverflowError, struct.error, InferenceError, InvalidInput)

_ALLOWED: dict[str, frozenset[str]] = {
    "user_id": INTEGERS | {"BYTES"},
    "k": INTEGERS,
    "exclude_items": frozenset(("BYTES",)),
    "explain": frozenset(("BYTES", "BOOL")),
    "features": frozenset(("BYTES",)),
}
_PARAMETERS = ("k", "exclude_items", "explain")
#: Of the protocol and its extensions, not of the model.
_FOREIGN_PARAMETERS = frozenset(
    (
        *("binary_data_output", "content_type", "headers", "priority", "timeout"),
        *("sequence_id", "sequence_start", "sequence_end"),
    )
)
_EXPLAIN = {"": None, "false": None, "true": True}
#: Deeper than any list of a tensor that we take; numpy's own limit is 64.
_DEEPEST = 8

FEATURES = "features"
_INPUTS = (
    *(("user_id", "BYTES", [-1]), ("k", "INT32", [-1]), ("exclude_items", "BYTES", [-1])),
    *(("explain", "BYTES", [-1]), (FEATURES, "BYTES", [-1])),
)
_OUTPUTS = (
    *(("item_id", "BYTES", [-1, -1]), ("title", "BYTES", [-1, -1]), ("score", "FP32", [-1, -1])),
    *(("n_items", "INT32", [-1]), ("cold", "BOOL", [-1])),
    *(("reason", "BYTES", [-1, -1]), ("confidence", "FP32", [-1, -1]), (FEATURES, "BYTES", [-1])),
)


class TensorForm(NamedTuple):
    """Which tensors a model knows beside whole requests and answers.

    Attributes:
        recommender: Those of users and lists.
        features: Those of features, too.
    """

    recommender: bool
    features: bool = False

    def inputs(self) -> list[dict[str, Any]]:
        """What the model takes, for its metadata; of a recommender's tensors ``user_id`` alone must be there."""
        return self._described(_INPUTS, REQUEST)

    def outputs(self) -> list[dict[str, Any]]:
        """What the model may answer, likewise."""
        return self._described(_OUTPUTS, ANSWER)

    def _described(self, tensors: Sequence[tuple[str, str, list[int]]], whole: str) -> list[dict[str, Any]]:
        own = [one for one in tensors if self.recommender and (self.features or one[0] != FEATURES)]
        return [
            {"name": name, "datatype": datatype, "shape": shape}
            for name, datatype, shape in (*own, (whole, "BYTES", [-1]))
        ]


class TensorQuestion(NamedTuple):
    """An inference request, read.

    Attributes:
        request: As it came.
        instances: The requests it holds, one each.
        whole: They came as JSON, and their answers go as JSON.
    """

    request: InferRequest
    instances: list[Any]
    whole: bool


def read_tensors(request: InferRequest, form: TensorForm) -> TensorQuestion:
    """The requests that tensors hold.

    Args:
        request: Of REST or gRPC; names, shapes and datatypes are there.
        form: The tensors that the model takes.

    Raises:
        BadInput: A tensor or parameter is unknown, missing, or not what it should be; names it.
    """
    columns: dict[str, list[Any]] = {}
    known = [one["name"] for one in form.inputs()]
    for tensor in request.inputs:
        if tensor.name not in known:
            raise BadInput(f"unknown input {shown(tensor.name)}; known: {', '.join(known)}")
        if tensor.name in columns:
            raise BadInput(f"input {tensor.name!r} is there twice")
        columns[tensor.name] = _values(tensor, typed=request.from_grpc)
    if REQUEST in columns:
        if len(columns) > 1:
            raise BadInput(f"input {REQUEST!r} holds whole requests; send no other beside it")
        return TensorQuestion(request, [_json(text, REQUEST) for text in columns[REQUEST]], whole=True)
    needed = "user_id" if form.recommender else REQUEST
    if needed not in columns:
        raise BadInput(f"no input {needed!r}; send a tensor of that name, BYTES of shape [n]")
    return TensorQuestion(request, _instances(columns, _parameters(request)), whole=False)


def _parameters(request: InferRequest) -> dict[str, Any]:
    given = to_http_parameters(request.parameters) if request.parameters else {}
    for name in given:
        if name not in _PARAMETERS and name not in _FOREIGN_PARAMETERS:
            raise BadInput(f"unknown parameter {shown(name)}; known: {', '.join(_PARAMETERS)}")
    return {name: given[name] for name in _PARAMETERS if name in given}


def _instances(columns: Mapping[str, list[Any]], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    n = len(columns["user_id"])
    for name in columns.keys() & parameters.keys():
        raise BadInput(f"{name} is an input and a parameter; send one of them")
    columns = {**columns, **{name: [value] for name, value in parameters.items()}}
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for name, values in columns.items():
        if len(values) not in (1, n):
            raise BadInput(f"input {name!r} has {len(values)} values, must have one per user ({n}), or one for all")
        for row, value in zip(rows, values * n if len(values) == 1 else values, strict=False):
            row[name] = _meaning(name, value)
    return [{name: value for name, value in row.items() if value is not None or name == "features"} for row in rows]


def _meaning(name: str, value: Any) -> Any:
    """What the wrappers take of a tensor's value; None: not given."""
    if name == "exclude_items" and isinstance(value, str):
        return _json(value, name) if value else None
    if name == "features":
        return _json(value, name)
    if name == "explain" and isinstance(value, str):
        return _EXPLAIN.get(value, value)
    return value


def _values(tensor: InferInput, *, typed: bool) -> list[Any]:
    """A tensor's values in row-major order: texts, integers or booleans."""
    what = f"input {tensor.name!r}"
    allowed = _ALLOWED.get(tensor.name, frozenset(("BYTES",)))
    if tensor.datatype not in allowed:
        raise BadInput(f"{what} is {shown(tensor.datatype)}, must be {' or '.join(sorted(allowed))}")
    shape = list(tensor.shape)
    if len(shape) not in (1, 2) or min(shape) < 0 or (len(shape) == 2 and shape[1] != 1):
        raise BadInput(f"{what} has the shape {shown(shape)}, must be [n] or [n, 1]")
    values = _typed(tensor, what) if typed else _flat(tensor.data, what)
    if len(values) != shape[0]:
        raise BadInput(f"{what} has {len(values)} values, its shape {shown(shape)} says {shape[0]}")
    kind: type = str if tensor.datatype == "BYTES" else bool if tensor.datatype == "BOOL" else int
    for value in values:
        # A boolean is an integer to Python.
        if type(value) is not kind:
            raise BadInput(f"{what} is {tensor.datatype} and holds {shown(value)}")
    return values


def _typed(tensor: InferInput, what: str) -> list[Any]:
    """Of protobuf, where kinds are what they say; raw bytes may be too few, too many or no UTF-8."""
    try:
        values: list[Any] = tensor.as_numpy().ravel().tolist()
        return [one.decode("utf-8") if isinstance(one, bytes) else one for one in values]
    except MALFORMED as error:
        raise BadInput(f"{what}: its data do not fit {tensor.datatype} {shown(list(tensor.shape))}") from error


def _flat(data: Any, what: str) -> list[Any]:
    """Of JSON, where a tensor's data are a list, or lists of lists as its shape has them."""
    if not isinstance(data, list):
        raise BadInput(f"{what}: data == {shown(data)}, must be a list")
    for _ in range(_DEEPEST):
        if not any(isinstance(one, list) for one in data):
            return data
        data = [value for one in data for value in (one if isinstance(one, list) else [one])]
    raise BadInput(f"{what}: data are lists more than {_DEEPEST} deep")


def _json(text: Any, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"input {what!r} holds {shown(text)}, which is no JSON ({error})") from error


def answer_tensors(question: TensorQuestion, answers: Sequence[Any], version: str) -> InferResponse:
    """The answer to an inference request.

    Args:
        question: What was asked.
        answers: One per request it held.
        version: The model's.

    Raises:
        BadInput: It asks for an output that there is none of.
        ServerError: An answer is no list of items.
    """
    request = question.request
    arrays = {ANSWER: _texts([_text(one) for one in answers])} if question.whole else _lists(answers)
    asked = [output.name for output in request.request_outputs or ()]
    for name in asked:
        if name not in arrays:
            raise BadInput(f"no output {shown(name)} in this answer; there are: {', '.join(arrays)}")
    chosen = {name: arrays[name] for name in asked} or arrays
    return InferResponse(
        response_id=request.id or uuid.uuid4().hex,
        model_name=request.model_name,
        model_version=version,
        infer_outputs=[InferOutput(name, list(one.shape), _datatype(one), one) for name, one in chosen.items()],
        # Over gRPC arrays go as raw bytes in any case; KServe fails where it is told so of arrays.
        use_binary_outputs=not request.from_grpc and request.use_binary_outputs is True,
        requested_outputs=request.request_outputs or None,
    )


def _lists(answers: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    """Lists of items as tensors, by name."""
    try:
        lists = [answer["items"] for answer in answers]
        n_items = np.array([len(items) for items in lists], np.int32)
        width = int(n_items.max(initial=0))
        arrays: dict[str, npt.NDArray[Any]] = {
            "item_id": _texts(_padded([[str(item["item_id"]) for item in items] for items in lists], width, "")),
            "title": _texts(_padded([[str(item["title"]) for item in items] for items in lists], width, "")),
            "score": np.array(_padded([[item["score"] for item in items] for items in lists], width, 0), np.float32),
            "n_items": n_items,
            "cold": np.array([bool(answer["cold"]) for answer in answers], np.bool_),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError("the model answered something else than lists of items") from error
    for name in ("item_id", "title", "score"):
        # No request makes no rows, which numpy would take for a flat array.
        arrays[name] = arrays[name].reshape(len(lists), width)
    flat = [item for items in lists for item in items]
    if any("reason" in item for item in flat):
        reasons = [[str(item.get("reason", "")) for item in items] for items in lists]
        arrays["reason"] = _texts(_padded(reasons, width, ""))
        confidence = [[item.get("confidence") or 0.0 for item in items] for items in lists]
        arrays["confidence"] = np.array(_padded(confidence, width, 0), np.float32)
    if any("features" in answer for answer in answers):
        arrays["features"] = _texts([str(answer.get("features", "")) for answer in answers])
    return arrays


def _padded(rows: Sequence[list[Any]], width: int, filler: Any) -> list[list[Any]]:
    return [row + [filler] * (width - len(row)) for row in rows]


def _texts(values: Sequence[Any]) -> npt.NDArray[np.object_]:
    return np.array(values, dtype=np.object_)


def _datatype(array: npt.NDArray[Any]) -> str:
    return {"O": "BYTES", "f": "FP32", "i": "INT32", "b": "BOOL"}[array.dtype.kind]


def _text(answer: Any) -> str:
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY).decode("utf-8")
