"""Offline evaluation of a recommender by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from evaluation.details import LIST_QUALITIES, SEGMENT_METRICS
from evaluation.ranking import METRICS
from evaluation.rating_errors import RatingErrors, rating_errors
from tests.small_interactions import MemoryLoader, grouped_loader, interactions_of
from wrappers.base import EvaluationConfig
from wrappers.ease import Ease
from wrappers.offline import OfflineEvaluation, evaluate_recommender, figures_of, segment_rows
from wrappers.popularity import Popularity
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import MODELS, model
from wrappers.shuffled import Shuffled
from wrappers.tables import as_csv, as_json


def test_judges_the_unseen_items_in_popularity_order() -> None:
    # Popularity: item 1 (3 users), item 2 (2), items 3 and 4 (1 each).
    train = interactions_of([1, 2, 3, 1, 2, 3, 1], [1, 1, 1, 2, 2, 3, 4])
    test = interactions_of([2, 3, 3, 9], [4, 2, 777, 1])
    loader = MemoryLoader(train, test)
    result = Popularity().train(loader).evaluate(loader, {"k": 2})
    assert result.user_ids.tolist() == [2, 3, 9]
    # User 2 is shown 3, 4 and liked 4. User 3 is shown 2, 4 and liked 2 and an item nobody trained on. User 9 is
    # cold, is shown 1, 2 and liked 1.
    second = 1 / np.log2(3)
    np.testing.assert_allclose(result.per_user["ndcg"], [second, 1 / (1 + second), 1.0])
    np.testing.assert_allclose(result.per_user["recall"], [1.0, 0.5, 1.0])
    assert result.n_cold == 1
    assert result.n_users == 3
    assert result.coverage == 1.0
    assert result.means["recall_at_2"] == pytest.approx(2.5 / 3)
    assert result.means["coverage_at_2"] == 1.0


def test_users_who_liked_nothing_are_left_out_of_the_means() -> None:
    train = interactions_of([1, 2], [1, 2])
    liked, disliked = interactions_of([1], [2]), interactions_of([2], [1], rating=2.0)
    test = Interactions(pd.concat([liked.ratings, disliked.ratings], ignore_index=True))
    result = Popularity().fit(train).evaluate(MemoryLoader(train, test), {"k": 1})
    assert np.isnan(result.per_user["ndcg"]).tolist() == [False, True]
    assert result.n_users == 1
    assert result.means["ndcg_at_1"] == 1.0


def test_nothing_relevant_is_refused() -> None:
    data = interactions_of([1, 2], [1, 2], rating=3.0)
    with pytest.raises(DataError, match=r"none of the 2 held-out ratings is at least relevant_rating == 4\.0"):
        Popularity().fit(data).evaluate(MemoryLoader(data, data))


def test_bad_options_are_refused() -> None:
    data = interactions_of([1, 2], [1, 2])
    with pytest.raises(ConfigError, match="evaluation: k == 0"):
        Popularity().fit(data).evaluate(MemoryLoader(data, data), {"k": 0})


@pytest.fixture(scope="module")
def loader() -> MemoryLoader:
    return grouped_loader()


@pytest.fixture(scope="module")
def ease(loader: MemoryLoader) -> OfflineEvaluation:
    return Ease().train(loader).evaluate(loader, {"k": 5})


@pytest.mark.parametrize("name", sorted(MODELS))
def test_who_makes_lists_of_his_own_tells_their_scores_too(name: str) -> None:
    kind = model(name)
    if issubclass(kind, RecommenderWrapper) and kind.best is not RecommenderWrapper.best:
        assert kind.best_and_scores is not RecommenderWrapper.best_and_scores


def test_lists_are_those_that_users_get(loader: MemoryLoader, ease: OfflineEvaluation) -> None:
    trained = Ease().train(loader)
    bare = evaluate_recommender(trained, loader.test(), EvaluationConfig(k=5), detailed=False)
    assert bare.details is None
    for metric, values in bare.per_user.items():
        np.testing.assert_array_equal(values, ease.per_user[metric])
    assert (bare.coverage, bare.n_cold) == (ease.coverage, ease.n_cold)


def test_the_area_under_the_curve_by_hand() -> None:
    # Three users rated item 1, two item 2, one each of 3 and 4; item 777 is nobody's.
    train = interactions_of([1, 2, 3, 1, 2, 3, 1], [1, 1, 1, 2, 2, 3, 4])
    test = interactions_of([2, 3, 3, 9], [4, 2, 777, 1])
    result = Popularity().train(MemoryLoader(train, test)).evaluate(MemoryLoader(train, test), {"k": 2})
    # User 2 may get 3, 4 and 777; liked is 4, tied with 3, above 777. User 3 may get 2, 4, 777; liked are 2, above 4,
    # and 777, below it. User 9 may get all; liked is the first.
    np.testing.assert_allclose(result.details.curves.auc, [0.75, 0.5, 1.0])
    np.testing.assert_allclose(result.details.curves.average_precision, [0.5, (1 + 2 / 3) / 2, 1.0])
    assert {
        segment.name: np.flatnonzero(~np.isnan(values["ndcg"])).tolist()
        for segment, values in result.details.segments.items()
        if segment.kind == "users"
    } == {"cold": [2], "1–19 ratings": [0, 1]}


def test_what_was_rated_in_training_already_is_no_candidate() -> None:
    train = interactions_of([1, 1, 2, 3, 3], [1, 2, 2, 3, 4])
    test = interactions_of([1, 1, 2], [1, 3, 1])
    details = Popularity().fit(train).evaluate(MemoryLoader(train, test), {"k": 2}).details
    # User 1 has rated item 1 before: of 3 and 4, which tie, 3 is liked.
    assert details.curves.auc[0] == 0.5


def test_popularity_surprises_nobody_and_shuffling_is_worse(loader: MemoryLoader, ease: OfflineEvaluation) -> None:
    popular = Popularity().train(loader).evaluate(loader, {"k": 5})
    shuffled = Shuffled().train(loader).evaluate(loader, {"k": 5})
    assert popular.means["serendipity_at_5"] == 0.0
    assert popular.means["popularity_lift_at_5"] > ease.means["popularity_lift_at_5"]
    assert popular.means["novelty_at_5"] < ease.means["novelty_at_5"]
    assert 0.4 < popular.means["auc"] < 0.7 < 0.9 < ease.means["auc"]
    assert shuffled.means["average_precision"] < ease.means["average_precision"] / 2
    # Every item is a drama and a war film alike.
    assert ease.means["diversity_at_5"] == pytest.approx(0.0, abs=1e-12)
    assert 0 < ease.means["gini_at_5"] < popular.means["gini_at_5"] < 1


def test_figures_come_back_from_arrays(ease: OfflineEvaluation) -> None:
    again = OfflineEvaluation.from_arrays(ease.arrays())
    assert figures_of(again) == figures_of(ease)
    assert segment_rows(again) == segment_rows(ease)
    for name, values in again.details.curves._asdict().items():
        np.testing.assert_array_equal(values, getattr(ease.details.curves, name))
    assert not any(array.dtype.hasobject for array in ease.arrays().values())


def test_arrays_of_a_version_that_knew_no_details_are_read(ease: OfflineEvaluation) -> None:
    older = {name: values for name, values in ease.arrays().items() if not name.startswith("details.")}
    again = OfflineEvaluation.from_arrays(older)
    assert again.details is None
    assert set(again.means) == {name for name in ease.means if name.startswith((*METRICS, "coverage"))}
    assert segment_rows(again) == []
    np.testing.assert_array_equal(again.per_user["ndcg"], ease.per_user["ndcg"])


def test_rows_are_json_with_intervals(ease: OfflineEvaluation) -> None:
    row, segments = figures_of(ease), segment_rows(ease)
    as_json(row)
    as_csv(segments)
    as_json(segments)
    for name in LIST_QUALITIES:
        assert f"{name}_at_5_ci_lower" in row
    assert row["auc_ci_lower"] <= row["auc"] <= row["auc_ci_upper"]
    assert row["gini_at_5"] == ease.details.gini
    assert {one["metric"] for one in segments} == {f"{metric}_at_5" for metric in SEGMENT_METRICS}
    drama = next(one for one in segments if (one["segment"], one["metric"]) == ("Drama", "ndcg_at_5"))
    assert drama["mean"] == pytest.approx(ease.means["ndcg_at_5"])
    assert drama["n_users"] == ease.n_users


class Probable(Popularity):
    """Foretells for every item the share of users who rated it."""

    gives_probabilities = True

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """That share."""
        return super().score(user_index) / np.float32(len(self.known.users))


def test_probabilities_are_judged_on_all_that_was_scored(loader: MemoryLoader) -> None:
    details = Probable().train(loader).evaluate(loader, {"k": 5}).details
    known, test = Probable().train(loader).known, loader.test()
    assert details.foretold.n.sum() == len(known.users) * len(known.items) - known.history.nnz
    assert details.foretold.positive.sum() == len(test)
    assert {"ece", "brier"} <= set(details.whole())
    again = OfflineEvaluation.from_arrays(Probable().train(loader).evaluate(loader, {"k": 5}).arrays())
    assert again.details.whole() == details.whole()
    assert Popularity().train(loader).evaluate(loader, {"k": 5}).details.foretold is None


def test_lightgbm_gives_probabilities_where_it_learned_them() -> None:
    assert model("lightgbm")().gives_probabilities
    assert not model("lightgbm")({"objective": "lambdarank"}).gives_probabilities
    assert model("logreg").gives_probabilities


class Foretelling(Popularity):
    """Foretells that every rating is a 3."""

    def rating_errors(self, test: Interactions) -> RatingErrors:
        """Of that."""
        return rating_errors(np.full(len(test), 3.0), test.ratings["rating"])


def test_errors_of_foretold_ratings_are_among_the_figures(loader: MemoryLoader) -> None:
    evaluation = Foretelling().train(loader).evaluate(loader, {"k": 5})
    assert (evaluation.means["rmse"], evaluation.means["mae"]) == (1.0, 1.0)
    assert OfflineEvaluation.from_arrays(evaluation.arrays()).means == evaluation.means
    assert "rmse" not in Popularity().train(loader).evaluate(loader, {"k": 5}).means
