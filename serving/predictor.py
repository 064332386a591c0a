"""The predictor behind a transformer: another model server, asked over kept connections by V1."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.exceptions import HTTPException

from core.errors import BadInput, ServerError
from feature_repo.catalogue import FeatureLayout
from serving.http_errors import MAX_BODY_BYTES
from serving.instance_model import VERSION_HEADER
from serving.item_routes import FEATURES_PATH
from serving.lean_http import HeadedAnswer, HeadedHttp

#: What goes on to the predictor, as KServe's own transformers have it; a traceparent does anyway.
FORWARDED = ("x-request-id", "x-b3-traceid", "authorization")
#: Features make requests longer: several go to the predictor where one came to us.
_LONGEST_BODY = MAX_BODY_BYTES - 1024

_log = logging.getLogger(__name__)


class WantedFeatures(NamedTuple):
    """What a predictor ranks on.

    Attributes:
        version: What users' rows are filed under.
        layout: What stands where in a row.
    """

    version: str
    layout: FeatureLayout


class Predictor:
    """One model of one model server.

    Args:
        base_url: ``http://host:port``.
        name: The model's.
        timeout_s: A predictor that has not answered completely after this has failed.
    """

    def __init__(self, base_url: str, name: str, timeout_s: float) -> None:
        self._base_url = base_url
        self._name = name
        self._timeout_s = timeout_s
        self._http = HeadedHttp(VERSION_HEADER)

    async def wanted(self) -> WantedFeatures | None:
        """Which features it wants; None: none, or it is no server of ours.

        Raises:
            ServerError: It does not answer, or answers nonsense.
        """
        answer = await self._answer(FEATURES_PATH, None, {})
        if answer.status == 404:
            return None
        try:
            document = _document(answer)
            return WantedFeatures(document["version"], FeatureLayout(tuple(document["genres"])))
        except (KeyError, TypeError) as error:
            raise ServerError("the predictor answered something else than its features") from error

    async def ask(self, verb: str, instances: Sequence[Any], headers: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """Its answer to instances, and the version that gave it.

        Args:
            verb: ``predict`` or ``explain``.
            instances: At most as many as one request may hold.
            headers: Of the request that is answered.

        Returns:
            ``{"predictions": [...]}``, and of ``explain`` ``"explanations"`` too.

        Raises:
            HTTPException: It refused; its status and reason.
            ServerError: It did not answer in time, failed, or answered nonsense.
        """
        forwarded = {name: headers[name] for name in FORWARDED if name in headers}
        whole: dict[str, Any] = {"predictions": []}
        version = ""
        for body in _bodies(instances):
            answer = await self._answer(f"/v1/models/{self._name}:{verb}", body, forwarded)
            version = answer.header
            try:
                document = _document(answer)
                for key in document:
                    whole[key] = whole.get(key, []) + document[key]
            except TypeError as error:
                raise ServerError("the predictor answered something else than predictions") from error
        if len(whole["predictions"]) != len(instances):
            raise ServerError("the predictor answered another number of predictions than it was asked for")
        return whole, version

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    async def _answer(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> HeadedAnswer:
        try:
            answer = await self._http.send(self._base_url, path, body, timeout_s=self._timeout_s, headers=headers)
            return HeadedAnswer(*answer)  # type: ignore[call-arg]
        except TimeoutError as error:
            _log.warning("predictor %s did not answer within %g s", self._base_url, self._timeout_s)
            raise ServerError(f"the predictor did not answer within {self._timeout_s:g} s") from error
        except OSError as error:
            # Where it is, and what the network says of it, is nobody's business outside.
            _log.warning("predictor %s cannot be reached: %s", self._base_url, error)
            raise ServerError("the predictor cannot be reached") from error


def _document(answer: HeadedAnswer) -> dict[str, Any]:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise ServerError(f"the predictor answered HTTP {answer.status} without JSON") from error
    reason = str(document.get("error", ""))[:300] if isinstance(document, dict) else ""
    if answer.status == 400:
        raise BadInput(reason)
    if 400 < answer.status < 500 or answer.status == 501:
        raise HTTPException(answer.status, reason)
    if answer.status != 200 or not isinstance(document, dict):
        _log.warning("the predictor answered HTTP %d: %s", answer.status, reason)
        raise ServerError(f"the predictor answered HTTP {answer.status}")
    return document


def _bodies(instances: Sequence[Any]) -> Iterator[bytes]:
    """V1 requests of all instances, in order, none longer than a server takes unless one instance is."""
    parts: list[bytes] = []
    length = 0
    for instance in instances:
        try:
            part = orjson.dumps(instance)
        except orjson.JSONEncodeError as error:
            # It reads more than it writes: nesting, most of all.
            raise BadInput(f"an instance cannot go on to the predictor: {error}") from error
        if parts and length + len(part) + 1 > _LONGEST_BODY:
            yield b'{"instances":[%b]}' % b",".join(parts)
            parts, length = [], 0
        parts.append(part)
        length += len(part) + 1
    yield b'{"instances":[%b]}' % b",".join(parts)
