"""The deployer to a cluster, against a fake API server and KServe; what every deployer does is in tests/contracts."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from core.errors import ConfigError, ServerError
from serving.deployers.base import Deployment, Site
from serving.deployers.kserve import KServeDeployer
from serving.processes import poll
from tests.fake_kserve import ISVC, FakeCluster, fake_cluster
from tests.fake_kubernetes import Key

A, B, C, MISSING = (f"models:/recommender/{version}" for version in (1, 2, 3, 99))
SERVICE = Key(*ISVC, "default", "recommender")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path, {A, B, C}) as made:
        yield made


@pytest.fixture
def deployer(cluster: FakeCluster, tmp_path: Path) -> Iterator[Callable[..., KServeDeployer]]:
    """Makes deployers to the cluster, each as another process would have it."""
    made: list[KServeDeployer] = []

    def make(**settings: object) -> KServeDeployer:
        site = Site(tmp_path, "http://mlflow.test", cluster=cluster.settings.model_copy(update=settings))
        made.append(KServeDeployer(site))
        return made[-1]

    yield make
    for place in made:
        place.close()


def run(place: KServeDeployer, stable: str, candidate: str | None = None, percent: int = 0) -> None:
    place.apply(stable, candidate, percent)
    place.wait()


def version_at(url: str) -> str:
    answer = httpx.post(f"{url}/recommend", json={"user_id": 1, "k": 3}, trust_env=False)
    return str(answer.json()["model_version"]) if answer.status_code == 200 else f"status {answer.status_code}"


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_nothing_is_written_if_nothing_changed(cluster: FakeCluster, deployer: Callable[..., KServeDeployer]) -> None:
    place = deployer()
    for wish in ((A,), (A, B, 5), (A, B, 100)):
        run(place, *wish)
        before, writes = cluster.service()["metadata"], cluster.kubernetes.writes
        for again in (place, deployer()):
            run(again, *wish)
            again.check()
        # Another image is for the next revision: what runs stays as it is.
        run(deployer(image="registry.example/screentest:2.0"), *wish)
        assert cluster.kubernetes.writes == writes
        assert cluster.service()["metadata"] == before
    for settle in (place.rollback, place.promote):
        settle()
        place.wait()
        writes = cluster.kubernetes.writes
        settle()
        place.wait()
        assert cluster.kubernetes.writes == writes


def test_direct_traffic_follows_the_steps_and_a_revision_is_made_for_versions_only(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    for percent in (0, 5, 25, 50, 100):
        run(place, A, B, percent)
    place.promote()
    place.wait()
    assert [dict(shares).get(B, 0) for shares in cluster.shares()] == [0, 0, 5, 25, 50, 99, 100]
    assert cluster.kserve.revision_names() == ["recommender-predictor-00001", "recommender-predictor-00002"]
    component = cluster.service()["status"]["components"]["predictor"]
    assert component["latestRolledoutRevision"] == "recommender-predictor-00002"


def test_rolled_back_direct_traffic_goes_at_once_and_no_pod_of_the_candidate_stays(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A, B, 50)
    # Neither a spare that is slow nor one that fails keeps the stable version from its traffic.
    cluster.kserve.held.add(A)
    place.rollback()
    place.wait()
    assert cluster.shares()[-1] == ((A, 100),)
    cluster.kserve.held.clear()

    def served() -> set[str | None]:
        return {cluster.kserve.served_at(SERVICE, tag) for tag in ("latest", "prev", "")}

    assert poll(lambda: served() == {A}, 20)
    assert cluster.service()["spec"]["predictor"]["minReplicas"] == 0, "the spare has no pods without traffic"


def test_a_conflict_is_read_again_and_keeps_what_the_other_wrote(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A)

    def other() -> None:
        cluster.kubernetes.patch(SERVICE, {"metadata": {"finalizers": ["films.example/keep"]}})

    cluster.kubernetes.before_write = other
    place.apply(A, B, 5)
    calls = [method for method, _ in cluster.kubernetes.requests if method != "GET"]
    assert calls == ["POST", "PUT", "PUT"], "the second PUT rests on the new version"
    place.wait()
    assert cluster.service()["metadata"]["finalizers"] == ["films.example/keep"]
    assert place.deployment == Deployment(A, B, 5)

    cluster.kubernetes.refusals += [("PUT", 409)] * 10
    with pytest.raises(ServerError, match="another writer 10 times in a row") as caught:
        place.apply(A, B, 25)
    one_line(caught)


def test_created_by_another_controller_in_the_same_moment(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    first, second = deployer(), deployer()
    cluster.kubernetes.before_write = lambda: first.apply(A)
    second.apply(A)
    second.wait()
    assert [name for name, _ in cluster.kubernetes.requests if name != "GET"] == ["POST", "POST"]
    assert version_at(second.url("champion")) == "1"


def test_two_controllers_of_one_rollout_do_not_disturb_each_other(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    problems: list[BaseException] = []
    start = threading.Barrier(2)

    def control(place: KServeDeployer) -> None:
        try:
            start.wait()
            for percent in (0, 5, 25):
                run(place, A, B, percent)
        except BaseException as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=control, args=(deployer(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # One may be a step ahead, and is then told so; nobody undoes the other's work for ever.
    assert all(isinstance(problem, ServerError) and "another writer" in str(problem) for problem in problems)
    run(deployer(), A, B, 25)
    assert len(cluster.kserve.revision_names()) == 2


def test_a_controller_that_wants_something_else_is_an_error_and_no_fight(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place, other = deployer(), deployer()
    run(place, A)
    cluster.kserve.held.add(B)
    place.apply(A, B, 5)
    other.apply(A, C, 50)
    with pytest.raises(ServerError, match=r"changed by another writer \(generation 3, expected 2\)") as caught:
        place.wait()
    assert C in one_line(caught)
    other.wait()
    assert other.deployment == Deployment(A, C, 50)


def test_a_slow_rollout_is_waited_for_until_the_deadline(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A)
    cluster.kserve.held.add(B)
    place.apply(A, B, 5)
    with pytest.raises(ServerError, match=r"is not ready after 0\.3 s: revision recommender-predictor-00002") as caught:
        place.wait(timeout_s=0.3)
    assert B in one_line(caught)
    with pytest.raises(ServerError, match="no address for variant 'challenger' yet"):
        place.url("challenger")
    assert version_at(place.url("champion")) == "1"
    timer = threading.Timer(0.2, cluster.kserve.held.clear)
    timer.start()
    place.wait()
    assert version_at(place.url("challenger")) == "2"
    assert {B for shares in cluster.shares()[:-1] for uri, _ in shares if uri == B} == set()


def test_a_failed_revision_is_named_with_its_reason_and_gets_no_traffic(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A, B, 5)
    place.apply(A, MISSING, 50)
    with pytest.raises(ServerError, match=r"recommender-predictor-00003 \(models:/recommender/99\) failed: ") as caught:
        place.wait()
    assert "RevisionFailed" in one_line(caught)
    place.check("champion")
    with pytest.raises(ServerError, match="RevisionFailed"):
        place.check()
    assert version_at(place.url("champion")) == "1"
    with pytest.raises(ServerError, match="no address for variant 'challenger' yet"):
        place.url("challenger")
    assert all(dict(shares).get(B, 0) <= 5 and MISSING not in dict(shares) for shares in cluster.shares())
    place.rollback()
    place.wait()
    place.check()
    run(place, A, B, 50)
    assert version_at(place.url("challenger")) == "2", "a failure before does not count against the next"


def test_a_stable_version_that_cannot_start_leaves_the_one_before_it(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A, B, 50)
    place.apply(MISSING)
    with pytest.raises(ServerError, match=r"models:/recommender/99\) failed"):
        place.wait()
    assert cluster.shares()[-1] == ((A, 100),), "neither the missing version nor the candidate serves direct traffic"
    run(place, C)
    assert version_at(place.url("champion")) == "3"


def test_another_process_goes_on_where_one_ended(cluster: FakeCluster, deployer: Callable[..., KServeDeployer]) -> None:
    cluster.kserve.held.add(A)
    deployer().apply(A, B, 5)
    assert deployer().deployment == Deployment(A), "the candidate is asked for once the stable version runs"
    cluster.kserve.held.clear()
    deployer().wait()
    second = deployer()
    second.apply(A, B, 5)
    assert deployer().deployment == Deployment(A, B, 5)
    third = deployer()
    third.wait()
    assert (version_at(third.url("champion")), version_at(third.url("challenger"))) == ("1", "2")
    deployer().rollback()
    assert deployer().deployment == Deployment(A)
    last = deployer()
    last.wait()
    run(deployer(), A, C, 5)
    deployer().promote()
    last = deployer()
    last.wait()
    assert last.deployment == Deployment(C)
    assert version_at(last.url("champion")) == "3"


def test_a_watch_that_breaks_or_is_too_old_begins_anew(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A)
    cluster.kserve.held.add(B)
    place.apply(A, B, 5)
    waiting = threading.Thread(target=place.wait)
    begun = sum("watch=True" in path for _, path in cluster.kubernetes.requests)
    waiting.start()

    def watches() -> int:
        return sum("watch=True" in path for _, path in cluster.kubernetes.requests)

    assert poll(lambda: watches() > begun, 10)
    cluster.kubernetes.refusals += [("GET", 503), ("GET", 500)]
    cluster.kubernetes.cut_watches()
    assert poll(lambda: watches() > begun + 1, 10), "after the cut it is watched again"
    # The version that the next watch begins from is forgotten before it begins: 410.
    cluster.kubernetes.before_watch = cluster.kubernetes.forget_history
    cluster.kubernetes.cut_watches()
    assert poll(lambda: watches() > begun + 3, 10)
    assert waiting.is_alive()
    cluster.kserve.held.clear()
    waiting.join(20)
    assert not waiting.is_alive()
    assert version_at(place.url("challenger")) == "2"


def test_deleted_it_is_gone_and_can_be_applied_again(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A, B, 5)
    place.close()
    assert deployer().deployment == Deployment(A, B, 5), "closing leaves the servers alone"
    place = deployer()
    place.delete()
    place.delete()
    assert place.deployment is None
    place.wait()
    with pytest.raises(ServerError, match="no server is deployed for variant 'champion'"):
        place.url("champion")
    place.apply(A)
    cluster.kubernetes.delete(SERVICE)
    with pytest.raises(ServerError, match="was deleted while its servers were waited for"):
        place.wait()
    run(place, B)
    assert version_at(place.url("champion")) == "2"


def test_what_the_cluster_refuses_is_one_line(cluster: FakeCluster, deployer: Callable[..., KServeDeployer]) -> None:
    cluster.kubernetes.refusals.append(("POST", 403))
    with pytest.raises(ServerError, match=r"refuses \(403\); its account needs get, watch, create") as caught:
        deployer().apply(A)
    one_line(caught)
    with pytest.raises(ServerError, match="or no such namespace; install KServe") as caught:
        deployer(namespace="elsewhere").apply(A)
    one_line(caught)
    with pytest.raises(ServerError, match=r"422 .*invalid: spec\.predictor\.containers\.0\.resources") as caught:
        deployer(memory="plenty").apply(A)
    one_line(caught)
    foreign = {"metadata": {"name": "recommender"}, "spec": {"predictor": {"minReplicas": 1}}}
    cluster.kubernetes.create(SERVICE, foreign | {"apiVersion": "serving.kserve.io/v1beta1", "kind": ISVC[1]})
    cluster.kserve.close()
    with pytest.raises(ServerError, match="default/recommender was not written by screentest") as caught:
        deployer().apply(A)
    one_line(caught)


def test_a_cluster_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cluster(tmp_path, {A}) as cluster:
        settings = cluster.settings
    place = KServeDeployer(Site(tmp_path, "http://mlflow.test", cluster=settings))
    with pytest.raises(ServerError, match="the API server does not answer") as caught:
        place.apply(A)
    one_line(caught)
    unknown = settings.model_copy(update={"kubeconfig": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match="no Kubernetes cluster to deploy to") as refused:
        KServeDeployer(Site(tmp_path, "http://mlflow.test", cluster=unknown)).apply(A)
    one_line(refused)


@pytest.mark.parametrize(
    ("given", "tracking_uri", "name", "said"),
    [
        ({"image": ""}, "http://mlflow.test", "recommender", "needs an image"),
        ({}, "sqlite:////home/me/mlflow.db", "recommender", r"\(sqlite:…\) is none that pods can reach"),
        ({}, "https://me:hush@mlflow.test", "recommender", "holds a password"),
        ({}, "http://mlflow.test", "Film_Model", "'Film_Model' cannot name an InferenceService"),
    ],
)
def test_what_no_cluster_can_run_is_refused_before_anything_is_written(
    cluster: FakeCluster, tmp_path: Path, given: dict[str, str], tracking_uri: str, name: str, said: str
) -> None:
    site = Site(tmp_path, tracking_uri, name, cluster=cluster.settings.model_copy(update=given))
    with pytest.raises(ConfigError, match=said) as caught:
        KServeDeployer(site).apply(A)
    assert "hush" not in one_line(caught)
    assert cluster.kubernetes.writes == 0


def test_a_secret_is_named_and_never_copied(cluster: FakeCluster, tmp_path: Path) -> None:
    settings = cluster.settings.model_copy(update={"secret": "recommender-env"})
    KServeDeployer(Site(tmp_path, "postgresql://me:hush@db/mlflow", cluster=settings)).apply(A)
    service = cluster.service()
    assert "hush" not in json.dumps(service)
    container = service["spec"]["predictor"]["containers"][0]
    assert container["envFrom"] == [{"secretRef": {"name": "recommender-env"}}]
    assert "MLFLOW_TRACKING_URI" not in [variable["name"] for variable in container["env"]]


def test_whatever_is_wished_after_whatever_nobody_gets_what_was_not_asked_for(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    luck = random.Random(11)
    cluster.kserve.ready_after_s = cluster.kserve.route_after_s = 0.01
    before = Deployment(A)
    run(deployer(), A)
    for _ in range(14):
        stable, candidate = luck.sample([A, B, C], 2)
        wish = Deployment(stable, candidate, luck.choice([0, 5, 50])) if luck.random() < 0.7 else Deployment(stable)
        seen = len(cluster.shares())
        place = deployer()
        run(place, wish.stable, wish.candidate, wish.percent)
        allowed = {wish.stable: 100, before.stable: 100}
        for deployment in (before, wish):
            if deployment.candidate is not None:
                most = max(allowed.get(deployment.candidate, 0), deployment.percent)
                allowed[deployment.candidate] = most
        for shares in cluster.shares()[seen:]:
            assert all(percent <= allowed.get(uri, 0) for uri, percent in shares), (before, wish, shares)
        assert deployer().deployment == wish
        assert version_at(place.url("champion")) == wish.stable[-1]
        if wish.candidate is not None:
            assert version_at(place.url("challenger")) == wish.candidate[-1]
        place.check()
        before = wish


def test_the_role_in_the_example_cluster_allows_what_the_deployer_does(
    cluster: FakeCluster, deployer: Callable[..., KServeDeployer]
) -> None:
    place = deployer()
    run(place, A, B, 5)
    place.promote()
    place.wait()
    place.delete()
    verbs = {"POST": "create", "PUT": "update", "DELETE": "delete", "GET": "get"}
    done = set()
    for method, path in cluster.kubernetes.requests:
        _, _, group, _, _, _, resource = path.partition("?")[0].split("/")[:7]
        done.add((group, resource, "watch" if "watch=True" in path else verbs[method]))
    documents = yaml.safe_load_all((Path(__file__).parents[1] / "e2e" / "kind.yaml").read_text(encoding="utf-8"))
    (role,) = [document for document in documents if document["kind"] == "Role"]
    allowed = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert done == allowed
