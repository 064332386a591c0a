"""The InferenceService of a registered model: pure building of the object, and reading back what it asks for.

One object holds everything, in KServe's Knative mode: each change of its predictor, but of ``canaryTrafficPercent``,
makes a revision, and a revision never changes. KServe calls the newest ready one ``latest`` and the one it last gave
all traffic ``prev``, and gives each an address of its own. What the object does not say by itself (which version
``prev`` is meant to be) is in annotations of the predictor, so they reach every revision and nothing is kept elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.errors import ConfigError, ServerError
from core.settings import KServeSettings

GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
#: Direct traffic of a candidate never reaches 100 %: KServe would then retire the stable revision, and its address.
MOST_CANARY_PERCENT = 99

STABLE = "screentest/stable"
"""Annotation: pinned URI of the version that holds the traffic which the candidate does not get."""
WRITE = "screentest/write"
"""Annotation: the generation of the object that this predictor came with; tells its revision from all others."""
SPARE = "screentest/spare"
"""Annotation: the predictor only takes the place of a candidate that was rolled back."""

_PORT = 8080
_CONTAINER = "kserve-container"
_DNS_LABEL = re.compile(r"^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$")


@dataclass(frozen=True)
class Predictor:
    """What one predictor asks for.

    Attributes:
        model_uri: Pinned URI of the version its revision serves.
        stable: Pinned URI of the version that the rest of the traffic goes to; the same where there is no other.
        percent: ``canaryTrafficPercent``, 0 … 99; None: all traffic goes to this revision as soon as it is ready.
        spare: It serves the stable version once more, without traffic, so that the candidate's revision ends.
        write: See ``WRITE``; "" before it was written.
    """

    model_uri: str
    stable: str
    percent: int | None = None
    spare: bool = False
    write: str = ""


def service_name(model_name: str) -> str:
    """The object's name for a registered model.

    Raises:
        ConfigError: Kubernetes allows no such name.
    """
    if not _DNS_LABEL.match(model_name):
        raise ConfigError(
            f"model name {model_name!r} cannot name an InferenceService: use at most 42 of a-z, 0-9 and '-', "
            "beginning with a letter"
        )
    return model_name


def new_service(model_name: str, predictor: Predictor, tracking_uri: str, cluster: KServeSettings) -> dict[str, Any]:
    """The object, to be created.

    Args:
        model_name: The registered model; names the object and the paths that its servers answer.
        predictor: What it asks for.
        tracking_uri: MLflow's address as the servers reach it.
        cluster: Image, resources and so on.

    Raises:
        ConfigError: The name, the image or the address cannot be used on a cluster.
    """
    name = service_name(model_name)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": cluster.namespace,
            "annotations": {
                "serving.kserve.io/deploymentMode": "Knative",
                "serving.kserve.io/enable-tag-routing": "true",
            },
            # KServe copies these into every revision: one that changes would make a revision.
            "labels": {
                "app.kubernetes.io/name": name,
                "app.kubernetes.io/managed-by": "screentest",
                **({"networking.knative.dev/visibility": "cluster-local"} if cluster.visibility != "external" else {}),
            },
        },
        "spec": {"predictor": _predictor(name, predictor, 1, tracking_uri, cluster)},
    }


def with_predictor(
    service: Mapping[str, Any], predictor: Predictor, tracking_uri: str, cluster: KServeSettings
) -> dict[str, Any]:
    """A copy of an object read from the cluster that asks for another revision; its resourceVersion is kept.

    Raises:
        ConfigError: See ``new_service``.
    """
    changed = deepcopy(dict(service))
    metadata = changed["metadata"]
    write = metadata["generation"] + 1
    changed["spec"] = {"predictor": _predictor(metadata["name"], predictor, write, tracking_uri, cluster)}
    return changed


def with_percent(service: Mapping[str, Any], percent: int | None) -> dict[str, Any]:
    """A copy of an object read from the cluster whose candidate gets another share; no revision is made of that."""
    changed = deepcopy(dict(service))
    predictor = changed["spec"]["predictor"]
    predictor.pop("canaryTrafficPercent", None)
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    return changed


def predictor_of(service: Mapping[str, Any]) -> Predictor:
    """What an object read from the cluster asks for.

    Raises:
        ServerError: Something else wrote it.
    """
    predictor = service["spec"]["predictor"]
    annotations = predictor.get("annotations", {})
    uri = model_uri_of(predictor.get("containers", []))
    if uri is None or STABLE not in annotations:
        metadata = service["metadata"]
        raise ServerError(
            f"InferenceService {metadata['namespace']}/{metadata['name']} was not written by screentest (its predictor "
            f"lacks {STABLE} or --model-uri); delete it, or give the registered model another name"
        )
    return Predictor(
        model_uri=uri,
        stable=annotations[STABLE],
        percent=predictor.get("canaryTrafficPercent"),
        spare=SPARE in annotations,
        write=annotations.get(WRITE, ""),
    )


def model_uri_of(containers: list[dict[str, Any]]) -> str | None:
    """The version that a pod's model server is told to serve; None where there is none."""
    for container in containers:
        arguments = container.get("args", [])
        if "--model-uri" in arguments[:-1]:
            return str(arguments[arguments.index("--model-uri") + 1])
    return None


