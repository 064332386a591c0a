"""What every registered model must do, whatever it is inside."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from core.errors import BadInput, ConfigError
from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions
from tests.small_interactions import MemoryLoader, interactions_of, random_interactions
from wrappers.artifact import load_wrapper
from wrappers.base import ModelWrapper
from wrappers.pyfunc import LOADER_MODULE
from wrappers.reason_words import LANGUAGES
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import MODELS, model
from wrappers.training_data import TrainingData

#: Users fewer than items and the other way round: EASE has a form for each.
SHAPES = [(16, 24), (24, 16)]


#: (model, hash of its ratings) to the model: what is trained does not change, and training on features takes a second.
_TRAINED: dict[tuple[str, str], RecommenderWrapper] = {}


def newly_trained(name: str, interactions: Interactions) -> RecommenderWrapper:
    made = model(name)()
    assert isinstance(made, RecommenderWrapper)
    return made.prepare(MemoryLoader(interactions, interactions))


def trained(name: str, interactions: Interactions) -> RecommenderWrapper:
    """The model trained on these ratings, by an earlier test where there was one."""
    rows = pd.util.hash_pandas_object(interactions.ratings, index=False).to_numpy()
    key = (name, hashlib.sha256(rows.tobytes()).hexdigest())
    if key not in _TRAINED:
        _TRAINED[key] = newly_trained(name, interactions)
    return _TRAINED[key]


def file_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


pytestmark = pytest.mark.parametrize("name", sorted(MODELS))


def test_knows_its_name(name: str) -> None:
    assert model(name).name == name


def test_every_hyperparameter_is_described_and_has_a_default(name: str) -> None:
    config = model(name).Config
    assert config.__doc__
    assert all(field.description for field in config.model_fields.values())
    config()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_withheld_item_of_a_checkerboard_ranks_first(name: str, shape: tuple[int, int]) -> None:
    """Users like the items of their own colour. One such item is withheld from each: it must come first.

    The colour is the items' genre too, so that models can tell which only look at what items are.
    """
    kind = model(name)
    assert issubclass(kind, RecommenderWrapper)
    if kind.negative_control or not kind.personalised:
        assert name in {"shuffled", "popularity"}, "an exemption that nobody agreed to"
        return
    n_users, n_items = shape
    user, item = (grid.ravel() for grid in np.meshgrid(np.arange(n_users), np.arange(n_items), indexing="ij"))
    liked = (user % 2 == item % 2) & (item != user % n_items)
    colour = np.where(item[liked] % 2, "Black", "White")
    found = trained(name, interactions_of(user[liked], item[liked], genre=colour)).recommend(np.arange(n_users), k=3)
    assert found.item_index[:, 0].tolist() == [number % n_items for number in range(n_users)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_equals_its_users_one_by_one(name: str, shape: tuple[int, int]) -> None:
    recommender = trained(name, random_interactions(*shape))
    users = [*recommender.known.users.ids.tolist(), 10**9, 1, 1]
    exclude = [recommender.known.items.ids[number % 5 : 5].tolist() for number in range(len(users))]
    together = recommender.recommend(users, 7, exclude=exclude)
    singly = [recommender.recommend([user], 7, exclude=[items]) for user, items in zip(users, exclude, strict=True)]
    for field in together._fields:
        np.testing.assert_array_equal(getattr(together, field), np.concatenate([getattr(one, field) for one in singly]))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_round_trip_is_bit_equal(name: str, shape: tuple[int, int], tmp_path: Path) -> None:
    recommender = trained(name, random_interactions(*shape))
    recommender.save(tmp_path / "saved")
    loaded = load_wrapper(tmp_path / "saved")
    assert type(loaded) is type(recommender)
    assert loaded.config == recommender.config
    before, after = (one.recommend([*range(1, 25), 10**9], 9) for one in (recommender, loaded))
    for field in before._fields:
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))
    pd.testing.assert_frame_equal(loaded.known.catalogue, recommender.known.catalogue)
    loaded.save(tmp_path / "again")
    assert file_bytes(tmp_path / "again") == file_bytes(tmp_path / "saved")


def test_loads_by_its_own_class_and_refuses_another(name: str, tmp_path: Path) -> None:
    trained(name, random_interactions()).save(tmp_path / "saved")
    assert isinstance(model(name).load(tmp_path / "saved"), model(name))
    other = model(next(known for known in sorted(MODELS) if known != name))
    with pytest.raises(ConfigError, match=f"holds the model '{name}', not {other.__name__}"):
        other.load(tmp_path / "saved")


def test_training_twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        newly_trained(name, random_interactions()).save(tmp_path / folder)
    assert file_bytes(tmp_path / "first") == file_bytes(tmp_path / "second")


def test_the_artifact_is_data_without_pickle(name: str, tmp_path: Path) -> None:
    trained(name, random_interactions()).save(tmp_path / "saved")
    files = sorted(path for path in (tmp_path / "saved").rglob("*") if path.is_file())
    allowed = {".json", ".npz", ".parquet", ".txt", ".onnx", ".yaml", ".py"}
    assert {".json", ".npz", ".parquet"} <= {path.suffix for path in files} <= allowed
    for path in files:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert not any(arrays[key].dtype.hasobject for key in arrays.files)
    assert json.loads((tmp_path / "saved/model.json").read_text())["model"] == name


def test_what_a_user_rated_is_not_recommended(name: str) -> None:
    recommender = trained(name, random_interactions())
    users = recommender.known.users.ids
    found = recommender.recommend(users, k=5)
    seen = recommender.known.history.toarray().astype(bool)
    row, place = np.nonzero(found.item_index >= 0)
    assert len(row) > 0
    assert not seen[row, found.item_index[row, place]].any()


def test_what_a_user_rated_may_be_asked_for(name: str) -> None:
    recommender = trained(name, random_interactions(n_items=12))
    best = recommender.recommend(recommender.known.users.ids, k=12, filter_seen=False)
    filtered = recommender.recommend(recommender.known.users.ids, k=12)
    assert np.count_nonzero(best.item_index >= 0) >= np.count_nonzero(filtered.item_index >= 0)
    if not recommender.personalised:
        assert (best.item_index == best.item_index[0]).all()


def test_arguments_that_make_no_sense_are_refused(name: str) -> None:
    recommender = trained(name, random_interactions())
    with pytest.raises(ConfigError, match="k == 0, must be >= 1"):
        recommender.recommend([1], 0)
    with pytest.raises(ConfigError, match="exclude has 1 entries, must have one per user: 2"):
        recommender.recommend([1, 2], exclude=[[100]])


def test_hyperparameters_given_to_train_replace_the_first(name: str) -> None:
    data = random_interactions()
    made = model(name)()
    for field, value in (("reg", 5.0), ("neighbours", 3), ("depth", 7)):
        if field in made.Config.model_fields:
            made.train(MemoryLoader(data, data), {field: value})
            assert getattr(made.config, field) == value
    with pytest.raises(ConfigError, match="unknown option"):
        made.train(MemoryLoader(data, data), {"no_such_thing": 1})


def test_scores_descend_and_padding_is_nan(name: str) -> None:
    found = trained(name, random_interactions()).recommend(np.arange(1, 31), k=25)
    assert found.item_index.dtype == np.int64
    assert found.scores.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found.scores), found.item_index == -1)
    steps = np.diff(found.scores, axis=1)
    assert (steps[~np.isnan(steps)] <= 0).all()


def test_excluded_items_are_left_out_and_unknown_ones_ignored(name: str) -> None:
    recommender = trained(name, random_interactions())
    best = recommender.predict([{"user_id": 1, "k": 5}])[0]["items"]
    dropped = [item["item_id"] for item in best[:2]]
    answer = recommender.predict([{"user_id": 1, "k": 3, "exclude_items": [*dropped, 10**12, "no such item"]}])[0]
    # Shuffled replaces what is excluded as well: only its own order is fixed.
    assert [item["item_id"] for item in answer["items"]] == [item["item_id"] for item in best[2:5]]


def test_an_unknown_user_gets_popularity_order_and_is_marked_cold(name: str) -> None:
    recommender = trained(name, random_interactions())
    answer = recommender.predict([{"user_id": 10**9, "k": 4}, {"user_id": 1, "k": 4}])
    counts = recommender.known.popularity
    expected = sorted(range(len(counts)), key=lambda index: (-counts[index], index))[:4]
    assert [answer[0]["cold"], answer[1]["cold"]] == [True, False]
    assert [item["item_id"] for item in answer[0]["items"]] == recommender.known.items.ids[expected].tolist()
    assert [item["score"] for item in answer[0]["items"]] == counts[expected].tolist()


def test_a_user_with_empty_history_is_cold(name: str) -> None:
    """A known user without a training rating; and one of each kind in the same batch."""
    full = TrainingData.of(random_interactions())
    history = full.history.toarray()
    history[4] = 0
    known = TrainingData(full.users, full.items, sparse.csr_array(history), full.catalogue)
    made = model(name)()
    assert isinstance(made, RecommenderWrapper)
    if made.needs_details:
        with pytest.raises(ConfigError, match="learns from more than who rated what; use fit"):
            made.fit_known(known)
        return
    found = made.fit_known(known).recommend([5, 6, 10**9], k=4)
    assert found.cold.tolist() == [True, False, True]
    np.testing.assert_array_equal(found.item_index[0], found.item_index[2])


def test_a_list_longer_than_the_catalogue_ends_early(name: str) -> None:
    recommender = trained(name, random_interactions(n_items=12))
    n_seen = recommender.known.history.sum(axis=1).astype(int)
    found = recommender.recommend(recommender.known.users.ids, k=50)
    assert found.item_index.shape == (30, 50)
    n_found = np.count_nonzero(found.item_index >= 0, axis=1)
    assert (n_found <= 12 - n_seen).all()
    assert all(len(set(row[row >= 0])) == np.count_nonzero(row >= 0) for row in found.item_index)
    assert len(recommender.predict([{"user_id": 10**9, "k": 50}])[0]["items"]) == 12


def test_a_user_who_saw_everything_gets_an_empty_list(name: str) -> None:
    users = np.concatenate([np.full(8, 1), np.repeat([2, 3, 4], 3)])
    items = np.concatenate([np.arange(8), [0, 1, 2, 3, 4, 5, 6, 7, 0]])
    recommender = trained(name, interactions_of(users, items))
    assert recommender.predict([{"user_id": 1, "k": 5}])[0]["items"] == []
    assert recommender.recommend([1], 5).item_index.tolist() == [[-1] * 5]


def test_string_ids_give_the_same_lists_as_integer_ids(name: str) -> None:
    numbers = random_interactions()
    texts = interactions_of(
        [f"user {number:03}" for number in numbers.ratings["user_id"]],
        [f"item {number:03}" for number in numbers.ratings["item_id"]],
    )
    by_number, by_text = trained(name, numbers), trained(name, texts)
    asked = [{"user_id": 7, "k": 4, "exclude_items": [101]}, {"user_id": 8, "k": 4}]
    asked_by_text = [{"user_id": "user 007", "k": 4, "exclude_items": ["item 101"]}, {"user_id": "user 008", "k": 4}]
    for here, there in zip(by_number.predict(asked), by_text.predict(asked_by_text), strict=True):
        assert [f"item {item['item_id']:03}" for item in here["items"]] == [item["item_id"] for item in there["items"]]
        assert [item["score"] for item in here["items"]] == [item["score"] for item in there["items"]]
    # Over HTTP an integer id may come as text.
    assert (
        by_number.predict([{"user_id": "7", "k": 4, "exclude_items": ["101"]}])[0]["items"]
        == (by_number.predict([{"user_id": 7, "k": 4, "exclude_items": [101]}])[0]["items"])
    )


def test_predictions_are_plain_json(name: str) -> None:
    answer = trained(name, random_interactions()).predict([{"user_id": 1}, {"user_id": 10**9, "k": 2}])
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_lists_with_qualities_keep_every_promise(name: str) -> None:
    made = copy.copy(trained(name, random_interactions()))
    made.config = made.config.model_copy(update={"diversity": 0.5, "max_genre_share": 0.7, "explore_slots": 1})
    asked = [{"user_id": user, "k": 3 + user % 2, "exclude_items": [101]} for user in (1, 2, 7, 10**9)]
    answers = made.predict(asked)
    assert answers == [made.predict([one])[0] for one in asked]
    for one, answer in zip(asked, answers, strict=True):
        listed = made.known.items.index_of([item["item_id"] for item in answer["items"]])
        assert 0 < len(set(listed.tolist())) == len(listed) <= one["k"]
        assert 101 not in made.known.items.ids[listed]
        user = int(made.known.users.index_of([one["user_id"]])[0])
        assert user == UNKNOWN or not made.known.history[[user]].toarray()[0, listed].any()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_item_has_a_reason_where_asked_for(name: str, language: str) -> None:
    made = trained(name, random_interactions())
    asked = [{"user_id": user, "k": 3, "explain": language} for user in (1, 2, 10**9)]
    answers = made.predict(asked)
    assert json.loads(json.dumps(answers, allow_nan=False)) == answers
    told = [item for answer in answers for item in answer["items"]]
    assert len(told) >= 6
    assert all(item["reason"].strip() and 0 <= item["confidence"] <= 1 for item in told)
    # What is told changes nothing of what is listed.
    plain = made.predict([{"user_id": one["user_id"], "k": 3} for one in asked])
    for without, answer in zip(plain, answers, strict=True):
        assert [item["item_id"] for item in without["items"]] == [item["item_id"] for item in answer["items"]]


def test_a_dataframe_is_answered_like_a_list(name: str) -> None:
    recommender = trained(name, random_interactions())
    asked = [{"user_id": 1, "k": 3, "exclude_items": [101]}, {"user_id": 2}, {"user_id": 10**9, "k": 2}]
    assert recommender.predict(pd.DataFrame(asked)) == recommender.predict(asked)


def test_no_request_is_no_answer(name: str) -> None:
    recommender = trained(name, random_interactions())
    assert recommender.predict([]) == []
    assert recommender.recommend([], 5).item_index.shape == (0, 5)


def test_unknown_hyperparameters_are_refused_by_name(name: str) -> None:
    known = ", ".join(model(name).Config.model_fields) or "none"
    with pytest.raises(ConfigError, match=f"{name}: unknown option no_such_thing == 3; known: {known}"):
        model(name)({"no_such_thing": 3})


def test_every_hyperparameter_refuses_nonsense_by_name(name: str) -> None:
    for field in model(name).Config.model_fields:
        with pytest.raises(ConfigError, match=rf"{name}: {field} == \['nonsense'\]"):
            model(name)({field: ["nonsense"]})


def test_saving_before_training_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not trained"):
        model(name)().save(tmp_path / "saved")


def test_no_ratings_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="no training ratings"):
        trained(name, Interactions(random_interactions().ratings.iloc[:0]))


def test_pyfunc_answers_like_the_wrapper(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Read at the first import in a process: MLflow would print there from then on, also in other tests.
    monkeypatch.setenv("MLFLOW_CONFIGURE_LOGGING", "false")
    import mlflow.pyfunc

    recommender = trained(name, random_interactions())
    recommender.save(tmp_path / name)
    mlflow.pyfunc.save_model(
        str(tmp_path / "mlflow_model"), loader_module=LOADER_MODULE, data_path=str(tmp_path / name), pip_requirements=[]
    )
    asked = pd.DataFrame([{"user_id": 1, "k": 3}, {"user_id": 10**9, "k": 2}])
    assert mlflow.pyfunc.load_model(str(tmp_path / "mlflow_model")).predict(asked) == recommender.predict(asked)
    # The same folder loads without MLflow's own loading.
    assert isinstance(ModelWrapper.load(tmp_path / "mlflow_model"), model(name))


def test_an_evaluation_covers_every_test_user(name: str) -> None:
    data = random_interactions()
    rows = np.arange(len(data))
    loader = MemoryLoader(data.take(rows[rows % 4 != 0]), data.take(rows[rows % 4 == 0]))
    result = model(name)().prepare(loader).evaluate(loader, {"k": 5})
    assert result.user_ids.tolist() == np.unique(loader.test().ratings["user_id"]).tolist()
    assert IdIndex(result.user_ids) == loader.test().user_index()
    assert all(values.shape == result.user_ids.shape for values in result.per_user.values())
    assert 0 < result.means["ndcg_at_5"] <= 1
