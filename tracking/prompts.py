"""MLflow's prompt registry: chat prompts under a name, numbered, with aliases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from core.errors import ConfigError, TrackingError
from tracking.client import Tracker, mlflow_errors

_PROMPT_URI = re.compile(r"^prompts:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))$")

#: ``{"role": "system", "content": "… {{variable}} …"}``
Message = dict[str, str]


class PromptVersion(NamedTuple):
    """One version of a prompt, which never changes.

    Attributes:
        name: The registered prompt.
        version: Its number, from 1.
        messages: Roles and contents; ``{{variable}}`` is filled in when it is used.
    """

    name: str
    version: int
    messages: tuple[Message, ...]

    @property
    def uri(self) -> str:
        """Pinned: ``prompts:/screentest-rerank/2``."""
        return f"prompts:/{self.name}/{self.version}"


def register_prompt(tracker: Tracker, name: str, messages: Sequence[Message], *, message: str = "") -> PromptVersion:
    """Make a prompt a version of its name; the version that it is already, where there is one.

    Args:
        tracker: Where to.
        name: Letters, digits, ``-``, ``_`` and ``.``.
        messages: At least one, of ``role`` and ``content``.
        message: What changed, as of a commit.

    Raises:
        TrackingError: MLflow refused.
    """
    wanted = [dict(one) for one in messages]
    with mlflow_errors(tracker.uri):
        # No cache: another process may have registered one since.
        newest = tracker.client.load_prompt(name, allow_missing=True, cache_ttl_seconds=0)
        for number in range(0 if newest is None else int(newest.version), 0, -1):
            known = tracker.client.load_prompt(f"prompts:/{name}/{number}", allow_missing=True)
            if known is not None and known.template == wanted:
                return PromptVersion(name, number, tuple(wanted))
        made = tracker.client.register_prompt(name, wanted, commit_message=message or None)
    return PromptVersion(name, int(made.version), tuple(wanted))


def load_prompt(tracker: Tracker, uri: str) -> PromptVersion:
    """A prompt by its address; an alias is resolved to its version of this moment.

    Args:
        tracker: Where to look.
        uri: ``prompts:/NAME/VERSION`` or ``prompts:/NAME@ALIAS``; the alias ``latest`` is the newest.

    Raises:
        ConfigError: The URI is none of these, or the prompt is no chat prompt.
        TrackingError: There is no such prompt, or MLflow refused.
    """
    match = _PROMPT_URI.match(uri)
    if match is None:
        raise ConfigError(f"prompt {uri!r}, must be prompts:/NAME/VERSION or prompts:/NAME@ALIAS")
    with mlflow_errors(tracker.uri):
        found = tracker.client.load_prompt(uri, allow_missing=True, cache_ttl_seconds=0)
    if found is None:
        raise TrackingError(f"MLflow has no prompt {uri}; register it (mlflow.genai.register_prompt), or leave it out")
    if not isinstance(found.template, list):
        raise ConfigError(f"prompt {uri} is a single text, must be chat messages of role and content")
    messages = tuple({"role": str(one["role"]), "content": str(one["content"])} for one in found.template)
    return PromptVersion(match["name"], int(found.version), messages)


def set_prompt_alias(tracker: Tracker, prompt: PromptVersion, alias: str) -> None:
    """Point an alias of the prompt's name at this version.

    Raises:
        TrackingError: MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        tracker.client.set_prompt_alias(prompt.name, alias, prompt.version)


def link_to_run(tracker: Tracker, run_id: str, prompt: PromptVersion) -> None:
    """Show on the run's page which prompt it used.

    Raises:
        TrackingError: There is no such run or prompt, or MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        tracker.client.link_prompt_version_to_run(run_id, prompt.uri)
