"""The search: defaults first, pruned, refused, resumed, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import ConfigError, DataError
from tests.small_interactions import random_interactions
from wrappers import registry
from wrappers.ease import Ease
from wrappers.recommender import RecommenderWrapper
from wrappers.search_space import Choices, Numbers, nested
from wrappers.tuning import Search, tune


class Searched(Ease):
    name = "searched"
    search_space = {"reg": Numbers(1, 1000, log=True), "explore_slots": Choices((0, 1))}


@pytest.fixture(autouse=True)
def searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS, "searched", f"{__name__}:Searched")


def best_at(reg: float, splits: int = 1) -> Callable[[RecommenderWrapper], Iterator[float]]:
    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        for _ in range(splits):
            yield -abs(recommender.config.reg - reg)

    return judge


def test_finds_what_is_better_than_the_default() -> None:
    tuned = tune(["searched"], best_at(20), Search(trials=30, seed=1))
    assert tuned.default_value == -280
    assert tuned.value > -10
    assert len(tuned.trials) == 30


def test_the_default_is_tried_first_and_stands_where_nothing_is_better() -> None:
    tuned = tune(["searched"], best_at(300), Search(trials=10))
    assert tuned.config == {}
    assert tuned.trials[0].config == {}


def test_the_same_seed_tries_the_same() -> None:
    one, other = (tune(["searched"], best_at(20), Search(trials=12, seed=4)) for _ in range(2))
    assert [trial.config for trial in one.trials] == [trial.config for trial in other.trials]


def test_the_same_settings_are_judged_once() -> None:
    judged: list[int] = []

    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        judged.append(recommender.config.explore_slots)
        yield float(recommender.config.explore_slots)

    tuned = tune(["searched"], judge, Search(trials=10), fixed={"searched": {"reg": 7.0}})
    # The default is 0 as well: a choice that names it is nothing new.
    assert sorted(judged) == [0, 1]
    assert len(tuned.trials) == 10
    assert tuned.value == 1.0


def test_what_is_given_first_is_tried_second() -> None:
    tuned = tune(["searched"], best_at(20), Search(trials=2), first=[{"reg": 20.0, "explore_slots": 0}])
    assert tuned.config == {"reg": 20.0, "explore_slots": 0}


def test_what_is_given_first_holds_wholly_and_in_that_trial_alone() -> None:
    recipe = {"reg": 20.0, "explore_slots": 0, "dropout": 0.4, "max_memory_gb": 1.0}
    tuned = tune(
        ["searched"], best_at(20), Search(trials=4), fixed={"searched": {"max_memory_gb": 2.0}}, first=[recipe]
    )
    assert tuned.config == {**recipe, "max_memory_gb": 2.0}
    assert ["dropout" in trial.config for trial in tuned.trials] == [False, True, False, False]


def test_what_is_fixed_is_not_searched_for() -> None:
    tuned = tune(["searched"], best_at(20), Search(trials=4), fixed={"searched": {"reg": 7.0}})
    assert {trial.config.get("reg") for trial in tuned.trials} == {None}
    assert tuned.config["reg"] == 7.0


def test_a_search_that_was_stopped_goes_on(tmp_path: Path) -> None:
    storage = tmp_path / "search.db"
    first = tune(["searched"], best_at(20), Search(trials=5, storage=storage))

    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        trained.append(recommender)
        yield -abs(recommender.config.reg - 20)

    trained: list[RecommenderWrapper] = []
    second = tune(["searched"], judge, Search(trials=8, storage=storage))
    assert len(trained) == 3
    assert second.trials[:5] == first.trials


def test_a_hopeless_trial_is_given_up_after_its_first_split() -> None:
    judged: dict[float, int] = {}

    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        for _ in range(3):
            judged[recommender.config.reg] = judged.get(recommender.config.reg, 0) + 1
            yield -abs(recommender.config.reg - 20)

    tuned = tune(["searched"], judge, Search(trials=25, seed=2))
    pruned = [trial for trial in tuned.trials if trial.status == "pruned"]
    assert pruned
    assert all(judged[trial.config["reg"]] < 3 for trial in pruned)
    assert tuned.value == max(trial.value for trial in tuned.trials if trial.status == "complete")


def test_hyperparameters_that_the_data_do_not_allow_are_left_out() -> None:
    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        if recommender.config.reg < 100:
            raise ConfigError("reg is too small")
        yield -recommender.config.reg

    tuned = tune(["searched"], judge, Search(trials=12, seed=0))
    refused = [trial for trial in tuned.trials if trial.status == "refused"]
    assert refused[0].reason == "reg is too small"
    assert tuned.config["reg"] >= 100


def test_where_every_trial_is_refused_it_says_why() -> None:
    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        raise ConfigError("there is too little memory")
        yield 0.0

    with pytest.raises(ConfigError, match="searched: no trial could be judged: there is too little memory"):
        tune(["searched"], judge, Search(trials=2))


def test_a_model_without_anything_to_search_is_tried_once() -> None:
    assert len(tune(["popularity"], lambda model: iter([1.0]), Search(trials=9)).trials) == 1


def test_a_real_model_on_real_splits() -> None:
    interactions = random_interactions(60, 30)

    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        yield float(recommender.fit(interactions).score(recommender.known.users.index_of([1])).max())

    assert tune(["searched"], judge, Search(trials=3)).value > 0


def test_dotted_options_reach_into_mappings() -> None:
    assert nested({"a.b": 1, "a.c": 2, "d": 3}) == {"a": {"b": 1, "c": 2}, "d": 3}


def test_several_models_are_searched_together_each_by_its_own_options() -> None:
    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        yield -abs(recommender.config.reg - 20) if recommender.name == "searched" else -50.0

    tuned = tune(["popularity", "searched"], judge, Search(trials=30, seed=1))
    assert [trial.model for trial in tuned.trials[:2]] == ["popularity", "searched"]
    assert tuned.model == "searched"
    assert tuned.value > -50
    assert tuned.default_value == -280
    assert {trial.model for trial in tuned.trials[2:]} == {"popularity", "searched"}


def test_no_trial_is_begun_when_the_time_is_up() -> None:
    assert len(tune(["searched"], best_at(20), Search(trials=9, budget_s=0.0)).trials) == 1


def test_a_search_has_at_least_one_trial() -> None:
    with pytest.raises(ConfigError, match="trials == 0, must be >= 1"):
        Search(trials=0)


def test_what_is_no_number_and_data_that_a_model_refuses_end_a_trial_not_the_search() -> None:
    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        if recommender.config.reg > 300:
            raise DataError("too few tags")
        yield float("nan") if recommender.config.reg < 20 else 1.0

    tuned = tune(["searched"], judge, Search(trials=20, seed=2))
    assert {one.status for one in tuned.trials} == {"complete", "refused"}
    reasons = {one.reason for one in tuned.trials if one.status == "refused"}
    assert reasons == {"too few tags", "its figure on validation split 0 is nan"}


def test_a_search_that_goes_on_tries_nothing_twice(tmp_path: Path) -> None:
    for trials in (4, 7):
        tuned = tune(["searched"], best_at(20), Search(trials=trials, storage=tmp_path / "search.db"))
    tried = [one.config.get("reg") for one in tuned.trials]
    assert len(set(tried)) == 7


def test_a_search_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="no model is named"):
        tune([], best_at(20), Search())
