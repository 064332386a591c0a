"""Recommendation by what items are, learned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import sparse

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from tests.described_items import GENRES, described_items, tagged, with_new_items
from wrappers import blocks
from wrappers.base import EvaluationConfig
from wrappers.deep_content import DeepContent, pooling
from wrappers.item_features import item_features, item_texts, latent_vectors, year_shares
from wrappers.new_items import evaluate_new_items
from wrappers.training_data import TrainingData

#: What stands for sentence-transformers where it is not installed: hashes characters to three numbers.
FAKE_PACKAGE = """
import numpy as np

class SentenceTransformer:
    def __init__(self, folder, device, trust_remote_code):
        assert (device, trust_remote_code) == ("cpu", False)
        with open(f"{folder}/modules.json"):
            pass

    def encode(self, texts, convert_to_numpy, normalize_embeddings, show_progress_bar):
        assert convert_to_numpy and normalize_embeddings and not show_progress_bar
        return np.array([[text.count("Drama"), text.count("Horror"), 1.0] for text in texts])
"""


@pytest.fixture(scope="module")
def parts() -> tuple[Interactions, Interactions]:
    return with_new_items()


@pytest.fixture(scope="module")
def deep(parts: tuple[Interactions, Interactions]) -> DeepContent:
    return DeepContent().fit(parts[0])


@pytest.fixture
def sentence_folder(tmp_path: Path) -> Path:
    """A folder as sentence-transformers writes them, as far as the fake reads it."""
    folder = tmp_path / "sentences"
    folder.mkdir()
    (folder / "modules.json").write_text("[]")
    return folder


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sentence_transformers.py").write_text(FAKE_PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    yield
    sys.modules.pop("sentence_transformers", None)


def test_new_items_of_the_liked_genre_come_first(deep: DeepContent, parts: tuple[Interactions, Interactions]) -> None:
    figures = evaluate_new_items(deep, parts[1], EvaluationConfig(k=5))
    # The perfect ranking reaches .93: of their genre, users rated half.
    assert np.nanmean(figures["auc"]) > 0.88
    found = deep.recommend([0, 1, 2, 3], k=10)
    for user, items in enumerate(found.item_index):
        assert set(deep.known.catalogue["genres"].iloc[items]) == {GENRES[user]}


def test_contributions_and_appeal_make_up_the_score(deep: DeepContent) -> None:
    items = np.arange(len(deep.known.items))
    appeal = deep.state()["appeal"]
    for user in (0, 59):
        rated, summands = deep.contributions(user, items)
        np.testing.assert_array_equal(rated, deep.known.history[[user]].indices)
        np.testing.assert_allclose(summands.sum(axis=1) + appeal, deep.score(np.array([user]))[0], rtol=1e-4, atol=1e-4)
        own_genre = rated % 4 == user % 4
        best = deep.recommend([user], k=1).item_index[0]
        _, causes = deep.contributions(user, best)
        assert causes[0, own_genre].mean() > causes[0, ~own_genre].mean()


def test_items_are_held_out_whole_to_validate(monkeypatch: pytest.MonkeyPatch) -> None:
    """With items enough, a tenth of them is in no batch; the others are each in all of an epoch's."""
    from wrappers.deep_content_network import DeepContentTask

    data = described_items(n_users=30, n_items=300)
    known = TrainingData.of(data)
    features = item_features(data, known, text_size=4, seed=0)
    task = DeepContentTask(features, known.history, DeepContent({"epochs": 2}).config)
    network = task.network().eval().requires_grad_(False)
    score = task.validation_score(network)
    assert score is not None
    monkeypatch.setattr(blocks, "CELLS", 300 * 7)
    assert task.validation_score(network) == pytest.approx(score)
    for weights in network.parameters():
        weights.zero_()
    # To who knows nothing, each of the 30 items held out is as likely as any other.
    assert task.validation_score(network) == pytest.approx(-np.log(30))
    batches = list(task.batches(0))
    past, pooled, future, rated = batches[0]
    trained_on = set(past.tolist()) | set(future.tolist())
    assert len(trained_on) == len(past) + len(future) == 270
    assert pooled.shape == (30, len(past))
    assert rated.shape == (30, len(future))
    for again, first in zip(task.batches(0), batches, strict=True):
        assert all((one == other).all() for one, other in zip(again, first, strict=True))
    assert set(next(iter(task.batches(1)))[2].tolist()) != set(future.tolist())


def test_too_few_items_are_all_trained_on() -> None:
    from wrappers.deep_content_network import DeepContentTask

    data = described_items(n_users=12, n_items=40)
    known = TrainingData.of(data)
    task = DeepContentTask(item_features(data, known, text_size=4, seed=0), known.history, DeepContent().config)
    assert task.validation_score(task.network()) is None


def test_tags_of_ratings_held_out_are_not_looked_at() -> None:
    fit, held_out = with_new_items()
    pairs = held_out.ratings[["user_id", "item_id"]].to_numpy().tolist()
    quick = {"epochs": 2}
    leaking = DeepContent(quick).fit(tagged(fit, [(user, item, f"loved by {user}") for user, item in pairs]))
    for name, array in DeepContent(quick).fit(fit).state().items():
        np.testing.assert_array_equal(leaking.state()[name], array)


def test_histories_are_pooled_by_the_root_of_their_length() -> None:
    history = sparse.csr_array(np.array([[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]], np.float32))
    np.testing.assert_array_equal(pooling(history).toarray(), [[0.5] * 4, [0, 1, 0, 0], [0] * 4])


