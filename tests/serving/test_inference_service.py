"""The objects that are written: against the CRD's schema, KServe's examples and SDK, and as a server that starts."""

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import kserve.models
import kubernetes.client
import pytest
import yaml
from kubernetes.client import ApiClient

from core.settings import KServeSettings
from serving.deployers.base import Site
from serving.deployers.inference_service import Predictor, new_service, with_percent, with_predictor
from serving.deployers.kserve import KServeDeployer
from serving.processes import ServerCommand, ServerProcess
from tests.fake_kserve import fake_cluster
from tests.small_registry import MODEL_NAME, register_small_models, small_interactions
from tests.strict_schema import problems

CRD = "serving.kserve.io_inferenceservices.yaml"
FIRST, SECOND = "models:/recommender/1", "models:/recommender/2"
SETTINGS = KServeSettings(image="registry.example/screentest:1.0")

#: The canary example of KServe's documentation (rollout strategies), with its part on tags.
EXAMPLE = """
apiVersion: "serving.kserve.io/v1beta1"
kind: "InferenceService"
metadata:
  name: "sklearn-iris"
  annotations:
    serving.kserve.io/enable-tag-routing: "true"
spec:
  predictor:
    canaryTrafficPercent: 10
    model:
      modelFormat:
        name: sklearn
      storageUri: "gs://kfserving-examples/models/sklearn/1.0/model-2"
"""

#: What the documentation shows of the status then.
EXAMPLE_STATUS = {
    "latestCreatedRevision": "sklearn-iris-predictor-00002",
    "latestReadyRevision": "sklearn-iris-predictor-00002",
    "latestRolledoutRevision": "sklearn-iris-predictor-00001",
    "traffic": [
        {
            "latestRevision": True,
            "percent": 10,
            "revisionName": "sklearn-iris-predictor-00002",
            "tag": "latest",
            "url": "http://latest-sklearn-iris-predictor.kserve-test.example.com",
        },
        {
            "latestRevision": False,
            "percent": 90,
            "revisionName": "sklearn-iris-predictor-00001",
            "tag": "prev",
            "url": "http://prev-sklearn-iris-predictor.kserve-test.example.com",
        },
    ],
    "url": "http://sklearn-iris-predictor.kserve-test.example.com",
}


def written(predictor: Predictor, settings: KServeSettings = SETTINGS) -> dict[str, Any]:
    return new_service("recommender", predictor, "http://mlflow.test", settings)


def comparable(service: dict[str, Any]) -> dict[str, Any]:
    """An object without what KServe's example leaves to the cluster, and with the model as such, however it is run."""
    service = deepcopy(service)
    predictor = service["spec"]["predictor"]
    has_model = bool({"model", "containers"} & predictor.keys())
    service["metadata"] = {
        "annotations": {
            key: value
            for key, value in service["metadata"].get("annotations", {}).items()
            if key != "serving.kserve.io/deploymentMode"  # the cluster's default in the example
        }
    }
    own = ("annotations", "labels", "minReplicas", "maxReplicas", "automountServiceAccountToken", "volumes")
    for name in ("model", "containers", *own):
        predictor.pop(name, None)
    return {**service, "has model": has_model}


def test_the_canary_is_kserves_documented_one() -> None:
    example = yaml.safe_load(EXAMPLE)
    canary = written(Predictor(SECOND, FIRST, 10))
    assert comparable(canary) == comparable(example)
    assert problems(CRD, example) == problems(CRD, canary) == []
    # "Promote the canary model … by removing the canaryTrafficPercent field and re-applying"
    promoted = deepcopy(example)
    del promoted["spec"]["predictor"]["canaryTrafficPercent"]
    assert comparable(with_percent(canary, None)) == comparable(promoted)
    # "Pin the previous model … by setting the canaryTrafficPercent to 0"
    pinned = deepcopy(example)
    pinned["spec"]["predictor"]["canaryTrafficPercent"] = 0
    assert comparable(with_percent(canary, 0)) == comparable(pinned)
    spare = with_predictor(
        canary | {"metadata": canary["metadata"] | {"generation": 2}},
        Predictor(FIRST, FIRST, 0, spare=True),
        "http://m",
        SETTINGS,
    )
    assert comparable(spare) == comparable(pinned)


def test_the_fake_tells_what_kserve_is_documented_to_tell(tmp_path: Path) -> None:
    with fake_cluster(tmp_path, {FIRST, SECOND}) as cluster:
        site = Site(tmp_path, "http://mlflow.test", "sklearn-iris", cluster=cluster.settings)
        with KServeDeployer(site) as place:
            for wish in ((FIRST, None, 0), (FIRST, SECOND, 10)):
                place.apply(*wish)
                place.wait()
        told = cluster.service("sklearn-iris")["status"]["components"]["predictor"]
    expected = deepcopy(EXAMPLE_STATUS)
    assert [told.pop("url"), *(target.pop("url") for target in told["traffic"])].count("") == 0
    del expected["url"]
    for target in expected["traffic"]:
        del target["url"]
    assert told == expected


