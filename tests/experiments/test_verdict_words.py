"""Verdicts in words: every reason in both languages, with the same figures, and none that is not a number."""

from __future__ import annotations

import math
import re
import string

import pytest

from experiments.analysis import AnalysisPlan, MetricArms, analyse
from experiments.figures import LANGUAGES, Language
from experiments.inference.estimates import Estimate, proportion_estimate
from experiments.metrics import Metric
from experiments.verdict import VERDICT_REASONS, Verdict, verdict
from experiments.verdict_words import SENTENCES, effect_text, interval_text, numbers_sentences, verdict_sentence

BOUGHT = Metric("bought", "proportion", "bought")
PAID = Metric("paid", "mean", "paid")


def figures_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same() -> None:
    english, korean = SENTENCES["en"], SENTENCES["ko"]
    assert english.keys() == korean.keys()
    assert VERDICT_REASONS.keys() <= english.keys()
    for key, sentence in english.items():
        # Korean names the control where English needs no name twice.
        assert figures_of(korean[key]) - {"control"} == figures_of(sentence) - {"control"}, key
        assert re.search("[가-힣]", korean[key]) or key == "between", key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", VERDICT_REASONS)
def test_every_reason_is_told(language: Language, reason: str) -> None:
    estimates = {"a": proportion_estimate(900, 90), "b": Estimate(math.nan, math.nan, 0, "no_units")}
    found = analyse(AnalysisPlan("a"), {"a": 900, "b": 900}, [MetricArms(BOUGHT, estimates, {}, {})])
    told = verdict_sentence(found, Verdict("keep", reason, "b", found.findings[0]), language, "Nobody came.")  # type: ignore[arg-type]
    assert "{" not in told
    assert "nan" not in told.lower()
    assert numbers_sentences(found, found.findings[0], language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_numbers_hold_both_readings_and_the_covariate(language: Language) -> None:
    estimates = {name: Estimate(value, 0.01, 5_000) for name, value in (("a", 10.0), ("b", 10.4), ("c", 10.1))}
    adjusted = {"b": (estimates["b"], estimates["a"])}
    found = analyse(
        AnalysisPlan("a"), dict.fromkeys("abc", 5_000), [MetricArms(PAID, estimates, adjusted, {"b": 0.25})]
    )
    told = " ".join(numbers_sentences(found, found.findings[0], language))
    for figure in ("+0.4000", "95", "0.005", "0.009", "25.0", "99.7"):
        assert figure in told, figure
    assert verdict(found).variant == "b"


def test_intervals_without_ends_and_shares_in_points() -> None:
    assert interval_text(PAID, -math.inf, 0.5, "en") == "no limit to +0.5000"
    assert interval_text(PAID, math.nan, 0.5, "en") == "–"
    assert interval_text(BOUGHT, -0.01, 0.02, "ko") == "−1.00 ~ +2.00"
    assert effect_text(BOUGHT, 0.0123, "en") == "+1.23 points"
    assert effect_text(PAID, 12345.6, "en") == "+12,346"