def test_latent_vectors_keep_the_products_of_rows() -> None:
    dense = np.random.default_rng(0).random((30, 5)) @ np.random.default_rng(1).random((5, 40))
    matrix = sparse.csr_array(dense.astype(np.float32))
    found = latent_vectors(matrix, 8, seed=0)
    assert found.shape == (30, 8)
    np.testing.assert_allclose(found @ found.T, dense @ dense.T, rtol=1e-4)
    np.testing.assert_array_equal(latent_vectors(matrix, 8, seed=0), found)
    assert latent_vectors(matrix[:, :3], 8, seed=0).shape == (30, 8)
    assert not latent_vectors(sparse.csr_array((30, 0), dtype=np.float32), 8, seed=0).any()


def test_years_lie_between_their_knots() -> None:
    shares = year_shares(pd.Series([1950, 1951, 1957, None], dtype="Int16"))
    np.testing.assert_allclose(shares, [[1, 0, 0], [0.8, 0.2, 0], [0, 0.6, 0.4], [0, 0, 0]], atol=1e-6)
    assert year_shares(pd.Series([None, None], dtype="Int16")).shape == (2, 0)


def test_texts_tell_title_genres_and_tags() -> None:
    data = described_items(n_users=8, n_items=4)
    user = int(data.ratings["user_id"].iloc[0])
    data = tagged(data, [(user, 0, "slow"), (user, 0, "dark"), (user, 0, "slow"), (user, 99, "of no item")])
    known = TrainingData.of(data)
    assert item_texts(data, known)[:2] == ["The Day of 0 (1990). Comedy. slow, dark", "The Night of 1 (1991). Drama"]
    bare = Interactions(data.ratings)
    assert item_texts(bare, TrainingData.of(bare))[0] == "0"


def test_any_encoder_of_texts_will_do(parts: tuple[Interactions, Interactions]) -> None:
    asked: list[Sequence[str]] = []

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        asked.append(texts)
        return np.array([[2.0 * ("Drama" in text), 0.0] for text in texts], np.float32)

    known = TrainingData.of(parts[0], with_unrated=True)
    features = item_features(parts[0], known, text_size=8, seed=0, encode=encode)
    assert len(asked[0]) == len(known.items) == len(features.text)
    # As a whole of typical length 1.
    assert set(features.text[:, 0].tolist()) == {0.0, 1.0}
    assert set(features.numeric[:, :4].sum(axis=1).tolist()) == {1.0}


@pytest.mark.usefixtures("fake_package")
def test_sentences_stand_for_words_where_a_model_is_given(
    parts: tuple[Interactions, Interactions], sentence_folder: Path, tmp_path: Path
) -> None:
    quick = {"epochs": 3, "sentence_model": str(sentence_folder)}
    made = DeepContent(quick).fit(parts[0])
    plain = DeepContent({"epochs": 3}).fit(parts[0])
    assert not np.array_equal(made.state()["appeal"], plain.state()["appeal"])
    made.save(tmp_path / "saved")
    # What answers needs neither the folder nor the package.
    (sentence_folder / "modules.json").unlink()
    loaded = DeepContent.load(tmp_path / "saved")
    assert isinstance(loaded, DeepContent)
    np.testing.assert_array_equal(loaded.score(np.arange(3)), made.score(np.arange(3)))
    with pytest.raises(ConfigError, match=r"sentence_model == '.*' holds no model of sentence-transformers"):
        DeepContent(quick).fit(parts[0])


def test_without_the_package_or_the_folder_it_says_what_to_do(
    parts: tuple[Interactions, Interactions], sentence_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also where it happens to be installed.
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"not installed .* pip install 'screentest\[sentence\]'") as refused:
        DeepContent({"sentence_model": str(sentence_folder)}).fit(parts[0])
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match=r"deep_content: sentence_model == '/no/where', but there is no such folder"):
        DeepContent({"sentence_model": "/no/where"}).fit(parts[0])


def test_a_loaded_model_imports_no_torch(deep: DeepContent, tmp_path: Path) -> None:
    deep.save(tmp_path / "deep")
    code = (
        "import sys; from wrappers.artifact import load_wrapper; "
        f"load_wrapper({str(tmp_path / 'deep')!r}).predict([{{'user_id': 1, 'k': 3}}]); "
        "assert not {'sklearn', 'torch', 'pytorch_lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_arrays_that_do_not_fit_are_refused(deep: DeepContent) -> None:
    artifact = deep._artifact()
    state = {**artifact.arrays["state"], "appeal": np.ones(3, np.float32)}
    with pytest.raises(DataError, match=r"appeal has shape \(3,\), must have"):
        DeepContent.from_artifact(replace(artifact, arrays={**artifact.arrays, "state": state}))


@pytest.mark.real_data
def test_new_films_are_ranked_far_better_than_at_random(movielens: Path) -> None:
    """After a few epochs already; benchmarks/new_items.py trains to the end."""
    from benchmarks.new_items import TEST_SEED, divided

    [(fit, held_out)] = divided(LocalDataLoader(movielens, split=SplitRule()).load(), [TEST_SEED])
    quick = DeepContent({"epochs": 6, "hidden_size": 32, "embedding_size": 32, "learning_rate": 0.01, "threads": 1})
    figures = evaluate_new_items(quick.fit(fit), held_out, EvaluationConfig())
    n_new = held_out.ratings["item_id"].nunique()
    assert np.nanmean(figures["auc"]) > 0.7
    assert np.nanmean(figures["recall"]) > 5 * 10 / n_new
