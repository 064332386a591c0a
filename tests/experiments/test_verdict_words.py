"""Verdicts in words: every reason in both languages, with the same figures, and none that is not a number."""

from __future__ import annotations

import math
import re
import string

import pytest

from experiments.analysis import AnalysisPlan, MetricArms, analyse
from experiments.bayes.bayesian_lift import FLAT, NormalPrior
from experiments.figures import LANGUAGES, Language
from experiments.inference.estimates import Estimate, proportion_estimate
from experiments.metrics import Metric
from experiments.verdict import VERDICT_REASONS, Verdict, verdict
from experiments.verdict_words import SENTENCES, numbers_sentences, verdict_sentence

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
        assert re.search("[가-힣]", korean[key]), key


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


def test_a_winner_s_value_is_seen_to_differ() -> None:
    estimates = {"a": Estimate(10_000.01, 1e-6, 900), "b": Estimate(10_000.02, 1e-6, 900)}
    found = analyse(AnalysisPlan("a"), dict.fromkeys("ab", 900), [MetricArms(PAID, estimates, {}, {})])
    assert "(10,000.02 against 10,000.01)" in verdict_sentence(found, verdict(found), "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_units_where_nobody_should_be_are_named(language: Language) -> None:
    estimates = {name: Estimate(1.0, 0.01, 900) for name in "abc"}
    plan = AnalysisPlan("a", weights={"a": 1, "b": 1, "c": 0})
    found = analyse(plan, {"a": 900, "b": 900, "c": 3}, [MetricArms(PAID, estimates, {}, {})])
    told = verdict_sentence(found, verdict(found), language)
    assert "c" in told
    assert "p " not in told


@pytest.mark.parametrize(
    ("language", "flat", "given"),
    [
        ("en", "(nothing expected beforehand)", "lifts of 0.0 % ± 5.0 % expected"),
        ("ko", "예상한 것 없음", "0.0% ± 5.0%"),
    ],
)
def test_the_prior_is_told(language: Language, flat: str, given: str) -> None:
    for control, prior, told in (
        (1.0, FLAT, flat),
        (1.0, NormalPrior(0.0, 0.05), given),
        (-1.0, NormalPrior(0.0, 0.05), given),
        (0.0, NormalPrior(0.0, 0.05), flat),
    ):
        estimates = {"a": Estimate(control, 0.01, 900), "b": Estimate(1.1, 0.01, 900)}
        found = analyse(AnalysisPlan("a", prior=prior), dict.fromkeys("ab", 900), [MetricArms(PAID, estimates, {}, {})])
        assert told in " ".join(numbers_sentences(found, found.findings[0], language))
