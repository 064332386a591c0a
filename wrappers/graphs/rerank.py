"""Rerank a shortlist: prompt -> chat -> parse -> validate; whatever fails -> fallback, the order as it was."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    """What the nodes hand on.

    Attributes:
        history: Lines that tell what the person liked.
        shortlist: (n) lines, one per item, best first by another model.
        messages: What the chat model is asked.
        reply: What it answered.
        parsed: What the reply holds, unchecked.
        order: (n) positions into the shortlist, best first.
        texts: Empty: this graph explains nothing.
        reason: Why the order is the shortlist's own; empty where it is the chat model's.
    """

    history: list[str]
    shortlist: list[str]
    messages: list[dict[str, str]]
    reply: str
    parsed: Any
    order: list[int]
    texts: list[str]
    reason: str


def build(
    write: Callable[[list[str], list[str]], list[dict[str, str]]],
    ask: Callable[[list[dict[str, str]]], Awaitable[tuple[str, str]]],
) -> Any:
    """The compiled graph.

    Args:
        write: Fills the prompt in with history and shortlist.
        ask: Gives the chat model's reply and an empty reason; or nothing and the reason.
    """

    def prompt(state: State) -> State:
        return {"messages": write(state["history"], state["shortlist"])}

    async def chat(state: State) -> State:
        reply, reason = await ask(state["messages"])
        return {"reply": reply, "reason": reason}

    graph = StateGraph(State)
    for name, node in (("prompt", prompt), ("chat", chat), ("parse", parse), ("validate", validate)):
        graph.add_node(name, node)
    graph.add_node("fallback", fallback)
    graph.add_edge(START, "prompt")
    graph.add_edge("prompt", "chat")
    for name, following in (("chat", "parse"), ("parse", "validate"), ("validate", END)):
        graph.add_conditional_edges(name, or_fallback(following), [following, "fallback"])
    graph.add_edge("fallback", END)
    return graph.compile()


def or_fallback(following: str) -> Callable[[State], str]:
    """The next node, the fallback where a reason for it is known."""
    return lambda state: "fallback" if state["reason"] else following


def parse(state: State) -> State:
    """The ranking in the reply: chat models like to put JSON between fences and words."""
    reply = state["reply"]
    try:
        document = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])
        return {"parsed": document["ranking"]}
    except (ValueError, KeyError, RecursionError):
        return {"reason": "bad_answer"}


def validate(state: State) -> State:
    """Numbers 1 … n, none twice; items left out follow in the order they had."""
    numbers, n = state["parsed"], len(state["shortlist"])
    whole = isinstance(numbers, list) and all(type(number) is int for number in numbers)
    if not whole or not numbers or len(set(numbers)) < len(numbers) or not all(1 <= number <= n for number in numbers):
        return {"reason": "bad_answer"}
    chosen = [number - 1 for number in numbers]
    return {"order": chosen + sorted(set(range(n)) - set(chosen)), "texts": []}


def fallback(state: State) -> State:
    """The order that the shortlist had."""
    return {"order": list(range(len(state["shortlist"]))), "texts": []}
