"""Nothing outlives its run: a watcher process that ends what the run started, however the run ended.

A run writes a tag into the environment of everything it starts; children and grandchildren inherit it. The
watcher (``python -m serving.reaper TAG``) holds the read end of a pipe whose only write end is in the run's
process. When that process ends (normally, by Ctrl-C, by ``kill -9``), the operating system closes the pipe,
the watcher reads end-of-file, kills every process of this user that carries the tag, and ends.

Tags nest: a step started inside a tagged run adds its own, and carries both.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

RUN_TAG = "SCREENTEST_RUN_TAG"
_SEPARATOR = ":"
#: Scans that must find nothing before the watcher believes it: a process may fork while it is scanned.
_QUIET_SCANS = 3
_BETWEEN_SCANS_S = 0.02


def tagged(tag: str) -> list[psutil.Process]:
    """Living processes of this user, the caller left out, that were started with the tag in their environment."""
    user, found = os.getuid(), []
    for process in psutil.process_iter():
        try:
            tags = process.environ().get(RUN_TAG, "") if process.uids().real == user else ""
        except psutil.Error:  # ended meanwhile, or not ours to read
            continue
        if tag in tags.split(_SEPARATOR) and process.pid != os.getpid():
            found.append(process)
    return found


def kill_tagged(tag: str) -> None:
    """Kill every process that carries the tag, until several scans in a row find none."""
    quiet = 0
    while quiet < _QUIET_SCANS:
        found = tagged(tag)
        for process in found:
            try:
                process.kill()
            except psutil.Error:
                continue
        quiet = 0 if found else quiet + 1
        time.sleep(_BETWEEN_SCANS_S)


class Reaper:
    """A running watcher process, over everything whose environment holds ``environment``.

    Start it before the first child. ``tag`` is new and unique, ``pid`` is the watcher's process id.
    """

    def __init__(self) -> None:
        # Imported here, because the watcher itself runs this file on psutil alone, to start at once.
        from core.settings import child_environment

        self.tag = uuid.uuid4().hex
        environment = child_environment()
        # The watcher of an inner run must outlive the outer run's watcher, so it carries no tag itself.
        self.outer = environment.pop(RUN_TAG, "")
        self.environment = {RUN_TAG: _SEPARATOR.join(part for part in (self.outer, self.tag) if part)}
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "serving.reaper", self.tag],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.pid = self._watcher.pid

    def close(self) -> None:
        """End in order: what still carries the tag is killed, the watcher ends and is waited for."""
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait()


@contextmanager
def reaped() -> Iterator[Reaper]:
    """Everything started inside the block, whoever starts it, ends with the block or with this process.

    The tag is put into this process's environment meanwhile, so that children started by libraries carry it.
    """
    from core.settings import export_for_children

    reaper = Reaper()
    export_for_children(reaper.environment)
    try:
        yield reaper
    finally:
        export_for_children({RUN_TAG: reaper.outer})
        reaper.close()


def main() -> None:
    """Wait for the parent's end, then kill what carries the tag given as the only argument."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1):
        pass
    kill_tagged(sys.argv[1])


if __name__ == "__main__":
    main()
