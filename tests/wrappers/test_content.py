"""Recommendation by what items are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from core.ids import IdIndex
from core.interactions import Interactions
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from tests.described_items import GENRES, described_items, tagged, with_new_items
from tests.small_interactions import interactions_of
from wrappers.artifact import load_wrapper
from wrappers.base import EvaluationConfig
from wrappers.content import Content
from wrappers.ease import Ease
from wrappers.item_terms import as_reason, item_terms
from wrappers.logreg import LogReg
from wrappers.new_items import evaluate_new_items
from wrappers.offline import evaluate_recommender
from wrappers.recommender import RecommenderWrapper
from wrappers.shuffled import Shuffled

FIELDS = {"genre": 1.0, "tag": 1.0, "title": 1.0, "year": 1.0}


@pytest.fixture(scope="module")
def parts() -> tuple[Interactions, Interactions]:
    return with_new_items()


@pytest.fixture(scope="module")
def content(parts: tuple[Interactions, Interactions]) -> Content:
    return Content().fit(parts[0])


def test_terms_weigh_as_the_formula_says() -> None:
    data = Interactions(
        described_items().ratings,
        items=pd.DataFrame(
            {
                "item_id": [1, 2, 3],
                "title": ["Star Wars (1977)", "Star\nTrek II (1982)", "Amélie"],
                "year": pd.array([1977, 1982, None], "Int16"),
            }
        ),
        genres=pd.DataFrame({"item_id": [1, 2, 3, 3], "genre": ["War", "War", "War", "Love"]}),
    )
    data = tagged(data, [(1, 1, "Space  Opera"), (2, 1, "space opera"), (1, 2, "space opera"), (1, 9, "of no item")])
    found = item_terms(data, IdIndex([1, 2, 3]), weights={**FIELDS, "title": 4.0}, min_items=1)
    assert found.vocabulary == (
        *("genre:Love", "genre:War", "tag:space opera"),
        *("title:amélie", "title:ii", "title:star", "title:trek", "title:wars"),
        *("year:1970s", "year:1977", "year:1980s", "year:1982"),
    )
    # Item 1 has a tag (length 1), a title (2: "star" ln 3/2, "wars" ln 3) and a year (1); all three are of War.
    title = np.array([np.log(3 / 2), np.log(3)])
    title *= 2 / np.linalg.norm(title)
    expected = dict(zip(["title:star", "title:wars"], title, strict=True))
    expected |= {"tag:space opera": 1.0, "year:1970s": np.sqrt(0.5), "year:1977": np.sqrt(0.5)}
    length = np.sqrt(1 + 4 + 1)
    row = dict(zip(found.vocabulary, found.matrix.toarray()[0], strict=True))
    assert {term: value for term, value in row.items() if value} == pytest.approx(
        {term: value / length for term, value in expected.items()}, rel=1e-6
    )
    assert item_terms(data, IdIndex([1, 2, 3]), weights=FIELDS, min_items=2).vocabulary == (
        *("genre:War", "tag:space opera", "title:star"),
    )
    assert item_terms(data, IdIndex([7]), weights=FIELDS, min_items=1).matrix.shape == (1, 0)


def test_a_tag_by_more_users_counts_more_if_less_than_in_proportion() -> None:
    rows = [(0, 1, "dark"), (1, 1, "dark"), (2, 1, "dark"), (0, 1, "b"), (0, 2, "c")]
    data = tagged(interactions_of([1, 1, 1], [1, 2, 3]), rows)
    found = item_terms(data, IdIndex([1, 2, 3]), weights={"tag": 1.0}, min_items=1)
    row = dict(zip(found.vocabulary, found.matrix.toarray()[0].tolist(), strict=True))
    assert row["tag:dark"] / row["tag:b"] == pytest.approx(1 + np.log(3), rel=1e-6)


def test_new_items_of_the_liked_genre_come_first(content: Content, parts: tuple[Interactions, Interactions]) -> None:
    figures = evaluate_new_items(content, parts[1], EvaluationConfig(k=5))
    # The perfect ranking reaches .93: of their genre, users rated half.
    assert np.nanmean(figures["auc"]) > 0.9
    new = content.known.popularity == 0
    assert 20 <= new.sum() <= 30
    found = content.recommend([0, 1, 2, 3], k=10)
    for user, items in enumerate(found.item_index):
        assert set(content.known.catalogue["genres"].iloc[items]) == {GENRES[user]}
        assert new[items].any()


def test_scores_are_cosines_and_contributions_their_summands(content: Content) -> None:
    items = np.arange(len(content.known.items))
    for user in (0, 7, 59):
        rated, summands = content.contributions(user, items)
        scores = content.score(np.array([user]))[0]
        np.testing.assert_array_equal(rated, content.known.history[[user]].indices)
        np.testing.assert_allclose(summands.sum(axis=1), scores, atol=1e-6)
        assert -1 - 1e-6 <= scores.min() < 0 < scores.max() <= 1 + 1e-6


def test_what_was_rated_below_the_users_mean_counts_less(content: Content) -> None:
    history = content.known.history[[0]].indices
    liked = content.known.items.ids[history] % 4 == 0
    weights = content.state()["weights"][: len(history)]
    assert weights[liked].min() > 0 > weights[~liked].max()
    alike = Content({"rating_weight": 0}).fit(with_new_items()[0]).state()["weights"][: len(history)]
    assert alike.min() == alike.max() > 0


def test_shared_terms_name_what_items_have_in_common(content: Content) -> None:
    found = content.recommend([1], k=5).item_index[0]
    terms = content.shared_terms(1, found, n=3)
    assert [one[0] for one in terms] == ["genre:Drama"] * 5
    assert all(len(one) <= 3 for one in terms)
    vocabulary = {as_reason(term) for term in content._terms.vocabulary}
    row = content._terms.matrix[found].toarray() > 0
    for place, one in enumerate(terms):
        has = {as_reason(term) for term, has in zip(content._terms.vocabulary, row[place], strict=True) if has}
        assert set(one) <= has
        assert set(one) <= vocabulary
    other = int(np.flatnonzero(content.known.items.ids % 4 == 3)[0])
    assert "genre:Western" not in content.shared_terms(1, np.array([other]))[0]


def test_articles_of_titles_raise_scores_and_are_no_reasons() -> None:
    """As many items as have the genre have the article in their titles, which therefore does as much for the score."""
    data = interactions_of([1, 1, 2, 2, 3], [0, 1, 2, 3, 4])
    titles = ["Le Samouraï", "Le Cercle Samouraï", "Le Samouraï rouge", "Der Hund", "Hund"]
    films = Content({"min_items": 1}).fit(replace(data, items=data.items.assign(title=titles, year=1967)))
    told = films.shared_terms(0, np.arange(5))
    assert all("title:samouraï" in told[item] for item in (0, 1, 2))
    assert not any(term.partition(":")[2] in ("le", "der") for one in told for term in one)
    # It is in the score all the same.
    assert "title:le" in films._terms.vocabulary
    assert films.score(np.array([0]))[0, 2] > films.score(np.array([0]))[0, 3]


@pytest.mark.parametrize("word", ["le", "la", "les", "der", "die", "das", "el", "il", "the", "an", "of", "und", "gli"])
def test_function_words_of_many_languages_say_nothing(word: str) -> None:
    assert as_reason(f"title:{word}") is None
    assert as_reason(f"tag:{word}") == f"tag:{word}"


def test_what_titles_are_about_is_no_function_word() -> None:
    for word in ("war", "man", "sin", "son", "love", "star", "night", "dead"):
        assert as_reason(f"title:{word}") == f"title:{word}"


def test_tags_of_ratings_held_out_are_not_looked_at() -> None:
    """A user's tag tells that she rated the item, also where the rating is held out."""
    fit, held_out = with_new_items()
    pairs = held_out.ratings[["user_id", "item_id"]].to_numpy().tolist()
    leaking = tagged(fit, [(user, item, f"loved by {user}") for user, item in pairs])
    kept = tagged(fit, [(user, item, "seen") for user, item in fit.ratings[["user_id", "item_id"]].to_numpy()[:40]])
    without = Content().fit(fit)
    assert Content().fit(leaking)._terms.vocabulary == without._terms.vocabulary
    np.testing.assert_array_equal(Content().fit(leaking).score(np.arange(5)), without.score(np.arange(5)))
    assert "tag:seen" in Content().fit(kept)._terms.vocabulary


