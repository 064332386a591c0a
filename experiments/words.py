"""What a rollout's figures mean, in sentences a product owner reads, in English and Korean.

The sentences themselves are tables (words_en.py, reasons_en.py …); here it is chosen which one is true. Winner and
loser are named by the interval alone: where it holds zero, nobody has won, whatever the decision was.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan, nan
from typing import Literal

from experiments import reasons_en, reasons_ko, words_en, words_ko
from experiments.figures import (
    Language,
    chance,
    count,
    digits_needed,
    interval,
    milliseconds,
    per_thousand,
    percent,
    points,
    pvalue,
    relative,
    share,
)
from experiments.metric_looks import harmed, unproven
from experiments.result import DecisionKind, LookResult, RolloutResult, StepResult
from experiments.spec import ExperimentSpec

Comparison = Literal["won", "lost", "undecided", "unknown"]

WATCH = 100
"""The step percentage of the watch after promotion."""

_SENTENCES: dict[Language, dict[str, str]] = {"en": words_en.SENTENCES, "ko": words_ko.SENTENCES}
_REASONS: dict[Language, dict[str, tuple[str, str]]] = {"en": reasons_en.REASONS, "ko": reasons_ko.REASONS}
_LABELS: dict[Language, dict[str, str]] = {"en": words_en.LABELS, "ko": words_ko.LABELS}
_RIGHT_ANSWER: dict[str, DecisionKind] = {
    "aa": "keep",
    "uplift": "promote",
    "damage": "rollback",
    "shuffle": "rollback",
}
_NOTHING_SEEN = LookResult(
    0, 0, 0, 0, 0, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, "continue", ()
)


@dataclass(frozen=True)
class Story:
    """A rollout told in one language: plain text, nothing in it is markup.

    Attributes:
        headline: One line: decision, winner, rates, difference, interval.
        outcome: What serves visitors now.
        drill: What was planted on purpose and whether it was found; empty where nothing was.
        why: One sentence per reason, most important first.
        size: By how much, absolutely and relatively.
        sequential: The reading that decides.
        bayesian: The reading beside it.
        steps: One text per canary step.
        means: What the result means.
        limits: What it does not mean.
        method: How it was measured, assumptions included.
    """

    headline: str
    outcome: str
    drill: str
    why: tuple[str, ...]
    size: tuple[str, ...]
    sequential: str
    bayesian: str
    steps: tuple[str, ...]
    means: tuple[str, ...]
    limits: tuple[str, ...]
    method: tuple[str, ...]


def sentence(language: Language, key: str, **figures: str) -> str:
    """A sentence of the language's table with its figures filled in.

    Raises:
        KeyError: No such sentence, or a figure it needs was not given.
    """
    return _SENTENCES[language][key].format(**figures)


def label(language: Language, key: str, **figures: str) -> str:
    """A heading, column title or single word.

    Raises:
        KeyError: No such label, or a figure it needs was not given.
    """
    return _LABELS[language][key].format(**figures)


def looks_text(looks: int, language: Language) -> str:
    """``1 look``, ``17 looks``."""
    return label(language, "looks.one" if looks == 1 else "looks.many", looks=count(looks))


def short_reason(language: Language, code: str) -> str:
    """A reason in passing, e.g. in a table.

    Raises:
        KeyError: A code that experiments/decision.py does not know.
    """
    return _REASONS[language][code][0]


def final_look(result: RolloutResult) -> LookResult:
    """The last look of the test itself; before the first one, a look that saw nothing (every figure NaN)."""
    tested = [look for look in result.looks if look.step_percent < WATCH]
    return tested[-1] if tested else _NOTHING_SEEN


def compare(look: LookResult) -> Comparison:
    """Which model the interval shows to be better; an interval that holds or touches zero shows none."""
    if isnan(look.ci_lower) or isnan(look.ci_upper):
        return "unknown"
    if look.ci_lower > 0:
        return "won"
    return "lost" if look.ci_upper < 0 else "undecided"


def model_names(result: RolloutResult) -> tuple[str, str]:
    """Challenger's and control's name; with the version where one model plays both roles."""
    if result.challenger != result.control:
        return result.challenger, result.control
    return f"{result.challenger} v{result.challenger_version}", f"{result.control} v{result.control_version}"


def verdict(result: RolloutResult, language: Language = "en") -> str:
    """What was decided and who won, without figures.

    Raises:
        KeyError: The decision rests on a reason code that has no words.
    """
    challenger, control = model_names(result)
    return sentence(
        language,
        _verdict_key(result, compare(final_look(result))),
        challenger=challenger,
        control=control,
        reason=short_reason(language, result.reasons[0]) if result.reasons else "",
        sessions=count(result.looks[-1].sessions if result.looks else 0),
    )


def headline(result: RolloutResult, language: Language = "en", *, alpha: float = 0.05) -> str:
    """The verdict in one line.

    Args:
        result: A finished or running rollout; without a look yet, no figures are given.
        language: "en" or "ko".
        alpha: The level of the interval, ``spec.analysis.alpha``.

    Raises:
        KeyError: The decision rests on a reason code that has no words.
    """
    said = verdict(result, language)
    if result.decision == "invalid" or compare(final_look(result)) == "unknown":
        return said
    return sentence(language, "headline", verdict=said, **_figures(result, language, alpha))


def _verdict_key(result: RolloutResult, comparison: Comparison) -> str:
    decision = result.decision
    if decision == "promote":
        return "verdict.promote" if comparison == "won" else "verdict.promote.unproven"
    if decision == "rollback":
        if _broke_guardrail(result):
            return f"verdict.rollback.{'watch' if comparison == 'won' and _was_watched(result) else 'guardrail'}"
        return "verdict.rollback" if comparison == "lost" else "verdict.rollback.unproven"
    if decision == "keep" and not {"guardrail_unproven", "control_failed"}.isdisjoint(result.reasons):
        return "verdict.keep.guardrail"
    if decision == "keep" and comparison != "undecided":
        return f"verdict.keep.{comparison}"
    return f"verdict.{decision}"


def _was_watched(result: RolloutResult) -> bool:
    return bool(result.looks) and result.looks[-1].step_percent == WATCH


def _broke_guardrail(result: RolloutResult) -> bool:
    return result.decision == "rollback" and result.reasons[:1] != ("primary_worse",)


def _per_thousand_interval(look: LookResult, language: Language) -> str:
    """How many clicked sessions in 1,000 are gained or lost, fewest to most; for an interval without zero."""
    fewest, most = sorted((abs(look.ci_lower), abs(look.ci_upper)))
    between = " ~ " if language == "ko" else " to "
    return per_thousand(fewest, language, brief=True) + between + per_thousand(most, language, brief=True)


def tell(result: RolloutResult, spec: ExperimentSpec, language: Language = "en") -> Story:
    """A rollout in sentences.

    Args:
        result: A finished or running rollout.
        spec: What it was run by: level, limits and steps.
        language: "en" or "ko".

    Raises:
        KeyError: A reason code that has no words.
    """
    alpha = spec.analysis.alpha
    figures = _figures(result, language, alpha)
    comparison = compare(final_look(result))
    reading = ".invalid" if result.decision == "invalid" else ".unknown" if comparison == "unknown" else ""
    outcome = [sentence(language, f"outcome.{result.decision}", **figures)]
    estimand = "others" if final_look(result).metrics else "estimand"
    population = "population" if result.simulated else "visitors"
    if result.decision != "promote" and result.all_units:
        outcome.append(sentence(language, "exposed", **figures))
    if result.champion_after:
        outcome.append(sentence(language, "alias", **figures))
    return Story(
        headline=headline(result, language, alpha=alpha),
        outcome=" ".join(outcome),
        drill=_drill(result, language),
        why=_why(result, spec, language),
        size=_size(result, language, figures),
        sequential=sentence(language, f"sequential{reading}", **figures),
        bayesian=sentence(language, f"bayesian{reading}", **figures),
        steps=tuple(tell_step(step, result, language) for step in result.steps),
        means=_means(result, comparison, language, figures),
        limits=tuple(sentence(language, f"limits.{key}", **figures) for key in (population, estimand, "duration")),
        method=_method(spec, language, figures),
    )


def tell_step(step: StepResult, result: RolloutResult, language: Language) -> str:
    """What one canary step, or the watch at 100 %, saw and led to."""
    challenger, control = model_names(result)
    kind = "watch" if step.percent == WATCH else "step"
    figures = {
        "challenger": challenger,
        "control": control,
        "percent": share(step.percent / 100, language),
        "sessions": count(step.sessions),
        "looks": looks_text(step.looks, language),
        "challenger_sessions": count(step.challenger_sessions),
        "control_sessions": count(step.control_sessions),
        "challenger_rate": percent(step.challenger_mean, language),
        "control_rate": percent(step.control_mean, language),
    }
    saw = sentence(language, kind, **figures)
    return f"{saw} {sentence(language, f'{kind}.{step.decision}', **figures)}"


def _figures(result: RolloutResult, language: Language, alpha: float) -> dict[str, str]:
    """Every figure that sentences about the whole rollout may name, as text."""
    look = final_look(result)
    challenger, control = model_names(result)
    ends = (look.effect_size, look.ci_lower, look.ci_upper)
    relative_ends = (look.rel_effect_size, look.rel_ci_lower, look.rel_ci_upper)
    digits = digits_needed(100 * end for end in ends)
    relative_digits = digits_needed(100 * end for end in relative_ends)
    return {
        "challenger": challenger,
        "control": control,
        "challenger_model": result.challenger,
        "control_model": result.control,
        "challenger_version": result.challenger_version,
        "control_version": result.control_version,
        "champion_after": result.champion_after,
        "challenger_rate": percent(look.challenger_mean, language),
        "control_rate": percent(look.control_mean, language),
        "points": points(look.effect_size, language, digits),
        "interval": interval(look.ci_lower, look.ci_upper, language, digits),
        "relative": relative(look.rel_effect_size, language, relative_digits),
        "relative_interval": interval(look.rel_ci_lower, look.rel_ci_upper, language, relative_digits),
        "per_thousand": per_thousand(abs(look.effect_size), language),
        "per_thousand_interval": _per_thousand_interval(look, language),
        "pvalue": pvalue(look.pvalue),
        "chance": chance(look.chance_to_win, language),
        "loss": per_thousand(look.expected_loss, language),
        "alpha": share(alpha, language),
        "level": share(1 - alpha, language),
        "looks": looks_text(sum(seen.step_percent < WATCH for seen in result.looks), language),
        "units": count(result.units),
        "all_units": count(result.all_units),
        "exposed_units": count(result.exposed_units),
        "exposed": percent(result.exposed_units / result.all_units if result.all_units else nan, language),
    }


def _why(result: RolloutResult, spec: ExperimentSpec, language: Language) -> tuple[str, ...]:
    """The reasons of the decision in force; around a watch at 100 %, those of the test as well.

    A promotion rests on the test first and was confirmed by the watch; a rollback out of the watch rests on the watch.
    """
    if not result.looks:
        return ()
    last, tested = result.looks[-1], final_look(result)
    said = [_full_reason(language, code, spec, last) for code in result.reasons]
    earlier = [_full_reason(language, code, spec, tested) for code in tested.reasons if code not in result.reasons]
    return (*earlier, *said) if result.decision == "promote" else (*said, *earlier)


def _full_reason(language: Language, code: str, spec: ExperimentSpec, look: LookResult) -> str:
    return _REASONS[language][code][1].format(**_limits(spec, look, language))


def _limits(spec: ExperimentSpec, look: LookResult, language: Language) -> dict[str, str]:
    """Measured guardrails and their limits, as text."""
    guardrails = spec.metrics.guardrails
    return {
        "srm_pvalue": pvalue(look.srm_pvalue),
        "srm_alpha": f"{guardrails.srm_alpha:g}",
        "error_rate": percent(look.error_rate, language),
        "max_error_rate": share(guardrails.max_error_rate, language),
        "empty_rate": percent(look.empty_rate, language),
        "max_empty_rate": share(guardrails.max_empty_rate, language),
        "latency": milliseconds(look.latency_p95_ms),
        "latency_budget": milliseconds(guardrails.latency_budget_ms),
        "worse_metrics": ", ".join(harmed(look.metrics)),
        "unproven_metrics": ", ".join(unproven(look.metrics)),
        "min_sessions": count(spec.stopping.min_challenger_sessions),
    }


def _size(result: RolloutResult, language: Language, figures: dict[str, str]) -> tuple[str, ...]:
    look = final_look(result)
    comparison = compare(look)
    if result.decision == "invalid":
        return (sentence(language, "size.invalid", **figures),)
    if comparison == "unknown":
        keys = ["size.points.unknown", "size.unknown"]
        return tuple(sentence(language, key, **figures) for key in keys)
    keys = ["size", "size.points", "size.relative", f"size.{comparison}"]
    if not (isfinite(look.rel_effect_size) and isfinite(look.rel_ci_lower) and isfinite(look.rel_ci_upper)):
        keys[2] = "size.relative.unknown"
    return tuple(sentence(language, key, **figures) for key in keys)


def _means(
    result: RolloutResult, comparison: Comparison, language: Language, figures: dict[str, str]
) -> tuple[str, ...]:
    kind = "invalid" if result.decision == "invalid" else comparison
    said = [sentence(language, f"means.{kind}", **figures)]
    if _broke_guardrail(result):
        kind_of_rollback = "metric" if "guardrail_worse" in result.reasons else "guardrail"
        said.append(sentence(language, f"means.{kind_of_rollback}", **figures))
    if kind in ("won", "lost", "undecided"):
        said.append(sentence(language, "means.error", **figures))
    return tuple(said)


def _method(spec: ExperimentSpec, language: Language, figures: dict[str, str]) -> tuple[str, ...]:
    last_step = share(spec.rollout.steps[-1].percent / 100, language)
    keys = ("session", "assignment", "cluster", "strata", "sequential", "rule")
    return tuple(sentence(language, f"method.{key}", last_step=last_step, **figures) for key in keys)


def _drill(result: RolloutResult, language: Language) -> str:
    """What was planted, and whether the rollout came to the right answer."""
    if result.plant == "none":
        return ""
    if result.decision == "continue":
        answer = "open"
    else:
        answer = "found" if result.decision == _RIGHT_ANSWER[result.plant] else "missed"
    return f"{sentence(language, f'drill.{result.plant}')} {sentence(language, f'drill.{answer}')}"
