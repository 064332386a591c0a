"""The chat client against a real HTTP server: in time or not at all, and the key nowhere."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import ChatError, ConfigError
from core.settings import load_settings
from tests.chat_server import KEY, ChatServer, chat_server
from wrappers.chat_client import OPENAI, ChatClient, ChatOptions, Endpoint

QUESTION = [{"role": "system", "content": "Rank."}, {"role": "user", "content": "Liked:\nA (1990), War\n\n1. B\n2. C"}]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def client(server: ChatServer, **options: Any) -> ChatClient:
    wanted = {"model": "tiny", "deadline_s": 20.0, "timeout_s": 20.0, "backoff_s": 0.0, **options}
    return ChatClient(Endpoint(server.url, SecretStr(KEY)), ChatOptions(**wanted))


def ask(asker: ChatClient, times: int = 1) -> str:
    async def asked() -> str:
        try:
            return [await asker.complete(QUESTION) for _ in range(times)][-1]
        finally:
            await asker.close()

    return asyncio.run(asked())


def refused(asker: ChatClient) -> ChatError:
    with pytest.raises(ChatError) as caught:
        ask(asker)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_question_is_answered_and_counted(server: ChatServer) -> None:
    asker = client(server, input_price=0.5, output_price=2.0, temperature=0.3, max_tokens=77, seed=5)
    assert ask(asker, times=2) == '{"ranking": [1, 2]}'
    asked = server.asked[0]
    assert (asked["path"], asked["headers"]["Authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    wanted = {"model": "tiny", "messages": QUESTION, "temperature": 0.3, "max_tokens": 77, "seed": 5}
    assert {name: asked[name] for name in wanted} == wanted
    # 9 words in the question, 3 in the answer.
    used = asker.used()
    assert (used["questions"], used["attempts"], used["prompt_tokens"], used["completion_tokens"]) == (2, 2, 18, 6)
    assert used["cost_usd"] == pytest.approx((18 * 0.5 + 6 * 2.0) / 1000)
    assert not used["retries"]


@pytest.mark.parametrize("trouble", ["busy", "broken"])
def test_what_passes_is_tried_again(server: ChatServer, trouble: str) -> None:
    server.script.extend([trouble, trouble])
    asker = client(server, retries=2)
    assert "ranking" in ask(asker)
    assert (asker.used()["attempts"], asker.used()["retries"]) == (3, 2)


def test_retries_end(server: ChatServer) -> None:
    server.always = "broken"
    asker = client(server, retries=2)
    error = refused(asker)
    assert (error.reason, len(server.asked)) == ("unavailable", 3)
    assert "HTTP 500 (3 attempts)" in str(error)
    assert asker.used()["failed_unavailable"] == 1


def test_a_pause_that_would_end_too_late_is_not_begun(server: ChatServer) -> None:
    server.always = "busy_long"
    assert refused(client(server, retries=5)).reason == "unavailable"
    assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", ["hang", "trickle"])
def test_the_deadline_holds_whatever_the_server_does(server: ChatServer, trouble: str) -> None:
    server.always = trouble
    asker = client(server, deadline_s=0.1, retries=3)
    error = refused(asker)
    assert error.reason == "deadline"
    assert "no answer within 0.1 s" in str(error)
    assert (asker.used()["timeouts"], asker.used()["failed_deadline"]) == (1, 1)


def test_an_attempt_that_hangs_is_given_up_for_another(server: ChatServer) -> None:
    server.script.append("hang")
    asker = client(server, timeout_s=0.2, retries=10)
    assert "ranking" in ask(asker)
    # On a machine under load more attempts than the first may be late.
    assert asker.used()["timeouts"] == asker.used()["retries"] >= 1


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        *(("garbage", "bad_answer"), ("nested", "bad_answer"), ("no_choices", "bad_answer")),
        *(("refuse", "refused"), ("redirect", "refused")),
    ],
)
def test_what_another_attempt_would_meet_again_is_not_tried(server: ChatServer, trouble: str, reason: str) -> None:
    server.always = trouble
    assert refused(client(server, retries=5)).reason == reason
    assert len(server.asked) == 1


def test_nobody_there_is_unavailable(server: ChatServer) -> None:
    asker = client(server)
    server.stop()
    assert refused(asker).reason == "unavailable"


def test_the_key_is_nowhere_but_in_the_header(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script.extend(["refuse", "ok"])
    asker = client(server)
    error = refused(asker)
    assert "no such key: Bearer [key]" in str(error), "the endpoint's own words, without the key it repeats"
    ask(asker)
    told = [str(error), repr(asker.endpoint), repr(asker.options), repr(vars(asker)), caplog.text]
    assert not any(KEY in text for text in told)
    assert "chat model tiny: 9 + 3 tokens" in caplog.text
    assert "Liked" not in caplog.text, "what is asked tells of people"


def test_many_questions_at_once_share_a_client(server: ChatServer) -> None:
    asker = client(server)

    async def all_at_once() -> list[str]:
        try:
            return await asyncio.gather(*(asker.complete(QUESTION) for _ in range(20)))
        finally:
            await asker.close()

    assert Counter(asyncio.run(all_at_once())) == {'{"ranking": [1, 2]}': 20}
    assert asker.used()["questions"] == 20


def test_the_endpoint_comes_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Endpoint.of(load_settings()).base_url == ""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert Endpoint.of(load_settings()) == Endpoint(OPENAI, SecretStr(KEY))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    assert Endpoint.of(load_settings()).base_url == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OPENAI_BASE_URL", "ftp://there/v1", r"OPENAI_BASE_URL names 'ftp://there/v1', must be http"),
        ("OPENAI_BASE_URL", "https://me:hush@there/v1", r"OPENAI_BASE_URL names 'there/v1', must be http"),
        ("OPENAI_BASE_URL", "https://there/v1?key=hush", r"OPENAI_BASE_URL names 'https://there/v1', must be http"),
        ("OPENAI_API_KEY", "hush hush", "OPENAI_API_KEY holds a space"),
        ("OPENAI_API_KEY", "hush\n", "OPENAI_API_KEY holds a space, a line break"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_without_showing_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=told) as caught:
        Endpoint.of(load_settings())
    assert "hush" not in str(caught.value)


def test_without_an_endpoint_nobody_is_asked() -> None:
    asker = ChatClient(Endpoint.of(load_settings()), ChatOptions("tiny"))
    assert asker.is_off
    assert refused(asker).reason == "off"
    assert asker.used()["questions"] == 0
