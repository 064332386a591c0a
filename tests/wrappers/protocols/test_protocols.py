"""Each protocol by hand on small data, and the proof that nobody sees a test part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from evaluation.details import mean_of
from tests.small_interactions import interactions_of
from wrappers import registry
from wrappers.ease import Ease
from wrappers.popularity import Popularity
from wrappers.protocols.benchmarking import run_protocol
from wrappers.protocols.full_ranking import judge_lists
from wrappers.protocols.negatives import RankedAmongNegatives, hit_rate_and_ndcg, rank_among_negatives
from wrappers.protocols.protocol import BenchmarkData, Protocol, Round
from wrappers.protocols.registry import protocol, protocol_names
from wrappers.search_space import Numbers
from wrappers.tuning import Search

RANKING = [name for name in protocol_names() if name != "rating5"]


def world(seed: int = 0, n_users: int = 30, n_items: int = 140) -> Interactions:
    """Everybody rates about a third of the catalogue, half stars included, at different times."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((n_users, n_items)) < 0.3)
    made = interactions_of(user + 1, item + 1)
    stars = rng.integers(1, 11, len(user)).astype(np.float32) / 2
    return Interactions(
        made.ratings.assign(rating=stars, timestamp=rng.permutation(len(user))), made.items, made.genres
    )


def data_for(name: str, interactions: Interactions) -> BenchmarkData:
    if name != "loo99":
        return BenchmarkData("a small world", interactions)
    last = interactions.ratings.sort_values("timestamp").groupby("user_id").tail(1).sort_values("user_id")
    # Any other items do as negatives, also rated ones: only their scores are looked at.
    negatives = np.tile(np.arange(1, 100), (len(last), 1))
    return BenchmarkData(
        "a small world",
        interactions,
        RankedAmongNegatives(last["user_id"].to_numpy(), last["item_id"].to_numpy(), negatives),
    )


class Spy(Ease):
    """Keeps every rating it was ever given to learn from."""

    name = "spy"
    search_space = {"reg": Numbers(1, 100, log=True)}
    seen: list[pd.DataFrame] = []

    def fit(self, interactions: Interactions) -> Spy:
        self.seen.append(interactions.ratings)
        return super().fit(interactions)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> type[Spy]:
    monkeypatch.setitem(registry.MODELS, "spy", f"{__name__}:Spy")
    monkeypatch.setattr(Spy, "seen", [])
    return Spy


def rows_of(ratings: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(ratings["user_id"].tolist(), ratings["item_id"].tolist(), strict=True))


def seen_of_test(chosen: Protocol, data: BenchmarkData, spy: type[Spy]) -> set[tuple[int, int]]:
    """Pairs that a model was shown although they are no round's training part."""
    allowed: set[tuple[int, int]] = set()
    for one in chosen.rounds(data):
        allowed |= rows_of(one.train.ratings)
        break  # the search sees the first round alone
    list(run_protocol(chosen, data, ["spy"], Search(trials=3, seed=0)))
    shown_to_search = spy.seen[: -len(list(chosen.rounds(data)))]
    assert shown_to_search
    return set().union(*map(rows_of, shown_to_search)) - allowed


@pytest.mark.parametrize("name", RANKING)
def test_neither_model_nor_search_sees_the_test_part(name: str, spy: type[Spy]) -> None:
    data = data_for(name, world())
    assert seen_of_test(protocol(name), data, spy) == set()
    fits = spy.seen[-len(list(protocol(name).rounds(data))) :]
    for one, shown in zip(protocol(name).rounds(data), fits, strict=True):
        assert rows_of(shown) == rows_of(one.train.ratings)
        assert len(rows_of(shown)) + one.n_test <= len(data.interactions)


class Leaky(Protocol):
    """Chooses hyperparameters on everything, as one must not."""

    name, summary, needs, metrics, models = "leaky", "", "", ("ndcg@10",), ()

    def __init__(self, honest: Protocol, data: BenchmarkData) -> None:
        self.honest, self.data = honest, data

    def rounds(self, data: BenchmarkData) -> Iterator[Round]:
        yield from self.honest.rounds(data)

    def validation(self, train: Interactions) -> list[Round]:
        return self.honest.validation(self.data.interactions)


@pytest.mark.parametrize("name", ["ms75", "full811"])
def test_the_same_proof_finds_a_search_that_does(name: str, spy: type[Spy]) -> None:
    data = data_for(name, world())
    assert seen_of_test(Leaky(protocol(name), data), data, spy)


@pytest.mark.parametrize("name", RANKING)
def test_another_test_part_changes_no_hyperparameter_and_no_list(name: str, spy: type[Spy]) -> None:
    chosen, data = protocol(name), data_for(name, world())
    (first, *_) = chosen.rounds(data)
    other = Round(first.train, lambda model: {metric: np.zeros(3) for metric in chosen.metrics}, first.n_test)

    class OtherTest(type(chosen)):  # type: ignore[misc]
        def rounds(self, data: BenchmarkData) -> Iterator[Round]:
            yield other

    (honest,) = run_protocol(chosen, data, ["spy"], Search(trials=4))
    (blind,) = run_protocol(OtherTest(), data, ["spy"], Search(trials=4))
    assert honest.params == blind.params
    assert blind.metrics[chosen.metrics[0]] == 0


