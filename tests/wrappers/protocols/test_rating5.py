"""rating5 by hand, and the proof that neither a model nor a search is told anything of a test part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.interactions import Interactions
from tests.small_ratings import low_rank_ratings, ratings_of
from wrappers import registry
from wrappers.protocols.benchmarking import run_protocol
from wrappers.protocols.protocol import BenchmarkData
from wrappers.protocols.rating5 import Rating5
from wrappers.rating_predictor import RatingPredictor, RatingPredictorConfig
from wrappers.search_space import Choices
from wrappers.svdpp import SVDpp
from wrappers.tuning import Search


class FewDraws(RatingPredictorConfig):
    """Enough to be judged."""

    embedding_size: int = 2
    epochs: int = 8
    burn_in: int = 4


class Spy(SVDpp):
    """Keeps all ratings it was ever given to learn from."""

    name = "spy"
    Config = FewDraws
    search_space = {"embedding_size": Choices((1, 2, 3))}
    seen: list[pd.DataFrame] = []

    def fit(self, interactions: Interactions) -> Spy:
        self.seen.append(interactions.ratings)
        return super().fit(interactions)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> type[Spy]:
    monkeypatch.setitem(registry.MODELS, "spy", f"{__name__}:Spy")
    monkeypatch.setattr(Spy, "seen", [])
    return Spy


def rated() -> Interactions:
    made = low_rank_ratings(60, 40)
    return ratings_of(*(made.train.ratings[column] for column in ("user_id", "item_id", "rating")))


def rows_of(ratings: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(ratings["user_id"].tolist(), ratings["item_id"].tolist(), strict=True))


def figure(everything: Interactions, kind: type[RatingPredictor] = Spy) -> float:
    """RMSE of one of five folds."""
    (first, *_) = Rating5().rounds(BenchmarkData("x", everything))
    return float(first.judge(kind().fit(first.train))["rmse"][0])


def test_every_rating_is_held_out_once_and_the_others_are_learned_from(spy: type[Spy]) -> None:
    data = BenchmarkData("x", rated())
    everything = rows_of(data.interactions.ratings)
    rounds = list(Rating5().rounds(data))
    held_out = [everything - rows_of(one.train.ratings) for one in rounds]
    assert [one.n_test for one in rounds] == [len(rows) for rows in held_out]
    assert sum(map(len, held_out)) == len(set().union(*held_out)) == len(everything)
    assert len(rounds) == 5
    list(run_protocol(Rating5(), data, ["spy"], Search(trials=4)))
    *searched, one, two, three, four, five = map(rows_of, spy.seen)
    assert [one, two, three, four, five] == [everything - rows for rows in held_out]
    # One for each of the settings tried: those that come up again are not fitted again.
    assert 1 <= len(searched) <= 4
    assert all(rows < everything - held_out[0] for rows in searched)


class OneStar(SVDpp):
    """Predicts the lowest rating, whatever it learned from."""

    name = "one_star"
    Config = FewDraws

    def predict_ratings(self, user_ids: pd.Series, item_ids: pd.Series) -> np.ndarray:
        return np.ones(len(user_ids), np.float32)


def test_errors_are_means_over_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS, "one_star", f"{__name__}:OneStar")
    data = BenchmarkData("x", rated())
    (found,) = run_protocol(Rating5(), data, ["one_star"], None)
    everything = data.interactions.ratings.set_index(["user_id", "item_id"])["rating"]
    off = []
    for one in Rating5().rounds(data):
        learned = one.train.ratings.set_index(["user_id", "item_id"]).index
        off.append(everything.drop(learned).to_numpy(np.float64) - 1)
    assert found.metrics["rmse"] == pytest.approx(np.mean([np.sqrt(np.mean(errors**2)) for errors in off]))
    assert found.metrics["mae"] == pytest.approx(np.mean([np.mean(np.abs(errors)) for errors in off]))


class Peeking(Spy):
    """Knows a twentieth of what it is judged by."""

    name = "peeking"
    truth: pd.Series

    def predict_ratings(self, user_ids: pd.Series, item_ids: pd.Series) -> np.ndarray:
        shown = self.truth.loc[list(zip(user_ids, item_ids, strict=True))].to_numpy()
        return 0.95 * super().predict_ratings(user_ids, item_ids) + 0.05 * shown


def test_nobody_predicts_ratings_dealt_at_random_unless_shown_them() -> None:
    """Which pairs are asked for is the same as ever: it must not help, nor may anything else that is not learned."""
    ratings = rated().ratings
    dealt = ratings.assign(rating=np.random.default_rng(0).permutation(ratings["rating"].to_numpy()))
    Peeking.truth = dealt.set_index(["user_id", "item_id"])["rating"]
    noise = Interactions(dealt)
    (first, *_) = Rating5().rounds(BenchmarkData("x", noise))
    held_out = Peeking.truth.drop(first.train.ratings.set_index(["user_id", "item_id"]).index)
    by_mean = np.sqrt(np.mean((held_out - first.train.ratings["rating"].mean()) ** 2))
    assert figure(noise) > 0.99 * by_mean
    assert figure(noise, Peeking) < 0.97 * by_mean


def test_neither_times_nor_an_item_table_matter() -> None:
    plain = rated()
    times = np.random.default_rng(1).permutation(len(plain))
    items = pd.DataFrame({"item_id": np.arange(99), "title": "A film", "year": 1999})
    described = Interactions(plain.ratings.assign(timestamp=times), items)
    untimed = Interactions(plain.ratings.assign(timestamp=0))
    assert figure(plain) == figure(described) == figure(untimed)


def test_what_is_not_searched_for_changes_no_prediction() -> None:
    train, pairs = rated(), (range(40), range(40))
    plain = Spy().fit(train).predict_ratings(*pairs)
    assert Rating5.indifferent == {"reg", "rating_effect"}
    for option in ({"reg": 3.0}, {"rating_effect": 0.5}):
        np.testing.assert_array_equal(Spy(option).fit(train).predict_ratings(*pairs), plain)
