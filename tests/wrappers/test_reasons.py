"""Reasons: what they say, in both languages; and that what they name is what the score comes from."""

from __future__ import annotations

import re
from string import Formatter
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import sparse

from core.interactions import Interactions
from feature_repo.catalogue import FeatureLayout
from tests.small_interactions import interactions_of, random_interactions
from wrappers import reason_words_en, reason_words_ko
from wrappers.asked import Asked
from wrappers.causes import Cause
from wrappers.ease import Ease
from wrappers.feature_causes import by_features
from wrappers.feature_rows import UserRows
from wrappers.popularity import Popularity
from wrappers.ranker import RankerWrapper
from wrappers.ranking_columns import column_names
from wrappers.reason_words import LANGUAGES, in_words
from wrappers.recommender import Arrays, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.registry import model
from wrappers.shuffled import Shuffled

Row = npt.NDArray[np.float32]
WORDS: list[ModuleType] = [reason_words_en, reason_words_ko]


class Told(RecommenderWrapper):
    """Says of every item that the user's ratings contributed what a test sets, in the order rated."""

    name = "told"
    Config = RecommenderConfig
    parts: tuple[float, ...] | None = ()
    terms: tuple[str, ...] | None = None

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        pass

    def score(self, user_index: npt.NDArray[np.int64]) -> Row:
        return np.tile(np.arange(len(self.known.items), dtype=np.float32), (len(user_index), 1))

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], Row] | None:
        if self.parts is None:
            return None
        return np.arange(len(self.parts)), np.tile(np.array(self.parts, np.float32), (len(item_index), 1))

    def shared_terms(self, user_index: int, item_index: npt.NDArray[np.int64], n: int = 5) -> list[list[str]] | None:
        return None if self.terms is None else [list(self.terms[:n])] * len(item_index)

    def state(self) -> Arrays:
        return {}

    def restore(self, state: Any) -> None:
        pass


def films() -> Interactions:
    """User 1 rated films 0, 1 and 2 of six; user 2 all of them."""
    made = interactions_of([1, 1, 1, 2, 2, 2, 2, 2, 2], [0, 1, 2, 0, 1, 2, 3, 4, 5])
    titles = ["Heat (1995)", "Godfather, The (1972)", "기생충 (2019)", "Up", "Avventura, L' (1960)", "300"]
    years = pd.array([1995, 1972, 2019, 2009, 1960, 2006], "Int16")
    return Interactions(made.ratings, made.items.assign(title=titles, year=years), made.genres)


def told(parts: tuple[float, ...] | None, language: str | bool = "en", **options: Any) -> tuple[str, float]:
    """Reason and confidence of user 1's best item."""
    made = Told(options.get("config"))
    made.parts, made.terms = parts, options.get("terms")
    [answer] = made.fit(films()).predict([{"user_id": options.get("user_id", 1), "k": 3, "explain": language}])
    return answer["items"][0]["reason"], answer["items"][0]["confidence"]


@pytest.mark.parametrize(
    ("parts", "english", "korean", "confidence"),
    [
        ((2, 0, 0), "Because you rated Heat (1995)", "‘Heat (1995)’ 작품을 평가하셔서 추천합니다", 1),
        (
            (1, 3, 0),
            "Because you rated The Godfather (1972) and Heat (1995)",
            "‘The Godfather (1972)’, ‘Heat (1995)’ 두 작품을 평가하셔서 추천합니다",
            1,
        ),
        (
            (3, 1, 4),
            "Because you rated 기생충 (2019), Heat (1995) and others",
            "‘기생충 (2019)’, ‘Heat (1995)’ 등 평가하신 작품을 바탕으로 추천합니다",
            0.875,
        ),
        # What speaks against it is neither named nor counted.
        ((1, -5, 0), "Because you rated Heat (1995)", "‘Heat (1995)’ 작품을 평가하셔서 추천합니다", 1),
        (
            (0, -1, 0),
            "It goes with what you rated as a whole; no single title stands out",
            "평가하신 작품 전반을 바탕으로 추천하며, 특별히 영향을 준 한두 작품은 없습니다",
            0,
        ),
        (
            None,
            "It goes with what you rated as a whole; no single title stands out",
            "평가하신 작품 전반을 바탕으로 추천하며, 특별히 영향을 준 한두 작품은 없습니다",
            0,
        ),
    ],
)
def test_what_was_rated_is_named(parts: tuple[float, ...] | None, english: str, korean: str, confidence: float) -> None:
    assert told(parts, True) == (english, confidence)
    assert told(parts, "ko") == (korean, confidence)