def test_what_stands_above_the_held_out_item_is_counted_and_ties_lose() -> None:
    """Item i was rated by i + 1 users: popularity is known, items 3 and 4 tie."""
    pairs = [(user, item) for item, n in ((1, 1), (2, 2), (3, 3), (4, 3), (5, 5)) for user in range(n)]
    model = Popularity().fit(interactions_of(*zip(*pairs, strict=True)))
    ranked = RankedAmongNegatives(
        user_id=np.array([0, 1, 2, 77]),
        item_id=np.array([5, 3, 99, 2]),
        negatives=np.array([[1, 2, 3], [4, 5, 1], [1, 2, 98], [1, 3, 97]]),
    )
    # 99 is unknown: everything is above it, an unknown negative ties and wins. 97 is below the known item 2.
    assert rank_among_negatives(model, ranked).tolist() == [0, 2, 3, 1]


def test_hit_rate_and_gain_by_hand() -> None:
    figures = hit_rate_and_ndcg(np.array([0, 1, 9, 10]), k=10)
    assert figures["hr@10"].tolist() == [1, 1, 1, 0]
    assert figures["ndcg@10"] == pytest.approx([1, 1 / np.log2(3), 1 / np.log2(11), 0])


def test_what_is_masked_is_not_recommended_and_not_learned_from() -> None:
    everything = world()
    of_one = everything.ratings["user_id"].to_numpy() == 1
    rows = np.arange(len(everything))
    masked, test = rows[of_one][:5], rows[of_one][5:10]
    train = everything.take(np.setdiff1d(rows, rows[of_one][:10]))
    model = Popularity().fit(train)
    unmasked = judge_lists(model, everything.take(np.sort(np.concatenate([masked, test]))), k=140)
    assert unmasked["recall@140"].tolist() == [1.0]
    figures = judge_lists(model, everything.take(masked), k=140, masked=everything.take(masked))
    assert figures["recall@140"].tolist() == [0.0]


def test_published_row_counts_are_asserted() -> None:
    data = BenchmarkData("ml-100k", world())
    with pytest.raises(DataError, match="ms75 on ml-100k has 75,066 training and 24,934 test rows, these data give"):
        list(run_protocol(protocol("ms75"), data, ["popularity"], None))


def test_full811_asserts_how_many_ratings_are_kept() -> None:
    with pytest.raises(DataError, match="full811 on ml-1m keeps 836,478 ratings of 3 and more"):
        list(protocol("full811").rounds(BenchmarkData("ml-1m", world())))


def test_loo99_refuses_data_that_do_not_hold_its_pairs() -> None:
    data = data_for("loo99", world())
    assert data.ranked is not None
    other = data.ranked._replace(item_id=data.ranked.item_id + 1000)
    with pytest.raises(DataError, match="30 test pairs were published, 0 ratings of this data are among them"):
        list(protocol("loo99").rounds(BenchmarkData("x", data.interactions, other)))


def test_a_model_that_predicts_no_ratings_cannot_be_in_rating5() -> None:
    with pytest.raises(
        ConfigError, match="popularity predicts no ratings; rating5 is for models that do, e\\.g\\. svd"
    ):
        list(run_protocol(protocol("rating5"), BenchmarkData("x", world()), ["popularity"], None))


def test_a_name_that_is_unknown_is_told_before_any_work(spy: type[Spy]) -> None:
    from core.errors import UnknownName

    with pytest.raises(UnknownName):
        list(run_protocol(protocol("ms75"), BenchmarkData("x", world()), ["spy", "nobody"], Search(trials=3)))
    assert spy.seen == []


def test_the_same_seed_gives_the_same_figures(spy: type[Spy]) -> None:
    data = BenchmarkData("x", world())
    (one,) = run_protocol(protocol("ms75"), data, ["spy"], Search(trials=5, seed=3))
    (other,) = run_protocol(protocol("ms75"), data, ["spy"], Search(trials=5, seed=3))
    assert (one.params, one.metrics) == (other.params, other.metrics)


def test_a_user_who_is_in_every_round_counts_once_in_comparisons() -> None:
    data = BenchmarkData("x", world())
    (found,) = run_protocol(protocol("full811"), data, ["popularity"], None)
    assert found.per_unit["ndcg@10"].shape == (30,)
    assert found.per_unit["ndcg@10"].mean() == pytest.approx(found.metrics["ndcg@10"])


def late_comers() -> Interactions:
    """Users 27 to 30 come when the test part has begun."""
    made = world()
    later = np.where(made.ratings["user_id"] > 26, 100_000, 0)
    return Interactions(made.ratings.assign(timestamp=made.ratings["timestamp"] + later), made.items, made.genres)


class Shares(Popularity):
    """Popularity that claims to be a probability."""

    name = "shares"
    gives_probabilities = True

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return super().score(user_index) / np.float32(self.known.popularity.max())


