"""What a transformer makes of what its predictor says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from starlette.exceptions import HTTPException

from core.errors import BadInput, ServerError
from feature_repo.catalogue import FeatureLayout
from serving.predictor import Predictor, WantedFeatures
from tests.policy_servers import answer_with, server_that


def asked(
    behave: Callable[[socket.socket], None], instances: list[Any], headers: dict[str, str] | None = None
) -> tuple[dict[str, Any], str]:
    async def ask(url: str) -> tuple[dict[str, Any], str]:
        predictor = Predictor(url, "m", 0.5)
        try:
            return await predictor.ask("predict", instances, headers or {})
        finally:
            predictor.close()

    with server_that(behave) as url:
        return asyncio.run(ask(url))


def wanted(behave: Callable[[socket.socket], None]) -> WantedFeatures | None:
    async def ask(url: str) -> WantedFeatures | None:
        predictor = Predictor(url, "m", 0.5)
        try:
            return await predictor.wanted()
        finally:
            predictor.close()

    with server_that(behave) as url:
        return asyncio.run(ask(url))


def test_only_what_kserve_forwards_goes_along() -> None:
    heads: list[str] = []

    def behave(connection: socket.socket) -> None:
        heads.append(connection.recv(65536).decode("latin-1"))
        answer_with_version = (
            b"HTTP/1.1 200 OK\r\nx-model-version: 7\r\nconnection: close\r\ncontent-length: 19\r\n\r\n"
        )
        connection.sendall(answer_with_version + b'{"predictions":[5]}')

    headers = {"authorization": "Bearer x", "x-request-id": "1", "cookie": "secret", "host": "elsewhere"}
    assert asked(behave, [{"user_id": 1}], headers) == ({"predictions": [5]}, "7")
    [head] = heads
    assert head.startswith("POST /v1/models/m:predict HTTP/1.1\r\nhost: 127.0.0.1:")
    assert "authorization: Bearer x\r\n" in head
    assert "x-request-id: 1\r\n" in head
    assert "cookie" not in head
    assert "elsewhere" not in head
    assert head.endswith('{"instances":[{"user_id":1}]}')


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        ("400 Bad Request", '{"error": "k == 0"}', BadInput, "k == 0"),
        ("404 Not Found", '{"error": "no m"}', HTTPException, "404: no m"),
        ("501 Not Implemented", '{"error": "no reasons"}', HTTPException, "501: no reasons"),
        ("500 Internal Server Error", '{"error": "password"}', ServerError, "the predictor answered HTTP 500"),
        ("200 OK", "<html>", ServerError, "HTTP 200 without JSON"),
        ("200 OK", "[]", ServerError, "HTTP 200"),
        ("200 OK", '{"predictions": 5}', ServerError, "something else than predictions"),
        ("200 OK", '{"predictions": []}', ServerError, "another number of predictions"),
        ("200 OK", '{"answers": [1]}', ServerError, "another number of predictions"),
    ],
)
def test_what_the_predictor_says_becomes_one_of_our_errors(
    status: str, body: str, kind: type[Exception], reason: str
) -> None:
    with pytest.raises(kind) as failed:
        asked(answer_with(status, body), [{"user_id": 1}])
    assert reason in str(failed.value)
    assert "password" not in str(failed.value)


def test_a_predictor_that_is_silent_or_gone_is_told_without_its_address() -> None:
    with pytest.raises(ServerError, match=r"^the predictor did not answer within 0.5 s$"):
        asked(lambda _: None, [{}])
    with pytest.raises(ServerError, match=r"^the predictor cannot be reached$"):
        asked(lambda connection: connection.close(), [{}])


def test_what_is_nested_too_deeply_to_go_on_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(500):
        nested = [nested]
    with pytest.raises(BadInput, match="cannot go on"):
        asked(lambda _: None, [nested])


def test_the_features_that_are_wanted() -> None:
    document = orjson.dumps({"version": "v", "genres": ["Drama"]}).decode()
    assert wanted(answer_with("200 OK", document)) == WantedFeatures("v", FeatureLayout(("Drama",)))
    assert wanted(answer_with("404 Not Found", "{}")) is None
    for body in ("{}", '{"version": "v", "genres": 5}', "[]"):
        with pytest.raises(ServerError):
            wanted(answer_with("200 OK", body))
