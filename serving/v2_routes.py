"""``POST /v2/models/<name>/infer`` and everything by version, in front of KServe's own routes.

KServe's own inference route answers 500 to a header that is no number, to a tensor without a name and to bytes that
are too few; it takes JSON only if it is called so, and knows no versions. Requests and answers are its classes, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kserve import InferRequest, InferResponse
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER
from kserve.errors import ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import BadInput
from core.shown import shown
from serving.http_errors import Json, parse_object
from serving.instance_model import VERSION_HEADER, InstanceModel
from serving.tensors import DATATYPES, MALFORMED

_MODEL = "/v2/models/{model_name}"
_VERSION = _MODEL + "/versions/{model_version}"
_EXAMPLE = '{"inputs": [{"name": "user_id", "shape": [1], "datatype": "BYTES", "data": ["17"]}]}'


class WrongVersion(ModelNotFound):
    """The model is there, in another version than the one asked for.

    Args:
        model: What is served.
        version: What was asked for.
    """

    def __init__(self, model: InstanceModel, version: str) -> None:
        super().__init__(model.name)
        self.reason = f"model {model.name!r} is pinned to version {model.version!r} here; there is no {shown(version)}"


def served_model(dataplane: DataPlane, name: str, version: str | None = None, *, ready: bool = True) -> InstanceModel:
    """The model of a name; of a version, where one is asked for.

    Args:
        dataplane: KServe's, with the models.
        name: The model's.
        version: None or empty: whichever there is.
        ready: It must be ready.

    Raises:
        ModelNotFound: There is none.
        ModelNotReady: It is not ready yet.
    """
    model: Any = dataplane.get_model_from_registry(name)
    if version and version != model.version:
        raise WrongVersion(model, version)
    if ready and not model.ready:
        raise ModelNotReady(name)
    found: InstanceModel = model
    return found


class V2Routes:
    """The routes of one server.

    Args:
        dataplane: KServe's, with the models.
    """

    def __init__(self, dataplane: DataPlane) -> None:
        self._dataplane = dataplane

    def routes(self) -> Sequence[Route]:
        """To be put before KServe's own."""
        return [
            Route(f"{_MODEL}/infer", self._infer, methods=["POST"]),
            Route(f"{_VERSION}/infer", self._infer, methods=["POST"]),
            Route(f"{_VERSION}/ready", self._ready, methods=["GET"]),
            Route(_VERSION, self._metadata, methods=["GET"]),
        ]

    def _model(self, request: Request) -> InstanceModel:
        return served_model(
            self._dataplane, request.path_params["model_name"], request.path_params.get("model_version")
        )

    async def _infer(self, request: Request) -> Response:
        model = self._model(request)
        asked = read_infer_request(
            await request.body(), request.headers.get(INFERENCE_CONTENT_LENGTH_HEADER), model.name
        )
        answer, headers = await self._dataplane.infer(model.name, asked, dict(request.headers))
        return _response(answer, headers)

    async def _ready(self, request: Request) -> Response:
        return Json({"name": self._model(request).name, "ready": True})

    async def _metadata(self, request: Request) -> Response:
        return Json(await self._dataplane.model_metadata(self._model(request).name))


def _response(answer: InferResponse, headers: dict[str, str]) -> Response:
    document, json_length = answer.to_rest()
    headers = {VERSION_HEADER: headers[VERSION_HEADER]}
    if json_length is None:
        return Json(document, headers=headers)
    headers[INFERENCE_CONTENT_LENGTH_HEADER] = str(json_length)
    return Response(document, headers=headers, media_type="application/octet-stream")


def read_infer_request(body: bytes, json_length: str | None, model_name: str) -> InferRequest:
    """An inference request of REST, whatever content type it claims.

    Args:
        body: JSON, and behind it the raw bytes of tensors that came as such.
        json_length: The header that says how long the JSON is; None: all of it.
        model_name: Of the path.

    Raises:
        BadInput: It is none; says what is wrong.
    """
    length = len(body)
    if json_length is not None:
        length = int(json_length) if json_length.isascii() and json_length.isdecimal() and len(json_length) < 10 else -1
        if not 0 <= length <= len(body):
            raise BadInput(
                f"{INFERENCE_CONTENT_LENGTH_HEADER}: {shown(json_length)}, must be the length of the JSON, at most "
                f"that of the body: {len(body)}"
            )
    _check_document(parse_object(body[:length]))
    try:
        return InferRequest.from_bytes(body, length, model_name)
    except MALFORMED as error:
        raise BadInput(
            f"raw tensor data do not fit their shape, datatype or binary_data_size ({error})"[:300]
        ) from error


def _check_document(document: dict[str, Any]) -> None:
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadInput(f'the body has no "inputs", or they are no list of tensors; send {_EXAMPLE}')
    for place, tensor in enumerate(inputs):
        _check_tensor(tensor, f"inputs[{place}]")
    outputs = document.get("outputs")
    if outputs is not None and not isinstance(outputs, list):
        raise BadInput('"outputs" must be a list of objects with a name')
    for place, output in enumerate(outputs or ()):
        what = f"outputs[{place}]"
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise BadInput(f'{what} must be an object with a "name"')
        _check_parameters(output, what)
    _check_parameters(document, "the body")
    if not isinstance(document.get("id"), str | None):
        raise BadInput('"id" must be a text')


def _check_tensor(tensor: Any, what: str) -> None:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise BadInput(f'{what} must be an object with a "name"; send {_EXAMPLE}')
    shape, datatype = tensor.get("shape"), tensor.get("datatype")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadInput(f"{what}.shape == {shown(shape)}, must be a list of sizes, e.g. [1]")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise BadInput(f"{what}.datatype must be one of {', '.join(sorted(DATATYPES))}")
    _check_parameters(tensor, what)
    size = (tensor.get("parameters") or {}).get("binary_data_size")
    if tensor.get("data") is None and (type(size) is not int or size < 0):
        raise BadInput(f'{what} needs "data", or raw bytes behind the JSON and their number as binary_data_size')


def _check_parameters(owner: dict[str, Any], what: str) -> None:
    parameters = owner.get("parameters")
    if not isinstance(parameters, dict | None):
        raise BadInput(f"{what}: parameters must be an object")
