"""The rollout report: one HTML page, English and Korean in it, that fetches nothing and opens from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from experiments import report_charts
from experiments.figures import (
    LANGUAGES,
    Language,
    count,
    digits_needed,
    interval,
    points,
    seconds,
    share,
    signed,
)
from experiments.foretelling import OfflineEvidence
from experiments.foretelling_report import foretelling_differences, foretelling_table, tell_foretelling
from experiments.key_figures import key_figures
from experiments.report_tables import guardrail_table, look_table, metric_table, step_table
from experiments.result import RolloutResult
from experiments.spec import ExperimentSpec
from experiments.words import WATCH, final_look, label, looks_text, model_names, tell, tell_step, verdict

_ENDING = re.compile(r"(?<=[%)])(?=[가-힣])")

#: Drawn in a 56 x 56 box: a tick, an arrow back, an equals sign, an exclamation mark, a play sign.
_ICONS = {
    "promote": "M17 29l8 8 15-17",
    "rollback": "M24 17l-8 8 8 8M17 25h14a8 8 0 0 1 0 16h-5",
    "keep": "M18 23h20M18 33h20",
    "invalid": "M28 15v17M28 41v.1",
    "continue": "M22 18l16 10-16 10z",
}


@dataclass(frozen=True)
class LeaderboardRow:
    """A model's offline metrics.

    Attributes:
        model: Its name.
        metrics: Metric name to value, e.g. ``{"ndcg@10": 0.41}``; every row has the same names.
        role: E.g. "champion", "challenger"; empty for the rest.
    """

    model: str
    metrics: Mapping[str, float]
    role: str = ""


@dataclass(frozen=True)
class ReportContext:
    """What a reader must know beside the result.

    Attributes:
        spec: The experiment's spec.
        data: One line on the data.
        leaderboard: The offline comparison, best first; may be empty.
        offline: Challenger against champion in every offline metric; None where nobody looked.
        seconds: Stage to duration in seconds, in order.
        run_folder: Where the run's files lie.
        hints: How to open the rest: (what, command or address).
        provenance: Further facts in order, e.g. ``{"code version": …, "data sha256": …, "seed": …}``.
    """

    spec: ExperimentSpec
    data: str
    leaderboard: tuple[LeaderboardRow, ...] = ()
    offline: OfflineEvidence | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    run_folder: str = ""
    hints: tuple[tuple[str, str], ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def rollout_html(result: RolloutResult, context: ReportContext) -> str:
    """The report as one self-contained HTML page.

    Every language is in the page; without scripts it opens in English and the switch still works.

    Args:
        result: A finished or running rollout; before its first look the page says so.
        context: What the result does not hold.

    Raises:
        KeyError: A reason code that has no words (experiments/reasons_en.py, reasons_ko.py).
    """
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    views = [_view(result, context, language) for language in LANGUAGES]
    return pages.get_template("report.html.jinja").render(views=views)


def _unbroken(value: Any) -> Any:
    """A number and its per cent sign stay on one line (no-break space), as does a Korean ending (word joiner)."""
    return _ENDING.sub("\u2060", value.replace(" %", "\u00a0%")) if type(value) is str else value


def _view(result: RolloutResult, context: ReportContext, language: Language) -> dict[str, Any]:
    """Everything the template shows in one language, as text."""
    spec, look = context.spec, final_look(result)
    challenger, control = model_names(result)
    steps, looks = step_table(result.steps, language), look_table(result.looks, language)
    guardrails = guardrail_table(result, spec, language)
    metrics = metric_table(look.metrics, language)
    shows_chance = isfinite(look.chance_to_win) and result.decision != "invalid"
    return {
        "language": language,
        "label": partial(label, language),
        "decision": result.decision,
        "icon": _ICONS[result.decision],
        "experiment": result.experiment,
        "verdict": verdict(result, language),
        "story": tell(result, spec, language),
        "challenger": challenger,
        "control": control,
        "tiles": key_figures(result, language, spec.analysis.alpha),
        "interval_lead": label(language, "interval_chart.lead", level=share(1 - spec.analysis.alpha, language)),
        "interval_chart": _interval_chart(result, language),
        "step_chart": _step_chart(result, language),
        "steps": [{"tone": step.decision, "text": tell_step(step, result, language)} for step in result.steps],
        "step_head": steps.head,
        "step_rows": steps.rows,
        "chance_share": f"{100 * look.chance_to_win:.1f}" if shows_chance else "",
        "guardrail_head": guardrails.head,
        "guardrail_rows": guardrails.rows,
        "metrics_lead": label(language, "metrics.lead", level=share(1 - spec.analysis.alpha, language)),
        "metric_head": metrics.head,
        "metric_rows": metrics.rows,
        "look_head": looks.head,
        "look_rows": looks.rows,
        **_leaderboard(context, language),
        "foretelling": _foretelling(result, context, language),
        "provenance": _provenance(result, context, language),
        "hints": context.hints,
    }


def _chart_words(language: Language, title: str) -> report_charts.Words:
    keys = ("challenger", "control", "better", "worse", "no_difference", "sessions", "step", "watch")
    return report_charts.Words(language=language, title=title, **{key: label(language, key) for key in keys})


def _interval_chart(result: RolloutResult, language: Language) -> list[tuple[str, Markup]]:
    """The chart for wide and for narrow screens; the style sheet shows one of them."""
    look = final_look(result)
    digits = digits_needed([100 * look.effect_size, 100 * look.ci_lower, 100 * look.ci_upper])
    title = label(
        language,
        "interval_chart.alt",
        looks=looks_text(sum(seen.step_percent < WATCH for seen in result.looks), language),
        points=points(look.effect_size, language, digits),
        interval=interval(look.ci_lower, look.ci_upper, language, digits),
    )
    words = _chart_words(language, title)
    drawings = [
        (kind, report_charts.interval_chart(result.looks, words, width=width, name=f"interval-{kind}-{language}"))
        for kind, width in (("wide", report_charts.WIDE), ("narrow", report_charts.NARROW))
    ]
    # The drawing is markup of our own; ElementTree has escaped every text in it.
    return [(kind, Markup(drawing)) for kind, drawing in drawings if drawing]


def _step_chart(result: RolloutResult, language: Language) -> list[tuple[str, Markup]]:
    words = _chart_words(language, label(language, "step_chart.alt"))
    drawings = [
        (kind, report_charts.step_chart(result.steps, words, width=width, name=f"steps-{kind}-{language}"))
        for kind, width in (("wide", report_charts.WIDE), ("narrow", report_charts.NARROW))
    ]
    return [(kind, Markup(drawing)) for kind, drawing in drawings if drawing]


def _leaderboard(context: ReportContext, language: Language) -> dict[str, Any]:
    rows = context.leaderboard
    metrics = tuple(rows[0].metrics) if rows else ()
    return {
        "leaderboard_head": (label(language, "model"), *metrics, label(language, "role")),
        "leaderboard_rows": [
            (row.model, *(_metric(row.metrics[name]) for name in metrics), _role(row.role, language)) for row in rows
        ],
    }


def _foretelling(result: RolloutResult, context: ReportContext, language: Language) -> dict[str, Any] | None:
    """Offline metrics against the online outcome; without rows where there is nothing to compare."""
    evidence = context.offline
    if evidence is None:
        return None
    story, content = tell_foretelling(evidence, result, language), foretelling_table(evidence, result, language)
    title = label(language, "foretelling.alt", metrics=str(len(evidence.differences)))
    differences = foretelling_differences(evidence, result, language)
    drawings = [
        (kind, report_charts.difference_chart(differences, title, width=width, name=f"foretold-{kind}-{language}"))
        for kind, width in (("wide", report_charts.WIDE), ("narrow", report_charts.NARROW))
    ]
    return {
        "summary": story.summary,
        "method": story.method,
        "chart": [(kind, Markup(drawing)) for kind, drawing in drawings if drawing],
        "head": content.head,
        "rows": content.rows if evidence.differences else (),
    }


def _metric(value: float) -> str:
    return f"{value:.4f}" if isfinite(value) else signed(value)


def _role(role: str, language: Language) -> str:
    return label(language, role) if role in ("champion", "challenger") else role


def _provenance(result: RolloutResult, context: ReportContext, language: Language) -> list[tuple[str, str]]:
    """Experiment, data, versions, durations and whatever else the context tells; empty facts are left out."""
    version = label(language, "version")
    took = " · ".join(f"{stage} {seconds(value, language)}" for stage, value in context.seconds.items())
    facts = [
        (label(language, "experiment"), result.experiment),
        (label(language, "champion"), f"{result.control} ({version} {result.control_version})"),
        (label(language, "challenger"), f"{result.challenger} ({version} {result.challenger_version})"),
        (label(language, "data"), context.data),
        *context.provenance.items(),
        (label(language, "orphans"), count(result.orphans)),
        (label(language, "seconds"), took),
        (label(language, "run_folder"), context.run_folder),
    ]
    return [(name, value) for name, value in facts if value]
