"""The stack: what its meta-learners learn, and what is true of their scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DataError
from evaluation.paired import paired_bootstrap
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from tests.small_interactions import MemoryLoader, grouped_loader, interactions_of, random_interactions
from wrappers.artifact import Artifact
from wrappers.base import EvaluationConfig
from wrappers.ease import Ease
from wrappers.hybrid import Hybrid
from wrappers.ials import IALS
from wrappers.meta_learner import LinearOdds, TreeConfig, Trees, grown_trees
from wrappers.offline import evaluate_recommender
from wrappers.out_of_fold import StackRows
from wrappers.sequence_knn import SequenceKNN
from wrappers.stack_context import CONTEXT_COLUMNS, StackContext
from wrappers.training_data import TrainingData

SMALL: dict[str, Any] = {"components": {"ease": {"config": {"reg": 20.0}}, "popularity": {}}, "min_rows": 20}
METAS = ("lambdarank", "classification", "logreg")


@pytest.mark.parametrize("meta", METAS)
def test_every_meta_learner_is_as_good_as_its_best_component(meta: str) -> None:
    loader = grouped_loader()
    found, ease = (
        one.train(loader).evaluate(loader).means["ndcg_at_10"]
        for one in (Hybrid({**SMALL, "meta": meta}), Ease({"reg": 20.0}))
    )
    assert found > ease - 0.05


def test_a_rule_that_no_weighted_sum_can_follow_is_learned() -> None:
    """Users with few ratings take what is popular, those with many what is not: the context decides."""
    rng = np.random.default_rng(0)
    n_items = 60
    users, items = [], []
    for user in range(160):
        n, order = (12, np.arange(n_items)) if user % 2 else (36, np.arange(n_items)[::-1])
        weight = np.exp(-np.arange(n_items) / 15.0)
        users.append(np.full(n, user))
        items.append(order[rng.choice(n_items, n, replace=False, p=weight / weight.sum())])
    data = interactions_of(np.concatenate(users), np.concatenate(items))
    rows = np.arange(len(data))
    train, test = data.take(rows[rows % 4 != 0]), data.take(rows[rows % 4 == 0])
    options = {"components": {"popularity": {}}, "min_rows": 20, "n_candidates": 60}
    loader = MemoryLoader(train, test)
    for meta in ("lambdarank", "logreg"):
        made = Hybrid({**options, "meta": meta}).train(loader)
        popular = made._components.models["popularity"].evaluate(loader).means["ndcg_at_10"]
        assert made.evaluate(loader).means["ndcg_at_10"] > 1.1 * popular


@pytest.mark.parametrize("meta", METAS[1:])
def test_probabilities_are_calibrated(meta: str) -> None:
    """Of candidates called p likely, a share p was held out: here of those the meta-learner was fitted to."""
    kept: list[Any] = []

    class Watched(Hybrid):
        def _learn(self, rows: Any) -> None:
            kept.append(rows)
            super()._learn(rows)

    made = Watched({**SMALL, "meta": meta}).train(grouped_loader())
    (rows,) = kept
    blend = made._blend(np.moveaxis(rows.standard, -1, 0))
    odds = made._odds.of([blend]) + made._corrections(rows.standard, blend, rows.context)
    told = 1 / (1 + np.exp(-odds[~rows.padding].astype(np.float64)))
    held_out = rows.positive[~rows.padding]
    assert made.gives_probabilities
    assert told.mean() == pytest.approx(held_out.mean(), rel=0.1)
    high = told > np.quantile(told, 0.8)
    assert told[high].mean() == pytest.approx(held_out[high].mean(), rel=0.15)


@pytest.mark.parametrize(("meta", "gives"), [("lambdarank", False), ("classification", True), ("logreg", True)])
def test_it_tells_whether_scores_are_probabilities(meta: str, gives: bool) -> None:
    made = Hybrid({**SMALL, "meta": meta}).fit(random_interactions())
    assert made.gives_probabilities is gives
    scores = made.score(np.arange(5))
    assert not gives or ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("meta", METAS)
@pytest.mark.parametrize("n_corrected", [3, 500])
def test_a_batch_equals_its_users_one_by_one(meta: str, n_corrected: int) -> None:
    made = Hybrid({**SMALL, "meta": meta, "n_corrected": n_corrected}).fit(random_interactions())
    users = np.array([3, 0, 3, 17, 29])
    together = made.score(users)
    for place, user in enumerate(users):
        np.testing.assert_array_equal(made.score(np.array([user]))[0], together[place])


def test_what_is_not_corrected_stays_in_the_ensembles_order_below_a_like_item() -> None:
    data = random_interactions()
    made = Hybrid({**SMALL, "n_corrected": 4}).fit(data)
    user = np.array([2])
    blend = made._blend(made._components.standard(user))[0]
    unseen = np.flatnonzero(~made._components.seen(user)[0])
    rest = unseen[np.argsort(-blend[unseen], kind="stable")][4:]
    scores = made.score(user)[0]
    assert (np.diff(scores[rest]) <= 1e-5).all()
    assert np.isfinite(scores).all()


def test_nothing_to_learn_from_leaves_the_components_alike() -> None:
    made = Hybrid(SMALL).fit(interactions_of([1, 1, 2], [1, 2, 1]))
    assert made.recommend([2], 2).item_index.shape == (1, 2)
    lone = Hybrid(SMALL).fit(interactions_of([1], [1]))
    assert set(lone.weights.values()) == {0.5}


def damaged(artifact: Artifact, **state: Any) -> Artifact:
    arrays = {**artifact.arrays, "state": {**artifact.arrays["state"], **state}}
    return replace(artifact, arrays=arrays)


def test_an_artifact_that_does_not_fit_together_is_refused() -> None:
    artifact = Hybrid({**SMALL, "meta": "logreg"}).fit(random_interactions())._artifact()
    for state, problem in (
        ({"weights": np.ones(3, np.float32)}, "weights and log odds have shapes"),
        ({"linear_mean": np.ones(2, np.float32)}, "the linear part has shapes"),
        ({"context_last": np.ones(2)}, "the context has shapes"),
    ):
        with pytest.raises(DataError, match=problem):
            Hybrid.from_artifact(damaged(artifact, **state))
    with pytest.raises(DataError, match=r"trees\.txt is no booster"):
        Hybrid.from_artifact(replace(artifact, texts={"trees": "no trees"}))


def grown_on(positive: np.ndarray[Any, Any], columns: np.ndarray[Any, Any]) -> Trees:
    config = TreeConfig("classification", 20, 0.2, 4, 5, 1.0, 0)
    text = grown_trees(config, columns, positive, np.array([len(positive)]), np.zeros(len(positive), np.float32))
    return Trees(text, columns.shape[1])


def test_trees_correct_what_the_odds_miss() -> None:
    columns = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    found = grown_on(columns[:, 1] > 0, columns).corrections(columns[np.newaxis])[0]
    assert found[columns[:, 1] > 0.1].min() > 1 > -1 > found[columns[:, 1] < -0.1].max()


def test_trees_of_other_columns_are_refused() -> None:
    columns = np.random.default_rng(0).normal(size=(100, 7)).astype(np.float32)
    with pytest.raises(ValueError, match=r"the trees have 7 columns, must have 3"):
        Trees(grown_on(columns[:, 0] > 0, columns).text, 3)


def test_corrections_that_do_not_carry_over_to_other_users_are_not_taken() -> None:
    """Noise can be learned by heart; what it says of other users is noise."""
    rng = np.random.default_rng(0)
    standard = rng.normal(size=(60, 30, 1)).astype(np.float32)
    positive = standard[..., 0] + 0.3 * rng.normal(size=(60, 30)) > 1.5
    positive[:, 0] = True
    context = rng.normal(size=(60, 30, len(CONTEXT_COLUMNS))).astype(np.float32)
    nothing = np.zeros((60, 30), np.bool_)
    rows = StackRows(np.arange(60), standard, context, positive, positive.sum(axis=1), nothing)
    made = Hybrid({"components": {"ease": {}}, "min_rows": 1, "leaves": 31, "epochs": 30, "learning_rate": 0.5})
    made._learn(rows)
    assert made._share == 0
    assert made._trees.text == ""


def test_log_odds_are_those_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(3, 2, (20_000, 2)).astype(np.float32)
    positive = rng.random(20_000) < 1 / (1 + np.exp(-(columns[:, 0] - 4)))
    found = LinearOdds.fitted(columns, positive, reg=1e-3, epochs=100)
    np.testing.assert_allclose(found.coefficients, [1.0, 0.0], atol=0.06)
    assert found.of([np.float32(4.0), np.float32(3.0)]) == pytest.approx(0.0, abs=0.1)


def test_context_by_hand() -> None:
    data = interactions_of([1, 1, 1, 2], [10, 20, 30, 20])
    year = int(365.25 * 86_400)
    data = replace(data, ratings=data.ratings.assign(timestamp=np.array([0, year, 2 * year, 3 * year])))
    known = TrainingData.of(data)
    found = StackContext.of(data, known).columns(np.array([0, 1]), np.array([[0, 1], [2, 2]]))
    assert found.shape == (2, 2, len(CONTEXT_COLUMNS))
    np.testing.assert_allclose(found[0, :, 0], np.log(3), rtol=1e-6)
    np.testing.assert_allclose(found[0, :, 1], np.log([1, 2]), rtol=1e-6)
    # Item 10 first at year 0 and 20 at 1, user 1 last at 2; item 30 first at 2, user 2 last at 3.
    np.testing.assert_allclose(found[..., 3], [[2, 1], [1, 1]], rtol=1e-6)


def test_an_item_of_the_users_own_time_has_the_higher_trend() -> None:
    users = np.repeat(np.arange(40), 5)
    items = np.where(users < 20, users % 5, 5 + users % 5) * 5 + np.tile(np.arange(5), 40)
    data = interactions_of(users, items)
    found = StackContext.of(data, TrainingData.of(data))
    early, late = found.columns(np.array([0, 39]), np.tile(np.arange(len(np.unique(items))), (2, 1)))[..., 2]
    half = len(early) // 2
    assert early[:half].mean() > early[half:].mean()
    assert late[half:].mean() > late[:half].mean()


@pytest.mark.real_data
@pytest.mark.long
def test_it_beats_every_component_on_real_ratings(movielens: Path) -> None:
    """By the rules of ms75, with an interval that excludes 0; benchmarks/hybrid_quality.py has every single model."""
    loader = LocalDataLoader(movielens, split=SplitRule("ms75"))
    train, test, judged = loader.train(), loader.test(), EvaluationConfig(k=10, relevant_rating=0.0)
    found = evaluate_recommender(Hybrid().fit(train), test, judged).per_user["ndcg"]
    assert found.mean() > 0.43
    for single in (Ease(), IALS(), SequenceKNN()):
        alone = evaluate_recommender(single.fit(train), test, judged).per_user["ndcg"]
        assert paired_bootstrap(found, alone, seed=0).ci_lower > 0
