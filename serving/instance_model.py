"""What all models of ours are to KServe: lists of requests in, one answer each out, by V1 (JSON) and V2 (tensors)."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any

import kserve
from kserve.model import InferenceVerb

from core.errors import BadInput
from serving.http_errors import parse_object
from serving.model_seconds import ModelSeconds
from serving.tensors import TensorForm, TensorQuestion, answer_tensors, read_tensors

MAX_INSTANCES = 1000
VERSION_HEADER = "x-model-version"
_EXAMPLE = '{"instances": [{"user_id": 17, "k": 10}]}'


class InstanceModel(kserve.Model):
    """One model under one name.

    Args:
        name: Its name in the HTTP paths.
        version: The version it answers with, e.g. ``3``.

    Attributes:
        version: Likewise.
        platform: What V2 metadata call the kind of model.
        form: Its tensors, and whether it recommends.
        seconds: Where its V1 and V2 answers are timed; None: nowhere.
    """

    platform = "screentest"
    form = TensorForm(recommender=True, features=True)

    def __init__(self, name: str, version: str) -> None:
        # Headers of its own go with V1's answers, which have no field for the version.
        super().__init__(name, return_response_headers=True)
        self.version = version
        self.seconds: ModelSeconds | None = None
        self._timed: dict[str, Any] = {}

    @abstractmethod
    async def answer(self, instances: list[Any]) -> list[Any]:
        """One answer per request, in order.

        Raises:
            BadInput: A request is not what it should be.
        """

    async def __call__(
        self, body: Any, headers: dict[str, str] | None = None, verb: Any = InferenceVerb.PREDICT
    ) -> Any:
        """KServe's way through preprocess, predict or explain, and postprocess; timed by route."""
        start = time.perf_counter()
        answer = await super().__call__(body, headers, verb)
        if self.seconds is not None:
            route = _route(body, verb)
            if route not in self._timed:
                self._timed[route] = self.seconds.of(route)
            self._timed[route].observe(time.perf_counter() - start)
        return answer

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """The instances of a V1 request, a list; a V2 request as a ``TensorQuestion``.

        Raises:
            BadInput: It is neither; KServe alone would answer 500.
        """
        if isinstance(payload, kserve.InferRequest):
            question = read_tensors(payload, self.form)
            check_number(question.instances, "the request")
            return question
        # KServe hands over the raw bytes for every content type it does not list, "application/json; charset=utf-8"
        # among them.
        document = parse_object(payload) if isinstance(payload, bytes) else payload
        if not isinstance(document, dict) or "instances" not in document:
            raise BadInput(f'the body has no "instances"; send {_EXAMPLE}')
        instances = document["instances"]
        if not isinstance(instances, list):
            raise BadInput(f'"instances" must be a list; send {_EXAMPLE}')
        check_number(instances, '"instances"')
        return instances

    def validate(self, payload: Any) -> Any:
        """Nothing left to check: ``preprocess`` and the wrapper did."""
        return payload

    async def predict(self, payload: Any, headers: dict[str, str] | None = None, response_headers: Any = None) -> Any:
        """``{"predictions": [...]}``, one per instance, in order; to a V2 request its tensors.

        Raises:
            BadInput: An instance is not what it should be.
        """
        if response_headers is not None:
            response_headers[VERSION_HEADER] = self.version
        if isinstance(payload, TensorQuestion):
            return answer_tensors(payload, await self.answer(payload.instances), self.version)
        return {"predictions": await self.answer(payload)}

    async def explain(self, payload: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """``{"predictions": [...], "explanations": [...]}``: what ``predict`` answers, and for each list the reason of
        each item and how much of its score that reason accounts for.

        Raises:
            BadInput: An instance is not what it should be.
            NotImplementedError: The model is no recommender (HTTP 501).
        """
        if not self.form.recommender:
            raise NotImplementedError(
                f"model {self.name!r} is no recommender: it gives no reasons; ask for predictions"
            )
        # What is no object is refused by the wrapper, in its own words.
        asked = [{**one, "explain": one.get("explain") or True} if isinstance(one, dict) else one for one in payload]
        answers = await self.answer(asked)
        return {"predictions": [_without_reasons(one) for one in answers], "explanations": list(map(_reasons, answers))}

    def get_input_types(self) -> list[dict[str, Any]]:
        """The tensors it takes, for V2 metadata."""
        return self.form.inputs()

    def get_output_types(self) -> list[dict[str, Any]]:
        """The tensors it may answer."""
        return self.form.outputs()


def check_number(instances: list[Any], what: str) -> None:
    """Return if there are not too many of them.

    Raises:
        BadInput: There are more than ``MAX_INSTANCES``.
    """
    if len(instances) > MAX_INSTANCES:
        raise BadInput(f"{what} holds {len(instances)}, must be at most {MAX_INSTANCES}; split the request")


def _route(body: Any, verb: Any) -> str:
    if verb is InferenceVerb.EXPLAIN:
        return "v1_explain"
    if isinstance(body, kserve.InferRequest):
        return "v2_grpc" if body.from_grpc else "v2_infer"
    return "v1_predict"


def _without_reasons(answer: dict[str, Any]) -> dict[str, Any]:
    items = [{key: item[key] for key in item if key not in ("reason", "confidence")} for item in answer["items"]]
    return {**answer, "items": items}


def _reasons(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: item.get(key) for key in ("item_id", "reason", "confidence")} for item in answer["items"]]
