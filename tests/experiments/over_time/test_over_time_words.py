"""Every state of what is seen over time has its sentence in both languages."""

from __future__ import annotations

import re
import string
from typing import get_args

import numpy as np
import pytest

from experiments.figures import LANGUAGES, Language
from experiments.inference.estimates import Estimate
from experiments.inference.segments import HeterogeneityStatus
from experiments.metrics import Metric
from experiments.over_time.anomalies import Anomalies, Anomaly, AnomalyStatus
from experiments.over_time.carry_over import carry_over, pre_period
from experiments.over_time.cusum import cusum
from experiments.over_time.novelty import NoveltyStatus, Trend, novelty
from experiments.over_time.readings import NoveltyReading, Shift
from experiments.over_time.words import (
    SENTENCES,
    carry_over_sentence,
    effect_shift_sentence,
    metric_days_sentence,
    novelty_sentence,
    pre_period_sentence,
    split_shift_sentence,
    traffic_days_sentence,
)

PAID, BOUGHT = Metric("paid", "mean", "paid"), Metric("bought", "proportion", "bought")


def test_both_languages_say_the_same() -> None:
    assert SENTENCES["en"].keys() == SENTENCES["ko"].keys()
    for key, sentence in SENTENCES["en"].items():
        other = SENTENCES["ko"][key]
        one, two = ({name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (sentence, other))
        assert one == two, key
        assert sentence == " ".join(sentence.split()), key
        assert other == " ".join(other.split()), key
        assert sentence.endswith(".")
        assert other.endswith((".", "}개."))
        assert bool(re.search("[가-힣]", other)), key


def test_every_state_has_a_sentence() -> None:
    keys = set(SENTENCES["en"])
    trends = set(get_args(Trend)) - {"unknown"}
    assert {f"novelty.{one}" for one in trends | set(get_args(NoveltyStatus)) - {"ok"}} <= keys
    for kind in ("metric_days", "traffic_days"):
        # Traffic without variance is no drop: it has no such status.
        states = set(get_args(AnomalyStatus)) - ({"no_variance"} if kind == "traffic_days" else set())
        assert {f"{kind}.{one}" for one in states | {"flags"}} <= keys
    for kind in ("effect_shift", "split_shift"):
        assert {f"{kind}.{one}" for one in ("rise", "fall", "none", "unknown")} <= keys
    assert {f"carry_over.{one}" for one in {*get_args(HeterogeneityStatus), "alarm"}} <= keys


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_and_dates_are_told(language: Language) -> None:
    fades = novelty(range(6), [0.10, 0.07, 0.06, 0.05, 0.05, 0.04], [0.01] * 6)
    told = novelty_sentence(NoveltyReading(fades, "relative", 90), BOUGHT, "new", language)
    assert ("+9.7 %" if language == "en" else "+9.7%") in told
    told = novelty_sentence(NoveltyReading(fades, "absolute", 90), BOUGHT, "new", language)
    assert ("points" if language == "en" else "%p") in told
    flags = Anomalies((Anomaly(1, 6.0, 2.0, 9.0, "high"),), "all_days", "ok")
    assert "1970-01-02" in metric_days_sentence(flags, PAID, "new", language)
    assert "1970-01-02" in traffic_days_sentence(flags, "new", language)
    days = np.arange(12)
    shift = Shift(cusum([0.0] * 6 + [3.0] * 6), days, 100.0)
    for sentence in (
        effect_shift_sentence(shift, PAID, "new", "old", language),
        split_shift_sentence(shift, "new", language),
    ):
        assert "1970-01-07" in sentence
        assert "1970-01-09" in sentence
    quiet, none = Shift(cusum([0.1] * 6), days, 100.0), Shift(cusum([]), days[:0], 100.0)
    assert len({split_shift_sentence(one, "new", language) for one in (shift, quiet, none)}) == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_before_is_told(language: Language) -> None:
    one, two = Estimate(0.2, 1e-4, 900), Estimate(0.3, 1e-4, 900)
    alike, apart, unknown = (
        pre_period_sentence(pre_period(*pair), "visits", "new", "old", language)
        for pair in ((one, one), (one, two), (one, Estimate(0.2, 0.0, 0, "no_units")))
    )
    assert len({alike, apart, unknown}) == 3
    shows, clean, few = (
        carry_over_sentence(carry_over(arms, arms), PAID, "new", language)
        for arms in ({"a": one, "b": two}, {"a": one, "b": one}, {"a": one})
    )
    assert len({shows, clean, few}) == 3
    assert "visits" in alike
