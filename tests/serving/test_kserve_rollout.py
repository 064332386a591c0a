"""A whole rollout on the fake cluster: who asks by the route's addresses always gets the version the route names."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from events.database import open_database
from events.rollouts import current_route
from serving.deployers.base import Deployment, Site
from serving.deployers.kserve import KServeDeployer
from serving.live_stack import start_models_and_policy
from tests.fake_kserve import FakeCluster, fake_cluster
from tests.rollout_worlds import CHALLENGER, CHAMPION, World, a_spec
from tests.rollout_worlds import world as world
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions

SPEC = a_spec(
    rollout={"steps": [{"percent": 10, "sessions": 50}, {"percent": 50, "sessions": 250}], "watch_sessions": 50}
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path, {CHAMPION, CHALLENGER}) as made:
        yield made


def process(cluster: FakeCluster, folder: Path) -> KServeDeployer:
    """A deployer as another process would have it."""
    return KServeDeployer(Site(folder, "http://mlflow.test", cluster=cluster.settings))


@contextmanager
def visitors(here: World) -> Iterator[list[str]]:
    """Somebody who asks both addresses of the route all the time; what it got that the route does not name."""
    stop, wrong, asked = threading.Event(), [], []
    engine = open_database(here.url)

    def ask() -> None:
        with httpx.Client(trust_env=False) as client:
            while not stop.is_set():
                route = current_route(engine)
                if route is None:
                    time.sleep(0.005)
                    continue
                got = []
                for url, version in (
                    (route.champion_url, route.champion_version),
                    (route.challenger_url, route.challenger_version),
                ):
                    if url is not None:
                        answer = client.post(f"{url}/recommend", json={"user_id": 1})
                        got.append((answer.status_code, answer.json().get("model_version"), version))
                # Who read the route just before it changed is not waited for; the policy server confirms each change.
                if current_route(engine) == route:
                    asked.extend(got)
                    wrong.extend(str((route.percent, one)) for one in got if one[:2] != (200, one[2]))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()
        engine.dispose()
    assert len(asked) > 50


def settle(here: World, place: Callable[[], KServeDeployer]) -> None:
    """Reconcile to the end, each time as a process of its own."""
    while True:
        with place() as deployer:
            controller = here.controller(deployer)
            # A new controller first makes the world agree with the state, then goes on.
            for _ in range(2):
                reconciled = controller.reconcile()
                if reconciled.done:
                    return
            if reconciled.waiting_for is not None:
                here.drive(reconciled.waiting_for.stop)


@pytest.mark.parametrize(("rate", "decision"), [(0.8, "promote"), (0.05, "rollback")])
def test_each_address_serves_the_version_the_route_says_whenever_a_controller_is_replaced(
    world: Callable[..., World], cluster: FakeCluster, tmp_path: Path, rate: float, decision: str
) -> None:
    here = world(spec=SPEC, rates={"champion": 0.4, "challenger": rate})

    def place() -> KServeDeployer:
        return process(cluster, tmp_path)

    with visitors(here) as wrong:
        settle(here, place)
        with place() as last:
            last.wait()
            winner = CHALLENGER if decision == "promote" else CHAMPION
            assert last.deployment == Deployment(winner)
            # The next candidate comes while the route still has the addresses of this rollout's end.
            last.apply(winner, CHAMPION if decision == "promote" else CHALLENGER)
            last.wait()
        time.sleep(0.1)
    assert wrong == []
    steps = [dict(shares).get(CHALLENGER, 0) for shares in cluster.shares()]
    if decision == "promote":
        assert sorted(set(steps)) == [0, 10, 50, 99, 100]
    else:
        assert {0, 10} <= set(steps) <= {0, 10, 50}


def test_the_direct_share_waits_for_the_route(
    world: Callable[..., World], cluster: FakeCluster, tmp_path: Path
) -> None:
    here = world(spec=SPEC)
    shares_at_refresh = []
    refresh = here.refresh

    def told(experiment: str) -> int:
        shares_at_refresh.append(dict(cluster.shares()[-1]).get(CHALLENGER, 0))
        return refresh(experiment)

    here.refresh = told  # type: ignore[method-assign]
    with process(cluster, tmp_path) as place:
        controller = here.controller(place)
        controller.reconcile()
        controller.reconcile()
    assert shares_at_refresh == [0]
    assert dict(cluster.shares()[-1]) == {CHAMPION: 90, CHALLENGER: 10}


def test_the_stack_on_a_cluster_answers_through_a_policy_server_of_this_machine(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    tracking_uri = register_small_models(tmp_path, {"popularity": {}, "ease": {}}, small_interactions())
    with start_models_and_policy(
        tmp_path / "up",
        tracking_uri=tracking_uri,
        model_name=MODEL_NAME,
        events_url=f"sqlite:///{tmp_path / 'up.db'}",
        experiment="live",
        policy_port=0,
        host="127.0.0.1",
        timeout_s=60,
        deployer_name="kserve",
        # The pods' MLflow is named in a Secret: this one is a file of this machine.
        cluster=cluster.settings.model_copy(update={"secret": "recommender"}),
    ) as served:
        shown = httpx.get(f"{served.policy_url}/choose", params={"user_id": 17}, trust_env=False).json()
        assert (shown["arm"], [item["item_id"] for item in shown["items"]]) == ("champion", [1, 2, 3])
    with process(cluster, tmp_path) as place:
        assert place.deployment == Deployment(CHAMPION, CHALLENGER), "on the cluster the servers stay"
