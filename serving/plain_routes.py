"""``POST /predict`` and ``POST /invoke``: a request as plain JSON in, its answer as plain JSON out, for any model.

    {"user_id": 17}                       -> {"user_id": 17, "items": [...], "cold": false}
    [{"user_id": 17}, {"user_id": 18}]    -> [{...}, {...}]      at most 1000

Both do the same; they are there because clients of recommenders call it the one, clients of chains the other. The
version that answered is in the header ``x-model-version``.
"""

from __future__ import annotations

import time

import orjson
from starlette.types import Receive, Scope, Send

from serving.direct_paths import send_json
from serving.http_errors import json_value
from serving.instance_model import VERSION_HEADER, check_number
from serving.kserve_model import PinnedModel
from serving.model_seconds import ModelSeconds

PLAIN_PATHS = ("/predict", "/invoke")


class Plain:
    """One of the two as a bare ASGI endpoint.

    Args:
        model: What to serve.
        seconds: Where its answers are timed.
        path: Its own.
    """

    def __init__(self, model: PinnedModel, seconds: ModelSeconds, path: str) -> None:
        self._model = model
        self._seconds = seconds.of(path.strip("/"))
        self._headers = ((VERSION_HEADER.encode("ascii"), model.version.encode("latin-1", "replace")),)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or a batch of them.

        Raises:
            BadInput: A request is not what it should be, or there are too many.
        """
        start = time.perf_counter()
        given = await json_value(receive)
        batch = given if isinstance(given, list) else [given]
        check_number(batch, "the list")
        answers = await self._model.answer(batch)
        answer = answers if batch is given else answers[0]
        await send_json(send, orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), self._headers)
        self._seconds.observe(time.perf_counter() - start)
