"""Run a compiled pipeline on this machine, each step a process, with progress and a readable cause of failure."""

from __future__ import annotations

import contextlib
import io
import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from core import errors
from core.errors import BadInput, ConfigError, ScreentestError, StepError
from core.progress import Progress, parse

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STARTS = re.compile(r"Executing task '(?P<step>[^']+)'")
_ENDS = re.compile(r"Task '(?P<step>[^']+)' finished with status (?P<status>\w+)")
_TRACEBACK = "Traceback (most recent call last):"
_KEPT_LINES = 400


class StepWatcher:
    """Told what the steps do while they run. Subclass and override what is of interest."""

    def started(self, step: str) -> None:
        """A step's process starts."""

    def progressed(self, step: str, progress: Progress) -> None:
        """A step printed a progress line."""

    def finished(self, step: str, status: str) -> None:
        """A step ended with SUCCESS or FAILURE."""


class StepLog(io.TextIOBase):
    """A text stream that KFP prints into: every line goes to a file, and its meaning to a watcher.

    Args:
        file: Where all lines go.
        watcher: Who is told of starts, progress and ends.
    """

    def __init__(self, file: TextIO, watcher: StepWatcher) -> None:
        self._file = file
        self._watcher = watcher
        self._rest = ""
        self.step = ""
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def write(self, text: str) -> int:
        """Take text as it comes; act on whole lines."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(_ANSI.sub("", line))
        return len(text)

    def _take(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()
        if start := _STARTS.search(line):
            self.step = start["step"]
            self.lines.clear()
            self._watcher.started(self.step)
        elif end := _ENDS.search(line):
            self._watcher.finished(end["step"], end["status"])
        elif progress := parse(line):
            self._watcher.progressed(self.step, progress)
        else:
            self.lines.append(line.removeprefix("    "))

    def failure(self) -> StepError:
        """What the step that ran last says of its own end."""
        lines = list(self.lines)
        heads = [number for number, line in enumerate(lines) if line.strip() == _TRACEBACK]
        if not heads:
            tail = next((line for line in reversed(lines) if line.strip()), "no output")
            return StepError(self.step, f"its process ended without a traceback (killed?); its last line: {tail}")
        frames = lines[heads[-1] :]
        last = next((n for n, line in enumerate(frames[1:], 1) if line and not line.startswith(" ")), len(frames) - 1)
        name, _, message = frames[last].partition(": ")
        kind = getattr(errors, name.removeprefix("core.errors."), None) if name.startswith("core.errors.") else None
        known = isinstance(kind, type) and issubclass(kind, ScreentestError)
        return StepError(
            self.step,
            message if known else frames[last],
            "\n".join(frames[: last + 1]),
            exit_code=2 if known and issubclass(kind, BadInput) else 1,
        )


def run_pipeline(
    compiled: Path,
    arguments: Mapping[str, Any],
    *,
    root: Path,
    log: Path,
    watcher: StepWatcher | None = None,
) -> dict[str, Any]:
    """Run a compiled pipeline with KFP's local runner.

    Args:
        compiled: The pipeline's YAML.
        arguments: Values of its parameters.
        root: Folder for artifacts; each run makes a folder of its own in it.
        log: File that gets everything the steps print, appended to.
        watcher: Told of starts, progress and ends.

    Returns:
        The pipeline's outputs: values, and artifacts as kfp objects with ``.uri``.

    Raises:
        ConfigError: An argument holds the text ``python3``, which KFP's local runner would rewrite.
        StepError: A step failed; carries its own traceback.
    """
    from kfp import components, local

    for name, value in arguments.items():
        if "python3" in str(value):
            raise ConfigError(
                f"{name} == {value!r} contains 'python3', which KFP's local runner replaces by the interpreter's path; "
                "rename or move the file or folder"
            )
    root.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
    pipeline = components.load_component_from_file(str(compiled))
    with log.open("a", encoding="utf-8") as file:
        stream = StepLog(file, watcher or StepWatcher())
        try:
            with contextlib.redirect_stdout(stream):
                task = pipeline(**arguments)
        except RuntimeError as error:
            # KFP's own message names the task but no cause; the cause is in what the step printed.
            raise stream.failure() from error
    return dict(task.outputs)
