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
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        task = None

        def watch(stage: str, done: int, total: int, text: str) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task(stage)
            bars.update(task, completed=done, total=total or None, description=text.partition(":")[0])

        yield watch
