"""A KServe transformer that puts users' features into instances before their predictor sees them.

The predictor needs no way to Redis then, and several predictors share one look-up. What Redis or Feast does never fails
a request: features that cannot be had in time are null, which the predictor answers with its documented defaults and
marks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException

from core.errors import BadInput, ServerError
from feature_repo.catalogue import USER_FEATURES, USER_GENRE_FEATURES, FeatureLayout
from serving.instance_model import VERSION_HEADER, InstanceModel
from serving.kserve_model import lacks_features, mark_looked_up
from serving.predictor import Predictor, WantedFeatures
from serving.tensors import TensorQuestion, answer_tensors

#: Seconds between two questions which features are wanted: until the first answer, and from then on.
_FIRST_PAUSE_S = 0.25
_PAUSE_S = 10.0

_Row = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)


class RowSource(Protocol):
    """Where users' rows come from."""

    async def rows(self, user_ids: Sequence[int | str]) -> list[_Row | None]:
        """(n_features,) float32 each, NaN = missing, None where there is none; never raises, never waits long."""

    def follow(self, version: str, n_features: int) -> None:
        """Read the rows of this version from here on."""

    async def close(self) -> None:
        """Let go of connections."""


class Enriched(NamedTuple):
    """A request with its users' features.

    Attributes:
        question: As tensors; None where it came as V1.
        instances: What the predictor is asked.
        looked_up: Places of the instances whose features we put in.
    """

    question: TensorQuestion | None
    instances: list[Any]
    looked_up: list[int]


class FeatureTransformer(InstanceModel):
    """The transformer of one predictor. Ready once the predictor has told which features it wants.

    Args:
        name: The model's name in the HTTP paths, here and there.
        predictor: Who predicts.
        source: Where users' rows are.
    """

    platform = "screentest-transformer"
    ready: bool

    def __init__(self, name: str, predictor: Predictor, source: RowSource) -> None:
        super().__init__(name, "")
        self._predictor = predictor
        self._source = source
        self._wanted: WantedFeatures | None = None
        self._following: asyncio.Task[None] | None = None

    def start_following(self) -> None:
        """Keep asking the predictor which features it wants: another version of it wants others."""
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop asking, and close all connections."""
        if self._following is not None:
            self._following.cancel()
        self._predictor.close()
        await self._source.close()

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Enriched:
        """The request's instances with features, where the predictor wants any and the caller sent none.

        Raises:
            BadInput: It is neither a V1 nor a V2 request.
        """
        asked = await super().preprocess(payload, headers)
        question = asked if isinstance(asked, TensorQuestion) else None
        instances = list(asked if question is None else question.instances)
        if self._wanted is None:
            return Enriched(question, instances, [])
        places = [place for place, instance in enumerate(instances) if lacks_features(instance)]
        rows = await self._source.rows([instances[place]["user_id"] for place in places])
        for place, row in zip(places, rows, strict=True):
            named = None if row is None else named_features(row, self._wanted.layout)
            instances[place] = {**instances[place], "features": named}
        return Enriched(question, instances, places)

    async def predict(self, payload: Any, headers: dict[str, str] | None = None, response_headers: Any = None) -> Any:
        """What the predictor answers.

        Raises:
            BadInput: It refused an instance, for the reason it gave.
            HTTPException: It refused otherwise.
            ServerError: It failed.
        """
        document, version = await self._ask("predict", payload, headers)
        if response_headers is not None:
            response_headers[VERSION_HEADER] = version
        if payload.question is not None:
            return answer_tensors(payload.question, document["predictions"], version)
        return document

    async def explain(self, payload: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """What the predictor gives as reasons; raises likewise."""
        document, _ = await self._ask("explain", payload, headers)
        return document

    async def answer(self, instances: list[Any]) -> list[Any]:
        """Answers to instances as they are."""
        document, _ = await self._ask("predict", Enriched(None, instances, []), None)
        answers: list[Any] = document["predictions"]
        return answers

    async def _ask(self, verb: str, asked: Enriched, headers: dict[str, str] | None) -> tuple[dict[str, Any], str]:
        document, version = await self._predictor.ask(verb, asked.instances, headers or {})
        try:
            mark_looked_up(document["predictions"], asked.looked_up)
        except (AttributeError, TypeError) as error:
            raise ServerError("the predictor answered something else than predictions") from error
        return document, version

    async def _follow(self) -> None:
        said = ""
        while True:
            trouble = ""
            try:
                self._take(await self._predictor.wanted())
            except (ServerError, BadInput, HTTPException) as error:
                # A proxy between may refuse what the predictor itself never would.
                trouble = str(error)
            if trouble and trouble != said:
                _log.warning("which features the predictor wants is not known: %s", trouble)
            said = trouble
            await asyncio.sleep(_PAUSE_S if self.ready else _FIRST_PAUSE_S)

    def _take(self, wanted: WantedFeatures | None) -> None:
        if wanted is not None and wanted != self._wanted:
            self._source.follow(wanted.version, len(wanted.layout.user_names))
        if wanted is None and not self.ready:
            _log.warning("the predictor wants no features: requests go on to it as they come")
        self._wanted = wanted
        self.ready = True


def named_features(row: _Row, layout: FeatureLayout) -> dict[str, Any]:
    """A row as a request's ``features`` holds it; NaN goes over the wire as null, and is missing.

    Args:
        row: (n_user_features,) float32.
        layout: What stands where.
    """
    values = row.tolist()
    named: dict[str, Any] = {feature.name: value for feature, value in zip(USER_FEATURES, values, strict=False)}
    n = len(layout.genres)
    for place, feature in enumerate(USER_GENRE_FEATURES):
        begin = len(USER_FEATURES) + place * n
        named[feature.name] = values[begin : begin + n]
    return named
