"""Offline metrics against the online outcome as a reader sees them: sentences, and the table under the chart."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from experiments.figures import (
    MISSING,
    Language,
    count,
    digits_needed,
    interval,
    percent,
    points,
    share,
    signed,
)
from experiments.foretelling import (
    SAME_MODEL_PLANTS,
    Foretold,
    OfflineDifference,
    OfflineEvidence,
    foretell,
    nothing_to_foretell,
)
from experiments.report_charts import Difference
from experiments.report_tables import Cell, Table, Tag
from experiments.result import RolloutResult
from experiments.words import compare, final_look, label, model_names, sentence

_DECIDED = ("foretold", "opposite", "nothing", "untested")
_UNDECIDED = ("leaned_same", "leaned_other", "untested")
_DIGITS = 4


class ForetellingStory(NamedTuple):
    """Which offline metric foretold the outcome, in one language.

    Attributes:
        summary: What came of it; never empty.
        method: How the offline differences were measured, and how far they carry; empty where there are none.
    """

    summary: tuple[str, ...]
    method: tuple[str, ...]


def tell_foretelling(evidence: OfflineEvidence, result: RolloutResult, language: Language = "en") -> ForetellingStory:
    """Say which offline metrics foretold the online outcome, which its opposite, and which nothing.

    Args:
        evidence: What the held-out ratings said; with ``missing``, that is said instead.
        result: The rollout, finished or running.
        language: "en" or "ko".
    """
    rows = foretell(evidence, result)
    if nothing_to_foretell(evidence, result):
        kind = "same_model" if result.plant in SAME_MODEL_PLANTS else "equal"
        summary = [sentence(language, f"foretelling.{kind}")]
    elif evidence.missing is not None:
        summary = [sentence(language, f"foretelling.missing.{evidence.missing}", model=evidence.missing_of)]
    else:
        summary = _outcome(rows, result, language)
    return ForetellingStory(tuple(summary), _method(evidence, language) if rows else ())


def _outcome(rows: tuple[Foretold, ...], result: RolloutResult, language: Language) -> list[str]:
    if not rows or rows[0].verdict == "no_outcome":
        return [sentence(language, "foretelling.no_outcome")]
    outcome = compare(final_look(result))
    said = [sentence(language, f"foretelling.{outcome}", challenger=model_names(result)[0])]
    for verdict in _UNDECIDED if outcome == "undecided" else _DECIDED:
        metrics = ", ".join(row.difference.metric for row in rows if row.verdict == verdict)
        if metrics:
            said.append(sentence(language, f"foretelling.{verdict}", metrics=metrics))
    return said


def _method(evidence: OfflineEvidence, language: Language) -> tuple[str, ...]:
    figures = {
        "users": count(evidence.differences[0].n_users),
        "each": share(round(1 - evidence.alpha / evidence.n_tested, 4), language),
        "level": share(1 - evidence.alpha, language),
        "metrics": count(evidence.n_tested),
    }
    return sentence(language, "foretelling.method", **figures), sentence(language, "foretelling.limits")


def foretelling_table(evidence: OfflineEvidence, result: RolloutResult, language: Language) -> Table:
    """A row per offline metric, and a last one for the clicks online."""
    keys = ("metric", "champion", "challenger", "difference", "interval.plain", "status")
    head = [label(language, key) for key in keys]
    rows: list[tuple[Cell, ...]] = [
        (
            row.difference.metric,
            _figure(row.difference.champion),
            _figure(row.difference.challenger),
            signed(row.difference.effect_size, _DIGITS),
            _interval(row.difference, language),
            Tag(label(language, f"foretold.{row.verdict}"), row.verdict),
        )
        for row in foretell(evidence, result)
    ]
    return Table(tuple(head), (*rows, _online_row(result, language)))


def _figure(value: float) -> str:
    return f"{value:.{_DIGITS}f}" if isfinite(value) else MISSING


def _interval(one: OfflineDifference, language: Language) -> str:
    """In the metric's own unit, unlike the intervals of click rates, which are in points."""
    if not (isfinite(one.ci_lower) and isfinite(one.ci_upper)):
        return MISSING
    return interval(one.ci_lower / 100, one.ci_upper / 100, language, _DIGITS)


def _online_row(result: RolloutResult, language: Language) -> tuple[Cell, ...]:
    look = final_look(result)
    outcome = "unknown" if result.decision == "invalid" else compare(look)
    name = label(language, "foretelling.online")
    if outcome == "unknown":
        return name, MISSING, MISSING, MISSING, MISSING, Tag(label(language, "online.unknown"), "online")
    digits = digits_needed([100 * look.effect_size, 100 * look.ci_lower, 100 * look.ci_upper])
    return (
        name,
        percent(look.control_mean, language),
        percent(look.challenger_mean, language),
        points(look.effect_size, language, digits),
        interval(look.ci_lower, look.ci_upper, language, digits),
        Tag(label(language, f"online.{outcome}"), "online"),
    )


def foretelling_differences(evidence: OfflineEvidence, result: RolloutResult, language: Language) -> list[Difference]:
    """The chart's rows: every offline metric, filled where it foretold something, and the clicks online."""
    rows = [
        Difference(
            one.metric, one.effect_size, one.ci_lower, one.ci_upper, solid=row.verdict in ("foretold", "opposite")
        )
        for row in foretell(evidence, result)
        for one in [row.difference]
    ]
    look = final_look(result)
    if result.decision == "invalid" or compare(look) == "unknown":
        return rows
    decided = compare(look) != "undecided"
    name = label(language, "foretelling.online")
    return [*rows, Difference(name, look.effect_size, look.ci_lower, look.ci_upper, solid=decided, online=True)]
