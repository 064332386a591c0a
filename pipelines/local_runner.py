"""Run a compiled pipeline on this machine, each step a process, with progress and a readable cause of failure."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import signal
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import yaml

from core import errors
from core.errors import ConfigError, ScreentestError, StepError
from core.progress import Progress, parse
from core.settings import exported

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STARTS = re.compile(r"Executing task '(?P<step>[^']+)'")
_ENDS = re.compile(r"Task '(?P<step>[^']+)' finished with status (?P<status>\w+)")
_TRACEBACK = "Traceback (most recent call last):"
_CARETS = re.compile(r"\s*[\^~]+\s*")
_OURS = re.compile(r"core\.errors\.(?P<kind>\w+): (?P<message>.*)")
_KEPT_LINES = 400
_KEPT_AFTER_MESSAGE = 12


class StepWatcher:
    """Told what the steps do while they run. Subclass and override what is of interest.

    KFP runs two iterations of a loop at a time: ``lane`` tells their steps apart.
    """

    def started(self, lane: int, step: str) -> None:
        """A step's process starts."""

    def progressed(self, lane: int, progress: Progress) -> None:
        """The lane's step printed a progress line."""

    def finished(self, lane: int, step: str, status: str) -> None:
        """A step ended with SUCCESS or FAILURE."""


class _Lane:
    """What one of KFP's threads has printed of the step it runs."""

    def __init__(self) -> None:
        self.rest = ""
        self.step = ""
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)


