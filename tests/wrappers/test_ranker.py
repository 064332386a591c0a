"""What every ranker does with features, candidates and cold users."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import BadInput, ConfigError, DataError
from core.interactions import Interactions
from feature_repo.matrices import features_version
from tests.small_interactions import random_interactions
from wrappers import blocks
from wrappers.artifact import load_wrapper
from wrappers.ease import Ease
from wrappers.feature_rows import RowSource
from wrappers.lightgbm_ranker import LightGBM
from wrappers.logreg import LogReg
from wrappers.ranker import RankerWrapper
from wrappers.shuffled import Shuffled

UNKNOWN_USER = 10**9


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Odd users like dramas, even ones war films; ratings say so."""
    made = random_interactions(60, 40)
    drama = made.ratings["item_id"] % 2 == 0
    likes_drama = made.ratings["user_id"] % 2 == 1
    rating = np.where(drama == likes_drama, 5.0, 2.0).astype(np.float32)
    items = np.arange(100, 140)
    genres = pd.DataFrame({"item_id": items, "genre": np.where(items % 2 == 0, "Drama", "War")})
    return replace(made, ratings=made.ratings.assign(rating=rating, timestamp=range(len(made))), genres=genres)


@pytest.fixture(scope="module", params=[LogReg, LightGBM], ids=lambda kind: kind.name)
def ranker(request: pytest.FixtureRequest, data: Interactions) -> RankerWrapper:
    fitted = request.param({"n_candidates": 15}).fit(data)
    assert isinstance(fitted, RankerWrapper)
    return fitted


def item_ids(answer: dict[str, Any]) -> list[int]:
    return [item["item_id"] for item in answer["items"]]


def row_of(ranker: RankerWrapper, user_id: int) -> np.ndarray[Any, Any]:
    return ranker._stored.rows[ranker.known.users.index_of([user_id])[0]]


def test_an_answer_tells_which_features_it_was_ranked_on(ranker: RankerWrapper) -> None:
    own = row_of(ranker, 1)
    lacking = own.copy()
    lacking[0] = np.nan
    asked = [
        {"user_id": 1},
        {"user_id": 1, "features": own},
        {"user_id": 1, "features": lacking},
        {"user_id": 1, "features": {"rating_mean": 4.5}},
        {"user_id": 1, "features": None},
        {"user_id": UNKNOWN_USER},
        {"user_id": UNKNOWN_USER, "features": None},
        {"user_id": UNKNOWN_USER, "features": own},
    ]
    answers = ranker.predict(asked)
    assert [answer["features"] for answer in answers] == [
        *("training", "given", "partial", "partial", "default", "default", "default", "given")
    ]
    assert [answer["cold"] for answer in answers] == [False] * 5 + [True] * 3
    assert json.loads(json.dumps(answers, allow_nan=False)) == answers


def test_the_stored_row_given_back_gives_the_same_list(ranker: RankerWrapper) -> None:
    stored, given = ranker.predict([{"user_id": 1}, {"user_id": 1, "features": row_of(ranker, 1)}])
    assert stored["items"] == given["items"]


def test_a_row_as_json_is_that_row(ranker: RankerWrapper) -> None:
    row = row_of(ranker, 4)
    named = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(ranker.layout.user_names, row, strict=True)
        if " " not in name
    }
    per_genre = row[len(named) :].reshape(2, -1).tolist()
    named |= dict(zip(("genre_share", "genre_lift"), per_genre, strict=True))
    by_name, by_row = ranker.predict([{"user_id": 1, "features": named}, {"user_id": 1, "features": row}])
    assert by_name == by_row


def test_a_cold_user_with_features_gets_popular_items_ranked_on_them(ranker: RankerWrapper) -> None:
    plain, given = ranker.predict(
        [{"user_id": UNKNOWN_USER, "k": 15}, {"user_id": UNKNOWN_USER, "k": 15, "features": row_of(ranker, 1)}]
    )
    counts = ranker.known.popularity
    popular = ranker.known.items.ids[np.lexsort((np.arange(len(counts)), -counts))][:15].tolist()
    assert item_ids(plain) == popular
    assert sorted(item_ids(given)) == sorted(popular)
    assert item_ids(given) != popular
    scores = [item["score"] for item in given["items"]]
    assert max(scores) <= 1 < plain["items"][0]["score"], "ranked by the model, not by counts"


def test_features_decide_what_a_cold_user_is_shown(ranker: RankerWrapper) -> None:
    drama, war = ranker.predict(
        [{"user_id": UNKNOWN_USER, "k": 5, "features": row_of(ranker, user_id)} for user_id in (1, 2)]
    )
    assert sum(item % 2 == 0 for item in item_ids(drama)) > sum(item % 2 == 0 for item in item_ids(war))