def test_fields_can_be_left_out_but_not_all(parts: tuple[Interactions, Interactions]) -> None:
    only = Content({"genre_weight": 0, "title_weight": 0, "tag_weight": 0}).fit(parts[0])
    assert {term.split(":")[0] for term in only._terms.vocabulary} == {"year"}
    with pytest.raises(ConfigError, match="content: every field's weight is 0"):
        Content({f"{field}_weight": 0 for field in FIELDS}).fit(parts[0])


def test_without_an_item_table_everything_scores_0(parts: tuple[Interactions, Interactions]) -> None:
    blind = Content().fit(Interactions(parts[0].ratings))
    assert not blind.score(np.arange(3)).any()
    assert blind.shared_terms(0, np.array([0, 1])) == [[], []]
    rated, summands = blind.contributions(0, np.array([1]))
    assert not summands.any()
    assert summands.shape == (1, len(rated))


def test_unrated_items_count_as_any_other_in_an_evaluation(
    content: Content, parts: tuple[Interactions, Interactions]
) -> None:
    """Liked new items are hits in full lists where the model knows them, and only misses where it does not."""
    config = EvaluationConfig(k=100)
    known = evaluate_recommender(content, parts[1], config)
    assert known.means["recall_at_100"] > 0.9
    assert 0 < known.means["coverage_at_100"] <= 1
    assert evaluate_recommender(Ease().fit(parts[0]), parts[1], config).means["recall_at_100"] == 0


