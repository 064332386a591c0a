"""A chat model behind any OpenAI-compatible endpoint: one question, one answer, in time or not at all.

``POST <base URL>/chat/completions``. Every question has a deadline over all its attempts. An attempt that meets a
time-out, a broken connection, 408, 429 or 5xx is repeated, after as long as ``Retry-After`` says or twice the last
pause; a pause that would end behind the deadline is not begun.

The key goes into the request's header and nowhere else: not into messages, logs, ``repr`` or artifacts, and where an
endpoint echoes it, it is taken out. Prompts and answers are not logged either: they tell of people. Of a refusal the
first words are, as the endpoint wrote them.

Reasons of a ChatError:

    off          no endpoint is set up (OPENAI_API_KEY, OPENAI_BASE_URL)
    deadline     no answer in time
    unavailable  busy, broken or not there, also after the retries
    refused      the endpoint does not want such a request: key, model's name, options
    bad_answer   an answer that is no chat completion
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Self
from weakref import WeakKeyDictionary

import aiohttp
from pydantic import SecretStr

from core.errors import ChatError, ConfigError
from core.settings import Settings

OPENAI = "https://api.openai.com/v1"

#: An answer of a few hundred tokens is a few kilobytes.
_MAX_ANSWER_BYTES = 1 << 20
_LONGEST_MESSAGE = 200
_RETRIED = frozenset((408, 429, 500, 502, 503, 504))
_PER_1K = 1000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """Where chat models are.

    Attributes:
        base_url: Ends before ``/chat/completions``; empty: nowhere.
        api_key: Empty where it needs none.
    """

    base_url: str
    api_key: SecretStr = field(default=SecretStr(""), repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The endpoint that the settings name: OpenAI's own where only a key is set.

        Raises:
            ConfigError: It is no http address, or has a user name, password or query in it; the key cannot be sent.
        """
        key, url = settings.openai_api_key, settings.openai_base_url.rstrip("/")
        if not _is_one_word(key.get_secret_value()):
            raise ConfigError("OPENAI_API_KEY holds a space, a line break or a character beyond ASCII; copy it again")
        if not url:
            return cls(OPENAI if key.get_secret_value() else "", key)
        if not url.startswith(("http://", "https://")) or any(mark in url for mark in "@?#"):
            shown = re.split("[?#]", url.rpartition("@")[2])[0]
            raise ConfigError(
                f"OPENAI_BASE_URL names {shown!r}, must be http(s)://HOST[:PORT]/v1 without user name, password "
                "and query; the key is OPENAI_API_KEY"
            )
        return cls(url, key)


@dataclass(frozen=True)
class ChatOptions:
    """How a chat model is asked.

    Attributes:
        model: Its name at the endpoint.
        temperature: 0 takes the likeliest word each time.
        max_tokens: Length of an answer.
        seed: For endpoints that know one.
        deadline_s: From question to answer, all attempts together.
        timeout_s: Of one attempt.
        retries: Further attempts, at most.
        backoff_s: Pause before the first of them; doubles.
        input_price: US dollars for 1,000 tokens of the prompt.
        output_price: US dollars for 1,000 tokens of the answer.
    """

    model: str
    temperature: float = 0.0
    max_tokens: int = 600
    seed: int = 0
    deadline_s: float = 1.5
    timeout_s: float = 1.5
    retries: int = 1
    backoff_s: float = 0.1
    input_price: float = 0.0
    output_price: float = 0.0


class _PassingError(Exception):
    """What another attempt may not meet; ``pause_s``: as long as the endpoint asked to wait."""

    def __init__(self, problem: str, pause_s: float | None = None) -> None:
        super().__init__(problem)
        self.pause_s = pause_s


