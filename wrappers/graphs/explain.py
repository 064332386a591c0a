"""Explain a shortlist: prompt -> chat -> parse -> validate; whatever fails -> fallback, no explanation."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

LONGEST = 400


class State(TypedDict, total=False):
    """What the nodes hand on.

    Attributes:
        history: Lines that tell what the person liked.
        shortlist: (n) lines, one per item, best first by another model.
        messages: What the chat model is asked.
        reply: What it answered.
        parsed: What the reply holds, unchecked.
        order: (n) positions into the shortlist: this graph leaves them as they are.
        texts: (n) why each item is in the list; empty where there is no answer.
        reason: Why there are no texts; empty where there are.
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
    """The explanations in the reply: chat models like to put JSON between fences and words."""
    reply = state["reply"]
    try:
        document = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])
        return {"parsed": document["explanations"]}
    except (ValueError, KeyError, RecursionError):
        return {"reason": "bad_answer"}


def validate(state: State) -> State:
    """A text for each item, on one line and not too long to be shown beside it."""
    texts, n = state["parsed"], len(state["shortlist"])
    if not isinstance(texts, list) or len(texts) != n or not all(isinstance(text, str) for text in texts):
        return {"reason": "bad_answer"}
    lines = [" ".join(text.split()) for text in texts]
    if not all(0 < len(line) <= LONGEST for line in lines):
        return {"reason": "bad_answer"}
    return {"order": list(range(n)), "texts": lines}


def fallback(state: State) -> State:
    """The items as they are, nothing said about them."""
    return {"order": list(range(len(state["shortlist"]))), "texts": []}
