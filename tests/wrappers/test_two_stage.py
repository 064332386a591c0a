"""Candidates first, then scores: the same lists as from scoring everything, on a catalogue small enough to do both."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import sparse

import wrappers.retrieval
from core.errors import ConfigError, DataError
from core.ids import IdIndex
from core.interactions import Interactions
from loaders.synthetic import SyntheticDataLoader
from wrappers.als import ALS
from wrappers.artifact import read_artifact, write_artifact
from wrappers.asked import Asked
from wrappers.base import ModelWrapper
from wrappers.factors import FactorRecommender
from wrappers.ials import IALS
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import MODELS, model
from wrappers.retrieval.config import RetrievalConfig
from wrappers.retrieval.registry import SOURCES, source
from wrappers.retrieval.source import CandidateSource, Scored
from wrappers.retrieval.two_stage import TwoStage
from wrappers.training_data import TrainingData
from wrappers.vector_index import IndexPlan, exact_search

FACTORS = sorted(name for name in MODELS if issubclass(model(name), FactorRecommender))
SHAPED = {"diversity": 0.5, "explore_slots": 2, "max_genre_share": 0.6}
FEW_EPOCHS = {"epochs": 2}


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    return SyntheticDataLoader(3, n_users=200, n_items=900, n_ratings=9_000).load()


def both(name: str, ratings: Interactions, **options: Any) -> tuple[Any, Any]:
    """The same model, which scores all items, and which searches for candidates."""
    whole = model(name)({**FEW_EPOCHS, **options})
    staged = model(name)({**FEW_EPOCHS, **options, "retrieve_from": 1})
    assert isinstance(whole, RecommenderWrapper)
    assert isinstance(staged, RecommenderWrapper)
    return whole.fit(ratings), staged.fit(ratings)


@pytest.mark.parametrize("options", [{}, SHAPED], ids=["plain", "shaped"])
@pytest.mark.parametrize("name", FACTORS)
def test_lists_are_those_of_scoring_everything(name: str, options: dict[str, Any], ratings: Interactions) -> None:
    whole, staged = both(name, ratings, **options)
    users = [*whole.known.users.ids[:60].tolist(), "nobody"]
    excluded = [whole.known.items.ids[start : start + 5].tolist() for start in range(len(users))]
    for k in (10, 40):
        expected = whole.recommend(users, k, exclude=excluded)
        found = staged.recommend(users, k, exclude=excluded)
        assert found.item_index.tolist() == expected.item_index.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-6)
        assert found.cold.tolist() == expected.cold.tolist() == [False] * 60 + [True]
    seen = staged.recommend(users[:20], 10, filter_seen=False)
    assert seen.item_index.tolist() == whole.recommend(users[:20], 10, filter_seen=False).item_index.tolist()


def test_requests_get_the_same_answers_reasons_included(ratings: Interactions) -> None:
    whole, staged = both("ials", ratings)
    asked = [{"user_id": user, "k": 5, "explain": "en"} for user in [*whole.known.users.ids[:20].tolist(), "nobody"]]
    for expected, found in zip(whole.predict(asked), staged.predict(asked), strict=True):
        assert found["items"] == [
            {**item, "score": pytest.approx(item["score"], rel=1e-4)} for item in expected["items"]
        ]


def test_what_was_built_is_kept_with_what_was_measured(ratings: Interactions, tmp_path: Path) -> None:
    _, staged = both("als", ratings, **SHAPED)
    staged.save(tmp_path / "als")
    told = json.loads((tmp_path / "als" / "model.json").read_text())["retrieval"]
    assert told == {key: {"kind": "exact", "recall": 1.0, "lists": 0} for key in ("collaborative", "new")}
    loaded = ModelWrapper.load(tmp_path / "als")
    assert isinstance(loaded, ALS)
    loaded.warm_up()
    users = [*staged.known.users.ids[:30].tolist(), "nobody"]
    assert loaded.recommend(users).item_index.tolist() == staged.recommend(users).item_index.tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("logreg", {"retriever": "ials"}),
        ("hybrid", {"components": {"ials": {}, "popularity": {}}}),
        ("ensemble", {"components": {"ials": {}, "popularity": {}}}),
    ],
)
def test_the_first_request_pays_for_nothing_that_all_reasons_need(
    name: str, options: dict[str, Any], ratings: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(name)(options)
    assert isinstance(made, RecommenderWrapper)
    made.fit(ratings)
    monkeypatch.setattr(IALS, "_gram_of", None)
    grams: list[IALS] = []
    gram = IALS._gram
    monkeypatch.setattr(IALS, "_gram", lambda self: grams.append(self) or gram(self))
    made.warm_up()
    assert grams, "before anybody asks"


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("retrieval.collaborative.index", np.zeros(50, np.uint8)),
        ("retrieval.collaborative.kind", np.array("new")),
        ("retrieval.content.best", np.zeros((1, 1), np.int32)),
    ],
)
def test_an_index_that_does_not_fit_is_refused(
    name: str, damaged: npt.NDArray[Any], ratings: Interactions, tmp_path: Path
) -> None:
    both("als", ratings)[1].save(tmp_path / "als")
    made = read_artifact(tmp_path / "als")
    made.arrays["state"][name] = damaged
    write_artifact(tmp_path / "damaged", made)
    with pytest.raises(DataError, match=r"the artifact of model 'als' does not fit together: .*; train it again"):
        ModelWrapper.load(tmp_path / "damaged")


def test_a_small_catalogue_is_scored_whole(ratings: Interactions, tmp_path: Path) -> None:
    made = IALS(FEW_EPOCHS).fit(ratings)
    assert set(made.state()) == {"user_factors", "item_factors"}
    made.save(tmp_path / "ials")
    assert "retrieval" not in json.loads((tmp_path / "ials" / "model.json").read_text())


def test_a_ranker_gets_the_candidates_of_its_retriever_however_they_were_found(
    ratings: Interactions, tmp_path: Path
) -> None:
    lists = []
    for retrieve_from in (10_000, 1):
        config = {"retriever": "ials", "retriever_config": {**FEW_EPOCHS, "retrieve_from": retrieve_from}}
        made = model("logreg")({**config, "n_candidates": 50})
        assert isinstance(made, RecommenderWrapper)
        made.fit(ratings).save(tmp_path / str(retrieve_from))
        loaded = ModelWrapper.load(tmp_path / str(retrieve_from))
        users = made.known.users.ids[:40].tolist()
        lists.append([answer["items"] for answer in loaded.predict([{"user_id": user} for user in users])])
    ids = [[[item["item_id"] for item in listed] for listed in answers] for answers in lists]
    assert ids[0] == ids[1]


def test_too_few_candidates_are_no_reason_for_a_short_list(ratings: Interactions) -> None:
    whole, staged = both("als", ratings, candidate_sources=("content",), candidates_per_source=10)
    users = whole.known.users.ids[:5].tolist()
    assert staged.recommend(users, 200).item_index.tolist() == whole.recommend(users, 200).item_index.tolist()
    assert (staged.recommend(users, 1).item_index >= 0).all()


def test_each_source_proposes_what_it_is_for(ratings: Interactions) -> None:
    made = IALS(FEW_EPOCHS).fit(ratings)
    known, factors = made.known, made.state()
    scored = Scored(known, factors["user_factors"], factors["item_factors"], IndexPlan(), with_new=True)
    user = 4
    proposed = {name: source(name)(scored).propose(user, 30) for name in SOURCES}
    best = np.argsort(-made.score(np.array([user]))[0], kind="stable")
    assert set(proposed["collaborative"]) == set(best[:30])
    assert set(proposed["new"]) == set(best[known.is_new[best]][:30])
    assert proposed["popular"].tolist() == np.argsort(-known.popularity, kind="stable")[:30].tolist()
    rated = known.history.indices[known.history.indptr[user] : known.history.indptr[user + 1]]
    genres = known.genre_flags[rated].sum(axis=0, dtype=np.int64)
    assert len(proposed["content"]) >= 15
    assert known.genre_flags[proposed["content"]][:, np.argsort(-genres, kind="stable")[:5]].any(axis=1).all()
    assert known.popularity[proposed["content"]].mean() > known.popularity.mean()
    nobody_new = source("new")(scored._replace(with_new=False))
    assert nobody_new.propose(user, 30).tolist() == []


def test_every_source_in_the_folder_is_registered() -> None:
    found = set()
    for path in sorted(Path(next(iter(wrappers.retrieval.__path__))).glob("*.py")):
        module = import_module(f"wrappers.retrieval.{path.stem}")
        for name, member in inspect.getmembers(module, inspect.isclass):
            is_source = issubclass(member, CandidateSource) and not inspect.isabstract(member)
            if is_source and member.__module__ == module.__name__:
                found.add(f"{module.__name__}:{name}")
    assert found == set(SOURCES.values())


@pytest.mark.parametrize(
    ("given", "reason"),
    [(("collaborativ",), "unknown candidate source 'collaborativ'; known: collaborative"), ((), "at least one of")],
)
def test_sources_that_nobody_knows_are_refused(given: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ALS({"candidate_sources": given})


def large_world(n_users: int, n_items: int) -> Scored:
    """Items around 300 tastes, so many that an index searches them approximately."""
    rng = np.random.default_rng(5)
    scale = np.exp(-np.arange(16) / 6)
    items = rng.normal(size=(300, 16))[rng.integers(300, size=n_items)] + 0.3 * rng.normal(size=(n_items, 16))
    rated = np.sort(rng.integers(n_items, size=(n_users, 20)), axis=1)
    history = sparse.csr_array(
        (np.ones(rated.size, np.float32), rated.ravel(), np.arange(0, rated.size + 1, 20)), shape=(n_users, n_items)
    )
    ids = np.arange(n_items)
    catalogue = pd.DataFrame({"item_id": ids, "title": ids.astype(str), "year": pd.NA, "genres": ids % 7})
    catalogue["genres"] = "genre " + catalogue["genres"].astype(str)
    known = TrainingData(IdIndex(np.arange(n_users)), IdIndex(ids), history, catalogue)
    vectors = rng.normal(size=(n_users, 16)) * scale, items * scale
    return Scored(
        known,
        *(each.astype(np.float32) for each in vectors),
        IndexPlan(exact_below=1_000, recall=0.9, n_queries=300),
        with_new=False,
    )


@pytest.mark.parametrize(
    ("kind", "finer"), [("inverted", {}), ("product_quantised", {"quantise_from": 2_000, "depth": 100})]
)
def test_an_approximate_search_finds_as_many_of_the_best_as_was_measured(kind: str, finer: dict[str, int]) -> None:
    world = large_world(1_500, 8_000)
    world = world._replace(plan=replace(world.plan, **finer))
    two_stage = TwoStage(world, RetrievalConfig(candidate_sources=("collaborative", "popular")))
    told = two_stage.told()["collaborative"]
    assert told["kind"] == kind
    assert 0.86 <= told["recall"] < 1
    assert told["lists"] > 0
    users = np.arange(300)
    best = exact_search(world.item_vectors, world.user_vectors[users], 10).item_index
    nothing = np.empty(0, np.int64)
    found = [two_stage.of(Asked(users[[row]], 10, False, nothing, nothing), depth=10).item_index for row in users]
    share = np.mean([np.isin(best[row], found[row]).mean() for row in users])
    assert share >= told["recall"] - 0.04
    assert max(map(len, found)) <= 2 * RetrievalConfig().candidates_per_source
