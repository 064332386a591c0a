from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ConfigError, TrackingError
from tracking import registry
from tracking.client import Tracker
from tracking.models import MODEL_URI, model_folder, model_uri_of
from tracking.registry import (
    Candidate,
    download,
    drop_alias,
    list_versions,
    promote,
    register_all,
    register_version,
    resolve,
    set_alias,
    version_for,
)
from tracking.runs import new_run, read_run

# A hint of MLflow's about the example's integer columns: no user id is ever missing.
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema")

NAME = "recommender"
Train = Callable[[str], str]


def _candidates(train: Train, *kinds: str) -> list[Candidate]:
    return [Candidate(train(kind), kind) for kind in kinds]


def _state(tracker: Tracker) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {version.version: (version.model, version.aliases) for version in list_versions(tracker, NAME)}


def test_a_trained_model_becomes_a_version_that_can_be_downloaded(tracker: Tracker, train: Train) -> None:
    run_id = train("ease")
    version = register_version(tracker, NAME, Candidate(run_id, "ease", {"data": "small"}))
    assert (version.version, version.model, version.run_id, version.uri) == (
        "1",
        "ease",
        run_id,
        "models:/recommender/1",
    )
    assert version.tags["data"] == "small"
    folder = download(tracker, version.uri)
    assert json.loads((folder / "model.json").read_text()) == {"model": "ease"}


def test_downloading_leaves_the_store_as_it_is(tracker: Tracker, train: Train, tmp_path: Path) -> None:
    version = register_version(tracker, NAME, _candidates(train, "ease")[0])
    store = Path(tracker.uri.removeprefix("sqlite:///")).parent / "artifacts"
    before = sorted(store.rglob("*"))
    assert any(path.name == "model.json" for path in before)
    (tmp_path / "copy").mkdir()
    folder = download(tracker, version.uri, tmp_path / "copy")
    assert folder.is_relative_to(tmp_path / "copy")
    download(tracker, version.uri)
    assert sorted(store.rglob("*")) == before


def test_the_model_works_as_pyfunc_and_has_a_signature(tracker: Tracker, train: Train) -> None:
    import mlflow.pyfunc

    version = register_version(tracker, NAME, _candidates(train, "ease")[0])
    loaded = mlflow.pyfunc.load_model(version.uri)
    assert loaded.predict([{"user_id": 1, "k": 10}]) == ["seen"]
    assert loaded.metadata.signature.inputs.input_names() == ["user_id", "k"]


def test_every_candidate_becomes_a_version_and_aliases_follow(tracker: Tracker, train: Train) -> None:
    candidates = _candidates(train, "popularity", "ease")
    aliases = {"champion": candidates[0].run_id, "challenger": candidates[1].run_id}
    versions = register_all(tracker, NAME, candidates, aliases)
    assert [(version.model, version.aliases) for version in versions] == [
        ("popularity", ("champion",)),
        ("ease", ("challenger",)),
    ]


def test_registering_twice_changes_nothing(tracker: Tracker, train: Train) -> None:
    candidates = _candidates(train, "popularity", "ease")
    first = register_all(tracker, NAME, candidates)
    assert register_all(tracker, NAME, candidates) == first
    assert len(list_versions(tracker, NAME)) == 2


def test_a_candidate_without_a_model_leaves_the_registry_as_it_was(tracker: Tracker, train: Train) -> None:
    [champion] = _candidates(train, "popularity")
    register_all(tracker, NAME, [champion], {"champion": champion.run_id})
    before = _state(tracker)
    with new_run(tracker, "broken") as broken:
        pass
    good = Candidate(train("ease"), "ease")
    with pytest.raises(
        TrackingError, match=r"'broken' could not be registered: .* has no model; .*nothing was changed"
    ):
        register_all(tracker, NAME, [good, Candidate(broken, "broken")], {"champion": good.run_id})
    assert _state(tracker) == before


def test_a_refused_alias_takes_versions_and_aliases_back(tracker: Tracker, train: Train) -> None:
    [champion] = _candidates(train, "popularity")
    register_all(tracker, NAME, [champion], {"champion": champion.run_id})
    before = _state(tracker)
    better = Candidate(train("ease"), "ease")
    aliases = {"champion": better.run_id, "challenger": better.run_id, "v1": better.run_id}
    with pytest.raises(TrackingError, match="alias 'v1' could not be set to version 2"):
        register_all(tracker, NAME, [better], aliases)
    assert _state(tracker) == before


def test_an_interrupt_takes_versions_back(tracker: Tracker, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "set_alias", interrupt)
    [candidate] = _candidates(train, "ease")
    with pytest.raises(KeyboardInterrupt):
        register_all(tracker, NAME, [candidate], {"champion": candidate.run_id})
    assert _state(tracker) == {}


