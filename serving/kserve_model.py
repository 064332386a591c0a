"""Any ModelWrapper as a KServe model: the V1 protocol around one pinned version."""

from __future__ import annotations

import asyncio
from typing import Any

import kserve

from core.errors import BadInput
from serving.http_errors import parse_object
from wrappers.base import ModelWrapper

MAX_INSTANCES = 1000
_INLINE_INSTANCES = 4


class PinnedModel(kserve.Model):
    """One version of one model for as long as the process lives.

    Args:
        name: Its name in the HTTP paths.
        version: The version it answers with, e.g. ``3``.
        wrapper: The loaded model.
    """

    def __init__(self, name: str, version: str, wrapper: ModelWrapper) -> None:
        super().__init__(name)
        self.version = version
        self._wrapper = wrapper

    def load(self) -> bool:
        """Become ready, once a request of a user nobody knows is answered: what every recommender must be able to."""
        self._wrapper.predict([{"user_id": "nobody-has-this-id", "k": 1}])
        self.ready = True
        return True

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """The instances of a V1 request.

        Raises:
            BadInput: The body is no V1 request; KServe alone would answer 500.
            NotImplementedError: It is a V2 inference request (HTTP 501).
        """
        # KServe hands over the raw bytes for every content type it does not list, "application/json; charset=utf-8"
        # among them.
        document = parse_object(payload) if isinstance(payload, bytes) else payload
        if isinstance(document, kserve.InferRequest):
            raise NotImplementedError(f"V2 inference is not served; POST /v1/models/{self.name}:predict")
        if not isinstance(document, dict) or "instances" not in document:
            raise BadInput('the body has no "instances"; send {"instances": [{"user_id": 17, "k": 10}]}')
        instances = document["instances"]
        if not isinstance(instances, list):
            raise BadInput('"instances" must be a list; send {"instances": [{"user_id": 17, "k": 10}]}')
        if len(instances) > MAX_INSTANCES:
            raise BadInput(f'"instances" holds {len(instances)}, must be at most {MAX_INSTANCES}; split the request')
        return instances

    def validate(self, payload: Any) -> Any:
        """Nothing left to check: ``preprocess`` and the wrapper did."""
        return payload

    async def predict(self, payload: Any, headers: dict[str, str] | None = None, *_: Any) -> dict[str, Any]:
        """``{"predictions": [...]}``, one per instance, in order.

        Raises:
            BadInput: An instance is not what it should be.
        """
        if len(payload) <= _INLINE_INSTANCES:
            return {"predictions": self.answer(payload)}
        return {"predictions": await asyncio.to_thread(self.answer, payload)}

    def answer(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Answer requests in this thread: about 1 ms for one, less than a hand-over to another thread costs.

        Raises:
            BadInput: A request is not what it should be.
        """
        return self._wrapper.predict(instances)


class PinnedRepository(kserve.ModelRepository):
    """Refuses to unload: what a rollout measures must not change under it over HTTP."""

    def unload(self, name: str) -> None:
        """Always refused.

        Raises:
            NotImplementedError: HTTP 501.
        """
        raise NotImplementedError(f"model {name!r} is pinned to this process; stop the process instead")
