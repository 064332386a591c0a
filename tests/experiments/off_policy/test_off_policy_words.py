"""What a log says of a policy, in words: every status and reading in both languages."""

from __future__ import annotations

import math
import re
import string
from typing import get_args

import pytest

from experiments.figures import LANGUAGES, Language
from experiments.metrics import Metric
from experiments.off_policy.comparison import PolicyUplift
from experiments.off_policy.estimator import PolicyValue
from experiments.off_policy.overlap import PolicyStatus
from experiments.off_policy.words import POLICY_STATUS_WORDS, SENTENCES, policy_sentence, warning_sentence

SHARE = Metric("reward", "proportion", "reward")
NAN = math.nan


def value(status: PolicyStatus = "ok", of: float = 0.32, half: float = 0.01) -> PolicyValue:
    return PolicyValue("snips", of, half / 2, of - half, of + half, 9_000, 9_000, 1_234.4, 5.0, 1.0, 0.3, status)


def uplift(effect: float, half: float, status: PolicyStatus = "ok") -> PolicyUplift:
    interval = (effect - half, effect + half) if status == "ok" else (NAN, NAN)
    return PolicyUplift(
        "snips", effect, 0.01, *interval, 0.1, NAN, NAN, NAN, NAN, 0.32, 0.3, 9_000, 9_000, 1_234.4, status
    )


def figures_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same() -> None:
    english, korean = SENTENCES["en"], SENTENCES["ko"]
    assert english.keys() == korean.keys()
    for key, sentence in english.items():
        assert figures_of(korean[key]) == figures_of(sentence), key
        assert re.search("[가-힣]", korean[key]) or key == "between", key
        assert not re.search("[가-힣]", sentence), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_status_has_a_sentence_of_its_own(language: Language) -> None:
    table = POLICY_STATUS_WORDS[language]
    assert set(table) == set(get_args(PolicyStatus))
    assert len(set(table.values())) == len(table)
    for sentence in table.values():
        assert sentence.endswith(".")
        assert sentence == " ".join(sentence.split())
        assert bool(re.search("[가-힣]", sentence)) == (language == "ko")


@pytest.mark.parametrize(
    ("found", "against", "told"),
    [
        (value(), uplift(0.02, 0.01), "leaves out 0: better"),
        (value(), uplift(-0.02, 0.01), "leaves out 0: worse"),
        (value(), uplift(0.02, 0.03), "holds 0: no difference is shown"),
        (value(), uplift(0.0, 0.0, "no_variance"), "No row of the log tells it apart from x"),
        (value(), uplift(NAN, 0.0, "no_overlap"), "no difference can be given"),
        (value("low_ess", half=NAN), uplift(0.02, 0.0, "low_ess"), "would have earned about 32.0 %. So few rows"),
    ],
)
def test_a_policy_is_told(found: PolicyValue, against: PolicyUplift, told: str) -> None:
    sentence = policy_sentence("new", found, against, "x", SHARE, 0.05, "en")
    assert told in sentence
    assert "as 1,234 rows of its own" in sentence
    for language in LANGUAGES:
        text = policy_sentence("new", found, against, "x", SHARE, 0.05, language)
        assert not re.search(r"nan|[{}]|_", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_value_no_figure_is_told(language: Language) -> None:
    told = policy_sentence("new", value("no_overlap", NAN, NAN), uplift(NAN, NAN), "x", SHARE, 0.05, language)
    assert POLICY_STATUS_WORDS[language]["no_overlap"] in told
    assert not re.search(r"\d", told.replace(POLICY_STATUS_WORDS[language]["no_overlap"], ""))


def test_intervals_and_effects_of_a_share() -> None:
    told = policy_sentence("new", value(), uplift(0.02, 0.01), "x", SHARE, 0.1, "en")
    assert "32.0 % (90 % interval 31.0 % to 33.0 %)" in told
    assert "+2.00 points (90 % interval +1.00 to +3.00)" in told


def test_figures_of_warnings_are_written_for_readers() -> None:
    assert "25.0 % of all the weight" in warning_sentence("warn.one_row", {"policy": "b", "share": 0.25}, "en")
    assert "average 0.4123" in warning_sentence("warn.wrong_weights", {"policy": "b", "mean_weight": 0.41234}, "en")