def test_a_mixed_batch_equals_its_requests_one_by_one(ranker: RankerWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = [
        {"user_id": 1},
        {"user_id": 2, "features": row_of(ranker, 5), "exclude_items": [100, 101, 102, 103, 104]},
        {"user_id": UNKNOWN_USER},
        {"user_id": UNKNOWN_USER, "features": row_of(ranker, 5), "k": 3},
        {"user_id": 3, "features": None, "exclude_items": [139]},
        {"user_id": 4, "features": {"rating_mean": 3}, "k": 40},
    ]
    singly = [ranker.predict([one])[0] for one in asked]
    assert ranker.predict(asked) == singly
    monkeypatch.setattr(blocks, "CELLS", 1)
    assert ranker.predict(asked) == singly, "in blocks of one user"


def test_excluded_candidates_are_replaced_by_the_next(ranker: RankerWrapper) -> None:
    before = ranker.predict([{"user_id": 1, "k": 10}])[0]
    after = ranker.predict([{"user_id": 1, "k": 10, "exclude_items": item_ids(before)}])[0]
    assert set(item_ids(after)).isdisjoint(item_ids(before))
    retriever = Ease().fit_known(ranker.known)
    retrieved = retriever.recommend([1], 15, exclude=[item_ids(before)]).item_index[0]
    expected = set(ranker.known.items.ids[retrieved[retrieved >= 0]].tolist())
    assert set(item_ids(after)) <= expected
    assert len(item_ids(after)) == min(10, len(expected))


def test_excluding_others_changes_no_score(ranker: RankerWrapper) -> None:
    def scores(answer: dict[str, Any]) -> dict[int, float]:
        return {item["item_id"]: item["score"] for item in answer["items"]}

    for user_id, features in ((1, None), (UNKNOWN_USER, row_of(ranker, 1))):
        one = {"user_id": user_id, "k": 15, "features": features}
        before = ranker.predict([one])[0]
        out = item_ids(before)[::2]
        after = scores(ranker.predict([{**one, "exclude_items": out}])[0])
        kept = {item: score for item, score in scores(before).items() if item not in out}
        assert kept.items() <= after.items()


def test_what_is_excluded_makes_the_ranking_no_larger(ranker: RankerWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a request excludes, memory for columns is that of the candidates."""
    ranked: list[int] = []
    rank = type(ranker)._rank

    def counting(self: RankerWrapper, columns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        ranked.append(columns.shape[1])
        return rank(self, columns)

    monkeypatch.setattr(type(ranker), "_rank", counting)
    ranker.predict([{"user_id": 1, "exclude_items": ranker.known.items.ids[::2].tolist()}, {"user_id": 2}])
    assert ranked == [15]


def test_a_list_is_no_longer_than_the_candidates(ranker: RankerWrapper) -> None:
    found = ranker.recommend([1, UNKNOWN_USER], 40)
    assert (np.count_nonzero(found.item_index >= 0, axis=1) <= 15).all()
    assert found.item_index.shape == (2, 40)


def test_what_was_seen_may_be_asked_for(ranker: RankerWrapper) -> None:
    users = ranker.known.users.ids
    unseen, everything = (ranker.recommend(users, 15, filter_seen=seen).item_index for seen in (True, False))
    history = ranker.known.history.toarray().astype(bool)
    assert not any(history[user, items[items >= 0]].any() for user, items in enumerate(unseen))
    assert any(history[user, items[items >= 0]].any() for user, items in enumerate(everything))


def test_score_holds_the_candidates_and_nothing_else(ranker: RankerWrapper) -> None:
    scores = ranker.score(np.array([0, 1]))
    found = ranker.recommend(ranker.known.users.ids[:2], 15)
    for row, items, values in zip(scores, found.item_index, found.scores, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(row)), np.sort(items[items >= 0]))
        np.testing.assert_array_equal(row[items[items >= 0]], values[items >= 0])


def test_the_round_trip_keeps_features_to_the_bit(ranker: RankerWrapper, tmp_path: Path) -> None:
    ranker.save(tmp_path / "saved")
    loaded = load_wrapper(tmp_path / "saved")
    assert isinstance(loaded, RankerWrapper)
    assert (loaded.layout, loaded.features_version) == (ranker.layout, ranker.features_version)
    asked = [{"user_id": 1}, {"user_id": UNKNOWN_USER, "features": row_of(ranker, 3)}, {"user_id": 2, "features": {}}]
    assert loaded.predict(asked) == ranker.predict(asked)
    assert (tmp_path / "saved/retriever.npz").is_file()


def test_the_version_is_that_of_the_training_ratings(ranker: RankerWrapper, data: Interactions) -> None:
    assert ranker.features_version == features_version(data, ranker.layout)


def test_parts_that_do_not_fit_are_refused(ranker: RankerWrapper, tmp_path: Path) -> None:
    artifact = ranker._artifact()
    fewer = {**artifact.header, "features": {"version": "1", "genres": ["Drama"]}}
    with pytest.raises(DataError, match=r"does not fit together: user_rows has shape \(60, 24\), must have \(60, 22\)"):
        type(ranker).from_artifact(replace(artifact, header=fewer))
    without = {name: arrays for name, arrays in artifact.arrays.items() if name != "retriever"}
    with pytest.raises(DataError, match="does not fit together: 'retriever'"):
        type(ranker).from_artifact(replace(artifact, arrays=without))


def test_a_bad_row_is_refused_by_name(ranker: RankerWrapper) -> None:
    with pytest.raises(BadInput, match="request 0: features: unknown feature 'wealth'; known: rating_count"):
        ranker.predict([{"user_id": 1, "features": {"wealth": 1}}])
    with pytest.raises(ConfigError, match="features has 1 entries, must have one per user: 2"):
        ranker.recommend([1, 2], features=[RowSource.TRAINING])


@pytest.mark.parametrize("retriever", ["logreg", "lightgbm"])
def test_a_retriever_that_needs_features_is_refused(retriever: str) -> None:
    with pytest.raises(ConfigError, match=f"retriever == '{retriever}', must be a recommender that learns from"):
        LogReg({"retriever": retriever})
    with pytest.raises(ConfigError, match=f"base == '{retriever}', must be another recommender that learns from"):
        Shuffled({"base": retriever})


def test_a_retrievers_bad_hyperparameter_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="ease: reg == -1"):
        LogReg({"retriever_config": {"reg": -1}})


@pytest.mark.parametrize("retriever", ["popularity", "item_knn", "als"])
def test_candidates_may_come_from_any_recommender(retriever: str, data: Interactions, tmp_path: Path) -> None:
    fitted = LogReg({"retriever": retriever, "n_candidates": 10}).fit(data)
    fitted.save(tmp_path / "saved")
    users = [*fitted.known.users.ids, UNKNOWN_USER]
    again = load_wrapper(tmp_path / "saved")
    assert isinstance(again, LogReg)
    np.testing.assert_array_equal(again.recommend(users).item_index, fitted.recommend(users).item_index)


def test_a_known_user_of_whom_the_retriever_knows_nothing_is_cold(data: Interactions) -> None:
    """User 999 alone rated item 900, which has no neighbour."""
    alone = pd.DataFrame({"user_id": [999], "item_id": [900], "rating": np.float32(5), "timestamp": 5})
    more = replace(data, ratings=pd.concat([data.ratings, alone], ignore_index=True))
    fitted = LogReg({"retriever": "item_knn", "n_candidates": 10}).fit(more)
    own, unknown, given = fitted.predict(
        [{"user_id": 999}, {"user_id": UNKNOWN_USER}, {"user_id": 999, "features": row_of(fitted, 1)}]
    )
    assert [own["cold"], own["features"], own["items"]] == [True, "training", unknown["items"]]
    assert [given["cold"], given["features"]] == [True, "given"]
    assert given["items"] != own["items"]


@pytest.mark.parametrize("kind", [LogReg, LightGBM])
def test_where_nothing_can_be_learned_the_order_stays_the_retrievers(kind: type[RankerWrapper]) -> None:
    """Nobody has ratings enough for one to be held out."""
    data = random_interactions(12, 8)
    fitted = kind({"held_out_share": 0.01}).fit(data)
    expected = Ease().fit(data).recommend(np.arange(1, 13), 5)
    np.testing.assert_array_equal(fitted.recommend(np.arange(1, 13), 5).item_index, expected.item_index)


@pytest.mark.parametrize(
    ("kind", "forbidden"),
    [(LogReg, {"ibis", "duckdb", "sklearn", "lightgbm", "feast"}), (LightGBM, {"ibis", "duckdb", "feast"})],
)
def test_a_server_needs_nothing_that_only_training_does(
    kind: type[RankerWrapper], forbidden: set[str], data: Interactions, tmp_path: Path
) -> None:
    kind({"n_candidates": 5}).fit(data).save(tmp_path / "saved")
    code = (
        "import sys; from wrappers.artifact import load_wrapper; from pathlib import Path;"
        "load_wrapper(Path(sys.argv[1])).predict([{'user_id': 1, 'features': {'age': 3}}]);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "saved")], capture_output=True, text=True, check=True
    )
    assert forbidden.isdisjoint(run.stdout.split())
