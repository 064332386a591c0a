"""What holds for every model that predicts ratings."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError
from evaluation.rating_errors import rating_errors
from tests.small_interactions import random_interactions
from tests.small_ratings import low_rank_ratings, ratings_of
from wrappers.rating_predictor import RatingPredictor
from wrappers.svd import SVD
from wrappers.svdpp import SVDpp

SHORT = {"embedding_size": 4, "epochs": 20, "burn_in": 10}


@pytest.fixture(scope="module", params=[SVD, SVDpp], ids=["svd", "svdpp"])
def kind(request: pytest.FixtureRequest) -> type[RatingPredictor]:
    found: type[RatingPredictor] = request.param
    return found


@pytest.fixture(scope="module")
def fitted(kind: type[RatingPredictor]) -> RatingPredictor:
    return kind(SHORT).fit(low_rank_ratings().train)


def test_ratings_are_recovered_almost_to_the_noise(kind: type[RatingPredictor]) -> None:
    made = low_rank_ratings()
    predictor = kind({"embedding_size": 6, "epochs": 60, "burn_in": 30}).fit(made.train)
    found = predictor.rating_errors(made.test)
    assert found.n == len(made.test)
    # 840 numbers are learned from 6,300 ratings: with the right prior the floor times sqrt(1 + 840 / 6300) = 1.06.
    assert found.rmse < 1.1 * made.floor
    assert made.test.ratings["rating"].std() > 2 * made.floor


def test_errors_are_those_of_the_predictions(fitted: RatingPredictor) -> None:
    test = low_rank_ratings().test
    predicted = fitted.predict_ratings(test.ratings["user_id"], test.ratings["item_id"])
    assert predicted.dtype == np.float32
    assert fitted.rating_errors(test) == rating_errors(predicted, test.ratings["rating"])


def test_predictions_stay_in_the_range_of_the_ratings(kind: type[RatingPredictor]) -> None:
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((40, 30)) < 0.6)
    predictor = kind(SHORT).fit(ratings_of(user, item, np.where(item % 2, 5.0, 1.0)))
    everyone, everything = (side.ravel() for side in np.indices((40, 30)))
    predicted = predictor.predict_ratings(everyone, everything)
    assert predicted.min() >= 1
    assert predicted.max() <= 5
    np.testing.assert_allclose(predicted, np.where(everything % 2, 5.0, 1.0), atol=0.3)


def test_an_unknown_user_is_expected_to_be_like_all(fitted: RatingPredictor) -> None:
    items, n_users = fitted.known.items.ids, len(fitted.known.users)
    grid = np.meshgrid(fitted.known.users.ids, items, indexing="ij")
    of_all = fitted.predict_ratings(*(side.ravel() for side in grid)).reshape(n_users, len(items)).mean(axis=0)
    unknown = fitted.predict_ratings(np.full(len(items), -5), items)
    assert np.corrcoef(unknown, of_all)[0, 1] > 0.9
    nobody = fitted.predict_ratings([10**9, "nobody"], [10**9, "nothing"])
    np.testing.assert_allclose(nobody, of_all.mean(), atol=0.5)
    assert nobody[0] == nobody[1]


def test_nothing_is_predicted_for_no_pair(fitted: RatingPredictor) -> None:
    assert fitted.predict_ratings([], []).shape == (0,)
    with pytest.raises(ValueError, match="2 user_ids, 1 item_ids; must be pairs"):
        fitted.predict_ratings([1, 2], [1])


def test_ratings_all_alike_are_predicted_exactly(kind: type[RatingPredictor]) -> None:
    predictor = kind(SHORT).fit(random_interactions())
    np.testing.assert_array_equal(predictor.predict_ratings([1, 2, -1], [100, 10**6, 100]), 4.0)


def test_a_rating_of_zero_is_a_rating(kind: type[RatingPredictor]) -> None:
    rng = np.random.default_rng(1)
    user, item = np.nonzero(rng.random((40, 20)) < 0.7)
    predictor = kind(SHORT).fit(ratings_of(user, item, np.where(item % 2, 1.0, 0.0)))
    predicted = predictor.predict_ratings(np.zeros(20, int), np.arange(20))
    assert predicted[::2].max() < 0.2
    assert predicted[1::2].min() > 0.8


def test_the_scale_of_the_ratings_does_not_matter(kind: type[RatingPredictor]) -> None:
    made = low_rank_ratings(60, 40)
    ratings = made.train.ratings
    larger = ratings_of(ratings["user_id"], ratings["item_id"], 16 * ratings["rating"] - 8)
    pairs = made.test.ratings["user_id"], made.test.ratings["item_id"]
    one, other = (kind(SHORT).fit(data).predict_ratings(*pairs) for data in (made.train, larger))
    np.testing.assert_allclose(other, 16 * one - 8, atol=0.05)


def test_ratings_without_noise_are_predicted(kind: type[RatingPredictor]) -> None:
    """Many such would teach that there is so little noise that nothing can be solved in float32 any more."""
    rng = np.random.default_rng(3)
    users, items = rng.normal(size=(300, 2)), rng.normal(size=(3000, 2))
    user, item = np.nonzero(rng.random((300, 3000)) < rng.random((300, 1)) ** 2 * rng.random(3000) ** 2)
    exact = np.einsum("nd,nd->n", users[user], items[item])
    train = ratings_of(user, item, exact)
    predictor = kind({"embedding_size": 16, "epochs": 10, "burn_in": 40}).fit(train)
    assert predictor.rating_errors(train).rmse < 0.01 * exact.std()


@pytest.mark.parametrize(
    ("users", "items", "stars"),
    [([7], [9], [3.0]), ([7, 7, 7], [1, 2, 3], [1.0, 5.0, 2.0]), ([1, 2, 3], [9, 9, 9], [4.5, 0.5, 3.0])],
    ids=["one rating", "one user", "one item"],
)
def test_the_least_data_are_enough(
    kind: type[RatingPredictor], users: list[int], items: list[int], stars: list[float]
) -> None:
    predictor = kind(SHORT).fit(ratings_of(users, items, stars))
    predicted = predictor.predict_ratings([*users, -1, users[0], -1], [*items, items[0], -1, -1])
    assert (predicted >= min(stars)).all()
    assert (predicted <= max(stars)).all()
    assert np.isfinite(predictor.score(np.arange(len(set(users))))).all()


def test_a_pair_is_predicted_alone_as_in_company(fitted: RatingPredictor) -> None:
    users, items = low_rank_ratings().test.ratings[["user_id", "item_id"]].to_numpy()[:50].T
    alone = [fitted.predict_ratings([user], [item])[0] for user, item in zip(users, items, strict=True)]
    np.testing.assert_array_equal(fitted.predict_ratings(users, items), alone)


def test_the_strongest_effect_of_ratings_leaves_scores_finite(kind: type[RatingPredictor]) -> None:
    predictor = kind({**SHORT, "rating_effect": 50}).fit(low_rank_ratings(60, 40).train)
    assert np.isfinite(predictor.score(np.arange(60))).all()
    with pytest.raises(ConfigError, match="rating_effect"):
        kind({"rating_effect": 90})


def test_scores_are_the_documented_product(fitted: RatingPredictor) -> None:
    history = fitted.known.history.toarray().astype(np.float64)
    n_users, n_items = history.shape
    # With as many directions as there are, the ridge regression itself.
    config = fitted.config
    weights = np.linalg.solve(history.T @ history + config.reg * np.eye(n_items), history.T @ history)
    goes_with = history @ weights
    grid = np.meshgrid(fitted.known.users.ids, fitted.known.items.ids, indexing="ij")
    ratings = fitted.predict_ratings(*(side.ravel() for side in grid)).reshape(n_users, n_items).astype(np.float64)
    lowest, highest = fitted.state()["range"].astype(np.float64)
    height = (ratings - lowest) / (highest - lowest)
    expected = goes_with * np.exp(np.sign(goes_with) * config.rating_effect * height)
    np.testing.assert_allclose(fitted.score(np.arange(n_users)), expected, rtol=1e-3, atol=1e-4)


def test_a_higher_rating_never_lowers_a_score(kind: type[RatingPredictor]) -> None:
    data = low_rank_ratings(60, 40).train
    models = [kind({**SHORT, "reg": 1.0, "rating_effect": weight}).fit(data) for weight in (0, 4)]
    alone, weighed = (model.score(np.arange(60)) for model in models)
    assert (alone < 0).any()
    np.testing.assert_array_equal(np.sign(alone), np.sign(weighed))
    assert (weighed >= alone).all()


def test_contributions_sum_to_the_scores(fitted: RatingPredictor) -> None:
    items = np.array([3, 0, 17])
    for user in (0, 50):
        rated, summands = fitted.contributions(user, items)
        assert set(rated) == set(np.flatnonzero(fitted.known.history.toarray()[user]))
        assert summands.shape == (3, len(rated))
        np.testing.assert_allclose(summands.sum(axis=1), fitted.score(np.array([user]))[0, items], rtol=1e-4)


def test_threads_do_not_change_the_result(kind: type[RatingPredictor]) -> None:
    data = low_rank_ratings(60, 40).train
    one, four = (kind({**SHORT, "threads": threads}).fit(data).state() for threads in (1, 4))
    for name, array in one.items():
        np.testing.assert_array_equal(array, four[name])


@pytest.mark.parametrize("option", ["seed", "epochs", "burn_in", "embedding_size"])
def test_every_option_of_the_sampler_has_an_effect(kind: type[RatingPredictor], option: str) -> None:
    data = low_rank_ratings(40, 30).train
    models = [kind({**SHORT, option: value}).fit(data) for value in (5, 6)]
    one, other = (model.predict_ratings(range(20), range(20)) for model in models)
    assert not np.array_equal(one, other)


def test_fitting_tells_how_far_it_is(kind: type[RatingPredictor], capsys: pytest.CaptureFixture[str]) -> None:
    kind({**SHORT, "epochs": 2, "burn_in": 1}).fit(random_interactions())
    # Whoever runs steps in this process may have indented what it prints.
    assert capsys.readouterr().out.splitlines()[-1].strip() == f"[progress] fit 3/3 draws of {kind.name}"


def test_arrays_of_another_shape_are_refused(fitted: RatingPredictor) -> None:
    state = fitted.state()
    with pytest.raises(ValueError, match="factors and biases have shapes"):
        fitted.restore({**state, "user_bias": state["user_bias"][:-1]})
    with pytest.raises(ValueError, match="goes_with has 79 rows, must have one per item: 80"):
        fitted.restore({**state, "goes_with": state["goes_with"][:-1]})
    with pytest.raises(KeyError):
        fitted.restore({name: array for name, array in state.items() if name != "range"})