class ChatClient:
    """Asks one chat model, from any number of event loops; connections are kept within each.

    Args:
        endpoint: Where it is.
        options: How to ask.
    """

    def __init__(self, endpoint: Endpoint, options: ChatOptions) -> None:
        self.endpoint = endpoint
        self.options = options
        self._used: Counter[str] = Counter()
        self._lock = Lock()
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()

    @property
    def is_off(self) -> bool:
        """There is nobody to ask."""
        return not self.endpoint.base_url

    def used(self) -> Counter[str]:
        """Counts so far: ``questions``, ``attempts``, ``retries``, ``timeouts``, ``prompt_tokens``,
        ``completion_tokens``, ``unmetered`` (answers without token counts), ``cost_usd`` and a ``failed_<reason>``.
        """
        with self._lock:
            return self._used.copy()

    async def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The chat model's answer.

        Args:
            messages: Of ``role`` and ``content``.

        Raises:
            ChatError: There is none; see the module's docstring for its ``reason``.
        """
        try:
            return await self._in_time(messages)
        except ChatError as error:
            self._count({f"failed_{error.reason}": 1})
            raise

    async def close(self) -> None:
        """Close the running event loop's connections."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def _in_time(self, messages: Sequence[Mapping[str, str]]) -> str:
        if self.is_off:
            raise ChatError("no chat model: set OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint", reason="off")
        self._count({"questions": 1})
        deadline = asyncio.get_running_loop().time() + self.options.deadline_s
        try:
            async with asyncio.timeout_at(deadline):
                return await self._with_retries(messages, deadline)
        except TimeoutError:
            self._count({"timeouts": 1})
            raise ChatError(self._told(f"no answer within {self.options.deadline_s:g} s"), reason="deadline") from None

    async def _with_retries(self, messages: Sequence[Mapping[str, str]], deadline: float) -> str:
        loop = asyncio.get_running_loop()
        for attempt in range(self.options.retries + 1):
            self._count({"attempts": 1, "retries": int(attempt > 0)})
            began = loop.time()
            try:
                reply = await self._attempt(messages)
            except _PassingError as error:
                pause = self.options.backoff_s * 2**attempt if error.pause_s is None else error.pause_s
                if attempt == self.options.retries or loop.time() + pause >= deadline:
                    raise ChatError(self._told(f"{error} ({attempt + 1} attempts)"), reason="unavailable") from None
                await asyncio.sleep(pause)
            else:
                return self._metered(reply, attempt + 1, loop.time() - began)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, messages: Sequence[Mapping[str, str]]) -> Any:
        """The parsed body of a 200."""
        body = {
            "model": self.options.model,
            "messages": [dict(message) for message in messages],
            "temperature": self.options.temperature,
            "max_tokens": self.options.max_tokens,
            "seed": self.options.seed,
        }
        key = self.endpoint.api_key.get_secret_value()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"{self.endpoint.base_url}/chat/completions"
        try:
            async with asyncio.timeout(self.options.timeout_s):
                # A redirect would carry the key, and the prompt, to wherever it points.
                sent = self._session().post(url, json=body, headers=headers, allow_redirects=False)
                async with sent as response:
                    return self._document(response, await _read(response))
        except TimeoutError:
            self._count({"timeouts": 1})
            raise _PassingError(f"no answer within {self.options.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _PassingError(self._without_key(f"{type(error).__name__} {error}")) from None

    def _document(self, response: aiohttp.ClientResponse, body: bytes) -> Any:
        text = " ".join(body.decode("utf-8", "replace").split())
        if response.status in _RETRIED:
            raise _PassingError(f"HTTP {response.status}", _pause(response.headers.get("Retry-After", "")))
        if response.status != 200:
            said = self._without_key(text)[:_LONGEST_MESSAGE]
            raise ChatError(self._told(f"HTTP {response.status}: {said}"), reason="refused")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ChatError(self._told("an answer that is no JSON"), reason="bad_answer") from None

    def _metered(self, reply: Any, attempts: int, seconds: float) -> str:
        """The answer's text, its tokens counted."""
        try:
            text = reply["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise ChatError(self._told("an answer without choices[0].message.content"), reason="bad_answer")
        usage = reply.get("usage")
        counted = usage if isinstance(usage, dict) else {}
        asked, answered = (_tokens(counted.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        cost = (asked * self.options.input_price + answered * self.options.output_price) / _PER_1K
        used = {"prompt_tokens": asked, "completion_tokens": answered, "cost_usd": cost}
        self._count({**used, "unmetered": int(not counted)})
        _log.info(
            "chat model %s: %d + %d tokens, %.6f USD, %.3f s, attempt %d",
            *(self.options.model, asked, answered, cost, seconds, attempts),
        )
        return self._without_key(text)

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            # Of its own it would give up after five minutes, whatever the options allow.
            session = self._sessions[loop] = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout())
        return session

    def _count(self, amounts: Mapping[str, float]) -> None:
        with self._lock:
            for name, amount in amounts.items():
                self._used[name] += amount  # type: ignore[assignment]

    def _told(self, problem: str) -> str:
        return f"chat model {self.options.model} at {self.endpoint.base_url}: {problem}"

    def _without_key(self, text: str) -> str:
        key = self.endpoint.api_key.get_secret_value()
        return text.replace(key, "[key]") if key else text


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(1 << 16):
        body += part
        if len(body) > _MAX_ANSWER_BYTES:
            raise ChatError(f"an answer of more than {_MAX_ANSWER_BYTES} bytes", reason="bad_answer")
    return bytes(body)


def _is_one_word(key: str) -> bool:
    """Whether a header can carry it; an empty one needs none."""
    return key.isascii() and key.isprintable() and " " not in key


def _pause(retry_after: str) -> float | None:
    """Seconds that ``Retry-After`` asks for; None where it is not given as seconds."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _tokens(count: Any) -> int:
    return count if isinstance(count, int) and count >= 0 else 0