def _predictor(
    name: str, predictor: Predictor, write: int, tracking_uri: str, cluster: KServeSettings
) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "annotations": {STABLE: predictor.stable, WRITE: str(write), **({SPARE: "true"} if predictor.spare else {})},
        "labels": {"screentest/model-version": predictor.model_uri.rpartition("/")[2]},
        # A spare gets no traffic: its pod ends once it was seen to be ready.
        "minReplicas": 0 if predictor.spare else cluster.min_replicas,
        "maxReplicas": max(cluster.min_replicas, cluster.max_replicas),
        "automountServiceAccountToken": False,
        "containers": [_container(name, predictor.model_uri, tracking_uri, cluster)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if cluster.service_account:
        asked["serviceAccountName"] = cluster.service_account
        # What the account is allowed is often proved by the mounted token (workload identity).
        del asked["automountServiceAccountToken"]
    if predictor.percent is not None:
        asked["canaryTrafficPercent"] = predictor.percent
    return asked


def _container(name: str, model_uri: str, tracking_uri: str, cluster: KServeSettings) -> dict[str, Any]:
    if not cluster.image:
        raise ConfigError(
            "the deployer 'kserve' needs an image: set kserve.image to the project's, where nodes find it"
        )
    resources = {"cpu": cluster.cpu, "memory": cluster.memory}
    container: dict[str, Any] = {
        "name": _CONTAINER,
        "image": cluster.image,
        "args": [
            *("serve", "model", "--model-uri", model_uri, "--name", name),
            *("--host", "0.0.0.0", "--port", str(_PORT)),
        ],
        "ports": [{"containerPort": _PORT, "protocol": "TCP"}],
        "env": _environment(tracking_uri, cluster),
        # KServe's /v2/health/ready is always true; this is true once the model is loaded.
        "readinessProbe": {
            "httpGet": {"path": f"/v2/models/{name}/ready", "port": _PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 3,
        },
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    if cluster.secret:
        container["envFrom"] = [{"secretRef": {"name": cluster.secret}}]
    return container


def _environment(tracking_uri: str, cluster: KServeSettings) -> list[dict[str, str]]:
    """MLflow's address, unless the Secret has it; somewhere to write, since the root file system is read-only."""
    home = {"name": "HOME", "value": "/tmp"}
    address = urlsplit(tracking_uri)
    if address.scheme in ("http", "https") and not address.password:
        return [{"name": "MLFLOW_TRACKING_URI", "value": tracking_uri}, home]
    if cluster.secret:
        return [home]
    what = "holds a password" if address.password else "is none that pods can reach"
    raise ConfigError(
        f"MLflow's address ({address.scheme}:…) {what}; set MLFLOW_TRACKING_URI to an http(s):// one without a "
        "password, or put it into a Secret and name that: kserve.secret"
    )
