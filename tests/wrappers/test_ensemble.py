"""The weighted ensemble: its weights, what it is made of, and what it tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError, UnknownName
from core.protocols import Provenance
from tests.small_interactions import MemoryLoader, grouped_loader, interactions_of, random_interactions
from wrappers import composite
from wrappers.artifact import load_wrapper
from wrappers.components import ComponentConfig
from wrappers.content import Content
from wrappers.ease import Ease
from wrappers.ensemble import Ensemble, weighted_sum
from wrappers.ensemble_selection import selected_weights
from wrappers.out_of_fold import HeldOut, StackRows, out_of_fold_rows
from wrappers.popularity import Popularity
from wrappers.standard_scores import standard_scores

SMALL: dict[str, Any] = {"components": {"ease": {"config": {"reg": 20.0}}, "popularity": {}}}


def test_given_weights_add_standard_scores() -> None:
    data = random_interactions()
    made = Ensemble({**SMALL, "weights": {"ease": 3.0, "popularity": 1.0}}).fit(data)
    assert made.weights == {"ease": 0.75, "popularity": 0.25}
    users = np.arange(5)
    seen = made.known.history[users].toarray() > 0
    parts = [standard_scores(one.fit(data).score(users), seen) for one in (Ease({"reg": 20.0}), Popularity())]
    np.testing.assert_allclose(made.score(users), 0.75 * parts[0] + 0.25 * parts[1], rtol=1e-5, atol=1e-6)


def test_weights_follow_the_component_that_finds_more() -> None:
    weights = Ensemble(SMALL).train(grouped_loader()).weights
    assert weights["ease"] > weights["popularity"]
    assert sum(weights.values()) == pytest.approx(1.0)


def rows_of(standard: np.ndarray[Any, Any], positive: np.ndarray[Any, Any]) -> StackRows:
    n, c, _ = standard.shape
    nothing = np.zeros((n, c), np.bool_)
    return StackRows(
        np.arange(n), standard.astype(np.float32), np.zeros((n, c, 4), np.float32), positive, positive.sum(1), nothing
    )


def test_two_halves_of_the_truth_get_equal_weights_and_noise_gets_none() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 40))
    halves = [truth + rng.normal(size=truth.shape) for _ in range(2)]
    positive = truth >= np.sort(truth, axis=1)[:, [-4]]
    rows = rows_of(np.stack([*halves, rng.normal(size=truth.shape)], axis=-1), positive)
    weights = selected_weights(rows, k=10, steps=20)
    assert weights[2] == 0
    assert 0.35 < weights[0] < 0.65


def test_a_perfect_component_stays_alone() -> None:
    positive = np.zeros((10, 20), np.bool_)
    positive[:, 3] = True
    noise = np.random.default_rng(1).normal(size=positive.shape)
    weights = selected_weights(rows_of(np.stack([noise, positive * 5.0], axis=-1), positive), k=5, steps=10)
    assert weights.tolist() == [0.0, 1.0]


def test_nothing_to_learn_from_gives_equal_weights() -> None:
    rows = rows_of(np.zeros((0, 1, 3)), np.zeros((0, 1), np.bool_))
    assert selected_weights(rows, k=10, steps=10).tolist() == pytest.approx([1 / 3] * 3)
    assert set(Ensemble(SMALL).fit(interactions_of([1], [1])).weights.values()) == {0.5}


def test_a_weight_of_0_adds_nothing_even_where_it_would_be_nan() -> None:
    standard = np.array([[[1.0, 2.0]], [[np.nan, 0.0]]], np.float32)
    assert weighted_sum(np.array([2, 0], np.float32), standard).tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize(
    ("config", "error", "problem"),
    [
        ({"components": {}}, ConfigError, "must name at least one recommender"),
        ({"components": {"esae": {}}}, UnknownName, "unknown model 'esae'"),
        ({"components": {"ease": {"config": {"rug": 1}}}}, ConfigError, "ease: unknown option rug == 1"),
        ({"components": {"ease": {"modle": "als"}}}, ConfigError, "unknown option"),
        ({"components": {"../x": {"model": "ease"}}}, ConfigError, "has the name '../x', must be lower-case"),
        ({"components": {"shuffled": {}}}, ConfigError, "must be a recommender that is no negative control"),
        ({**SMALL, "weights": {"als": 1.0}}, ConfigError, "weights names 'als', must be one of its components: ease"),
        ({**SMALL, "weights": {"ease": -1.0}}, ConfigError, "must be 0 or more each"),
        ({**SMALL, "weights": {"ease": 0.0}}, ConfigError, "not all 0"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused_before_training(
    config: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        Ensemble(config)


def test_the_same_model_may_stand_twice_under_two_names() -> None:
    twice = {"weak": {"model": "ease", "config": {"reg": 1000.0}}, "strong": {"model": "ease"}}
    made = Ensemble({"components": twice}).fit(random_interactions())
    assert list(made.weights) == ["weak", "strong"]


def test_hyperparameters_found_for_a_model_reach_its_component() -> None:
    tuned = Ensemble(Ensemble.tuned_components({"ease": {"reg": 77.0}, "bpr": {"epochs": 3}}))
    assert tuned.config.components["ease"].config["reg"] == 77.0
    assert set(tuned.config.components) == set(Ensemble().config.components)


def test_contributions_are_the_weighted_components_own() -> None:
    made = Ensemble({**SMALL, "weights": {"ease": 1.0}}).fit(random_interactions())
    ease = Ease({"reg": 20.0}).fit(random_interactions())
    items = np.array([2, 5, 9])
    rated, parts = made.contributions(3, items) or pytest.fail("it tells nothing")
    of_ease, expected = ease.contributions(3, items)
    np.testing.assert_array_equal(rated, of_ease)
    # In units of the deviation of the component's scores: proportional to its own.
    ratio = parts / expected
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    differences = np.diff(made.score(np.array([3]))[0, items])
    np.testing.assert_allclose(np.diff(parts.sum(axis=1)), differences, rtol=1e-3)


def test_likenesses_share_out_the_standard_score() -> None:
    """Cosines do not sum to BPR's score; beside summands they would speak louder, the more the user rated."""
    data, items = random_interactions(), np.arange(25)
    both = Ensemble({"components": {"bpr": {}, "ease": {"config": {"reg": 20.0}}}, "weights": {"bpr": 1.0}}).fit(data)
    rated, parts = both.contributions(3, items) or pytest.fail("it tells nothing")
    standard = both._components.standard(np.array([3]))[0, 0]
    np.testing.assert_allclose(parts.sum(axis=1), np.maximum(standard, 0), atol=1e-5)
    of_bpr, cosines = both._components.models["bpr"].contributions(3, items) or pytest.fail("it tells nothing")
    np.testing.assert_array_equal(rated, of_bpr)
    highest = int(standard.argmax())
    assert parts[highest].argmax() == cosines[highest].argmax()


