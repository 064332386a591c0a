"""Every error Screentest raises on purpose, in one tree.

    ScreentestError
    ├── BadInput               the user can mend it; the command line exits with 2
    │   ├── DataError          a data file is not what it should be
    │   ├── ConfigError        a setting, option or experiment spec is not allowed
    │   │   └── NotApplicable  this model has no such thing, e.g. nothing to train
    │   └── UnknownName        a model, loader, deployer … nobody registered
    └── Failure                something outside broke; the command line exits with 1
        ├── TrackingError      MLflow cannot be reached or refused
        │   └── NoSuchAlias    a registered model has no version of that alias (now)
        ├── ServerError        a server process did not start, died or answered nonsense
        ├── DownloadError      data could not be fetched, or not kept
        ├── EventLogError      the event log refused or lost its file
        ├── FeatureStoreError  Redis or Feast cannot be reached or refused
        ├── RolloutError       a rollout cannot go on from the state it is in
        ├── ChatError          a chat model did not answer, too late, or nonsense
        └── StepError          a pipeline step failed; carries the step's own traceback

A message says what was given, what is allowed and what to do, in one line.
"""

from __future__ import annotations

from collections.abc import Iterable


class ScreentestError(Exception):
    """Root of the tree."""

    exit_code = 1


class BadInput(ScreentestError):
    """The user gave something that cannot be used."""

    exit_code = 2


class DataError(BadInput):
    """A data file is not what it should be.

    Args:
        problem: What is wrong and what was expected.
        file: The file (or zip member) at fault, if one is known.
        line: 1-based line number, if one is known.
    """

    def __init__(self, problem: str, *, file: str | None = None, line: int | None = None) -> None:
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(where + problem)
        self.problem = problem
        self.file = file
        self.line = line


class ConfigError(BadInput):
    """A setting, option or experiment spec holds a value that is not allowed."""


class NotApplicable(ConfigError):
    """A model was asked for something that its kind does not have."""


class UnknownName(BadInput):
    """A name that no registry knows.

    Args:
        kind: What was looked for, e.g. "model".
        name: The name given.
        known: The names that exist.
        where: The registry's file, so that the reader finds the room.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))} ({where})")


class Failure(ScreentestError):
    """Something outside the user's input broke."""


class TrackingError(Failure):
    """MLflow cannot be reached or refused a call."""


class NoSuchAlias(TrackingError):
    """A registered model has no version of an alias, which it may have had or get."""


class ServerError(Failure):
    """A server process did not start, died or answered nonsense."""


class DownloadError(Failure):
    """Data could not be fetched from their address, or not kept on this machine."""


class EventLogError(Failure):
    """The event log refused a write or lost its file."""


class FeatureStoreError(Failure):
    """Redis or Feast cannot be reached or refused a call."""


class RolloutError(Failure):
    """A rollout cannot go on from the state it is in."""


class ChatError(Failure):
    """A chat model did not answer, answered too late, or nonsense.

    Args:
        problem: What happened; never holds the key.
        reason: One word for counters, e.g. ``deadline``; see :mod:`wrappers.chat_client`.
    """

    def __init__(self, problem: str, *, reason: str) -> None:
        super().__init__(problem)
        self.reason = reason


class StepError(Failure):
    """A pipeline step failed.

    Args:
        step: The step's name.
        cause: The last line of its traceback.
        traceback: The step's whole traceback, as it printed it.
    """

    def __init__(self, step: str, cause: str, traceback: str = "", *, exit_code: int = 1) -> None:
        super().__init__(f"step {step!r} failed: {cause}")
        self.step = step
        self.cause = cause
        self.traceback = traceback
        self.exit_code = exit_code
