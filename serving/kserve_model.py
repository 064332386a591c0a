"""Any ModelWrapper as a KServe model: the V1 protocol around one pinned version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import kserve

from core.errors import BadInput
from serving.http_errors import parse_object
from wrappers.base import ModelWrapper

if TYPE_CHECKING:
    from serving.feature_lookup import FeatureLookup

MAX_INSTANCES = 1000
_INLINE_INSTANCES = 4


class PinnedModel(kserve.Model):
    """One version of one model for as long as the process lives.

    Args:
        name: Its name in the HTTP paths.
        version: The version it answers with, e.g. ``3``.
        wrapper: The loaded model.
        lookup: Where its users' features are; None for a model that needs none.
    """

    def __init__(self, name: str, version: str, wrapper: ModelWrapper, lookup: FeatureLookup | None = None) -> None:
        super().__init__(name)
        self.version = version
        self.lookup = lookup
        self._wrapper = wrapper

    @property
    def wrapper(self) -> ModelWrapper:
        """The loaded model."""
        return self._wrapper

    def load(self) -> bool:
        """Become ready, once a request of a user nobody knows is answered: what every recommender must be able to."""
        self._wrapper.predict([{"user_id": "nobody-has-this-id", "k": 1}])
        self._wrapper.warm_up()
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
        return {"predictions": await self.answer(payload)}

    async def answer(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Answer requests, each with its user's features where the model needs them.

        A few are answered in the event loop: about 1 ms for one, less than a hand-over to another thread costs. Reasons
        take some ten times that, and are thought of in another thread. A model that waits for somebody else is awaited.

        Raises:
            BadInput: A request is not what it should be.
        """
        if self.lookup is None:
            return await self._predict(instances)
        places = [place for place, instance in enumerate(instances) if _lacks_features(instance)]
        rows = await self.lookup.rows([instances[place]["user_id"] for place in places])
        completed = list(instances)
        for place, row in zip(places, rows, strict=True):
            completed[place] = {**instances[place], "features": row}
        answers = await self._predict(completed)
        for place in places:
            # The wrapper cannot tell our row from one that the caller sent.
            if answers[place]["features"] == "given":
                answers[place]["features"] = "store"
        return answers

    async def _predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        if self._wrapper.waits:
            return await self._wrapper.predict_async(instances)
        if len(instances) <= _INLINE_INSTANCES and not any("explain" in one for one in instances if type(one) is dict):
            return self._wrapper.predict(instances)
        return await asyncio.to_thread(self._wrapper.predict, instances)


def _lacks_features(instance: Any) -> bool:
    """Whether a user's features are to be looked up; what is no request at all, the wrapper refuses."""
    if not isinstance(instance, dict) or "features" in instance:
        return False
    user_id = instance.get("user_id")
    return isinstance(user_id, int | str) and not isinstance(user_id, bool)


class PinnedRepository(kserve.ModelRepository):
    """Refuses to unload: what a rollout measures must not change under it over HTTP."""

    def unload(self, name: str) -> None:
        """Always refused.

        Raises:
            NotImplementedError: HTTP 501.
        """
        raise NotImplementedError(f"model {name!r} is pinned to this process; stop the process instead")