def test_components_that_cannot_tell_are_left_out() -> None:
    only = Ensemble({"components": {"popularity": {}}}).fit(random_interactions())
    assert only.contributions(0, np.array([1])) is None


@pytest.mark.parametrize(
    ("split", "given", "is_latest"),
    [
        ("temporal(test_fraction=0.2)", "auto", True),
        ("leave_last_n(n=10)", "auto", True),
        ("ms75", "auto", False),
        ("ms75", "latest", True),
        ("temporal(test_fraction=0.2)", "random", False),
    ],
)
def test_it_learns_from_what_is_held_out_like_the_loaders_test_part(
    split: str, given: str, is_latest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[HeldOut] = []

    def watched(*args: Any, **options: Any) -> StackRows:
        asked.append(args[2])
        return out_of_fold_rows(*args, **options)

    monkeypatch.setattr(composite, "out_of_fold_rows", watched)
    loader = grouped_loader()
    monkeypatch.setattr(MemoryLoader, "provenance", lambda _: Provenance("memory", "test", "00", split))
    Ensemble({**SMALL, "hold_out": given}).train(loader)
    Ensemble({**SMALL, "hold_out": given}).fit(loader.train())
    assert [one.is_latest for one in asked] == [is_latest, given == "latest"]


def test_without_times_nothing_is_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_interactions()
    untimed = replace(data, ratings=data.ratings.assign(timestamp=0))
    with pytest.raises(ConfigError, match="hold_out == 'latest', but these ratings know no times; take 'random'"):
        Ensemble({**SMALL, "hold_out": "latest"}).fit(untimed)
    split = "temporal(test_fraction=0.2)"
    monkeypatch.setattr(MemoryLoader, "provenance", lambda _: Provenance("memory", "test", "00", split))
    auto, random = (
        Ensemble({**SMALL, "hold_out": one}).train(MemoryLoader(untimed, untimed)).state()["weights"]
        for one in ("auto", "random")
    )
    np.testing.assert_array_equal(auto, random)


def test_what_items_have_in_common_is_told_by_the_component_that_knows() -> None:
    data = random_interactions()
    content = Content().fit(data)
    both = Ensemble({"components": {"ease": {}, "content": {}}, "weights": {"ease": 1.0, "content": 1.0}}).fit(data)
    assert both.shared_terms(0, np.array([1, 2])) == content.shared_terms(0, np.array([1, 2]))
    without = Ensemble({"components": {"ease": {}, "content": {}}, "weights": {"ease": 1.0}}).fit(data)
    assert without.shared_terms(0, np.array([1])) is None


def test_items_that_only_one_component_knows_are_recommended_by_it() -> None:
    data = random_interactions()
    new = interactions_of([1], [999])
    table = replace(data, items=pd.concat([data.items, new.items]), genres=pd.concat([data.genres, new.genres]))
    with_content = Ensemble({"components": {"content": {}, "ease": {}}}).fit(table)
    assert 999 in with_content.known.items.ids
    assert np.isfinite(with_content.score(np.arange(3))).all()
    assert 999 not in Ensemble(SMALL).fit(table).known.items.ids


def test_a_part_that_is_missing_or_another_model_is_named(tmp_path: Path) -> None:
    made = Ensemble(SMALL).fit(random_interactions())
    artifact = made._artifact()
    with pytest.raises(DataError, match="does not fit together: 'popularity'"):
        Ensemble.from_artifact(replace(artifact, parts={"ease": artifact.parts["ease"]}))
    weights = {**artifact.arrays, "state": {"weights": np.ones(3, np.float32)}}
    with pytest.raises(DataError, match=r"weights has shape \(3,\), must have \(2,\)"):
        Ensemble.from_artifact(replace(artifact, arrays=weights))
    made.save(tmp_path / "saved")
    loaded = load_wrapper(tmp_path / "saved")
    assert isinstance(loaded, Ensemble)
    assert loaded.weights == made.weights
    assert isinstance(loaded.config.components["ease"], ComponentConfig)
