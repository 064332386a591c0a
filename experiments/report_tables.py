"""The tables of the rollout report, cell by cell as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from experiments.figures import (
    MISSING,
    Language,
    chance,
    count,
    digits_needed,
    interval,
    milliseconds,
    percent,
    points,
    pvalue,
    relative,
    share,
)
from experiments.metric_looks import harmed, unproven
from experiments.result import LookResult, MetricLook, RolloutResult, StepResult
from experiments.spec import ExperimentSpec
from experiments.words import WATCH, final_look, label, short_reason


@dataclass(frozen=True)
class Tag:
    """A cell shown as a small label: its words, and a tone the style sheet colours it by."""

    text: str
    tone: str


Cell = str | Tag


@dataclass(frozen=True)
class Table:
    """Column titles and rows; a row's first cell is its heading."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def step_table(steps: Sequence[StepResult], language: Language) -> Table:
    """Each canary step on its own: sessions and click rates of both arms, and their plain difference."""
    keys = ("step", "all_sessions", "challenger", "sessions", "control", "sessions", "difference", "decision")
    return Table(tuple(label(language, key) for key in keys), tuple(_step_row(step, language) for step in steps))


def _step_row(step: StepResult, language: Language) -> tuple[Cell, ...]:
    difference = step.challenger_mean - step.control_mean
    return (
        step_name(step.percent, language),
        count(step.sessions),
        percent(step.challenger_mean, language),
        count(step.challenger_sessions),
        percent(step.control_mean, language),
        count(step.control_sessions) if step.percent != WATCH else MISSING,
        points(difference, language, digits_needed([100 * difference])),
        Tag(label(language, f"decision.{step.decision}"), step.decision),
    )


def step_name(step_percent: int, language: Language) -> str:
    """``25 %``; the watch at 100 % is called so."""
    name = share(step_percent / 100, language)
    return f"{name} ({label(language, 'watch')})" if step_percent == WATCH else name


def look_table(looks: Sequence[LookResult], language: Language) -> Table:
    """Every look, cumulative."""
    keys = ("look", "step", "all_sessions", "challenger", "control", "difference", "interval", "pvalue")
    head = [label(language, key, level="") if key == "interval" else label(language, key) for key in keys]
    head += [label(language, "chance_to_win"), label(language, "decision"), label(language, "reason")]
    return Table(tuple(" ".join(title.split()) for title in head), tuple(_look_row(look, language) for look in looks))


def _look_row(look: LookResult, language: Language) -> tuple[Cell, ...]:
    known = isfinite(look.ci_lower) and isfinite(look.ci_upper)
    digits = digits_needed([100 * look.effect_size, 100 * look.ci_lower, 100 * look.ci_upper])
    return (
        count(look.look),
        step_name(look.step_percent, language),
        count(look.sessions),
        percent(look.challenger_mean, language),
        percent(look.control_mean, language),
        points(look.effect_size, language, digits),
        interval(look.ci_lower, look.ci_upper, language, digits) if known else MISSING,
        pvalue(look.pvalue),
        chance(look.chance_to_win, language, brief=True),
        Tag(label(language, f"decision.{look.decision}"), look.decision),
        "; ".join(short_reason(language, code) for code in look.reasons),
    )


def guardrail_table(result: RolloutResult, spec: ExperimentSpec, language: Language) -> Table:
    """What was measured against each limit, in the test and, where there was one, in the watch at 100 %."""
    guardrails = spec.metrics.guardrails
    watches = [look for look in result.looks if look.step_percent == WATCH]
    seen = [(final_look(result), label(language, "in_test"))]
    seen += [(look, label(language, "in_watch")) for look in watches[-1:]]
    head = [label(language, "guardrail"), label(language, "limit")]
    for _, title in seen:
        head += [title, label(language, "status")]
    limits = {
        "srm": label(language, "at_least", limit=f"{guardrails.srm_alpha:g}"),
        "error_rate": label(language, "at_most", limit=share(guardrails.max_error_rate, language)),
        "empty_rate": label(language, "at_most", limit=share(guardrails.max_empty_rate, language)),
        "latency": label(language, "at_most", limit=milliseconds(guardrails.latency_budget_ms)),
    }
    rows: list[tuple[Cell, ...]] = []
    for code, limit in limits.items():
        row: list[Cell] = [label(language, f"guardrail.{code}"), limit]
        for look, _ in seen:
            row += _measured(code, look, spec, language)
        rows.append(tuple(row))
    return Table(tuple(head), tuple(rows))


def metric_table(metrics: Sequence[MetricLook], language: Language) -> Table:
    """The secondary and guardrail metrics at one look; no rows where the spec names none."""
    keys = ("metric", "role", "challenger", "control", "difference", "relative", "pvalue", "status")
    return Table(tuple(label(language, key) for key in keys), tuple(_metric_row(look, language) for look in metrics))


def _metric_row(look: MetricLook, language: Language) -> tuple[Cell, ...]:
    digits = digits_needed([100 * look.effect_size, 100 * look.ci_lower, 100 * look.ci_upper])
    relative_digits = digits_needed([100 * look.rel_effect_size, 100 * look.rel_ci_lower, 100 * look.rel_ci_upper])
    difference, relative_difference = points(look.effect_size, language, digits), MISSING
    if isfinite(look.ci_lower) and isfinite(look.ci_upper):
        difference += f" ({interval(look.ci_lower, look.ci_upper, language, digits)})"
    if isfinite(look.rel_ci_lower) and isfinite(look.rel_ci_upper):
        between = interval(look.rel_ci_lower, look.rel_ci_upper, language, relative_digits)
        relative_difference = f"{relative(look.rel_effect_size, language, relative_digits)} ({between} %)"
    return (
        look.name,
        label(language, f"role.{look.role}{'.margin' if look.margin else ''}", margin=share(look.margin, language)),
        percent(look.challenger_mean, language),
        percent(look.control_mean, language),
        difference,
        relative_difference,
        pvalue(look.pvalue if look.role == "guardrail" else look.pvalue_adjusted),
        _metric_status(look, language),
    )


def _metric_status(look: MetricLook, language: Language) -> Cell:
    if look.role == "secondary":
        return MISSING
    if harmed([look]):
        return Tag(label(language, "broken"), "broken")
    if look.margin:
        shown = not unproven([look])
        return Tag(label(language, "held"), "held") if shown else Tag(label(language, "not_shown"), "unjudged")
    return Tag(label(language, "no_harm"), "held")


def _measured(code: str, look: LookResult, spec: ExperimentSpec, language: Language) -> tuple[Cell, Cell]:
    """A guardrail's figure at one look, and whether it held; few sessions alone leave it unjudged."""
    guardrails = spec.metrics.guardrails
    # A figure that is NaN is within nothing.
    text, within = {
        "srm": (pvalue(look.srm_pvalue), look.srm_pvalue >= guardrails.srm_alpha),
        "error_rate": (percent(look.error_rate, language), look.error_rate <= guardrails.max_error_rate),
        "empty_rate": (percent(look.empty_rate, language), look.empty_rate <= guardrails.max_empty_rate),
        "latency": (milliseconds(look.latency_p95_ms), look.latency_p95_ms <= guardrails.latency_budget_ms),
    }[code]
    if code in look.reasons:
        return text, Tag(label(language, "broken"), "broken")
    if within:
        return text, Tag(label(language, "held"), "held")
    return text, Tag(label(language, "unjudged"), "unjudged")
