"""Every example of docs/API.md does what the page says, and the page has one for every route of the management API."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from serving.processes import poll
from tests.managed_server import Managed, managed_server

PAGE = (Path(__file__).parents[2] / "docs" / "API.md").read_text(encoding="utf-8")
#: Statuses other than 200.
STATUSES = {("POST", "/experiments"): 201, ("DELETE", "/experiments/three-lists"): 409, ("POST", "/model/retrain"): 202}
#: Described elsewhere, with all that can be asked of them.
ELSEWHERE = {"/update", "/recommendations", "/feedback"}


def commands() -> Iterator[list[str]]:
    """The words of each ``curl``, in the page's order; one may go over several lines."""
    for block in re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE):
        for text in re.findall(r"^    (curl .*(?:\n      .*)*)", block, re.MULTILINE):
            yield shlex.split(text)


def request(words: list[str], server: Managed) -> httpx.Request:
    """What a ``curl`` sends."""
    method, address, body, headers = "", "", None, {}
    rest = iter(words[1:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-d":
            body = next(rest)
            for variant, url in server.servers.items():
                body = body.replace(f"${variant.upper()}", url)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        else:
            address = word.replace("$URL", server.url)
    return server.http.build_request(
        method or ("GET" if body is None else "POST"), address, content=body, headers=headers
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    with managed_server(tmp_path_factory.mktemp("api")) as server:
        yield server


def test_every_example_answers_as_the_page_says(server: Managed) -> None:
    asked: set[tuple[str, str]] = set()
    for words in commands():
        sent = request(words, server)
        place = sent.method, urlsplit(str(sent.url)).path
        answer = server.http.send(sent)
        assert answer.status_code == STATUSES.get(place, 200), (words, answer.text)
        asked.add(place)
        if place == ("GET", "/choose"):
            # Nobody waits for an exposure to be on disk.
            assert poll(lambda: server.http.get("/experiments/three-lists").json()["sessions"] == 1, 10)
    described = server.http.get("/openapi.json").json()["paths"]
    for path, told in described.items():
        pattern = re.compile(re.sub(r"{\w+}", "[^/]+", path))
        for method in told:
            if path not in ELSEWHERE:
                assert any(one == method.upper() and pattern.fullmatch(where) for one, where in asked), (method, path)


def test_the_statuses_of_the_page_are_those_of_the_document(server: Managed) -> None:
    described = server.http.get("/openapi.json").json()["paths"]["/experiments/{name}/start"]["post"]["responses"]
    listed = set(re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE))
    assert described.keys() - {"200"} <= listed
