"""Chat prompts: the ones we ship, the ones of MLflow's registry, and the one that a model was made with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from core.errors import ConfigError, DataError
from core.settings import load_settings

_SHIPPED = Path(__file__).parent / "graphs" / "prompts.yaml"
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ROLES = ("system", "user", "assistant", "developer")
#: What every prompt is filled in with; one that leaves out the second cannot be answered.
VARIABLES = ("history", "shortlist")


@dataclass(frozen=True)
class ChatPrompt:
    """Messages with places to fill in.

    Attributes:
        name: In the prompt registry.
        version: Its number there; 0: not registered.
        messages: Of ``role`` and ``content``; ``{{history}}`` and ``{{shortlist}}`` are filled in.
    """

    name: str
    version: int
    messages: tuple[dict[str, str], ...]

    def __post_init__(self) -> None:
        """Refuse what could not be filled in.

        Raises:
            ConfigError: A role or variable is unknown, or there is no place for the shortlist.
        """
        roles = {message["role"] for message in self.messages}
        found = {name for message in self.messages for name in _VARIABLE.findall(message["content"])}
        if not roles <= set(_ROLES) or not found <= set(VARIABLES) or "shortlist" not in found:
            raise ConfigError(
                f"prompt {self.name!r}: roles {sorted(roles)} and variables {sorted(found)}, must be of {list(_ROLES)} "
                f"and of {list(VARIABLES)}, the shortlist among them"
            )

    @property
    def uri(self) -> str:
        """``prompts:/screentest-rerank/2``; empty where it is not registered."""
        return f"prompts:/{self.name}/{self.version}" if self.version else ""

    def filled(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        """The messages to send; what is filled in is not looked through for variables again.

        >>> prompt = ChatPrompt("p", 1, ({"role": "user", "content": "of {{ shortlist }}"},))
        >>> prompt.filled({"shortlist": "{{history}}"})
        [{'role': 'user', 'content': 'of {{history}}'}]
        """
        return [
            {"role": one["role"], "content": _VARIABLE.sub(lambda found: values[found[1]], one["content"])}
            for one in self.messages
        ]

    def as_yaml(self) -> str:
        """What :meth:`from_yaml` reads."""
        document = {"name": self.name, "version": self.version, "messages": list(self.messages)}
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """The prompt that an artifact holds.

        Raises:
            DataError: It is no prompt.
        """
        try:
            document = yaml.safe_load(text)
            messages = tuple({"role": str(one["role"]), "content": str(one["content"])} for one in document["messages"])
            return cls(str(document["name"]), int(document["version"]), messages)
        except (yaml.YAMLError, KeyError, TypeError, ValueError, ConfigError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"prompts.yaml holds no prompt ({reason}); make the model again") from error


def shipped_prompt(task: str) -> ChatPrompt:
    """The prompt that a task begins with, ``screentest-rerank`` or ``screentest-explain``; not registered yet."""
    document: dict[str, Any] = yaml.safe_load(_SHIPPED.read_text(encoding="utf-8"))
    return ChatPrompt(f"screentest-{task}", 0, tuple(document[task]))


def pinned_prompt(uri: str, task: str) -> ChatPrompt:
    """The prompt to make a model with.

    Inside an MLflow run, the shipped one is registered (where it is not already), and the run shows which it used.

    Args:
        uri: ``prompts:/NAME/VERSION`` or ``prompts:/NAME@ALIAS``; empty: the shipped one of the task.
        task: rerank or explain.

    Raises:
        ConfigError: The URI is none of these, or the prompt cannot be filled in.
        TrackingError: MLflow cannot be reached or has no such prompt.
    """
    # Imports MLflow when called, which a shipped prompt outside a run does not need.
    from tracking.runs import current_run

    run = current_run()
    if run is None and not uri:
        return shipped_prompt(task)
    from tracking.client import connect
    from tracking.prompts import link_to_run, load_prompt, register_prompt

    tracker = connect(load_settings().mlflow_tracking_uri) if run is None else run.tracker
    if uri:
        found = load_prompt(tracker, uri)
    else:
        shipped = shipped_prompt(task)
        found = register_prompt(tracker, shipped.name, shipped.messages, message="as shipped with screentest")
    prompt = ChatPrompt(found.name, found.version, found.messages)
    if run is not None:
        link_to_run(tracker, run.run_id, found)
    return prompt
