"""The pages' HTML, piece by piece: pure functions from documents to markup, styled by style.css.

Whatever comes from outside (names, titles, sentences) is escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from app.covers import HEIGHT, WIDTH, cover_uri, described
from app.words import keys, word
from experiments.figures import Language
from experiments.report_tables import Table, Tag

_CODE = re.compile(r"`([^`]*)`")


def verdict_block(language: Language, kind: str, eyebrow: str, verdict: str, outcome: str, drill: str = "") -> str:
    """The verdict in large type.

    Args:
        language: Of the texts.
        kind: The decision, which colours it: promote, rollback, keep, invalid or continue.
        eyebrow: A small line above.
        verdict: The sentence.
        outcome: What serves visitors now.
        drill: What was planted on purpose; empty where nothing was.
    """
    planted = f'<p class="drill">{_text(drill)}</p>' if drill else ""
    return (
        f'<section class="sx hero {escape(kind)}" lang="{language}"><p class="eyebrow">{_text(eyebrow)}</p>'
        f"<h1>{_text(verdict)}</h1><p>{_text(outcome)}</p>{planted}</section>"
    )


def figures_block(language: Language, figures: Sequence[Mapping[str, str]]) -> str:
    """Key figures as tiles: title, value, note each."""
    tiles = "".join(
        f"<div><dt>{_text(figure['title'])}</dt><dd>{_text(figure['value'])}<small>{_text(figure['note'])}</small></dd></div>"
        for figure in figures
    )
    return f'<dl class="sx tiles" lang="{language}">{tiles}</dl>'


def progress_block(done: int, planned: int) -> str:
    """How far a running rollout is, as a bar."""
    width = 100 * min(done / planned, 1) if planned else 0
    bar = f'<i style="width:{width:.1f}%"></i>'
    return f'<div class="sx progress" role="progressbar" aria-valuenow="{width:.0f}">{bar}</div>'


def heading(language: Language, title: str, lead: str = "", *, level: int = 2) -> str:
    """A title and the line below it, either of which may be empty.

    Args:
        language: Of the texts.
        title: Of a part; of the whole page at level 1.
        lead: What it is about.
        level: 1 or 2.
    """
    above = f"<h{level}>{_text(title)}</h{level}>" if title else ""
    below = f"<p>{_text(lead)}</p>" if lead else ""
    return f'<header class="sx part" lang="{language}">{above}{below}</header>'


def said_block(language: Language, title: str, lines: Sequence[str]) -> str:
    """Sentences under a title, one a line."""
    said = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f'<section class="sx card" lang="{language}"><h2>{_text(title)}</h2><ul>{said}</ul></section>'


def table_block(language: Language, table: Table, caption: str) -> str:
    """A table that scrolls by itself where it is wider than the screen."""
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.head)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in table.rows)
    return (
        f'<div class="sx scroll" lang="{language}" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def trouble_block(language: Language, title: str, reason: str, hint: str = "") -> str:
    """What is wrong and what to do."""
    parts = "".join(f"<p>{_text(part)}</p>" for part in (reason, hint) if part)
    return f'<section class="sx trouble" lang="{language}" role="status"><h2>{_text(title)}</h2>{parts}</section>'


def lists_block(language: Language, arms: Sequence[Mapping[str, Any]], shared: set[Any]) -> str:
    """Lists side by side, each film as a cover with the reason why it is there.

    Args:
        language: Of the texts.
        arms: ``GET /preview``'s variants, each with its "role" in words added.
        shared: Item ids to be marked as being in both lists.
    """
    lists = "".join(_arm(language, arm, shared) for arm in arms)
    return f'<div class="sx arms arms-{len(arms)}" lang="{language}">{lists}</div>'


def _arm(language: Language, arm: Mapping[str, Any], shared: set[Any]) -> str:
    title = f"{arm['model'] or word(language, 'role.' + arm['role'])} v{arm['version']}"
    notes = _notes(language, arm)
    cards = "".join(_card(language, rank, item, shared) for rank, item in enumerate(arm["items"], start=1))
    return (
        f'<section class="arm {escape(arm["variant"])}"><header><span>{_text(word(language, "role." + arm["role"]))}'
        f"</span><h2>{_text(title)}</h2>{''.join(f'<p>{_text(note)}</p>' for note in notes)}</header>"
        f"<ol>{cards}</ol></section>"
    )


def _notes(language: Language, arm: Mapping[str, Any]) -> list[str]:
    if arm["error"]:
        return [word(language, "list.down"), arm["error"]]
    if not arm["items"]:
        return [word(language, "list.empty")]
    told = ["cold"] if arm["cold"] else []
    told += [f"features.{arm['features']}"] if arm["features"] else []
    return [word(language, key) for key in told if key in keys(language)]


def _card(language: Language, rank: int, item: Mapping[str, Any], shared: set[Any]) -> str:
    title, year, genres = item["title"], item.get("year"), item.get("genres") or []
    mark = '<b class="both">◆</b>' if item["item_id"] in shared else ""
    # A model that was made before reasons were gives none.
    reason = f'<p class="why">{_text(item["reason"])}</p>' if item.get("reason") else ""
    words = f"{word(language, 'rank', rank=str(rank))}: {described(title, year, genres)}"
    return (
        f'<li><img src="{cover_uri(title, year, genres)}" width="{WIDTH}" height="{HEIGHT}" alt="{escape(words)}" '
        f'title="{escape(title)}"><i aria-hidden="true">{rank}</i>{mark}{reason}</li>'
    )


def _cell(cell: str | Tag) -> str:
    if isinstance(cell, Tag):
        return f'<td><span class="tag {escape(cell.tone)}">{_text(cell.text)}</span></td>'
    return f"<td>{_text(cell)}</td>"


def _text(text: str) -> str:
    """Escaped; `commands` between backticks as code; a number and its per cent sign on one line."""
    return _CODE.sub(r"<code>\1</code>", escape(text)).replace(" %", "\u00a0%")
