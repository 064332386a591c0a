"""What a caller gets while something is down: the rows of docs/DEGRADATION.md, one by one."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from events.aggregate import count_exposures, health
from events.database import open_database
from serving.lists import STAND_IN_S
from serving.policy_server import MAX_UNDER_WAY as MAX_UPDATES
from serving.processes import poll
from tests.policy_servers import MODEL_TIMEOUT_S, Policy, metric, policy_server, user_of
from tests.switched_models import SwitchedModel, switched_model

BACK_S = 30


class Place:
    """A policy server before two models that may fail."""

    def __init__(self, policy: Policy, champion: SwitchedModel, challenger: SwitchedModel) -> None:
        self.policy = policy
        self.champion = champion
        self.challenger = challenger
        self.experiment = policy.route(champion_url=champion.url, challenger_url=challenger.url).experiment
        assert champion.popular.wait(BACK_S), "a popular list is at hand"
        assert poll(lambda: "degraded" not in self.ready(), BACK_S)

    def ready(self) -> dict[str, Any]:
        return dict(self.policy.http.get("/readyz").json())

    def user(self, variant: str) -> str:
        return user_of(variant, self.experiment)

    def shown(self, user: str, k: int = 2) -> tuple[list[str], str | None]:
        answer = self.policy.choose(user, k=k)
        return [item["item_id"] for item in answer["items"]], answer.get("degraded")

    def back(self, user: str) -> bool:
        return poll(lambda: self.shown(user)[1] is None, BACK_S)


@contextmanager
def place_with(folder: Path, *arguments: str) -> Iterator[Place]:
    url = f"sqlite:///{folder / 'events.db'}"
    with ExitStack() as stack:
        champion, challenger = (stack.enter_context(switched_model(name)) for name in ("old", "new"))
        process = stack.enter_context(policy_server(folder, url, *arguments))
        http = stack.enter_context(httpx.Client(base_url=process.url, trust_env=False, timeout=30))
        policy = Policy(http, url, process, {"popularity": champion.url, "ease": challenger.url}, itertools.count())
        yield Place(policy, champion, challenger)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_with(tmp_path, "--model-timeout-s", MODEL_TIMEOUT_S) as made:
        yield made


def degraded(place: Place, arm: str, answer: str) -> float:
    return metric(place.policy, f'screentest_degraded_total{{answer="{answer}",arm="{arm}"}}')


def test_control_then_remembered_then_popular_and_all_is_well_again(place: Place) -> None:
    user, control, stranger = place.user("challenger"), place.user("control"), "stranger"
    own, controls = place.shown(user)[0], place.shown(control)[0]
    assert (own, controls) == (place.challenger.items(user, 2), place.champion.items(control, 2))

    place.challenger.way = "hang_up"
    assert place.shown(user) == (place.champion.items(user, 2), "control")
    assert place.ready().get("degraded") is None, "the champion answers"

    place.champion.way = "hang_up"
    # The last list this user had is the control's, which stood in.
    assert place.shown(user) == (place.champion.items(user, 2), "remembered")
    answer = place.policy.choose(control, k=1)
    assert ([item["item_id"] for item in answer["items"]], answer["degraded"]) == (controls[:1], "remembered")
    assert "features" not in answer, "what the model knew then is not what it knows now"
    assert (answer["arm"], answer["decision_id"] is not None) == ("control", True)
    exposure = place.policy.exposure(answer["decision_id"])
    assert (exposure["variant"], exposure["error"], exposure["items"]) == ("control", True, controls[:1])
    popular = place.champion.items("screentest:nobody", 2)
    assert place.shown(stranger) == (popular, "popular")
    assert place.ready()["degraded"] == ["control"]
    for arm, word in (("challenger", "control"), ("challenger", "remembered"), ("control", "remembered")):
        assert degraded(place, arm, word) == 1

    place.champion.way = place.challenger.way = "answer"
    assert place.back(user)
    assert place.back(control)
    assert place.shown(stranger)[1] is None
    assert poll(lambda: "degraded" not in place.ready(), BACK_S)


def test_a_list_of_a_variant_that_was_withdrawn_does_not_come_back(place: Place) -> None:
    user = place.user("challenger")
    assert place.shown(user)[0] == place.challenger.items(user, 2)
    with switched_model("newer") as newer:
        newer.way = place.champion.way = "hang_up"
        place.policy.route(champion_url=place.champion.url, challenger_url=newer.url)
        shown, word = place.shown(user)
    assert (shown, word) == (place.champion.items("screentest:nobody", 2), "popular")


def test_a_silent_variant_costs_its_time_out_only_until_its_breaker_opens(place: Place) -> None:
    user, policy = place.user("challenger"), place.policy
    place.challenger.way = "be_silent"
    engine = open_database(policy.url)
    not_asked = 'screentest_model_errors_total{arm="challenger",cause="not_asked"}'
    asked = len(place.challenger.asked)
    sessions = 0
    while metric(policy, not_asked) < 3:
        assert place.shown(user)[1] == "control"
        sessions += 1
        assert sessions < 100
    late = metric(policy, 'screentest_model_errors_total{arm="challenger",cause="late"}')
    assert late >= 5
    assert len(place.challenger.asked) - asked == late == sessions - metric(policy, not_asked)
    assert metric(policy, 'screentest_breaker_open{arm="challenger"}') in (0.5, 1)
    assert metric(policy, 'screentest_breaker_open{arm="champion"}') == 0
    # Intention to treat: they are the challenger's sessions, and errors; what was not asked took no time that counts.
    assert poll(lambda: count_exposures(engine, place.experiment) == sessions, 10)
    found = health(engine, place.experiment, "challenger")
    assert (found.sessions, found.errors, found.empty) == (sessions, sessions, 0)
    assert found.latency_p95_ms >= 1000 * float(MODEL_TIMEOUT_S) * 0.9
    place.challenger.way = "answer"
    assert place.back(user)
    assert metric(policy, 'screentest_breaker_open{arm="challenger"}') == 0
    engine.dispose()


def test_an_answer_comes_by_the_deadline_whatever_a_model_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENTEST_CHOOSE_DEADLINE_MS", "800")
    # Without a deadline, or with one for each call alone, the client would give up.
    with place_with(tmp_path, "--model-timeout-s", "120") as place:
        user = place.user("challenger")
        place.shown(user)
        place.challenger.way = place.champion.way = "be_silent"
        assert place.shown(user) == (place.challenger.items(user, 2), "remembered")
        assert place.champion.asked[-1] == user, "there was time left to ask the control"
        place.champion.way = "answer"
        assert place.shown(user) == (place.champion.items(user, 2), "control")
        exposures = place.policy.exposure(place.policy.choose(user, k=1)["decision_id"])
        assert exposures["latency_ms"] < 800 - 1000 * min(STAND_IN_S, 0.2) + 200


def test_while_the_disk_is_full_lists_are_the_controls_and_nothing_queued_is_lost(place: Place) -> None:
    policy = place.policy
    user, clicked = place.user("challenger"), policy.choose(place.user("control"), k=1)
    policy.exposure(clicked["decision_id"])
    process = psutil.Process(policy.process.pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (512, psutil.RLIM_INFINITY))
    queued = []
    for _ in range(200):
        shown = policy.choose(user, k=1)
        if shown["decision_id"] is None:
            break
        queued.append(shown["decision_id"])
    assert queued, "the first is answered before its commit fails"
    assert (shown["degraded"], shown["arm"], shown["step"]) == ("event_log", None, None)
    assert [item["item_id"] for item in shown["items"]] == place.champion.items(user, 1), "the control's"
    refused = policy.update(clicked, place.user("control"))
    assert (refused.status_code, int(refused.headers["retry-after"])) == (503, 1)
    assert degraded(place, "none", "event_log") >= 1
    assert metric(policy, "screentest_event_log_down") == 1
    assert metric(policy, "screentest_event_log_waiting") == len(queued)
    assert place.ready()["degraded"] == ["event_log"]
    # A key stays new: the request is recorded when it is sent again later.
    key = {"decision_id": "mine", "k": 1}
    assert policy.choose(user, **key)["decision_id"] is None

    process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    assert place.back(user)
    for decision_id in queued:
        assert policy.exposure(decision_id)["variant"] == "challenger"
    assert metric(policy, "screentest_lost_exposures_total") == 0
    assert policy.choose(user, **key)["decision_id"] == "mine"
    assert policy.update(clicked, place.user("control")).json()["status"] == "accepted"
    assert metric(policy, "screentest_event_log_down") == 0
    assert place.ready().get("degraded") is None


def test_lists_are_given_while_updates_wait_for_a_database_that_hangs(place: Place) -> None:
    user = place.user("control")
    shown = [place.policy.choose(user, k=1) for _ in range(MAX_UPDATES + 20)]
    file = place.policy.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as other, ThreadPoolExecutor(len(shown)) as pool:
        assert poll(lambda: count_exposures(open_database(place.policy.url), place.experiment) >= len(shown), BACK_S)
        other.execute("BEGIN IMMEDIATE")
        updates = [pool.submit(place.policy.update, one, user) for one in shown]
        assert poll(lambda: metric(place.policy, 'screentest_shed_total{path="/update"}') > 0, BACK_S)
        # Anybody may ask for readiness, which writes: however many ask at once, it is written once.
        before = metric(place.policy, "screentest_event_log_waiting")
        asked = [pool.submit(place.ready) for _ in range(20)]
        assert all(future.result()["degraded"] == ["event_log"] for future in asked)
        assert metric(place.policy, "screentest_event_log_waiting") - before < 10
        assert [place.shown(user)[0] for _ in range(5)] == [place.champion.items(user, 2)] * 5
        other.execute("ROLLBACK")
        statuses = Counter(future.result().status_code for future in updates)
    assert statuses[200] == MAX_UPDATES
    assert set(statuses) == {200, 429}


@pytest.mark.long
def test_a_database_that_hangs_for_long_is_one_that_is_down(place: Place) -> None:
    user = place.user("challenger")
    with closing(sqlite3.connect(place.policy.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shown = place.policy.choose(user, k=1)
        assert (shown["arm"], "degraded" in shown) == ("challenger", False)
        # Nobody can see what comes of the challenger any more: nobody is shown it.
        assert poll(lambda: place.shown(user)[1] == "event_log", BACK_S)
        assert metric(place.policy, "screentest_event_log_down") == 1
        assert place.policy.update(shown, user).status_code == 503
        # Before a probe gives up: replicas that were all taken out would give nobody a list.
        assert httpx.get(f"{place.policy.process.url}/readyz", timeout=4, trust_env=False).json()["degraded"] == [
            "event_log"
        ]
        other.execute("ROLLBACK")
    assert place.back(user)
    assert place.policy.exposure(shown["decision_id"])["variant"] == "challenger"


@pytest.mark.long
def test_a_frozen_variant_does_not_take_every_place_until_its_breaker_opens(tmp_path: Path) -> None:
    with place_with(tmp_path, "--model-timeout-s", "8") as place, ThreadPoolExecutor(MAX_UPDATES) as pool:
        user, other = place.user("challenger"), place.user("control")
        place.challenger.way = "be_silent"
        held = [pool.submit(place.shown, user) for _ in range(MAX_UPDATES // 2)]
        asked = 'screentest_model_errors_total{arm="challenger",cause="not_asked"}'
        assert poll(lambda: _soon(pool, place, user) == "control", BACK_S)
        assert metric(place.policy, asked) >= 1
        assert not any(one.done() for one in held), "none of them has timed out"
        assert place.shown(other) == (place.champion.items(other, 2), None)
        assert {one.result()[1] for one in held} == {"control"}


def _soon(pool: ThreadPoolExecutor, place: Place, user: str) -> str | None:
    """How a list is marked that comes at once; empty where it does not."""
    try:
        return pool.submit(place.shown, user).result(timeout=1)[1]
    except TimeoutError:
        return ""
