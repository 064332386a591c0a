"""The router: who goes where, whose list that is, and how it is made and kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from core.errors import BadInput, ConfigError, DataError, TrackingError
from experiments.assignment import bucket
from tests.mlflow_on_sqlite import environment_kept
from tests.small_interactions import MemoryLoader, grouped_loader
from tracking import registry as model_registry
from tracking.client import Tracker, connect, database_uri
from tracking.registry import Candidate, download, drop_alias, list_versions, register_all, set_alias
from tracking.runs import find_runs
from wrappers.artifact import read_artifact, write_artifact
from wrappers.base import ModelWrapper
from wrappers.ease import Ease
from wrappers.item_knn import ItemKNN
from wrappers.lifecycle import train_and_log
from wrappers.popularity import Popularity
from wrappers.router import ARMS, ROUTER, Router, RouterConfig, router_artifact
from wrappers.router_registration import register_router

NAMES = {"PolicyA": "ease", "PolicyB": "item_knn"}
USERS = list(range(30))


@pytest.fixture(scope="module")
def loader() -> MemoryLoader:
    return grouped_loader(n_users=60, n_items=40, n_groups=4)


@pytest.fixture(scope="module")
def policies(loader: MemoryLoader) -> dict[str, ModelWrapper]:
    return {"PolicyA": Ease().train(loader), "PolicyB": ItemKNN().train(loader)}


class Trained(NamedTuple):
    """An MLflow with both policies' runs in it, and arm to run."""

    database: Path
    runs: dict[str, str]


@pytest.fixture(scope="module")
def trained(empty_database: Path, tmp_path_factory: pytest.TempPathFactory, loader: MemoryLoader) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(empty_database, folder / "mlflow.db")
    with environment_kept():
        uri = connect(database_uri(folder)).uri
        runs = {arm: train_and_log(name, loader, tracking_uri=uri) for arm, name in NAMES.items()}
    return Trained(folder / "mlflow.db", runs)


@pytest.fixture
def tracker(trained: Trained, tmp_path: Path) -> Tracker:
    """Of this test's own; what was trained is in it, and nothing is registered."""
    folder = tmp_path / "tracking"
    folder.mkdir()
    shutil.copy(trained.database, folder / "mlflow.db")
    return connect(database_uri(folder))


@pytest.fixture
def policy_runs(tracker: Tracker, trained: Trained) -> dict[str, str]:
    """PolicyA and PolicyB in the registry, as versions 1 and 2; arm to run."""
    candidates = [Candidate(run_id, NAMES[arm]) for arm, run_id in trained.runs.items()]
    register_all(tracker, "recommender", candidates, trained.runs)
    return trained.runs


def test_users_go_by_the_salted_hash_of_their_id(policies: dict[str, ModelWrapper]) -> None:
    router = Router(RouterConfig(salt="pepper", share=0.3), policies)
    expected = [("PolicyA" if bucket("pepper", str(user)) < 0.3 else "PolicyB") for user in range(2000)]
    assert [one.arm for one in router.assign(range(2000))] == expected
    assert expected.count("PolicyA") == pytest.approx(600, abs=60)
    assert router.assign(["17"]) == router.assign([17]), "as an event log has it, as text"
    assert router.assign([]) == []
    for share, arm in ((0.0, "PolicyB"), (1.0, "PolicyA")):
        assert {one.arm for one in Router(RouterConfig(share=share), policies).assign(USERS)} == {arm}


def test_each_user_gets_their_policy_s_own_list(policies: dict[str, ModelWrapper]) -> None:
    router = Router(RouterConfig(), policies)
    asked = [{"user_id": user, "k": 1 + user % 4, "exclude_items": [1, 2]} for user in USERS]
    answers = router.predict(asked)
    assert {answer["arm"] for answer in answers} == set(ARMS)
    for request, answer, assigned in zip(asked, answers, router.assign(USERS), strict=True):
        [own] = policies[assigned.arm].predict([request])
        assert answer == {
            "user_id": request["user_id"],
            "arm": assigned.arm,
            "items": [item["item_id"] for item in own["items"]],
            "titles": [item["title"] for item in own["items"]],
            "scores": [item["score"] for item in own["items"]],
            "cold": False,
        }