def test_temporal_tells_users_with_a_past_apart_and_calibration_where_there_are_probabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(registry.MODELS, "shares", f"{__name__}:Shares")
    chosen, data = protocol("temporal"), BenchmarkData("x", late_comers())
    (one,) = chosen.rounds(data)
    popularity, shares = run_protocol(chosen, data, ["popularity", "shares"], None)
    past = set(one.train.ratings["user_id"])
    known = ~np.isnan(popularity.per_unit["ndcg@10 known users"])
    assert 0 < known.sum() <= len(past)
    assert known.sum() < np.count_nonzero(~np.isnan(popularity.per_unit["ndcg@10"]))
    assert popularity.per_unit["ndcg@10"][known] == pytest.approx(popularity.per_unit["ndcg@10 known users"][known])
    assert popularity.as_dict()["metrics"]["ece"] is None
    assert 0 <= shares.metrics["ece"] <= 1
    assert 0 < shares.metrics["brier"] < 1
    assert 0 < shares.metrics["auc"] < 1
    assert set(chosen.metrics) <= set(popularity.metrics)


def test_temporal_gives_the_same_lists_the_same_figures_as_its_validation() -> None:
    (one,) = protocol("temporal").rounds(BenchmarkData("x", world()))
    trained = Popularity().fit(one.train)
    test = world().take(np.flatnonzero(world().ratings["timestamp"] > one.train.ratings["timestamp"].max()))
    by_lists = judge_lists(trained, test, relevant_rating=4.0)
    assert one.judge(trained)["ndcg@10"] == pytest.approx(by_lists["ndcg@10"], nan_ok=True)


def test_temporal_refuses_ratings_without_times() -> None:
    made = world()
    untimed = Interactions(made.ratings.assign(timestamp=0), made.items, made.genres)
    with pytest.raises(DataError, match="are all of one time; temporal needs ratings with their times"):
        list(protocol("temporal").rounds(BenchmarkData("x", untimed)))


def test_a_mean_of_nothing_is_no_number() -> None:
    assert np.isnan(protocol("ms75").gain({"ndcg@10": np.array([np.nan])}))
    assert np.isnan(mean_of(np.array([])))


def test_ms75_chooses_by_a_tenth_of_each_item_three_times() -> None:
    train = world().take(np.arange(1200))
    rounds = protocol("ms75").validation(train)
    assert len(rounds) == 3
    size = train.ratings["item_id"].value_counts()
    for one in rounds:
        kept = one.train.ratings["item_id"].value_counts().reindex(size.index)
        assert (kept == np.round(0.9 * size)).all()
        assert one.n_test == (size - kept).sum()
    assert len({frozenset(rows_of(one.train.ratings)) for one in rounds}) == 3


def test_what_cannot_change_the_figure_is_not_searched_for(spy: type[Spy], monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = protocol("ms75")
    monkeypatch.setattr(type(chosen), "indifferent", frozenset({"reg"}))
    (found,) = run_protocol(chosen, BenchmarkData("x", world()), ["spy"], Search(trials=5))
    assert found.params["reg"] == Ease().config.reg
    assert found.search_seconds == 0


@pytest.mark.parametrize("name", protocol_names())
def test_every_recipe_is_of_options_that_its_model_has(name: str) -> None:
    recipes = protocol(name).recipes
    assert recipes or name != "loo99"
    for of, recipe in recipes.items():
        config = registry.model(of)(recipe).config.model_dump()
        assert {option: config[option] for option in recipe} == recipe


def test_what_follows_from_how_a_protocol_holds_out_is_set() -> None:
    interactions = world()
    assert protocol("loo99").settings(BenchmarkData("x", interactions)) == {"hold_out": "latest"}
    untimed = Interactions(interactions.ratings.assign(timestamp=0), interactions.items)
    assert protocol("loo99").settings(BenchmarkData("x", untimed)) == {"hold_out": "random"}
    assert protocol("temporal").settings(BenchmarkData("x", interactions))["meta"] == "classification"
    for name in protocol_names():
        options = protocol(name).settings(BenchmarkData("x", interactions))
        config = registry.model("hybrid")(options).config.model_dump()
        assert {option: config[option] for option in options} == options


def test_what_follows_is_set_for_the_models_that_have_such_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = protocol("ms75")
    monkeypatch.setattr(type(chosen), "settings", lambda self, data: {"hold_out": "latest"})
    benchmarked = run_protocol(chosen, BenchmarkData("x", world()), ["popularity", "ensemble"], None)
    found = {one.model: one.params for one in benchmarked}
    assert "hold_out" not in found["popularity"]
    assert found["ensemble"]["hold_out"] == "latest"


def test_what_was_chosen_is_told_apart_from_defaults() -> None:
    (found,) = run_protocol(
        protocol("ms75"), BenchmarkData("x", world()), ["ease"], None, given={"ease": {"dropout": 0.1}}
    )
    assert found.chosen == {"dropout": 0.1}
    assert found.as_dict()["params"]["reg"] == Ease().config.reg
