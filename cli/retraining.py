"""Requests to train again, worked off: each is ``screentest retrain`` in a process of its own, watched to its end."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

from cli.run_folder import RunFolder
from core.errors import EventLogError, RolloutError, ScreentestError
from core.settings import Settings, child_environment

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from events.retrain_requests import RetrainRequest

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_STOP_S = 20.0
#: Between two proofs in the database that the worker lives, at most; a lease lasts several.
_RENEW_EVERY_S = 5.0


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        code: Its exit code; negative: the signal that ended it.
        output: What it printed.
        said: Its last line on standard error.
    """

    code: int
    output: str
    said: str


class Retraining:
    """Takes requests and runs them, one at a time.

    Args:
        engine: Of the event database.
        settings: The settings in force; each run gets a folder in ``runs_dir``.
        worker: Unique name of this worker.
        stopped: Set: the run that is under way is ended, its request waits for another worker.
        environment: Of the processes, beside this one's.
        lease_s: A worker that has not renewed its request for so long counts as dead.
        command: Of a run: arguments, and folder, to the words that start it.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        worker: str,
        *,
        stopped: Event,
        environment: Mapping[str, str],
        lease_s: float,
        command: Callable[[Mapping[str, Any], Path], list[str]] | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._worker = worker
        self._environment = environment
        self._lease_s = lease_s
        self._command = command or command_words
        self._stopped = stopped

    def round(self) -> bool:
        """Run the next request, if one waits.

        Returns:
            Whether there was one.

        Raises:
            EventLogError: The database refused; a request that was taken is taken up again after its lease.
        """
        from events.retrain_requests import claim_retrain

        if self._stopped.is_set():
            return False
        request = claim_retrain(self._engine, self._worker, lease_s=self._lease_s)
        if request is None:
            return False
        _log.info("retrain request %d of %s: taken (attempt %d)", request.id, request.requested_by, request.attempts)
        try:
            run = RunFolder.create(self._settings.runs_dir, f"retrain-{request.id}", datetime.now())
            ended = self._perform(request, run)
        except RolloutError as error:
            # Another worker has it by now.
            _log.error("retrain request %d: %s", request.id, error)
            return True
        except EventLogError:
            raise
        except (ScreentestError, OSError) as error:
            # A disk that is full costs this request, not the worker and its other jobs.
            self._finish(request, "failed", str(error), {})
            return True
        self._close(request, ended)
        return True

    def _perform(self, request: RetrainRequest, run: RunFolder) -> Ended | None:
        """Run it; None where this worker was told to stop before the end.

        Raises:
            RolloutError: The request is no longer this worker's; the run was ended.
            BadInput: It asks for something that is not allowed.
        """
        from wrappers.retrain_arguments import RetrainArguments

        asked = RetrainArguments.parse(request.arguments)
        words = self._command(asked.model_dump(), run.path)
        said, printed = run.path / "progress.log", run.path / "result.json"
        with ExitStack() as files:
            output, errors = (files.enter_context(file.open("wb")) for file in (printed, said))
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=child_environment(self._environment),
                # Ctrl-C reaches the worker alone, which ends it in order.
                start_new_session=True,
            )
            try:
                if not self._watched(request, run, process, said):
                    return None
            finally:
                _end(process)
        return Ended(process.returncode, printed.read_text("utf-8", "replace"), last_line(said))

    def _watched(self, request: RetrainRequest, run: RunFolder, process: subprocess.Popen[bytes], said: Path) -> bool:
        """Keep the lease while it runs; False: told to stop."""
        from events.retrain_requests import renew_retrain

        renewed, told = 0.0, ""
        lease = time.monotonic()
        while process.poll() is None:
            if self._stopped.wait(_LOOK_EVERY_S):
                return False
            progress = last_line(said)
            if progress == told and time.monotonic() - renewed < min(_RENEW_EVERY_S, self._lease_s / 4):
                continue
            renewed = time.monotonic()
            try:
                mine = renew_retrain(
                    self._engine, request.id, self._worker, lease_s=self._lease_s, progress=progress, run=str(run.path)
                )
            except EventLogError as error:
                # The run goes on while nobody else can have taken it.
                mine = time.monotonic() - lease < self._lease_s
                _log.error("retrain request %d: %s", request.id, error)
            else:
                lease = time.monotonic()
                if progress != told:
                    _log.info("retrain request %d: %s", request.id, progress)
                told = progress
            if not mine:
                raise RolloutError("the lease ran out, another worker may have it; the run was ended")
        return True

    def _close(self, request: RetrainRequest, ended: Ended | None) -> None:
        from events.retrain_requests import give_back_retrain

        if ended is None:
            give_back_retrain(self._engine, request.id, self._worker)
            _log.info("retrain request %d: given back", request.id)
            return
        if ended.code != 0:
            how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
            said = ended.said.removeprefix("error: ")
            self._finish(request, "failed", said or f"its process ended with {how} and said nothing", {})
            return
        try:
            found = json.loads(ended.output)
            result = {name: str(found[name]) for name in ("champion", "challenger", "reason")}
        except (ValueError, KeyError, TypeError):
            self._finish(request, "failed", f"its process printed no result: {ended.output[-200:]!r}", {})
            return
        self._finish(request, "done", result["reason"], result)

    def _finish(self, request: RetrainRequest, state: Any, message: str, result: Mapping[str, Any]) -> None:
        from events.retrain_requests import finish_retrain

        text = " ".join(message.split())
        deadline = time.monotonic() + self._lease_s
        while True:
            try:
                finish_retrain(self._engine, request.id, self._worker, state, message=text, result=result)
                break
            except EventLogError:
                # What took minutes should not be lost for a database that is away for a moment.
                if time.monotonic() > deadline or self._stopped.wait(_LOOK_EVERY_S):
                    raise
        _log.info("retrain request %d: %s: %s", request.id, state, text)


def command_words(arguments: Mapping[str, Any], folder: Path) -> list[str]:
    """How a run is started; ``configs.json`` is written into its folder."""
    configs = folder / "configs.json"
    configs.write_text(json.dumps(arguments["configs"]), encoding="utf-8")
    return [
        *(sys.executable, "-m", "cli.main", "retrain"),
        *("--models", ",".join(arguments["models"])),
        *("--configs", str(configs)),
        *("--seed", str(arguments["seed"])),
        *("--root", str(folder)),
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that it has ended: asked first, so that it ends its steps, then killed."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
    if process.poll() is None:
        process.kill()
        process.wait()


def last_line(file: Path) -> str:
    """The last line that says something, without the mark of a stage; empty where there is none."""
    lines = [line.strip() for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