def test_what_could_not_be_undone_is_named(tracker: Tracker, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise TrackingError("gone")

    monkeypatch.setattr(registry, "set_alias", gone)
    monkeypatch.setattr(registry, "drop_alias", gone)
    [candidate] = _candidates(train, "ease")
    with pytest.raises(TrackingError, match=r"could not be undone: alias champion$"):
        register_all(tracker, NAME, [candidate], {"champion": candidate.run_id})


def test_aliases_must_name_candidates(tracker: Tracker) -> None:
    with pytest.raises(ValueError, match="must name candidates"):
        register_all(tracker, NAME, [], {"champion": "another"})


def test_promotion_moves_the_aliases_and_can_be_repeated(tracker: Tracker, train: Train) -> None:
    candidates = _candidates(train, "popularity", "ease", "item_knn")
    register_all(tracker, NAME, candidates, {"champion": candidates[0].run_id, "challenger": candidates[1].run_id})
    expected = {"3": ("item_knn", ()), "2": ("ease", ("champion",)), "1": ("popularity", ("previous",))}
    for _ in range(2):
        assert promote(tracker, NAME, "2").aliases == ("champion",)
        assert _state(tracker) == expected


@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_interrupted_promotion_can_be_finished(
    tracker: Tracker, train: Train, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    candidates = _candidates(train, "popularity", "ease")
    register_all(tracker, NAME, candidates, {"champion": candidates[0].run_id, "challenger": candidates[1].run_id})
    left = [call]

    def until_interrupted(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*arguments: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            change(*arguments)

        return changed

    with monkeypatch.context() as patch:
        patch.setattr(registry, "set_alias", until_interrupted(set_alias))
        patch.setattr(registry, "drop_alias", until_interrupted(drop_alias))
        with pytest.raises(KeyboardInterrupt):
            promote(tracker, NAME, "2")
    assert version_for(tracker, NAME) is not None
    promote(tracker, NAME, "2")
    assert _state(tracker) == {"2": ("ease", ("champion",)), "1": ("popularity", ("previous",))}


def test_promoting_what_does_not_exist(tracker: Tracker, train: Train) -> None:
    register_version(tracker, NAME, _candidates(train, "ease")[0])
    with pytest.raises(TrackingError, match="version=7"):
        promote(tracker, NAME, "7")
    assert version_for(tracker, NAME) is None


@pytest.mark.parametrize(
    "uri",
    [
        "models:/recommender/1",
        "models:/recommender@champion",
        "models:/recommender@Production",
        "models:/recommender/Production",
        "models:/recommender/production",
    ],
)
def test_a_model_uri_is_pinned(tracker: Tracker, train: Train, uri: str) -> None:
    [candidate] = _candidates(train, "ease")
    register_all(tracker, NAME, [candidate], {"champion": candidate.run_id})
    assert resolve(tracker, uri).uri == "models:/recommender/1"


@pytest.mark.parametrize(
    "uri", ["recommender", "models:/recommender", "models:/recommender/champion", "models:/a/b/c", "runs:/a/model"]
)
def test_what_is_no_model_uri_is_refused(tracker: Tracker, uri: str) -> None:
    with pytest.raises(ConfigError, match="must be models:/NAME/VERSION or models:/NAME@ALIAS"):
        resolve(tracker, uri)


def test_what_is_not_registered(tracker: Tracker, train: Train) -> None:
    assert list_versions(tracker, NAME) == []
    assert version_for(tracker, NAME) is None
    with pytest.raises(TrackingError, match="no alias 'challenger'; it has: none"):
        resolve(tracker, "models:/recommender@challenger")
    with pytest.raises(TrackingError, match="version=3"):
        resolve(tracker, "models:/recommender/3")
    register_version(tracker, NAME, _candidates(train, "ease")[0])
    drop_alias(tracker, NAME, "challenger")


def test_an_artifact_that_is_gone_is_named(tracker: Tracker, train: Train) -> None:
    version = register_version(tracker, NAME, _candidates(train, "ease")[0])
    folder = download(tracker, version.uri)
    (folder / "model.json").unlink()
    folder.rmdir()
    with pytest.raises(TrackingError, match="models:/recommender/1 holds no artifact folder"):
        download(tracker, version.uri)
    (folder.parent.parent / "MLmodel").unlink()
    with pytest.raises(TrackingError, match="models:/recommender/1 cannot be downloaded"):
        download(tracker, version.uri)


def test_the_model_belongs_to_the_runs_experiment_and_is_ready(tracker: Tracker, train: Train) -> None:
    run_id = train("ease")
    model = tracker.client.get_logged_model(model_uri_of(tracker, run_id).removeprefix("models:/"))
    assert (model.source_run_id, model.experiment_id, model.status) == (run_id, tracker.experiment_id, "READY")


def test_an_unregistered_model_can_be_fetched_by_its_run(tracker: Tracker, train: Train) -> None:
    folder = model_folder(tracker, train("ease"))
    assert json.loads((folder / "model.json").read_text()) == {"model": "ease"}
    with new_run(tracker, "no model") as run_id:
        pass
    with pytest.raises(TrackingError, match="has no model; train it first"):
        model_folder(tracker, run_id)


def test_a_run_names_its_model(tracker: Tracker, train: Train) -> None:
    run_id = train("ease")
    assert model_uri_of(tracker, run_id) == read_run(tracker, run_id).tags[MODEL_URI]
    assert model_uri_of(tracker, run_id).startswith("models:/m-")
