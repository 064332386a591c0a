"""The fake API server behaves as a Kubernetes client knows the real one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client, watch
from kubernetes.client import ApiException

from serving.deployers.inference_service import Predictor, new_service
from tests.fake_kserve import ISVC, FakeCluster, fake_cluster
from tests.fake_kubernetes import Key

WHERE = ("serving.kserve.io", "v1beta1", "default", "inferenceservices")
FIRST = "models:/recommender/1"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with fake_cluster(tmp_path, {FIRST}) as made:
        made.kserve.close()
        yield made


@pytest.fixture
def api(cluster: FakeCluster) -> Iterator[client.CustomObjectsApi]:
    host = Path(cluster.settings.kubeconfig).read_text().partition("server: ")[2].split()[0]
    with client.ApiClient(client.Configuration(host=host)) as connection:
        yield client.CustomObjectsApi(connection)


@pytest.fixture
def service(cluster: FakeCluster, api: client.CustomObjectsApi) -> dict[str, Any]:
    made = new_service("recommender", Predictor(FIRST, FIRST), "http://mlflow.test", cluster.settings)
    return dict(api.create_namespaced_custom_object(*WHERE, made))


def code(error: pytest.ExceptionInfo[ApiException]) -> int:
    return int(error.value.status)


def test_versions_and_generations(cluster: FakeCluster, api: client.CustomObjectsApi, service: dict[str, Any]) -> None:
    assert service["metadata"]["generation"] == 1
    assert service["metadata"]["uid"]
    same = api.replace_namespaced_custom_object(*WHERE, "recommender", service)
    assert same == service, "a write that changes nothing makes no version"

    labelled = api.patch_namespaced_custom_object(*WHERE, "recommender", {"metadata": {"labels": {"team": "films"}}})
    assert labelled["metadata"]["generation"] == 1, "only the spec counts"
    assert labelled["metadata"]["labels"].keys() == service["metadata"]["labels"].keys() | {"team"}
    with pytest.raises(ApiException) as stale:
        api.replace_namespaced_custom_object(*WHERE, "recommender", service)
    assert code(stale) == 409

    share = api.patch_namespaced_custom_object(
        *WHERE, "recommender", {"spec": {"predictor": {"canaryTrafficPercent": 5, "volumes": None}}}
    )
    assert share["metadata"]["generation"] == 2
    assert "volumes" not in share["spec"]["predictor"]
    told = share | {"status": {"url": "http://a.test"}, "spec": {}}
    told = api.replace_namespaced_custom_object_status(*WHERE, "recommender", told)
    assert (told["spec"], told["status"]) == (share["spec"], {"url": "http://a.test"}), "a status write is no more"
    again = api.replace_namespaced_custom_object(*WHERE, "recommender", told | {"status": {"url": "http://b.test"}})
    assert again["status"] == {"url": "http://a.test"}, "nor is an object's write one of its status"


def test_what_is_refused(cluster: FakeCluster, api: client.CustomObjectsApi, service: dict[str, Any]) -> None:
    fresh = {key: value for key, value in service.items() if key != "status"}
    with pytest.raises(ApiException) as twice:
        api.create_namespaced_custom_object(*WHERE, fresh)
    assert (code(twice), "AlreadyExists" in twice.value.body) == (409, True)
    metadata = {key: value for key, value in service["metadata"].items() if key != "resourceVersion"}
    with pytest.raises(ApiException) as blind:
        api.replace_namespaced_custom_object(*WHERE, "recommender", service | {"metadata": metadata})
    assert code(blind) == 422
    with pytest.raises(ApiException) as unknown:
        api.patch_namespaced_custom_object(*WHERE, "recommender", {"spec": {"predictor": {"canaryPercent": 5}}})
    assert (code(unknown), "canaryPercent" in unknown.value.body) == (422, True)
    for call in (api.get_namespaced_custom_object, api.delete_namespaced_custom_object):
        with pytest.raises(ApiException) as missing:
            call(*WHERE, "nobody")
        assert code(missing) == 404
    host = api.api_client.configuration.host
    answer = httpx.patch(
        f"{host}/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/recommender",
        content=b"{}",
        headers={"Content-Type": "application/strategic-merge-patch+json"},
        trust_env=False,
    )
    assert answer.status_code == 415, "custom resources know no strategic merge patch"


def test_watches(cluster: FakeCluster, api: client.CustomObjectsApi, service: dict[str, Any]) -> None:
    key, since = Key(*ISVC, "default", "recommender"), service["metadata"]["resourceVersion"]
    cluster.kubernetes.patch(key, {"spec": {"predictor": {"canaryTrafficPercent": 5}}})
    cluster.kubernetes.delete(key)

    def told(version: str, **more: Any) -> list[str]:
        stream = watch.Watch().stream(
            api.list_namespaced_custom_object, *WHERE, resource_version=version, timeout_seconds=1, **more
        )
        return [event["type"] for event in stream]

    assert told(since) == ["MODIFIED", "DELETED"]
    assert told(since, field_selector="metadata.name=another") == []
    assert set(told(since, allow_watch_bookmarks=True)) == {"MODIFIED", "DELETED", "BOOKMARK"}
    cluster.kubernetes.forget_history()
    with pytest.raises(ApiException) as gone:
        told(since)
    assert code(gone) == 410
