"""Every verdict and every reason has true words, in both languages."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from string import Formatter
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import reasons_en, reasons_ko, words_en, words_ko
from experiments.decision import REASONS
from experiments.figures import LANGUAGES, Language
from experiments.result import DecisionKind, RolloutResult
from experiments.words import Story, compare, final_look, headline, label, sentence, short_reason, tell, verdict
from tests.rollout_examples import EXAMPLES, SPEC, broke_watch, kept, promoted, rolled_back, running

TABLES = {"en": words_en, "ko": words_ko}
BEGINS = {
    "en": {
        "promote": "Promoted:",
        "rollback": "Rolled back:",
        "keep": "Kept popularity:",
        "invalid": "Invalid:",
        "continue": "Still running:",
    },
    "ko": {
        "promote": "승격:",
        "rollback": "롤백:",
        "keep": "기존 모델 유지:",
        "invalid": "무효(",
        "continue": "진행 중:",
    },
}
WINS = {"en": r"\bbeats?\b|\bwon\b", "ko": "높습니다|이겼"}
LOSES = {"en": r"\blost\b", "ko": "낮습니다|졌습니다"}


def all_text(story: Story) -> str:
    parts = [getattr(story, field.name) for field in fields(story)]
    return "\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts)


def with_figures(result: RolloutResult, **figures: float) -> RolloutResult:
    """The rollout with other figures in its last look."""
    return replace(result, looks=(*result.looks[:-1], replace(result.looks[-1], **figures)))


# Round figures, so that whole sentences can be checked letter by letter.
EXAMPLE = with_figures(
    replace(promoted(), steps=promoted().steps[:-1], looks=promoted().looks[:-1], reasons=("primary_better",)),
    challenger_mean=0.319,
    control_mean=0.25,
    effect_size=0.069,
    ci_lower=0.041,
    ci_upper=0.097,
    rel_effect_size=0.276,
    rel_ci_lower=0.162,
    rel_ci_upper=0.39,
    expected_loss=1e-9,
    chance_to_win=0.99999,
)


def test_headline_in_english() -> None:
    assert headline(EXAMPLE, "en") == (
        "Promoted: ease beats popularity — 31.9 % of sessions clicked against 25.0 % "
        "(+6.9 points, always-valid 95 % interval +4.1 to +9.7)"
    )


def test_headline_in_korean() -> None:
    assert headline(EXAMPLE, "ko") == (
        "승격: 후보 모델(ease)의 성과가 기존 모델(popularity)보다 높습니다 — 클릭이 발생한 세션 비율 31.9% 대 25.0%"
        "(+6.9%p, 상시 유효 95% 신뢰구간 +4.1 ~ +9.7)"
    )


def test_headline_names_the_level_in_force() -> None:
    assert "always-valid 97.5 % interval" in headline(EXAMPLE, "en", alpha=0.025)


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        (words_en.SENTENCES, words_ko.SENTENCES),
        (reasons_en.REASONS, reasons_ko.REASONS),
        (words_en.LABELS, words_ko.LABELS),
    ],
    ids=["sentences", "reasons", "labels"],
)
def test_both_languages_say_the_same_things_with_the_same_figures(
    english: dict[str, Any], korean: dict[str, Any]
) -> None:
    assert english.keys() == korean.keys()
    for key in english:
        for one, other in zip(_texts(english[key]), _texts(korean[key]), strict=True):
            assert _figures(one) == _figures(other), key


def _texts(entry: str | tuple[str, str]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else entry


def _figures(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_code_has_words_and_no_other_code_does(language: Language) -> None:
    assert {"en": reasons_en, "ko": reasons_ko}[language].REASONS.keys() == REASONS.keys()
    with pytest.raises(KeyError):
        short_reason(language, "no_such_code")
    with pytest.raises(KeyError):
        headline(replace(rolled_back(), reasons=("no_such_code",)), language)
    with pytest.raises(KeyError):
        tell(replace(kept(), reasons=("no_such_code",)), SPEC, language)
    with pytest.raises(KeyError):
        sentence(language, "no.such.sentence")
    with pytest.raises(KeyError):
        label(language, "no_such_label")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("code", "decision"), REASONS.items())
def test_every_reason_is_told_under_its_decision(code: str, decision: DecisionKind, language: Language) -> None:
    result = replace(running(), decision=decision, reasons=(code,))
    story = tell(result, SPEC, language)
    assert story.headline.startswith(BEGINS[language][decision])
    limits = {"srm": "0.001", "error_rate": "2", "empty_rate": "1", "latency": "1,000 ms", "too_few_sessions": "100"}
    assert limits.get(code, "") in story.why[0]
    assert "{" not in all_text(story)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_no_story_shows_what_is_no_number(name: str, language: Language) -> None:
    text = all_text(tell(EXAMPLES[name](), SPEC, language))
    assert not re.search(r"\bnan\b|None|\binf\b|\{|\}", text)
    assert all(text.split("\n")[:2])


@pytest.mark.parametrize("language", LANGUAGES)
@given(lower=st.floats(-0.5, 0.5), width=st.floats(0, 0.5), decision=st.sampled_from(get_args(DecisionKind)))
def test_a_winner_is_named_only_where_the_interval_shows_one(
    language: Language, lower: float, width: float, decision: DecisionKind
) -> None:
    code = next(code for code, kind in REASONS.items() if kind == decision)
    upper = lower + width
    result = with_figures(running(), effect_size=lower + width / 2, ci_lower=lower, ci_upper=upper)
    result = replace(result, decision=decision, reasons=("primary_worse" if decision == "rollback" else code,))
    story = tell(result, SPEC, language)
    said = " ".join((story.headline, *story.size))
    if not lower > 0:
        assert not re.search(WINS[language], said)
    if not upper < 0:
        assert not re.search(LOSES[language], said)


def test_an_interval_that_touches_zero_shows_nothing() -> None:
    assert compare(final_look(with_figures(running(), ci_lower=0.0, ci_upper=0.1))) == "undecided"
    assert compare(final_look(with_figures(running(), ci_lower=-0.1, ci_upper=0.0))) == "undecided"


def test_a_negative_effect_is_told_as_a_loss() -> None:
    story = tell(rolled_back(), SPEC, "en")
    assert story.headline.startswith("Rolled back: ease lost to popularity — 17.3 % of sessions clicked against 34.2 %")
    assert "(−16.9 points, always-valid 95 % interval −24.1 to −9.7)" in story.headline
    assert "loses about 169.1 clicked sessions in every 1,000 (interval: 97.4 to 240.8)" in story.means[0]
    assert story.size[-1] == "The whole interval lies below zero: ease lost."


def test_an_interval_around_zero_is_told_as_no_difference() -> None:
    story = tell(kept(), SPEC, "en")
    assert story.headline.startswith("Kept popularity v1: could not tell popularity v3 and popularity v1 apart — ")
    assert story.size[-1] == "Zero lies inside the interval: we could not tell them apart, and neither is the winner."
    assert "“Not told apart” is not “proven equal”." in story.means[0]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "cannot be expressed relative to popularity"), ("ko", "상대적인 차이로는")]
)
def test_a_control_without_a_click_has_no_relative_effect(language: Language, said: str) -> None:
    story = tell(EXAMPLES["nobody_clicked"](), SPEC, language)
    assert said in story.size[2]
    assert "–" not in story.headline


@pytest.mark.parametrize("decision", ["keep", "rollback", "continue"])
def test_without_an_interval_nothing_is_compared(decision: DecisionKind) -> None:
    unknown = dict.fromkeys(
        ("ci_lower", "ci_upper", "rel_ci_lower", "rel_ci_upper", "pvalue", "chance_to_win"), math.nan
    )
    result = replace(with_figures(running(), **unknown), decision=decision, reasons=("error_rate",))
    story = tell(result, SPEC, "en")
    assert "points" not in story.headline
    assert story.size[-1] == "Nothing can be said about which one is better."
    assert story.bayesian.startswith("No chance to win")


def test_an_invalid_rollout_gives_no_figure_to_use() -> None:
    story = tell(EXAMPLES["invalid"](), SPEC, "en")
    assert story.headline == "Invalid: visitors did not split as planned, so ease and popularity cannot be compared"
    assert not re.search(r"\d %|\d points", " ".join((story.headline, *story.size, story.sequential, story.bayesian)))
    assert "p-value < 0.001, limit 0.001" in story.why[0]


def test_a_winner_that_fails_in_the_watch_has_won_and_is_rolled_back() -> None:
    story = tell(broke_watch(), SPEC, "en")
    assert story.headline.startswith("Rolled back: ease beat popularity, but broke a guardrail once it had all traffic")
    assert "in 4.8 % of its sessions; at most 2 % are allowed" in story.why[0]
    assert "lies above zero" in story.why[1]
    assert "no judgement on its recommendations" in story.means[1]
    assert story.steps[-1].endswith("One of them broke, and popularity came back.")


def test_a_promotion_rests_on_the_test_first_and_the_watch_second() -> None:
    why = tell(promoted(), SPEC, "en").why
    assert len(why) == 2
    assert "lies above zero" in why[0]
    assert "served all traffic" in why[1]


def test_both_readings_give_their_figures_and_their_role() -> None:
    story = tell(EXAMPLE, SPEC, "en")
    assert story.sequential.startswith("Always-valid p-value < 0.001; 95 % interval +4.1 to +9.7 points.")
    assert "looking often did not inflate the error. This reading decides." in story.sequential
    assert (
        "better: more than 99.9 %. Expected loss if it is chosen: fewer than 0.1 clicked sessions per 1,000."
        in story.bayesian
    )
    assert story.bayesian.endswith("This reading informs; it does not decide.")


def test_each_step_is_told_with_its_own_sessions() -> None:
    steps = tell(promoted(), SPEC, "en").steps
    assert steps[0] == (
        "Step 5 %: 4,000 sessions in all, 4 looks. ease was clicked in 31.7 % of its 224 sessions, popularity in "
        "30.1 % of 226. Nothing spoke against it, so the rollout went on."
    )
    assert steps[2].endswith("Here ease was promoted.")
    assert steps[3].startswith(
        "Watch at 100 %: 1,000 sessions, all with ease. There is no control left to compare with"
    )


def test_the_population_and_the_unit_of_the_effect_are_named() -> None:
    population, estimand, _ = tell(promoted(), SPEC, "en").limits
    assert "The 14,212 visitors are simulated, each modelled on one user of the ratings data." in population
    assert "A session counts once" in estimand


@pytest.mark.parametrize(
    ("plant", "decision", "answer"),
    [
        ("aa", "keep", "found"),
        ("aa", "promote", "missed"),
        ("uplift", "promote", "found"),
        ("damage", "rollback", "found"),
        ("damage", "keep", "missed"),
        ("shuffle", "rollback", "found"),
        ("shuffle", "continue", "open"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_drill_says_whether_it_was_found(language: Language, plant: str, decision: DecisionKind, answer: str) -> None:
    code = {
        "keep": "no_boundary_crossed",
        "promote": "primary_better",
        "rollback": "primary_worse",
        "continue": "undecided",
    }
    result = replace(running(), plant=plant, decision=decision, reasons=(code[decision],))
    drill = tell(result, SPEC, language).drill
    assert drill.startswith(TABLES[language].SENTENCES[f"drill.{plant}"])
    assert drill.endswith(TABLES[language].SENTENCES[f"drill.{answer}"])


def test_what_was_not_planted_is_not_mentioned() -> None:
    assert tell(promoted(), SPEC, "en").drill == ""


def test_before_the_first_look_the_verdict_is_that_it_runs() -> None:
    story = tell(EXAMPLES["not_begun"](), SPEC, "en")
    assert story.headline == "Still running: ease against popularity, no decision after 0 sessions"
    assert story.why == ()
    assert story.steps == ()


def test_one_model_in_both_roles_is_told_apart_by_version() -> None:
    assert "popularity v3" in verdict(kept(), "en")
    assert "popularity v1" in verdict(kept(), "ko")


def test_korean_never_puts_a_particle_behind_a_model_name() -> None:
    """A particle depends on the last sound of a name nobody knows: names stand in brackets after a Korean noun."""
    texts = [
        *words_ko.SENTENCES.values(),
        *words_ko.LABELS.values(),
        *(text for pair in reasons_ko.REASONS.values() for text in pair),
    ]
    for text in texts:
        for place in re.finditer(r"\{(challenger|control)(_model)?\}", text):
            assert text[place.start() - 1] == "(", text
            assert text[place.end()] in "),", text


def test_korean_sentences_are_formal() -> None:
    told = {key: text for key, text in words_ko.SENTENCES.items() if not key.startswith(("verdict", "headline"))}
    told |= {code: texts[1] for code, texts in reasons_ko.REASONS.items()}
    for key, text in told.items():
        assert re.search(r"(니다|십시오)(\([^)]*\))?\.$", text), key
