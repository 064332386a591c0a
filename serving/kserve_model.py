"""Any ModelWrapper as a KServe model around one pinned version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import kserve
from kserve.errors import ModelNotFound
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from serving.instance_model import InstanceModel
from serving.tensors import TensorForm
from wrappers.base import ModelWrapper
from wrappers.recommender import RecommenderWrapper

if TYPE_CHECKING:
    from serving.feature_lookup import FeatureLookup

_INLINE_INSTANCES = 4


class PinnedModel(InstanceModel):
    """One version of one model for as long as the process lives.

    Args:
        name: Its name in the HTTP paths.
        version: The version it answers with, e.g. ``3``.
        wrapper: The loaded model.
        lookup: Where its users' features are; None for a model that needs none.
    """

    def __init__(self, name: str, version: str, wrapper: ModelWrapper, lookup: FeatureLookup | None = None) -> None:
        super().__init__(name, version)
        self.lookup = lookup
        self.platform = f"screentest-{wrapper.name}"
        self.form = TensorForm(isinstance(wrapper, RecommenderWrapper), wrapper.needs_features)
        self._wrapper = wrapper

    @property
    def wrapper(self) -> ModelWrapper:
        """The loaded model."""
        return self._wrapper

    def load(self) -> bool:
        """Become ready, once a request of a user nobody knows is answered: what every recommender must be able to."""
        if self.form.recommender:
            self._wrapper.predict([{"user_id": "nobody-has-this-id", "k": 1}])
        self._wrapper.warm_up()
        self.ready = True
        return True

    async def answer(self, instances: list[Any]) -> list[Any]:
        """Answer requests, each with its user's features where the model needs them.

        A few are answered in the event loop: about 1 ms for one, less than a hand-over to another thread costs. Reasons
        take some ten times that, and are thought of in another thread. A model that waits for somebody else is awaited.

        Raises:
            BadInput: A request is not what it should be.
        """
        if self.lookup is None:
            return await self._predict(instances)
        places = [place for place, instance in enumerate(instances) if lacks_features(instance)]
        rows = await self.lookup.rows([instances[place]["user_id"] for place in places])
        completed = list(instances)
        for place, row in zip(places, rows, strict=True):
            completed[place] = {**instances[place], "features": row}
        answers = await self._predict(completed)
        mark_looked_up(answers, places)
        return answers

    async def _predict(self, instances: list[Any]) -> list[Any]:
        if self._wrapper.waits:
            answers = await self._wrapper.predict_async(instances)
        elif len(instances) <= _INLINE_INSTANCES and not any(
            "explain" in one for one in instances if type(one) is dict
        ):
            answers = self._wrapper.predict(instances)
        else:
            answers = await asyncio.to_thread(self._wrapper.predict, instances)
        if not isinstance(answers, list) or len(answers) != len(instances):
            raise TypeError(f"model {self._wrapper.name!r} must answer a list of {len(instances)}, one per request")
        return answers


def lacks_features(instance: Any) -> bool:
    """Whether a user's features are to be looked up; what is no request at all, the wrapper refuses."""
    if not isinstance(instance, dict) or "features" in instance:
        return False
    user_id = instance.get("user_id")
    return isinstance(user_id, int | str) and not isinstance(user_id, bool)


def mark_looked_up(answers: list[Any], places: list[int]) -> None:
    """Tell rows that we looked up from those that a caller sent, which the wrapper cannot."""
    for place in places:
        if answers[place].get("features") == "given":
            answers[place]["features"] = "store"


class PinnedRepository(kserve.ModelRepository):
    """Refuses to unload: what a rollout measures must not change under it over HTTP."""

    def unload(self, name: str) -> None:
        """Always refused.

        Raises:
            NotImplementedError: HTTP 501.
        """
        raise NotImplementedError(f"model {name!r} is pinned to this process; stop the process instead")


class PinnedExtension(ModelRepositoryExtension):
    """KServe's routes to load and unload; its own would answer 503 for a model that there is none of."""

    async def load(self, model_name: str) -> None:
        """Nothing: what is there is loaded.

        Raises:
            ModelNotFound: It is not there.
        """
        if self._model_registry.get_model(model_name) is None:
            raise ModelNotFound(model_name)
