"""The verdict on the terminal: one sentence, why, what each step saw, and a picture of the interval over time."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.interval_picture import ASCII, UNICODE, interval_picture
from experiments.figures import Language
from experiments.foretelling_report import tell_foretelling
from experiments.report import ReportContext
from experiments.report_tables import Tag, step_table
from experiments.result import RolloutResult
from experiments.words import Story, label, tell

_STYLES = {"promote": "green", "rollback": "red", "keep": "cyan", "invalid": "yellow", "continue": "blue"}
_WIDEST = 100
_COLUMNS = ((0, 1, 2, 3, 4, 5, 6, 7), (0, 2, 4, 6, 7), (0, 2, 4, 7))
"""Columns of the report's table of steps to show, by how much room there is: without sessions, without difference."""
_ASCII_FOR = str.maketrans(dict(zip("−–—“”‘’·•", "---\"\"'',-", strict=True)))


def show(result: RolloutResult, context: ReportContext, console: Console, *, language: Language = "en") -> None:
    """Print the verdict of a rollout.

    A terminal gets a coloured panel; a pipe or a file gets the same words unframed, the verdict on one line. Where the
    output's encoding is not UTF-8 the verdict is English, in ASCII.

    Args:
        result: A finished or running rollout.
        context: What is told beside it: the data and how to open the rest.
        console: Where to print.
        language: "en" or "ko".
    """
    _Verdict(result, context, console, language).show()


class _Verdict:
    """One verdict on one console."""

    def __init__(self, result: RolloutResult, context: ReportContext, console: Console, language: Language) -> None:
        self.result = result
        self.context = context
        self.console = console
        self.ascii = console.options.ascii_only
        self.language: Language = "en" if self.ascii else language
        self.width = min(console.width, _WIDEST)

    def show(self) -> None:
        story = tell(self.result, self.context.spec, self.language)
        self._sentence(story)
        self._explanation(story)
        if self.result.steps:
            self._steps()
        self._picture()
        self._hints()

    def _text(self, words: str, style: str = "") -> Text:
        """Words that are never read as markup."""
        return Text(words.translate(_ASCII_FOR) if self.ascii else words, style=style)

    def _sentence(self, story: Story) -> None:
        style = _STYLES[self.result.decision]
        said = [self._text(story.headline, f"bold {style}"), self._text(story.outcome)]
        if story.drill:
            said.append(self._text(story.drill))
        if self.console.is_terminal:
            title = self._text(f"{label(self.language, 'title')} · {self.result.experiment}")
            self.console.print(Panel(Group(*said), title=title, border_style=style, width=self.width))
        else:
            for line in said:
                self.console.print(line, soft_wrap=True)

    def _explanation(self, story: Story) -> None:
        said = (*story.why, story.sequential, story.bayesian, *self._foretelling(), story.limits[0])
        lines = [self._text(line) for line in said]
        if not self.console.is_terminal:
            for line in lines:
                self.console.print(Text.assemble("- ", line), soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 1))
        for line in lines:
            grid.add_row(self._text("•"), line)
        self.console.print(grid, width=self.width)

    def _foretelling(self) -> list[str]:
        """Which offline metrics foretold the outcome, in one line; nothing where nobody looked."""
        offline = self.context.offline
        return [] if offline is None else [" ".join(tell_foretelling(offline, self.result, self.language).summary)]

    def _steps(self) -> None:
        """The report's table of steps, with as many columns as the width allows."""
        content = step_table(self.result.steps, self.language)
        unlimited = self.console.options.update(width=10 * _WIDEST)
        for kept in _COLUMNS:
            table = Table(box=box.ASCII if self.ascii else box.SIMPLE_HEAD, header_style="dim", pad_edge=False)
            for index in kept:
                column = self._text(content.head[index])
                table.add_column(column, justify="right" if index else "left", overflow="fold")
            for row in content.rows:
                table.add_row(*(self._cell(row[index]) for index in kept))
            if self.console.measure(table, options=unlimited).maximum <= self.width:
                break
        self.console.print()
        self.console.print(table)

    def _cell(self, cell: str | Tag) -> Text:
        return self._text(cell.text, _STYLES[cell.tone]) if isinstance(cell, Tag) else self._text(cell)

    def _picture(self) -> None:
        """The interval over time; figures that must not be used are not drawn."""
        glyphs = ASCII if self.ascii else UNICODE
        lines = interval_picture(self.result.looks, self.language, width=self.width, glyphs=glyphs)
        if not lines or self.result.decision == "invalid":
            return
        self.console.print(self._text(label(self.language, "picture"), "dim"))
        for line in lines:
            self.console.print(self._text(line), soft_wrap=True)
        self.console.print()

    def _hints(self) -> None:
        facts = [(label(self.language, "data"), self.context.data), *self.context.hints]
        for name, value in facts:
            self.console.print(self._text(f"{name}: {value}"), soft_wrap=True)