def test_strangers_mixed_input_and_nothing(policies: dict[str, ModelWrapper]) -> None:
    router = Router(RouterConfig(), policies)
    assert router.predict([]) == []
    [stranger] = router.predict([{"user_id": "nobody", "k": 3}])
    assert stranger["cold"] is True
    assert len(stranger["scores"]) == 3
    assert router.predict(pd.DataFrame([{"user_id": 3, "k": 2}])) == router.predict([{"user_id": 3, "k": 2}])
    explained = {"user_id": 3, "k": 2, "explain": "en"}
    assert all(router.predict([explained])[0]["reasons"])
    assert router.predict([{**explained, "exclude_items": list(range(40))}])[0]["reasons"] == []
    with pytest.raises(BadInput, match="request 1: k == 0"):
        router.predict([{"user_id": 3}, {"user_id": 4, "k": 0}])


@pytest.mark.usefixtures("policy_runs")
def test_mlflow_answers_as_the_router_does_and_knows_its_signature(tracker: Tracker) -> None:
    register_router(tracker, "recommender")
    import mlflow.pyfunc

    logged = mlflow.pyfunc.load_model("models:/router@router")
    router = Router.load(download(tracker, "models:/router@router"))
    asked = [{"user_id": user, "k": 3, "exclude_items": [1]} for user in USERS]
    assert logged.predict(pd.DataFrame(asked)) == router.predict(asked)
    signature = logged.metadata.signature
    assert {one.name: one.required for one in signature.inputs} == {"user_id": True, "k": False, "exclude_items": False}
    assert {"user_id", "arm", "items", "scores"} <= set(signature.outputs.input_names())


@pytest.mark.usefixtures("policy_runs")
def test_it_is_made_anew_only_when_something_changed(tracker: Tracker) -> None:
    first = register_router(tracker, "recommender")
    assert first is not None
    assert register_router(tracker, "recommender") == first
    salted = register_router(tracker, "recommender", salt="pepper")
    assert salted is not None
    assert (salted.version, salted.aliases) == ("2", (ROUTER,))
    set_alias(tracker, "recommender", "PolicyB", "1")
    third = register_router(tracker, "recommender")
    assert third is not None
    assert (third.version, third.tags["PolicyB"]) == ("3", "models:/recommender/1")
    # What was made keeps answering as it did.
    assert Router.load(download(tracker, first.uri)).policies["PolicyB"].name == "item_knn"


@pytest.mark.usefixtures("policy_runs")
def test_an_alias_that_cannot_be_set_leaves_no_version(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(where: Tracker, name: str, alias: str, version: str) -> None:
        raise TrackingError("no")

    with monkeypatch.context() as patch:
        patch.setattr(model_registry, "set_alias", refuse)
        with pytest.raises(TrackingError, match="nothing was changed"):
            register_router(tracker, "recommender")
    assert list_versions(tracker, ROUTER) == []
    assert register_router(tracker, "recommender") is not None, "repeated, it is made"


def test_without_both_policies_there_is_no_router_and_no_run(tracker: Tracker, policy_runs: dict[str, str]) -> None:
    drop_alias(tracker, "recommender", "PolicyB")
    assert register_router(tracker, "recommender") is None
    assert {run.run_id for run in find_runs(tracker, {})} == set(policy_runs.values())


def test_its_artifact_is_data_and_checked(policies: dict[str, ModelWrapper], tmp_path: Path) -> None:
    parts = {}
    for arm, policy in policies.items():
        policy.save(tmp_path / arm)
        parts[arm] = read_artifact(tmp_path / arm)
    write_artifact(tmp_path / "router", router_artifact(RouterConfig(), parts))
    suffixes = {path.suffix for path in (tmp_path / "router").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".npz", ".parquet"}
    with (tmp_path / "router/PolicyB/known.npz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="is damaged"):
        Router.load(tmp_path / "router")
    with pytest.raises(DataError, match=r"holds the model 'ease' of parts .*must be a router of PolicyA and PolicyB"):
        Router.load(tmp_path / "PolicyA")


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="router: share == "):
        RouterConfig.parse({"share": share}, of=ROUTER)


def test_policies_of_another_kind_of_item_answer_for_themselves(loader: MemoryLoader) -> None:
    """Each policy keeps its own ids and titles."""
    other = grouped_loader(n_users=60, n_items=20, n_groups=4)
    router = Router(RouterConfig(), {"PolicyA": Popularity().train(loader), "PolicyB": Popularity().train(other)})
    for answer in router.predict([{"user_id": f"new {number}", "k": 100} for number in range(10)]):
        assert len(answer["items"]) == (40 if answer["arm"] == "PolicyA" else 20)
