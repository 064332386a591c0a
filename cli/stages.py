"""Progress of pipeline steps on the terminal: a live bar for people, plain lines for a pipe."""

from __future__ import annotations

import time
from collections import defaultdict

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from core.progress import Progress as StepProgress
from pipelines.local_runner import StepWatcher

#: Steps that have nothing to tell a person.
_SILENT = {"importer"}


class StageBoard(StepWatcher):
    """Shows each step while it runs, and keeps the seconds each kind of step took.

    Args:
        console: Where to show it (standard error, so that ``--json -`` stays clean).
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = 0.0
        self._task: int | None = None
        self._last_line = 0.0
        self._text = ""
        self.seconds: dict[str, float] = defaultdict(float)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> StageBoard:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def started(self, step: str) -> None:
        """A step begins."""
        self._began = time.monotonic()
        self._last_line = self._began
        self._text = ""
        if step not in _SILENT:
            self._task = self._bar.add_task(step, total=None, text="")

    def progressed(self, step: str, progress: StepProgress) -> None:
        """A step tells how far it is: the bar moves; in a pipe, a line every few seconds."""
        self._text = progress.text
        if self._task is not None:
            self._bar.update(self._task, completed=progress.done, total=progress.total, text=progress.text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= 5:
            self._last_line = now
            self._console.print(
                f"  {step}: {progress.done}/{progress.total} {progress.text}", highlight=False, soft_wrap=True
            )

    def finished(self, step: str, status: str) -> None:
        """A step ended."""
        took = time.monotonic() - self._began
        self.seconds[step] += took
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        if step not in _SILENT:
            mark = "[green]✓[/green]" if status == "SUCCESS" else "[red]✗[/red]"
            said = f" {escape(self._text)}" if self._text else ""
            self._console.print(f"{mark} {step}{said} [dim]{took:.1f} s[/dim]", highlight=False, soft_wrap=True)
