"""The validation report: one HTML page that fetches nothing, for a pipeline's screen and for a phone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from loaders.describe import Description, facts
from loaders.problems import SHOWN
from loaders.validation import Check, Validation

_TEMPLATE = "validation.html.jinja"
_WORDS = {"ok": "ok", "warn": "within the limit", "fail": "failed"}
_VERDICTS = {
    "ok": "The data can be used.",
    "warn": "The data can be used; something is off, within the limits.",
    "fail": "The data cannot be used.",
}
#: Kinds of problems that are spelled out; the quarantine holds every line.
_KINDS = 20
#: Width of a drawing's bars, in its own units.
_BAR = 180.0


class Bar(NamedTuple):
    """One bar of a drawing.

    Attributes:
        label: What it stands for.
        length: 0 … ``_BAR``.
        figure: How much it is.
    """

    label: str
    length: float
    figure: str


def validation_html(validation: Validation, description: Description | None = None) -> str:
    """Every check with its figure and limit, what was set aside, and what the data are like.

    Args:
        validation: What was found out.
        description: Figures of the data; None where they cannot be read.

    Returns:
        HTML in which every text is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    refusal = validation.refusal()
    return pages.get_template(_TEMPLATE).render(
        source=validation.source,
        layout=validation.layout,
        status=validation.status,
        verdict=_VERDICTS[validation.status],
        reason=refusal.problem if refusal else "",
        checks=[(check, _WORDS[check.status], _gauge(check)) for check in validation.checks],
        set_aside=[file for file in validation.set_aside if file.n_set_aside],
        problems=[list(problem.texts(SHOWN)) for problem in validation.problems[:_KINDS]],
        n_more_kinds=max(len(validation.problems) - _KINDS, 0),
        facts=facts(description) if description else [],
        drawings=_drawings(description) if description else [],
        bar=_BAR,
    )


def _gauge(check: Check) -> float | None:
    """Where a share stands between 0 and twice its limit, as 0 … 100; None where there is no such limit."""
    if check.value is None or not check.bound or not check.setting.startswith("max_"):
        return None
    return round(min(50 * check.value / check.bound, 100.0), 2)


def _drawings(description: Description) -> list[tuple[str, list[Bar]]]:
    stars = {value: float(count) for value, count in description.rating_counts.items()}
    tenths = {f"{10 * place} … {10 * place + 10} %": share for place, share in enumerate(description.tenths)}
    return [
        ("Ratings of each value", _bars(stars, "{:,.0f}")),
        ("Share of ratings of each tenth of the items, most rated first", _bars(tenths, "{:.1%}")),
    ]


def _bars(lengths: Mapping[str, float], figure: str) -> list[Bar]:
    longest = max(lengths.values(), default=0.0) or 1.0
    return [Bar(label, round(_BAR * length / longest, 1), figure.format(length)) for label, length in lengths.items()]