def test_new_items_are_told_from_known_ones(content: Content, parts: tuple[Interactions, Interactions]) -> None:
    with pytest.raises(ConfigError, match=r"ease: item \d+ is no new item to it"):
        evaluate_new_items(Ease().fit(parts[0]), parts[1], EvaluationConfig())
    with pytest.raises(ConfigError, match=r"content: item \d+ is no new item to it"):
        evaluate_new_items(content, parts[0], EvaluationConfig())
    with pytest.raises(DataError, match=r"at least relevant_rating == 6\.0; lower it"):
        evaluate_new_items(content, parts[1], EvaluationConfig(relevant_rating=6))


def test_a_loaded_model_needs_no_scikit_learn(content: Content, tmp_path: Path) -> None:
    content.save(tmp_path / "content")
    code = (
        "import sys; from wrappers.artifact import load_wrapper; "
        f"made = load_wrapper({str(tmp_path / 'content')!r}); "
        "made.predict([{'user_id': 1, 'k': 3}]); made.shared_terms(1, made.known.history.indices[:2]); "
        "assert not {'sklearn', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    loaded = load_wrapper(tmp_path / "content")
    assert isinstance(loaded, Content)
    assert loaded._terms.vocabulary == content._terms.vocabulary


def test_an_artifact_whose_vocabulary_does_not_fit_is_refused(content: Content) -> None:
    artifact = content._artifact()
    state = {**artifact.arrays["state"], "terms": np.array(["genre:Drama"])}
    with pytest.raises(DataError, match="does not fit together"):
        Content.from_artifact(replace(artifact, arrays={**artifact.arrays, "state": state}))
    state = {**artifact.arrays["state"], "weights": np.ones(3, np.float32)}
    with pytest.raises(DataError, match=r"weights have shape \(3,\)"):
        Content.from_artifact(replace(artifact, arrays={**artifact.arrays, "state": state}))


@pytest.mark.parametrize(("outer", "option"), [(Shuffled, "base"), (LogReg, "retriever")])
def test_who_learns_from_ratings_alone_cannot_build_on_it(outer: type[RecommenderWrapper], option: str) -> None:
    with pytest.raises(ConfigError, match=rf"{option} == 'content', must be .* learns from who rated what alone"):
        outer({option: "content"})


@pytest.mark.real_data
def test_new_films_are_ranked_far_better_than_at_random(movielens: Path) -> None:
    everything = LocalDataLoader(movielens, split=SplitRule()).load()
    from benchmarks.new_items import TEST_SEED, divided

    [(fit, held_out)] = divided(everything, [TEST_SEED])
    figures = evaluate_new_items(Content().fit(fit), held_out, EvaluationConfig())
    n_new = held_out.ratings["item_id"].nunique()
    assert np.nanmean(figures["auc"]) > 0.75
    assert np.nanmean(figures["recall"]) > 8 * 10 / n_new
