"""The verdict on terminals wide and narrow, in pipes, in ASCII, in Korean."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from cli.interval_picture import ASCII, interval_picture
from cli.verdict import show
from experiments.figures import LANGUAGES, Language
from experiments.result import RolloutResult
from experiments.words import headline
from tests.rollout_examples import CONTEXT, EXAMPLES, kept, promoted, rolled_back, running


def shown(
    result: RolloutResult,
    *,
    width: int = 100,
    terminal: bool = True,
    language: Language = "en",
    encoding: str = "utf-8",
) -> str:
    """What the console got, without colours."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    show(result, CONTEXT, console, language=language)
    out.flush()
    raw = out.buffer.getvalue()  # type: ignore[attr-defined]
    return str(raw.decode(encoding))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_but_addresses_is_wider_than_the_terminal(name: str, width: int, language: Language) -> None:
    text = shown(EXAMPLES[name](), width=width, language=language)
    facts = [value for _, value in CONTEXT.hints] + [CONTEXT.data]
    for line in text.splitlines():
        assert cell_len(line.rstrip()) <= max(width, 46) or any(fact in line for fact in facts)
    assert not re.search(r"\bnan\b|None", text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_pipe_gets_the_verdict_on_its_first_line(name: str, language: Language) -> None:
    result = EXAMPLES[name]()
    text = shown(result, width=80, terminal=False, language=language)
    assert text.splitlines()[0] == headline(result, language)
    assert "╭" not in text
    assert "\x1b" not in text


def test_a_terminal_gets_a_panel() -> None:
    text = shown(promoted())
    assert text.startswith("╭")
    assert "Promoted: ease beats popularity" in text
    assert "Chance that ease is better: more than 99.9 %." in text
    assert "ml-latest-small" in text
    assert "make up" in text


def test_the_table_of_steps_gives_up_columns_not_letters() -> None:
    wide, narrow = shown(promoted(), width=110), shown(promoted(), width=60)
    assert "All sessions" in wide
    assert "+1.6 points" in wide
    assert "All sessions" not in narrow
    assert "31.7 %" in narrow
    assert "…" not in narrow


def test_what_cannot_be_written_becomes_english_ascii() -> None:
    text = shown(rolled_back(), language="ko", encoding="ascii", terminal=False)
    assert text.splitlines()[0].startswith("Rolled back: ease lost to popularity - 17.3 %")
    assert "(-16.9 points, always-valid 95 % interval -24.1 to -9.7)" in text
    assert "|" in text


def test_what_foretold_the_outcome_is_one_line() -> None:
    lines = shown(promoted(), terminal=False).splitlines()
    assert (
        "- ease won online. Foretold by ndcg@10. recall@10 foretold the opposite. mrr@10 said nothing. coverage@10 "
        "cannot be tested." in lines
    )
    out = io.StringIO()
    show(promoted(), replace(CONTEXT, offline=None), Console(file=out, width=100))
    assert "won online" not in out.getvalue()


def test_markup_in_a_name_is_not_obeyed() -> None:
    assert "[red]ease[/red] beats" in shown(replace(promoted(), challenger="[red]ease[/red]"))


def test_the_picture_shows_the_interval_leaving_zero() -> None:
    scale, *lines = interval_picture(promoted().looks, "en", width=80, glyphs=ASCII)
    zero = scale.index(" 0 ") + 1
    assert all(line[zero] in "|-o[]<>" for line in lines)
    assert lines[0][zero - 1] == "-"
    assert lines[-1][zero] == "|"
    assert lines[-1].index("[") > zero
    assert lines[-1].endswith("+6.6")
    assert lines[-1].startswith(" 50 %    17,000")


def test_the_picture_keeps_to_a_dozen_looks_and_the_last() -> None:
    lines = interval_picture(kept().looks, "ko", width=80)[1:]
    assert len(lines) == 12
    assert "36,000" in lines[-1]
    assert max(map(len, lines)) <= 80


def test_without_an_interval_there_is_no_picture() -> None:
    assert interval_picture([], "en", width=80) == []
    assert "look by look" not in shown(EXAMPLES["not_begun"]())


def test_figures_that_must_not_be_used_are_not_drawn() -> None:
    assert "look by look" in shown(running())
    assert "look by look" not in shown(EXAMPLES["invalid"]())
