"""The four figures that a reader wants first, as text: what report and review page show on top."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from experiments.figures import (
    Language,
    chance,
    digits_needed,
    interval,
    per_thousand,
    percent,
    points,
    relative,
    share,
)
from experiments.result import RolloutResult
from experiments.words import compare, final_look, label, model_names


@dataclass(frozen=True)
class KeyFigure:
    """A figure in large type.

    Attributes:
        title: What it is.
        value: With its unit.
        note: What it rests on, e.g. its interval.
    """

    title: str
    value: str
    note: str


def key_figures(result: RolloutResult, language: Language, alpha: float) -> list[KeyFigure]:
    """Click rate, difference, relative difference and chance to win, as text.

    Args:
        result: A finished or running rollout.
        language: "en" or "ko".
        alpha: The level of the interval, ``spec.analysis.alpha``.

    Returns:
        Empty where the figures must not be used (an invalid rollout) or do not exist yet.
    """
    look = final_look(result)
    if result.decision == "invalid" or compare(look) == "unknown":
        return []
    challenger, control = model_names(result)
    ends = [100 * end for end in (look.effect_size, look.ci_lower, look.ci_upper)]
    digits = digits_needed(ends)
    rel_digits = digits_needed(100 * end for end in (look.rel_effect_size, look.rel_ci_lower, look.rel_ci_upper))
    always_valid = label(language, "interval", level=share(1 - alpha, language))
    between = interval(look.ci_lower, look.ci_upper, language, digits)
    rel_between = interval(look.rel_ci_lower, look.rel_ci_upper, language, rel_digits)
    if not isfinite(look.rel_effect_size):
        rel_between = label(language, "no_baseline")
    against = label(
        language, "against", challenger=challenger, control=control, rate=percent(look.control_mean, language)
    )
    cells = (
        ("click_rate", percent(look.challenger_mean, language), against),
        ("difference", points(look.effect_size, language, digits), f"{between} ({always_valid})"),
        ("relative", relative(look.rel_effect_size, language, rel_digits), rel_between),
        (
            "chance_to_win",
            chance(look.chance_to_win, language, brief=True),
            label(language, "expected_loss", loss=per_thousand(look.expected_loss, language)),
        ),
    )
    return [KeyFigure(label(language, key), value, note) for key, value, note in cells]
