"""A download's progress on the terminal, on standard error: standard output may be somebody's JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from loaders.cache_slot import Watch


@contextmanager
def download_bar() -> Iterator[Watch]:
    """What to hand a loader that may download; the bar is there from the first bytes to the end of the block."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def watch(stage: str, done: int, total: int, text: str) -> None:
        if not bars.tasks:
            bars.add_task(stage)
            bars.start()
        bars.update(bars.tasks[0].id, completed=done, total=total or None, description=text.partition(":")[0])

    try:
        yield watch
    finally:
        if bars.tasks:
            bars.stop()