def sdk_object(kind: str, document: Any) -> Any:
    """A document as the SDK's class of that name has it; a field that the class lacks is a KeyError.

    Args:
        kind: The SDK's name of a type, e.g. ``list[V1Container]``.
        document: As sent to the API server.
    """
    if kind.startswith("list["):
        return [sdk_object(kind[5:-1], part) for part in document]
    made = getattr(kserve.models, kind, None) or getattr(kubernetes.client, kind, None)
    if made is None:
        return document
    attributes = {name: attribute for attribute, name in made.attribute_map.items()}
    given = {attributes[name]: value for name, value in document.items()}
    return made(**{name: sdk_object(made.openapi_types[name], value) for name, value in given.items()})


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        SETTINGS.model_copy(update={"secret": "env", "service_account": "reader", "visibility": "external"}),
    ],
)
@pytest.mark.parametrize("predictor", [Predictor(FIRST, FIRST), Predictor(SECOND, FIRST, 99)])
def test_kserves_own_sdk_reads_the_object_and_writes_the_same(predictor: Predictor, settings: KServeSettings) -> None:
    service = written(predictor, settings)
    assert problems(CRD, service) == []
    assert ApiClient().sanitize_for_serialization(sdk_object("V1beta1InferenceService", service)) == service
    assert "tracing" not in service["spec"], "a field of the 0.21 SDK that the CRDs of 0.20 do not have"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"canaryTrafficPercent": 101}, "spec.predictor.canaryTrafficPercent"),
        ({"canaryTrafficPercent": "10"}, "spec.predictor.canaryTrafficPercent"),
        ({"canaryPercent": 10}, "spec.predictor"),
        ({"minReplicas": -0.5}, "spec.predictor.minReplicas"),
        ({"containers": [{"image": "nameless"}]}, "spec.predictor.containers.0"),
        ({"containers": [{"name": "a", "securityContext": {"runAsNobody": True}}]}, "containers.0.securityContext"),
    ],
)
def test_the_schema_is_strict(change: dict[str, Any], where: str) -> None:
    service = written(Predictor(FIRST, FIRST))
    service["spec"]["predictor"] |= change
    found = problems(CRD, service)
    assert len(found) == 1
    assert where in found[0]


def test_a_percentage_alone_makes_no_revision_and_another_version_always_does() -> None:
    first = written(Predictor(FIRST, FIRST)) | {"status": {}}
    first["metadata"] |= {"generation": 1, "resourceVersion": "7"}
    second = with_predictor(first, Predictor(SECOND, FIRST, 5), "http://mlflow.test", SETTINGS)
    assert second["metadata"] == first["metadata"], "the resourceVersion says what the write rests on"
    more = with_percent(second, 25)
    assert more["spec"]["predictor"].pop("canaryTrafficPercent") == 25
    assert second["spec"]["predictor"].pop("canaryTrafficPercent") == 5
    assert more == second
    assert second["spec"]["predictor"]["annotations"] == {"screentest/stable": FIRST, "screentest/write": "2"}
    assert first["spec"]["predictor"]["annotations"] == {"screentest/stable": FIRST, "screentest/write": "1"}


def test_the_container_as_written_starts_a_model_server_that_its_probe_finds_ready(tmp_path: Path) -> None:
    tracking_uri = register_small_models(tmp_path, {"popularity": {}, "ease": {}}, small_interactions())
    service = new_service(MODEL_NAME, Predictor(FIRST, FIRST), "http://mlflow.test", SETTINGS)
    (container,) = service["spec"]["predictor"]["containers"]
    arguments = list(container["args"])
    assert container["ports"][0]["containerPort"] == int(arguments[arguments.index("--port") + 1])
    # On this machine: another address to bind, any free port, this test's MLflow; all else as the pod would have it.
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    arguments[arguments.index("--port") + 1] = "0"
    server = ServerProcess(
        ServerCommand(
            name="container",
            argv=[
                *(sys.executable, "-c", "from cli.main import main; main()"),
                *(*arguments, "--port-file", str(tmp_path / "port")),
            ],
            port_file=tmp_path / "port",
            log_file=tmp_path / "log",
            ready_path=container["readinessProbe"]["httpGet"]["path"],
            environment={"MLFLOW_TRACKING_URI": tracking_uri, "HOME": str(tmp_path)},
        )
    )
    try:
        server.wait_ready(60)
        answer = httpx.post(f"{server.url}/recommend", json={"user_id": 100, "k": 3}, trust_env=False)
        assert answer.json()["model_version"] == "1"
    finally:
        server.stop()
