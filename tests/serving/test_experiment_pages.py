"""What people read of experiments, over real HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import pytest

from events.database import open_database
from events.rollouts import list_rollouts
from experiments.words import headline, tell, verdict
from serving.policy_process import PolicyProcess
from serving.rollout_so_far import model_names
from tests.rollout_examples import EXAMPLES, SPEC
from tests.written_rollouts import write_looks, write_rollout

NAMES = ["rolled_back", "kept", "running", "invalid", "not_begun", "promoted"]


@pytest.fixture(scope="module")
def events_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An event log with one rollout of each kind."""
    url = f"sqlite:///{tmp_path_factory.mktemp('events') / 'events.db'}"
    engine = open_database(url)
    for name in NAMES:
        told = replace(EXAMPLES[name](), experiment=name.replace("_", "-"))
        write_rollout(engine, told, SPEC.model_copy(update={"name": told.experiment}))
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def http(events_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a policy server on that log."""
    process = PolicyProcess(events_url, tmp_path_factory.mktemp("policy"))
    try:
        process.wait_alive(60)
        with httpx.Client(base_url=process.url, trust_env=False, timeout=30) as client:
            yield client
    finally:
        process.stop()


def test_every_experiment_in_a_few_facts_the_latest_first(http: httpx.Client) -> None:
    found = http.get("/experiments").json()["experiments"]

    assert [one["experiment"] for one in found] == [name.replace("_", "-") for name in reversed(NAMES)]
    promoted = found[0]
    assert promoted["champion"] == {"model": "popularity", "version": "1", "uri": "models:/recommender/1"}
    assert promoted["challenger"] == {"model": "ease", "version": "3", "uri": "models:/recommender/3"}
    told = EXAMPLES["promoted"]()
    assert promoted["verdict"] == {language: verdict(told, language) for language in ("en", "ko")}
    assert (promoted["state"], promoted["decision"], promoted["looks"]) == ("done", "promote", 18)
    assert (promoted["step_percent"], promoted["step_index"]) == (100, 3)
    assert promoted["started_at"] <= promoted["updated_at"]
    running = next(one for one in found if one["experiment"] == "running")
    assert (running["state"], running["decision"], running["step_percent"]) == ("running", "continue", 25)


@pytest.mark.parametrize("name", NAMES)
def test_one_experiment_is_told_as_the_report_tells_it(http: httpx.Client, name: str) -> None:
    experiment = name.replace("_", "-")
    found = http.get(f"/experiments/{experiment}").json()

    told = replace(EXAMPLES[name](), experiment=experiment, champion_after="")
    assert [look["sessions"] for look in found["looks"]] == [look.sessions for look in told.looks]
    for seen, look in zip(found["looks"], told.looks, strict=True):
        for figure, value in asdict(look).items():
            assert seen[figure] == (None if isinstance(value, float) and math.isnan(value) else _plain(value)), figure
    assert [step["challenger_sessions"] for step in found["steps"]] == [one.challenger_sessions for one in told.steps]
    assert found["spec"] == SPEC.model_copy(update={"name": experiment}).document()
    for language in ("en", "ko"):
        words = found["words"][language]
        assert words["headline"] == headline(told, language)
        assert words["why"] == list(tell(told, SPEC, language).why)
        assert len(words["figures"]) == (0 if name in ("invalid", "not_begun") else 4)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_an_unknown_experiment_is_404_with_those_there_are(http: httpx.Client) -> None:
    for path in ("/experiments/nope", "/experiments/nope/users"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith(f"GET {path}: unknown experiment 'nope'; known: promoted, not-begun")


def test_users_of_the_latest_sessions(http: httpx.Client) -> None:
    users = http.get("/experiments/promoted/users").json()["users"]
    assert sorted(user["user_id"] for user in users) == ["101", "102", "103"]
    assert list(users[0]) == ["user_id", "variant", "ts"]
    assert len(http.get("/experiments/promoted/users", params={"limit": 2}).json()["users"]) == 2
    assert http.get("/experiments/not-begun/users").json() == {"users": []}


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", "", "9" * 5000])
def test_a_limit_that_is_none_is_400(http: httpx.Client, limit: str) -> None:
    answer = http.get("/experiments/promoted/users", params={"limit": limit})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("limit == ")


def test_a_new_look_is_seen_at_once(http: httpx.Client, events_url: str) -> None:
    engine = open_database(events_url)
    told = replace(EXAMPLES["running"](), experiment="growing")
    spec = SPEC.model_copy(update={"name": "growing"})
    write_rollout(engine, replace(told, looks=told.looks[:4], steps=told.steps[:1]), spec)
    assert len(http.get("/experiments/growing").json()["looks"]) == 4
    write_looks(engine, told, spec, told.looks[4:])
    found = http.get("/experiments/growing").json()
    assert (len(found["looks"]), found["looks"][-1]["sessions"]) == (9, 9000)
    engine.dispose()


def test_a_log_without_experiments(tmp_path: Path) -> None:
    process = PolicyProcess(f"sqlite:///{tmp_path / 'events.db'}", tmp_path)
    try:
        process.wait_alive(60)
        assert httpx.get(f"{process.url}/experiments", trust_env=False).json() == {"experiments": []}
        lost = httpx.get(f"{process.url}/experiments/demo", trust_env=False)
        assert (lost.status_code, "known: none yet" in lost.text) == (404, True)
    finally:
        process.stop()


def test_a_rollout_that_does_not_tell_its_models_is_named_by_its_registered_model(events_url: str) -> None:
    engine = open_database(events_url)
    record = next(found for found in list_rollouts(engine) if found.experiment == "promoted")
    assert model_names(replace(record, details={})) == ("recommender", "recommender")
    engine.dispose()