def test_what_items_have_in_common_is_named() -> None:
    terms = ("genre:Sci-Fi", "title:star", "decade:1990s")
    assert told((2, 0, 0), "en", terms=terms)[0] == (
        "Because you rated Heat (1995); in common: Sci-Fi, “star” in the title, same decade (1990s)"
    )
    assert told((2, 0, 0), "ko", terms=terms)[0] == (
        "‘Heat (1995)’ 작품을 평가하셔서 추천합니다(공통점: SF, 제목의 ‘star’, 같은 연대(1990년대) 작품)"
    )


@pytest.mark.parametrize(
    ("parts", "terms", "in_common"),
    [
        (
            (2, 0, 0),
            ("year:1995", "genre:Drama", "decade:1990s", "title:star"),
            "same year (1995), Drama, “star” in the",
        ),
        # Another of the ratings is of it, none that the reader sees.
        ((2, 0, 0), ("year:1972", "decade:1970s", "genre:Drama"), "Drama"),
        ((2, 1, 0), ("year:1972", "decade:1990s", "tag:mafia", "genre:Drama"), "same year (1972), mafia, Drama"),
    ],
)
def test_a_year_is_named_where_a_title_named_is_of_it(parts: tuple[float, ...], terms: Any, in_common: str) -> None:
    assert in_common in told(parts, terms=terms)[0].partition("; in common: ")[2]
    assert told(parts, terms=terms)[0].count("(19") == in_common.count("(19") + np.count_nonzero(parts)


def test_confidence_grows_with_the_share_of_what_is_named() -> None:
    confidence = [told((named, 1, 1))[1] for named in (1, 2, 4, 8, 100)]
    assert confidence == sorted(set(confidence))
    assert confidence[0] == pytest.approx(2 / 3, abs=1e-4)


def test_who_is_cold_hears_that_there_is_nothing_to_go_by() -> None:
    reason, confidence = told((1, 1, 1), user_id=10**9)
    assert reason == "There is nothing of yours to go by yet; 2 people rated this: one of the most popular"
    assert confidence == 1
    assert told((1, 1, 1), "ko", user_id=10**9)[0].startswith("아직 참고할 평가 기록이 없어 2명이")


def test_who_did_not_ask_gets_no_reasons_and_each_asks_for_itself() -> None:
    made = Told().fit(films())
    made.parts = (1.0, 0.0, 0.0)
    asked: list[dict[str, Any]] = [
        {"user_id": 1, "k": 2, "explain": "ko"},
        {"user_id": 1, "k": 1},
        {"user_id": 2, "explain": "en"},
        {"user_id": 1, "k": 3, "explain": "en"},
    ]
    answers = made.predict(asked)
    assert answers == [made.predict([one])[0] for one in asked] == made.predict(pd.DataFrame(asked))
    assert [len(answer["items"]) for answer in answers] == [2, 1, 0, 3]
    assert [{"reason", "confidence"} <= set(item) for item in answers[0]["items"]] == [True, True]
    assert set(answers[1]["items"][0]) == {"item_id", "title", "score"}


def test_popularity_says_how_many() -> None:
    made = Popularity().fit(interactions_of([1, 2, 3, 1, 2, 1, 4], [0, 0, 0, 1, 1, 2, 3]))
    reasons = [item["reason"] for item in made.predict([{"user_id": 4, "explain": True}])[0]["items"]]
    assert reasons == ["3 people rated it: one of the most popular", "2 people rated it", "1 person rated it"]


