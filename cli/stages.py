"""Progress of pipeline steps on the terminal: a live bar for people, plain lines for a pipe."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from core.progress import Progress as StepProgress
from pipelines.local_runner import StepWatcher

#: Steps that have nothing to tell a person.
_SILENT = {"importer"}
_BETWEEN_LINES_S = 5.0


@dataclass
class _Running:
    """A step on the board."""

    step: str
    began: float
    bar: TaskID | None
    text: str = ""


class StageBoard(StepWatcher):
    """Shows each step while it runs, and keeps the seconds each kind of step took.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[int, _Running] = {}
        self._last_line = time.monotonic()
        self.seconds: dict[str, float] = defaultdict(float)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=14)),
            BarColumn(bar_width=20, table_column=Column(no_wrap=True, min_width=20)),
            TimeElapsedColumn(),
            # What a step says may be longer than the line: it alone gives way.
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            expand=True,
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> StageBoard:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, lane: int, step: str) -> None:
        """A step begins."""
        bar = None if step in _SILENT else self._bars.add_task(step, total=None, text="")
        self._running[lane] = _Running(step, time.monotonic(), bar)

    def progressed(self, lane: int, progress: StepProgress) -> None:
        """A step tells how far it is: its bar moves; in a pipe, a line every few seconds."""
        running = self._running.get(lane)
        if running is None:
            return
        running.text = progress.text
        if running.bar is not None:
            self._bars.update(running.bar, completed=progress.done, total=progress.total, text=escape(progress.text))
        now = time.monotonic()
        unfinished = progress.done < progress.total
        if not self._console.is_terminal and unfinished and now - self._last_line >= _BETWEEN_LINES_S:
            self._last_line = now
            line = f"  {running.step}: {progress.done:,} of {progress.total:,} {progress.text}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def finished(self, lane: int, step: str, status: str) -> None:
        """A step ended."""
        running = self._running.pop(lane)
        took = time.monotonic() - running.began
        self.seconds[step] += took
        if running.bar is not None:
            self._bars.remove_task(running.bar)
            mark = "[green]✓[/green]" if status == "SUCCESS" else "[red]✗[/red]"
            said = f"  {escape(running.text)}" if running.text else ""
            self._console.print(f"{mark} {step} [dim]{took:.1f} s[/dim]{said}", highlight=False, soft_wrap=True)
