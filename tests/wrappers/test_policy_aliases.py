"""A model with an alias of its own gets it in the registry, in the same transaction as champion and challenger."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import TrackingError
from tests.small_interactions import MemoryLoader, grouped_loader
from tracking import registry as model_registry
from tracking.client import Tracker
from tracking.registry import download, list_versions, version_for
from tracking.runs import read_run
from wrappers.base import ModelWrapper
from wrappers.ease import Ease
from wrappers.lifecycle import Registration, evaluate_and_log, register_candidates, train_and_log
from wrappers.router import Router

K = 5


@pytest.fixture(scope="module")
def loader() -> MemoryLoader:
    return grouped_loader(n_users=60, n_items=40, n_groups=4)


@pytest.fixture
def ease_as_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with an alias that trains in no time."""
    monkeypatch.setattr(Ease, "alias", "PolicyA")


def trained(tracker: Tracker, loader: MemoryLoader, name: str, **config: Any) -> str:
    run_id = train_and_log(name, loader, config, tracking_uri=tracker.uri)
    evaluate_and_log(run_id, loader, k=K, tracking_uri=tracker.uri)
    return run_id


def registered(tracker: Tracker, loader: MemoryLoader, *runs: str, **options: Any) -> Registration:
    return register_candidates(runs, loader, k=K, tracking_uri=tracker.uri, **options)


def test_the_seed_pair_is_registered_as_policy_a_and_b(tracker: Tracker, loader: MemoryLoader) -> None:
    runs = [trained(tracker, loader, name) for name in ("logreg", "lightgbm")]
    registered(tracker, loader, *runs, pair="logreg,lightgbm")
    by_alias = {alias: version_for(tracker, "recommender", alias) for alias in ("PolicyA", "PolicyB")}
    assert {alias: version and version.model for alias, version in by_alias.items()} == {
        "PolicyA": "logreg",
        "PolicyB": "lightgbm",
    }
    assert version_for(tracker, "recommender", "champion") == by_alias["PolicyA"]
    assert version_for(tracker, "recommender", "challenger") == by_alias["PolicyB"]
    # And with them their router.
    made = version_for(tracker, "router", "router")
    assert made is not None
    pinned = {alias: version.uri for alias, version in by_alias.items() if version is not None}
    router = Router.load(download(tracker, made.uri))
    assert router.config.policies == pinned == {alias: made.tags[alias] for alias in pinned}
    assert read_run(tracker, made.run_id).params.items() >= pinned.items()
    asked = [{"user_id": user} for user in range(9)]
    for alias, uri in pinned.items():
        assert router.policies[alias].predict(asked) == ModelWrapper.load(uri).predict(asked)


@pytest.mark.usefixtures("ease_as_policy")
def test_the_best_of_several_runs_gets_it_and_a_later_one_takes_it_over(tracker: Tracker, loader: MemoryLoader) -> None:
    popularity = trained(tracker, loader, "popularity")
    bad, good = (trained(tracker, loader, "ease", reg=reg) for reg in (1e7, 50.0))
    done = registered(tracker, loader, popularity, good, bad)
    figures = {one.run_id: float(one.tags["ndcg_at_5"]) for one in done.versions}
    assert figures[good] > figures[bad]
    first = version_for(tracker, "recommender", "PolicyA")
    assert first is not None
    assert first.run_id == good
    later = trained(tracker, loader, "ease", reg=1e6)
    registered(tracker, loader, popularity, later)
    newest = version_for(tracker, "recommender", "PolicyA")
    assert newest is not None
    assert newest.run_id == later


@pytest.mark.usefixtures("ease_as_policy")
def test_an_alias_that_cannot_be_set_undoes_everything(
    tracker: Tracker, loader: MemoryLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [trained(tracker, loader, name) for name in ("popularity", "ease")]
    set_alias = model_registry.set_alias

    def refuse(where: Tracker, name: str, alias: str, version: str) -> None:
        if alias == "champion":
            raise TrackingError("no")
        set_alias(where, name, alias, version)

    monkeypatch.setattr(model_registry, "set_alias", refuse)
    with pytest.raises(TrackingError, match="nothing was changed"):
        registered(tracker, loader, *runs)
    assert list_versions(tracker, "recommender") == []
    assert version_for(tracker, "recommender", "PolicyA") is None


def test_models_without_one_get_none(tracker: Tracker, loader: MemoryLoader) -> None:
    registered(tracker, loader, trained(tracker, loader, "popularity"), trained(tracker, loader, "item_knn"))
    assert version_for(tracker, "recommender", "PolicyA") is None