def test_whom_hardly_anybody_rated_is_not_called_popular() -> None:
    """Also where that is more than the others have."""
    made = Popularity().fit(interactions_of([1, 1, 2], [0, 1, 2]))
    reasons = [item["reason"] for item in made.predict([{"user_id": 2, "explain": True}])[0]["items"]]
    assert reasons == ["1 person rated it", "1 person rated it"]


def test_a_negative_control_says_that_it_is_one() -> None:
    items = Shuffled().fit(random_interactions()).predict([{"user_id": 1, "k": 3, "explain": "en"}])[0]["items"]
    assert {item["reason"] for item in items} == {"Put here by chance: this list is there to compare others with"}
    assert {item["confidence"] for item in items} == {0.0}


def test_an_exploration_slot_is_told_and_a_diverse_item_keeps_its_reason() -> None:
    data = random_interactions(n_items=40)
    plain, made = Ease().fit(data), Ease({"diversity": 0.8, "explore_slots": 1}).fit(data)
    everything = {
        item["item_id"]: item["reason"]
        for item in plain.predict([{"user_id": 1, "k": 40, "explain": "en"}])[0]["items"]
    }
    *others, last = made.predict([{"user_id": 1, "k": 5, "explain": "en"}])[0]["items"]
    assert all(item["reason"] == everything[item["item_id"]] for item in others)
    count = int(made.known.popularity[made.known.items.index_of([last["item_id"]])[0]])
    assert last["reason"] == in_words(Cause("new", 1.0, n_raters=count), "en")
    assert last["reason"].startswith("Not widely known yet: ")


# --- Words.


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_language_has_the_same_words() -> None:
    assert len(LANGUAGES) == len(WORDS)
    first = WORDS[0]
    for words in WORDS[1:]:
        for table in ("SENTENCES", "FEATURES", "TERMS"):
            ours, theirs = getattr(first, table), getattr(words, table)
            assert {key: placeholders(text) for key, text in ours.items()} == {
                key: placeholders(text) for key, text in theirs.items()
            }


def test_no_korean_particle_depends_on_a_name() -> None:
    """Behind a name stands a quotation mark, a comma, a blank, a bracket or nothing: no particle."""
    tables = (reason_words_ko.SENTENCES, reason_words_ko.TERMS, reason_words_ko.FEATURES)
    for text in (text for table in tables for text in table.values()):
        for name in ("first", "second", "value", "genre", "terms"):
            for found in re.finditer(rf"\{{{name}\}}’?(.?)", text):
                # 년 and 년대 stand behind a number as nouns of their own.
                assert found[1] in ("", ",", " ", ")", "년"), text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["popular", "cold", "new"])
def test_counts_are_read_right(language: str, kind: Any) -> None:
    told = [in_words(Cause(kind, 1.0, n_raters=count), language) for count in (1, 2, 1234)]
    assert "1,234" in told[2]
    assert len(set(told)) == 3
    if kind != "new":
        assert "1,234" in in_words(Cause(kind, 1.0, n_raters=1234, is_top=True), language)
    if language == "en":
        assert "1 person" in told[0]
        assert "2 people" in told[1]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["popular", "cold", "new"])
def test_nobody_is_a_count_too(language: str, kind: Any) -> None:
    assert in_words(Cause(kind, 1.0, n_raters=0), language)


# --- Features.

LAYOUT = FeatureLayout(("Comedy", "Film-Noir"))
NAMES = column_names(LAYOUT)
RETRIEVED = Cause("rated", 0.5, ("Heat (1995)",), True)


