"""A graph at work: a shortlist in, an order or texts out, whatever becomes of the chat model."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

from core.errors import ChatError
from wrappers.chat_client import ChatClient
from wrappers.chat_prompts import ChatPrompt
from wrappers.graph_code import Messages, build_graph

_log = logging.getLogger(__name__)


class GraphAnswer(NamedTuple):
    """What a graph made of a shortlist of n.

    Attributes:
        order: (n) positions into the shortlist, best first.
        texts: (n) one per item, or none.
        reason: Why this is the fallback, in one word: one of :mod:`wrappers.chat_client`, ``bad_answer`` also where the
            reply is not what the prompt asks for, ``cold`` where nothing is known of the user, ``short`` where there
            is nothing to order. Empty where it is the chat model's answer.
    """

    order: list[int]
    texts: list[str]
    reason: str


class GraphRunner:
    """One graph with its prompt and its chat model.

    Args:
        code: The graph's file.
        task: What it is for.
        prompt: Filled in for each shortlist.
        client: The chat model.

    Raises:
        DataError: The file is none of ours.
    """

    def __init__(self, code: str, task: str, prompt: ChatPrompt, client: ChatClient) -> None:
        self.client = client
        self._prompt = prompt
        self._answers: Counter[str] = Counter()
        self._lock = Lock()
        self._failing = ""
        self._graph: Any = build_graph(code, task, self._write, self._ask)

    async def answer(self, history: Sequence[str], shortlist: Sequence[str]) -> GraphAnswer:
        """Rank or explain a shortlist.

        Args:
            history: Lines that tell what the person liked.
            shortlist: Lines, one per item; at least one.
        """
        asked = {"history": list(history), "shortlist": list(shortlist), "reason": ""}
        state = await self._graph.ainvoke(asked)
        found = GraphAnswer(state["order"], state["texts"], state["reason"])
        if not all(map(_can_be_sent, found.texts)):
            found = GraphAnswer(list(range(len(shortlist))), [], "bad_answer")
        self._note(found.reason)
        return found

    def pass_over(self, n: int, reason: str) -> GraphAnswer:
        """The answer for a shortlist of n items that nobody is asked about."""
        with self._lock:
            self._answers[reason] += 1
        return GraphAnswer(list(range(n)), [], reason)

    def figures(self) -> dict[str, float]:
        """Counts so far: ``llm_answered``, ``llm_fallback_<reason>``, and ``llm_`` and what the chat client counts."""
        with self._lock:
            answers = {f"fallback_{reason}" if reason else "answered": n for reason, n in self._answers.items()}
        return {f"llm_{name}": float(n) for name, n in {**answers, **self.client.used()}.items()}

    def _write(self, history: list[str], shortlist: list[str]) -> Messages:
        numbered = [f"{number}. {line}" for number, line in enumerate(shortlist, start=1)]
        return self._prompt.filled({"history": "\n".join(history) or "(unknown)", "shortlist": "\n".join(numbered)})

    async def _ask(self, messages: Messages) -> tuple[str, str]:
        try:
            return await self.client.complete(messages), ""
        except ChatError as error:
            if self._failing != error.reason:
                _log.warning("%s; lists stay as they were until it answers", error)
            return "", error.reason

    def _note(self, reason: str) -> None:
        """Count an answer; told once when the chat model fails and once when it is back, not with every request."""
        if reason == "bad_answer" and self._failing != reason:
            _log.warning("the chat model's reply is not what the prompt asks for; lists stay as they were")
        if not reason and self._failing:
            _log.warning("the chat model answers again")
        self._failing = reason
        with self._lock:
            self._answers[reason] += 1


def _can_be_sent(text: str) -> bool:
    """Whether it is UTF-8: JSON may hold half of a surrogate pair, as of an emoji that was cut off."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
