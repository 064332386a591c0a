"""A/B/n tests and bandits over real HTTP: two lanes on the same experiment, and everyone else on the control."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import select, update

from core.errors import ConfigError, RolloutError
from events.database import open_database, reading, writing
from events.experiments import (
    change_spec,
    create_experiment,
    delete_experiment,
    halt_experiment,
    list_experiments,
    load_experiment,
    start_experiment,
)
from events.records import Exposure
from events.rollouts import RolloutRecord, create_rollout, put_route
from events.schema import COMMITS, EXPOSURES
from experiments.allocation import allocate_many
from experiments.bandit_sums import HOUR_S, BanditSums
from experiments.spec import ExperimentSpec
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE, OUTSIDE
from feature_repo.catalogue import FeatureLayout
from feature_repo.packed import write_packed
from serving.bandit_state import read_log
from serving.context_features import ContextFeatures
from serving.lanes import DealtRoute, dealt_routes
from serving.model_source import UNREGISTERED
from serving.processes import poll
from serving.routing import Routing
from tests.live_experiments import VARIANTS, event_store, live_spec, route_of, started
from tests.policy_servers import Policy, policy_server
from tests.real_redis import real_redis
from tests.small_registry import small_interactions

USERS = [str(user) for user in small_interactions().ratings["user_id"].unique()[:60]]
LINUCB = {
    "policy": "bandit",
    "algorithm": "linucb",
    "context": [{"kind": "category", "key": "device", "values": ["phone", "tv"]}],
}


def start(policy: Policy, spec: ExperimentSpec) -> None:
    urls = {name: policy.models["ease" if name == "bold" else "popularity"] for name in VARIANTS}
    engine = open_database(policy.url)
    for running in list_experiments(engine):
        if running.state == "running":
            halt_experiment(engine, running.name, "stopped", None)
    started(engine, spec, urls)
    engine.dispose()
    assert policy.http.post("/routes/refresh").json()["experiment"] == spec.name


def known(policy: Policy, spec: ExperimentSpec) -> BanditSums:
    engine = open_database(policy.url)
    found = read_log(engine, spec, 1 << 40).sums
    engine.dispose()
    return found


def test_the_fixed_lane_is_the_salted_hash_and_logs_what_it_did(policy: Policy) -> None:
    spec = live_spec({"policy": "fixed", "weights": {"plain": 2, "bold": 1, "fresh": 1}, "forced": {USERS[0]: "fresh"}})
    start(policy, spec)
    users = USERS
    shown = [policy.choose(user) for user in users]
    dealt = allocate_many(spec.allocation, users)
    assert [one["arm"] for one in shown] == [dealt[place].variant for place in range(len(users))]
    assert [one["step"] for one in shown] == [OUTSIDE] + [FIXED_LANE] * (len(users) - 1)
    assert policy.choose(users[5])["arm"] == shown[5]["arm"]
    logged = policy.exposure(shown[1]["decision_id"])
    assert (logged["variant"], logged["propensity"]) == (shown[1]["arm"], dealt[1].propensity)
    assert logged["experiment"] == spec.name
    # The list is the variant's own: scores of ease are no counts.
    scores = {one["arm"]: one["items"][0]["score"] for one in shown}
    assert scores["plain"].is_integer()
    assert scores["fresh"].is_integer()
    assert not scores["bold"].is_integer()


def test_whoever_takes_no_part_gets_the_control_and_is_never_analysed(policy: Policy) -> None:
    spec = live_spec({"policy": "fixed", "coverage": 0.3, "holdouts": [{"salt": "h", "share": 0.2}]})
    start(policy, spec)
    users = [str(number) for number in range(300)]
    dealt = allocate_many(spec.allocation, users)
    outside = [user for place, user in enumerate(users) if dealt[place].variant is None][:20]
    assert {(one["arm"], one["step"]) for one in map(policy.choose, outside)} == {("plain", OUTSIDE)}
    inside = next(user for place, user in enumerate(users) if dealt[place].variant == "bold")
    assert policy.choose(inside)["step"] == FIXED_LANE


def test_a_pause_gives_everyone_the_control_and_goes_on_where_it_was(policy: Policy) -> None:
    spec = live_spec({"policy": "fixed"})
    start(policy, spec)
    users = [str(number) for number in range(40)]
    before = [policy.choose(user)["arm"] for user in users]
    engine = open_database(policy.url)
    record = load_experiment(engine, spec.name)
    assert record is not None
    paused = halt_experiment(engine, spec.name, "paused", route_of(spec, record.servers, percent=0))
    policy.http.post("/routes/refresh")
    assert {(one["arm"], one["step"]) for one in map(policy.choose, users)} == {("plain", OUTSIDE)}
    again = start_experiment(engine, spec.name, record.servers, route_of(spec, record.servers))
    assert (paused.state, again.state, again.started_at) == ("paused", "running", record.started_at)
    policy.http.post("/routes/refresh")
    assert [policy.choose(user)["arm"] for user in users] == before
    halt_experiment(engine, spec.name, "stopped", route_of(spec, record.servers, percent=0))
    with pytest.raises(RolloutError, match="is stopped, must be draft or paused to be started"):
        start_experiment(engine, spec.name, record.servers, route_of(spec, record.servers))
    engine.dispose()


def test_the_bandit_learns_from_live_rewards_beside_a_fixed_lane(policy: Policy) -> None:
    spec = live_spec({"policy": "bandit", "share": 0.5, "min_exposure": 0.05})
    start(policy, spec)
    lanes: Counter[tuple[int, str]] = Counter()
    for number in range(240):
        shown = policy.choose(number)
        lanes[shown["step"], shown["arm"]] += 1
        if shown["arm"] == "bold":
            assert policy.update(shown, number).json()["status"] == "accepted"
    assert poll(lambda: sum(n for n, _ in known(policy, spec).totals().values()) == sum_of(lanes, BANDIT_LANE), 20)
    totals = known(policy, spec).totals()
    assert totals["bold"][0] == totals["bold"][1] == lanes[BANDIT_LANE, "bold"]
    assert [totals[arm][1] for arm in ("plain", "fresh")] == [0, 0]
    # Whoever is on a lane stays on it.
    assert {policy.choose(number)["step"] for number in (3, 3, 3)} <= {FIXED_LANE, BANDIT_LANE}
    shares = known(policy, spec).policy().propensities(at=1.8e9 / HOUR_S)
    assert shares[spec.variant_names.index("bold")] == pytest.approx(0.9, abs=1e-3)
    assert poll(lambda: chosen(policy, spec) == pytest.approx(0.9, abs=1e-3), 20), "the server has learned it too"


def sum_of(lanes: Counter[tuple[int, str]], lane: int) -> int:
    return sum(count for (step, _), count in lanes.items() if step == lane)


def chosen(policy: Policy, spec: ExperimentSpec) -> float:
    """The probability with which the server last chose bold."""
    for number in range(1000, 1040):
        shown = policy.choose(number)
        if (shown["step"], shown["arm"]) == (BANDIT_LANE, "bold"):
            return float(policy.exposure(shown["decision_id"])["propensity"])
    return 0.0


def test_a_bandit_that_cannot_learn_is_told_once_and_the_next_one_learns(policy: Policy) -> None:
    spec = live_spec({"policy": "bandit"})
    start(policy, spec)
    shown = policy.choose(1)
    policy.exposure(shown["decision_id"])
    engine = open_database(policy.url)
    with writing(engine) as connection:
        # As a log looks in which somebody wrote what is not the experiment's.
        number = connection.scalar(update(COMMITS).values(commits=COMMITS.c.commits + 1).returning(COMMITS.c.commits))
        own = EXPOSURES.c.decision_id == shown["decision_id"]
        connection.execute(update(EXPOSURES).where(own).values(variant="strange", commit_number=number))
    engine.dispose()
    log = policy.process.command.log_file
    assert poll(lambda: "the bandit does not learn: variant 'strange'" in log.read_text(), 20)
    spec = live_spec({"policy": "bandit", "min_exposure": 0.05})
    start(policy, spec)
    for number in range(60):
        shown = policy.choose(number)
        if shown["arm"] == "bold":
            policy.update(shown, number)
    assert poll(lambda: chosen(policy, spec) > 0.8, 20)
    assert log.read_text().count("does not learn") == 1


def test_the_context_decides_and_is_kept(policy: Policy) -> None:
    spec = live_spec(LINUCB)
    start(policy, spec)
    best = {"phone": "bold", "tv": "fresh"}
    for number in range(120):
        device = ("phone", "tv")[number % 2]
        shown = policy.choose(number, context=f'{{"device": "{device}"}}')
        if shown["arm"] == best[device]:
            policy.update(shown, number)
    sums = known(policy, spec)
    learned = sums.policy()
    for device, arm in best.items():
        assert learned.arms[int(np.argmax(learned.propensities(sums.vector({"device": device}))))] == arm
    with reading(open_database(policy.url)) as connection:
        rows = connection.execute(select(EXPOSURES.c.context).where(EXPOSURES.c.experiment == spec.name)).scalars()
        assert {row["device"] for row in rows} == {"phone", "tv"}


@pytest.fixture
def user_features(tmp_path: Path) -> Iterator[tuple[str, FeatureLayout]]:
    layout = FeatureLayout(("Drama",))
    rows = np.full((2, len(layout.user_names)), np.nan, np.float32)
    rows[0, layout.user_names.index("rating_mean")] = 4.5
    with real_redis(tmp_path) as server:
        write_packed(server.client(), "v1", ["7", "8"], rows, '{"genres": ["Drama"]}')
        yield server.url, layout


def test_features_of_the_user_fill_in_what_the_request_lacks(user_features: tuple[str, FeatureLayout]) -> None:
    url, _ = user_features

    async def looked_up() -> list[dict[str, float]]:
        features = ContextFeatures(url, "v1", ["rating_mean", "device"], timeout_s=5)
        missing = ContextFeatures(url, "v2", ["rating_mean"], timeout_s=5)
        given: list[tuple[ContextFeatures, str, dict[str, Any]]] = [
            (features, "7", {}),
            (features, "7", {"rating_mean": 2.0}),
            (features, "8", {}),
            (features, "nobody", {}),
            (missing, "7", {}),
        ]
        return [await one.of(user, context) for one, user, context in given]

    assert asyncio.run(looked_up()) == [{"rating_mean": 4.5}, {}, {}, {}, {}]


def test_what_was_looked_up_is_kept_with_the_exposure(
    model_urls: dict[str, str],
    user_features: tuple[str, FeatureLayout],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", user_features[0])
    context = [{"kind": "number", "key": "rating_mean", "mean": 3, "scale": 1}]
    spec = live_spec({**LINUCB, "context": context, "features_version": "v1"})
    url = f"sqlite:///{tmp_path / 'events.db'}"
    with policy_server(tmp_path, url) as process, httpx.Client(base_url=process.url, trust_env=False) as http:
        policy = Policy(http, url, process, model_urls, itertools.count())
        start(policy, spec)
        of_user = policy.exposure(policy.choose(7, context='{"page": 1}')["decision_id"])
        of_nobody = policy.exposure(policy.choose(999)["decision_id"])
    assert of_user["context"] == {"page": 1, "rating_mean": 4.5}
    assert of_nobody["context"] == {}


def test_one_thing_at_a_time_has_the_traffic(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    one, two = live_spec({"policy": "fixed"}), live_spec({"policy": "fixed"})
    record = started(engine, one)
    with pytest.raises(RolloutError, match="is running and has the traffic"):
        started(engine, two)
    with pytest.raises(RolloutError, match="is running and has the traffic"):
        create_rollout(engine, RolloutRecord("r", {}, "running", "models:/r/1", "1", "models:/r/2", "2"))
    with pytest.raises(RolloutError, match="exists already"):
        create_experiment(engine, one.name, one.document())
    with pytest.raises(RolloutError, match="is running, must be draft to be changed"):
        change_spec(engine, one.name, two.document())
    with pytest.raises(RolloutError, match="is running, must be draft or stopped"):
        delete_experiment(engine, one.name)
    halt_experiment(engine, one.name, "stopped", None)
    create_rollout(engine, RolloutRecord("r", {}, "running", "models:/r/1", "1", "models:/r/2", "2"))
    with pytest.raises(RolloutError, match="rollout 'r' is under way"):
        start_experiment(engine, two.name, record.servers, route_of(two, record.servers))
    with pytest.raises(RolloutError, match=f"experiment '{two.name}' exists already"):
        create_rollout(engine, RolloutRecord(two.name, {}, "running", "models:/r/1", "1", "models:/r/2", "2"))
    delete_experiment(engine, one.name)
    assert [found.name for found in list_experiments(engine)] == [two.name]
    assert change_spec(engine, two.name, one.document()).spec == one.document()
    with pytest.raises(RolloutError, match="does not exist"):
        delete_experiment(engine, "nobody")
    engine.dispose()


def test_a_route_that_lacks_a_server_or_its_experiment_is_refused(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    spec, bandit = live_spec({"policy": "fixed"}), live_spec({"policy": "bandit"})
    servers = {name: {"url": "http://a", "version": UNREGISTERED} for name in VARIANTS}
    with pytest.raises(ConfigError, match="variant 'bold' has no server"):
        DealtRoute(route_of(spec, {name: servers[name] for name in ("plain", "fresh")}), spec)
    put_route(engine, route_of(bandit, servers))
    over = Routing(engine, dealt_routes(engine))
    with pytest.raises(RolloutError, match="no experiment of that name exists"):
        asyncio.run(over.refresh())
    # Over or paused nothing is chosen: a server that is started then has a route.
    put_route(engine, replace(route_of(bandit, servers), percent=0))
    asyncio.run(over.refresh())
    assert asyncio.run(over.active.assign("u", {})).variant == "plain"
    engine.dispose()


def test_a_log_that_a_bandit_cannot_learn_from_leaves_the_former_route_in_force(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    engine = open_database(url)
    bandit = live_spec({"policy": "bandit"})
    started(engine, bandit)
    with event_store(url) as store:
        strange = Exposure("d", bandit.name, "u", "u", BANDIT_LANE, "challenger", 0.3, [7], 1.8e9)
        store.record_exposure(strange).result(30)
    with pytest.raises(RolloutError, match=r"is not used: .*'challenger' is not of the spec"):
        asyncio.run(Routing(engine, dealt_routes(engine)).refresh())
    engine.dispose()