def of_columns(effects: dict[str, float], higher: set[str]) -> Cause:
    """The cause where these columns had these effects, and those were higher than the candidates' mean."""
    effect = np.array([effects.get(name, 0.0) for name in NAMES], np.float32)
    values = np.array([name in higher for name in NAMES], np.float32)
    return by_features(NAMES, values, np.full(len(NAMES), 0.5, np.float32), effect, RETRIEVED, 2)


def test_what_stands_out_is_named_and_columns_that_say_the_same_count_once() -> None:
    effects = {
        "item_popularity": 3.0,
        "item_rating_count": -1.0,
        "item_has_genre Film-Noir": 1.5,
        "quality_gap": 0.5,
        "retriever_score": 0.25,
        "user_rating_mean": 0.75,
        "year_gap": -9.0,
    }
    found = of_columns(effects, {"item_popularity", "item_rating_count", "item_has_genre Film-Noir"})
    assert found.features == (("rated_more", ""), ("of_genre", "Film-Noir"))
    assert found.confidence == pytest.approx(3.5 / 5.0)
    assert in_words(found, "en") == "Among what was considered for you: rated by more people, genre Film-Noir"
    assert in_words(found, "ko") == "추천 후보 중 돋보이는 점: 평가한 사람이 더 많음, 누아르 장르"


def test_where_the_retriever_did_most_its_own_cause_is_told() -> None:
    found = of_columns({"retriever_score": 1.0, "retriever_log_place": 2.0, "item_quality": 1.0}, set())
    assert found == RETRIEVED._replace(confidence=0.5 * 0.75)
    assert of_columns({"item_quality": -1.0}, set()) == RETRIEVED
    assert of_columns({"user_rating_mean": 1.0}, set()) == RETRIEVED._replace(confidence=0.0)


def test_every_column_of_an_item_can_be_told() -> None:
    for name in NAMES:
        for higher in (set(), {name}):
            found = of_columns({name: 1.0}, higher)
            if name.startswith(("user_", "retriever_")):
                assert found.kind == "rated"
                continue
            [(key, genre)] = found.features
            assert all(key in words.FEATURES for words in WORDS), name
            assert genre == (name.removeprefix("item_has_genre ") if "has_genre" in name else "")


@pytest.fixture(scope="module", params=["logreg", "lightgbm"])
def ranker(request: pytest.FixtureRequest) -> Any:
    return model(request.param)().fit(random_interactions(n_users=40))


def test_effects_sum_to_what_sets_an_item_apart(ranker: Any) -> None:
    """In log odds, where both are sums."""
    nothing = np.empty(0, np.int64)
    candidates, place = ranker._retrieved(Asked(np.array([3]), 5, True, nothing, nothing))
    there = candidates.item_index[0] >= 0
    rows = UserRows.of(None, np.array([3]), ranker._stored)
    columns = ranker._columns(candidates, place, rows)[0, there]
    score = ranker._rank(columns[np.newaxis])[0].astype(np.float64)
    log_odds = np.log(score / (1 - score))
    effects = ranker._effects(columns, np.arange(len(columns)))
    np.testing.assert_allclose(effects.sum(axis=1), log_odds - log_odds.mean(), atol=2e-4)
    # What is worked out without knowing the model agrees on what does most.
    general = RankerWrapper._effects(ranker, columns, np.arange(len(columns)))
    assert np.corrcoef(general.ravel(), effects.ravel())[0, 1] > 0.6


def test_a_cold_user_with_features_is_not_told_that_nothing_is_known(ranker: Any) -> None:
    asked = [
        {"user_id": 10**9, "k": 4, "explain": "en", "features": {"rating_mean": 4.0}},
        {"user_id": 10**9, "k": 4, "explain": "en", "features": None},
        {"user_id": 3, "k": 4, "explain": "en"},
    ]
    given, nothing, known = ranker.predict(asked)
    assert not any("nothing of yours" in item["reason"] for item in given["items"] + known["items"])
    assert all("nothing of yours" in item["reason"] for item in nothing["items"])
    assert all(0 <= item["confidence"] <= 1 for answer in (given, nothing, known) for item in answer["items"])
