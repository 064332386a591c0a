"""Offline metrics held against the online interval: who foretold, who did not, and how it is said."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import get_args

import pytest

from experiments.figures import LANGUAGES, Language
from experiments.foretelling import Missing, OfflineDifference, OfflineEvidence, Verdict, foretell, nothing_to_foretell
from experiments.foretelling_report import foretelling_differences, foretelling_table, tell_foretelling
from experiments.report_tables import Tag
from experiments.result import RolloutResult
from experiments.words import label, sentence
from tests.rollout_examples import EXAMPLES, OFFLINE, broke_watch, invalid, kept, promoted, rolled_back, running

NAN = math.nan


def difference(effect_size: float, ci_lower: float, ci_upper: float, metric: str = "ndcg@10") -> OfflineDifference:
    return OfflineDifference(metric, 0.5, 0.5 + effect_size, effect_size, ci_lower, ci_upper, 10)


BETTER, WORSE = difference(0.1, 0.05, 0.15), difference(-0.1, -0.15, -0.05)
UNSURE, TOUCHING = difference(0.1, -0.05, 0.25), difference(0.1, 0.0, 0.2)
NO_INTERVAL, EQUAL, EXACTLY_EVEN = difference(0.1, NAN, NAN), difference(0.0, NAN, NAN), difference(0.0, -0.1, 0.1)
NO_USERS = replace(EQUAL, effect_size=NAN, champion=NAN, challenger=NAN, n_users=0)


def slightly_ahead() -> RolloutResult:
    """Zero lies inside the online interval, somewhat below its middle."""
    result = running()
    look = replace(result.looks[-1], effect_size=0.004, ci_lower=-0.05, ci_upper=0.058)
    return replace(result, looks=(*result.looks[:-1], look))


def verdicts(result: RolloutResult, *differences: OfflineDifference) -> list[Verdict]:
    return [row.verdict for row in foretell(OfflineEvidence(differences), result)]


@pytest.mark.parametrize(
    ("online", "expected"),
    [
        (promoted, ["foretold", "opposite", "nothing", "nothing", "untested", "equal", "nothing", "untested"]),
        (rolled_back, ["opposite", "foretold", "nothing", "nothing", "untested", "equal", "nothing", "untested"]),
        (invalid, ["no_outcome"] * 8),
        (EXAMPLES["not_begun"], ["no_outcome"] * 8),
    ],
)
def test_an_offline_interval_is_held_against_the_online_one(online: object, expected: list[Verdict]) -> None:
    rows = (BETTER, WORSE, UNSURE, TOUCHING, NO_INTERVAL, EQUAL, EXACTLY_EVEN, NO_USERS)
    assert verdicts(online(), *rows) == expected  # type: ignore[operator]


def test_undecided_online_only_the_signs_are_compared() -> None:
    ahead = slightly_ahead()
    rows = (BETTER, WORSE, UNSURE, NO_INTERVAL, EQUAL, EXACTLY_EVEN, NO_USERS)
    leaned = ["leaned_same", "leaned_other", "leaned_same", "leaned_same", "equal", "leaned_neither", "untested"]
    assert verdicts(ahead, *rows) == leaned


def test_who_won_is_told_by_the_interval_not_by_the_decision() -> None:
    assert broke_watch().decision == "rollback"
    assert verdicts(broke_watch(), BETTER) == ["foretold"]


@pytest.mark.parametrize("plant", ["aa", "uplift", "damage"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_one_model_twice_can_be_foretold_by_nothing(plant: str, language: Language) -> None:
    result = replace(promoted(), plant=plant)
    evidence = OfflineEvidence((EQUAL, replace(EQUAL, metric="coverage@10")))
    assert nothing_to_foretell(evidence, result)
    assert tell_foretelling(evidence, result, language).summary == (sentence(language, "foretelling.same_model"),)
    without_figures = OfflineEvidence((), missing="no_figures", missing_of="ease v1")
    told = tell_foretelling(without_figures, result, language)
    assert told.summary == (sentence(language, "foretelling.same_model"),)


def test_lists_that_are_as_good_for_everybody_are_told_as_such() -> None:
    result = promoted()
    assert tell_foretelling(OfflineEvidence((EQUAL,)), result).summary == (sentence("en", "foretelling.equal"),)
    assert not nothing_to_foretell(OfflineEvidence((EQUAL, UNSURE)), result)
    assert not nothing_to_foretell(OfflineEvidence(()), result)
    assert not nothing_to_foretell(OFFLINE, replace(result, plant="shuffle"))


def test_the_outcome_names_every_metric_under_its_verdict() -> None:
    summary, method = tell_foretelling(OFFLINE, promoted())
    assert summary == (
        "ease won online.",
        "Foretold by ndcg@10.",
        "recall@10 foretold the opposite.",
        "mrr@10 said nothing.",
        "coverage@10 cannot be tested.",
    )
    assert "the same 597 users" in method[0]
    assert "Each has the level 98.33 %, so that all 3 together" in method[0]
    assert "95 % confidence (Bonferroni)" in method[0]
    assert method[1].startswith("This is one rollout")


def test_the_outcome_in_korean() -> None:
    summary = tell_foretelling(OFFLINE, rolled_back(), "ko").summary
    assert summary[:2] == (
        "온라인에서는 후보 모델(ease)이 졌습니다.",
        "결과를 예측한 지표는 recall@10입니다.",
    )


def test_undecided_says_who_leaned_which_way() -> None:
    summary = tell_foretelling(OFFLINE, slightly_ahead()).summary
    assert summary == (
        "Online it stayed undecided, so no offline metric foretold a winner.",
        "ndcg@10, mrr@10, coverage@10 leaned the same way as the online difference.",
        "recall@10 leaned the other way than the online difference.",
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("missing", get_args(Missing))
def test_what_cannot_be_compared_is_said_and_not_guessed(missing: Missing, language: Language) -> None:
    evidence = OfflineEvidence((), missing=missing, missing_of="ease v7")
    story = tell_foretelling(evidence, promoted(), language)
    assert len(story.summary) == 1
    assert "ease v7" in story.summary[0] or missing == "no_common_users"
    assert story.method == ()
    assert foretell(evidence, promoted()) == ()


@pytest.mark.parametrize("result", [invalid(), EXAMPLES["not_begun"]()])
@pytest.mark.parametrize("language", LANGUAGES)
def test_without_an_online_effect_nothing_was_foretold(result: RolloutResult, language: Language) -> None:
    assert tell_foretelling(OFFLINE, result, language).summary == (sentence(language, "foretelling.no_outcome"),)
    *_, online = foretelling_table(OFFLINE, result, language).rows
    assert online[1:5] == ("–",) * 4
    assert not any(row.online for row in foretelling_differences(OFFLINE, result, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_has_a_word(language: Language) -> None:
    words = {label(language, f"foretold.{verdict}") for verdict in get_args(Verdict)}
    assert len(words) == len(get_args(Verdict))


def test_the_table_holds_both_worlds() -> None:
    table = foretelling_table(OFFLINE, promoted(), "en")
    assert table.rows[0] == (
        "ndcg@10",
        "0.0812",
        "0.1612",
        "+0.0800",
        "+0.0610 to +0.0990",
        Tag("foretold", "foretold"),
    )
    assert table.rows[3][3:] == ("+0.0725", "–", Tag("cannot be tested", "untested"))
    assert table.rows[-1] == (
        "online clicks",
        "25.1 %",
        "31.6 %",
        "+6.6 points",
        "+3.9 to +9.3",
        Tag("challenger won", "online"),
    )
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_rows_become_json() -> None:
    documents = [row.as_document() for row in foretell(OFFLINE, kept())]
    assert json.loads(json.dumps(documents, allow_nan=False)) == documents
    assert documents[3]["ci_lower"] is None
    assert documents[0] == {
        "metric": "ndcg@10",
        "champion": 0.0812,
        "challenger": 0.1612,
        "effect_size": 0.08,
        "ci_lower": 0.061,
        "ci_upper": 0.099,
        "n_users": 597,
        "verdict": "leaned_same" if kept().final.effect_size > 0 else "leaned_other",
    }