class StepLog(io.TextIOBase):
    """A text stream that KFP prints into: every line goes to a file, and its meaning to a watcher.

    Args:
        file: Where all lines go.
        watcher: Who is told of starts, progress and ends.
    """

    def __init__(self, file: TextIO, watcher: StepWatcher) -> None:
        self._file = file
        self._watcher = watcher
        self._lanes: dict[int, _Lane] = defaultdict(_Lane)
        self.failure: StepError | None = None
        """Why the first step that failed did."""
        self.stopped = threading.Event()
        """Set by Ctrl-C: no further step is begun."""

    def write(self, text: str) -> int:
        """Take text as it comes; act on whole lines."""
        lane = self._lanes[threading.get_ident()]
        *lines, lane.rest = (lane.rest + text).split("\n")
        for line in lines:
            self._take(lane, _ANSI.sub("", line))
        return len(text)

    def begin(self, step: str) -> None:
        """A step starts in this thread.

        Raises:
            KeyboardInterrupt: The run was stopped; KFP's other threads would begin further steps.
        """
        if self.stopped.is_set():
            raise KeyboardInterrupt
        # A thread that goes on had a step that succeeded, whose last line KFP swallowed (see _own_logging).
        self.end("SUCCESS")
        lane = self._lanes[threading.get_ident()]
        lane.step = step
        lane.lines.clear()
        self._watcher.started(threading.get_ident(), step)

    def end(self, status: str) -> None:
        """The step of this thread, if one runs, ended with SUCCESS or FAILURE."""
        self._end(threading.get_ident(), status)

    def end_all(self, status: str) -> None:
        """The pipeline ended, and with it every step whose last line KFP swallowed.

        Args:
            status: FAILURE blames the steps that printed a traceback.
        """
        for number, lane in list(self._lanes.items()):
            if status == "SUCCESS" or any(line.strip() == _TRACEBACK for line in lane.lines):
                self._end(number, status)

    def _end(self, number: int, status: str) -> None:
        lane = self._lanes[number]
        if lane.step:
            if status != "SUCCESS" and self.failure is None:
                self.failure = _failure(lane.step, list(lane.lines))
            self._watcher.finished(number, lane.step, status)
            lane.step = ""

    def _take(self, lane: _Lane, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()
        if start := _STARTS.search(line):
            self.begin(start["step"])
        elif end := _ENDS.search(line):
            self.end(end["status"])
        elif progress := parse(line):
            self._watcher.progressed(threading.get_ident(), progress)
        else:
            lane.lines.append(line)


@contextlib.contextmanager
def _own_logging() -> Iterator[None]:
    """KFP swaps the root logger's handlers for each step; with two steps at a time, some of its own stay behind."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextlib.contextmanager
def _own_temporary_folder() -> Iterator[None]:
    """KFP makes a temporary folder for each step and leaves it behind: here they go with the run."""
    own = tempfile.TemporaryDirectory(prefix="screentest-", ignore_cleanup_errors=True)
    with own as folder, exported({"TMPDIR": folder}):
        yield


@contextlib.contextmanager
def _stopping(stopped: threading.Event) -> Iterator[None]:
    """Ctrl-C is known to all threads at once, not only when the main thread gets round to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signal.default_int_handler(number, frame)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failure(step: str, lines: list[str]) -> StepError:
    """What a failed step says of its own end."""
    heads = [number for number, line in enumerate(lines) if line.strip() == _TRACEBACK]
    if not heads:
        tail = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        return StepError(step, f"its process ended without a traceback (killed?); its last line: {tail}")
    lines = lines[heads[-1] :]
    last = _exception_line(lines)
    message = lines[last].strip()
    ours = _OURS.match(message)
    kind = getattr(errors, ours["kind"], None) if ours else None
    if ours and isinstance(kind, type) and issubclass(kind, ScreentestError):
        # Written for the reader, with the lines that belong to it: the end of a server's log, say.
        after = list(takewhile(str.strip, lines[last + 1 : last + 1 + _KEPT_AFTER_MESSAGE]))
        cause = "\n".join([ours["message"], *after])
        return StepError(step, cause, exit_code=kind.exit_code)
    return StepError(step, message, "\n".join(lines[: last + 1]))


def _exception_line(lines: list[str]) -> int:
    """Position of the line that names the exception, below a traceback's head and frames.

    Indentation tells nothing here: KFP changes it while several steps print.
    """
    place = 1
    while place < len(lines) - 1 and lines[place].strip().startswith(('File "', "[Previous line repeated")):
        is_frame = lines[place].strip().startswith("File")
        place += 1
        if is_frame and not lines[place].strip().startswith('File "'):
            place += 1
        if place < len(lines) - 1 and _CARETS.fullmatch(lines[place]):
            place += 1
    return min(place, len(lines) - 1)


def parameters_of(compiled: Path) -> dict[str, bool]:
    """A compiled pipeline's parameters: name to whether it must be given."""
    document = next(yaml.safe_load_all(compiled.read_text(encoding="utf-8")))
    found = document["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: not (spec.get("isOptional") or "defaultValue" in spec) for name, spec in found.items()}


def check_arguments(compiled: Path, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that a compiled pipeline cannot be run with.

    Raises:
        ConfigError: One is unknown or missing, or holds the text ``python3``, which KFP's local runner would rewrite.
    """
    parameters = parameters_of(compiled)
    unknown = sorted(set(arguments) - set(parameters))
    missing = sorted(name for name, required in parameters.items() if required and name not in arguments)
    if unknown or missing:
        raise ConfigError(
            f"pipeline {compiled.stem!r}: "
            + "; ".join(
                f"{what} {', '.join(names)}" for what, names in (("unknown", unknown), ("missing", missing)) if names
            )
            + f"; its parameters: {', '.join(parameters)}"
        )
    for name, value in arguments.items():
        if "python3" in str(value):
            raise ConfigError(
                f"{name} == {value!r} contains 'python3', which KFP's local runner replaces by the interpreter's path; "
                "rename or move the file or folder"
            )


def check_root(root: Path) -> None:
    """Refuse a root that is an address.

    Raises:
        ConfigError: It begins with a scheme like ``gs://``, of which a path keeps one slash.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(root)):
        raise ConfigError(
            f"root {root} is an address, and a pipeline that runs on this machine keeps its artifacts in a folder; "
            "give one (a cluster's root is set by `screentest pipeline compile --pipeline-root`)"
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
        ConfigError: An argument is unknown, missing or of another type than its parameter, or holds the text
            ``python3``, which KFP's local runner would rewrite; or the root is an address.
        StepError: A step failed; carries its own traceback.
    """
    from kfp import components, local
    from kfp.dsl.types.type_utils import InconsistentTypeException

    check_arguments(compiled, arguments)
    check_root(root)
    root.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
    pipeline = components.load_component_from_file(str(compiled))
    with log.open("a", encoding="utf-8") as file:
        stream = StepLog(file, watcher or StepWatcher())
        try:
            with contextlib.redirect_stdout(stream), _own_logging(), _stopping(stream.stopped), _own_temporary_folder():
                task = pipeline(**arguments)
            stream.end_all("SUCCESS")
        except InconsistentTypeException as error:
            raise ConfigError(f"pipeline {compiled.stem!r}: {' '.join(str(error).split())}") from error
        except RuntimeError as error:
            stream.end_all("FAILURE")
            # KFP's own message names the task but no cause; the cause is in what the step printed.
            raise stream.failure or StepError(compiled.stem, str(error)) from error
    return dict(task.outputs)
