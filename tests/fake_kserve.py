"""KServe and Knative on the fake API server: revisions, traffic and status, as their controllers make them.

Written after kserve's ``createKnativeService`` and ``PropagateStatus`` (which revision is ``prev``, when one counts as
rolled out, what happens to a revision that was rolled out and gets less again) and Knative's rules (a change of the
template, annotations and labels included, makes a revision; ``latest`` is the newest *ready* one; the status trails
the object; a revision without a route has no pods). Its gateway answers on real loopback ports, one for each address,
with the version that the routed revision's container was told to serve. Tests can hold revisions back or fail them.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from core.settings import KServeSettings
from tests.fake_kubernetes import Key, Kubernetes, Refused, api_server

ISVC = ("serving.kserve.io", "inferenceservices")
_TICK_S = 0.005


@dataclass
class _Revision:
    name: str
    template: dict[str, Any]
    model_uri: str
    due: float
    state: str = "pending"  # ready, failed
    message: str = ""


@dataclass
class _Knative:
    """What the Knative service of one InferenceService holds."""

    revisions: list[_Revision] = field(default_factory=list)
    ready: _Revision | None = None
    traffic: list[dict[str, Any]] = field(default_factory=list)
    wanted: list[dict[str, Any]] = field(default_factory=list)
    wanted_since: float = 0.0
    rolled_out: str = ""
    previous: str = ""


class KServe:
    """The controllers, on a thread of their own.

    Args:
        kubernetes: Where the objects are.
        models: URIs whose servers come up; a revision of any other fails as its container would.
    """

    def __init__(self, kubernetes: Kubernetes, models: set[str]) -> None:
        self._kubernetes = kubernetes
        self.models = models
        self.ready_after_s = 0.02
        self.route_after_s = 0.02
        self.held: set[str] = set()
        """URIs whose revisions stay unready as long as they are in here."""
        self.history: list[tuple[str, tuple[tuple[str, int], ...]]] = []
        """Every split of direct traffic that was ever in force: (service, ((model URI, percent), …))."""
        self._services: dict[Key, _Knative] = {}
        self._gateways: dict[tuple[Key, str], ThreadingHTTPServer] = {}
        self._luck = random.Random(7)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for gateway in self._gateways.values():
            gateway.shutdown()
            gateway.server_close()

    def revision_names(self) -> list[str]:
        return [revision.name for service in self._services.values() for revision in service.revisions]

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            for key in [key for key in list(self._kubernetes.objects) if key[:2] == ISVC]:
                # Another write came between: the next round sees it.
                with suppress(Refused):
                    self._reconcile(key)
            for key in self._services.keys() - self._kubernetes.objects.keys():
                del self._services[key]

    def _reconcile(self, key: Key) -> None:
        document = self._kubernetes.get(key)
        service = self._services.setdefault(key, _Knative())
        self._make_revision(key, document, service)
        self._start_revisions(key, service)
        self._route(document["spec"]["predictor"].get("canaryTrafficPercent"), key, service)
        status = self._status(key, service)
        if status != document.get("status"):
            self._kubernetes.replace(key, document | {"status": status}, status=True)

    def _make_revision(self, key: Key, document: dict[str, Any], service: _Knative) -> None:
        predictor = deepcopy(document["spec"]["predictor"])
        predictor.pop("canaryTrafficPercent", None)
        metadata = document["metadata"]
        template = {
            "annotations": metadata.get("annotations", {}) | predictor.pop("annotations", {}),
            "labels": metadata.get("labels", {}) | predictor.pop("labels", {}),
            "predictor": predictor,
        }
        if service.revisions and service.revisions[-1].template == template:
            return
        arguments = predictor["containers"][0]["args"]
        uri = arguments[arguments.index("--model-uri") + 1]
        name = f"{key.name}-predictor-{len(service.revisions) + 1:05d}"
        service.revisions.append(_Revision(name, template, uri, time.monotonic() + self.ready_after_s))
        made = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Revision",
            "metadata": {"name": name, "annotations": template["annotations"], "labels": template["labels"]},
            "spec": {"containers": predictor["containers"]},
        }
        revision_key = Key("serving.knative.dev", "revisions", key.namespace, name)
        # One of an InferenceService of that name that was deleted before.
        with suppress(Refused):
            self._kubernetes.delete(revision_key)
        self._kubernetes.create(revision_key, made)

    def _start_revisions(self, key: Key, service: _Knative) -> None:
        for revision in service.revisions:
            if revision.state != "pending" or revision.model_uri in self.held or time.monotonic() < revision.due:
                continue
            if revision.model_uri in self.models:
                revision.state = "ready"
                # An older one that becomes ready late is no longer the newest ready one.
                if service.ready is None or service.revisions.index(service.ready) < service.revisions.index(revision):
                    service.ready = revision
            else:
                revision.state = "failed"
                revision.message = f"Container failed with: model server: {revision.model_uri} was not found\nexit 1"

    def _route(self, canary: int | None, key: Key, service: _Knative) -> None:
        """kserve's createKnativeService, then Knative's route."""
        wanted: list[dict[str, Any]] = []
        if service.ready is not None:
            latest = {"latestRevision": True, "revisionName": service.ready.name, "tag": "latest"}
            split = canary is not None and service.rolled_out
            wanted.append(latest | {"percent": canary if split else 100})
            if split and canary is not None and canary < 100:
                prev = {"latestRevision": False, "revisionName": service.rolled_out, "tag": "prev"}
                wanted.append(prev | {"percent": 100 - canary})
            for target in wanted:
                target["url"] = self._address(key, target["tag"])
        if wanted != service.wanted:
            service.wanted, service.wanted_since = wanted, time.monotonic()
        if service.traffic != wanted and time.monotonic() >= service.wanted_since + self.route_after_s:
            service.traffic = wanted
            uris = {revision.name: revision.model_uri for revision in service.revisions}
            shares = tuple((uris[target["revisionName"]], target["percent"]) for target in wanted)
            self.history.append((key.name, shares))
        self._propagate(service)

    def _propagate(self, service: _Knative) -> None:
        """kserve's PropagateStatus: which revision counts as rolled out."""
        share: dict[str, int] = {}
        for target in service.traffic:
            share[target["revisionName"]] = share.get(target["revisionName"], 0) + target["percent"]
        for target in service.traffic:
            name = target["revisionName"]
            if not target["latestRevision"] or service.ready is None or name != service.ready.name:
                continue
            if service.rolled_out != name:
                if target["percent"] == 100:
                    service.previous, service.rolled_out = service.rolled_out, name
            elif (
                name == service.revisions[-1].name
                and target["percent"] < 100
                and share[name] == 100
                and service.previous
            ):
                service.rolled_out = service.previous

    def _status(self, key: Key, service: _Knative) -> dict[str, Any]:
        newest = service.revisions[-1]
        routed = bool(service.traffic) and service.traffic == service.wanted
        made = {"pending": "Unknown", "ready": "True", "failed": "False"}[newest.state]
        why = {}
        if newest.state == "failed":
            message = f'Revision "{newest.name}" failed with message: {newest.message}.'
            why = {"reason": "RevisionFailed", "message": message}
        ready = made if made != "True" else ("True" if routed else "Unknown")
        route = "True" if routed else "Unknown"
        component: dict[str, Any] = {"latestCreatedRevision": newest.name}
        if service.ready is not None:
            component |= {"latestReadyRevision": service.ready.name, "traffic": deepcopy(service.traffic)}
            component["url"] = self._address(key, "")
        if service.rolled_out:
            component["latestRolledoutRevision"] = service.rolled_out
        if service.previous:
            component["previousRolledoutRevision"] = service.previous
        status: dict[str, Any] = {
            "conditions": [
                {"type": "LatestDeploymentReady", "status": made, "severity": "Info"},
                {"type": "PredictorConfigurationReady", "status": made, "severity": "Info"} | why,
                {"type": "PredictorReady", "status": ready} | why,
                {"type": "PredictorRouteReady", "status": route, "severity": "Info"},
                {"type": "Ready", "status": ready},
                {"type": "RoutesReady", "status": route, "severity": "Info"},
            ],
            "components": {"predictor": component},
            # In Knative mode this is the Knative service's generation, which is another count than the object's.
            "observedGeneration": len(service.revisions),
            "deploymentMode": "Knative",
            "modelStatus": {"transitionStatus": "UpToDate" if made == "True" else "InProgress"},
        }
        if newest.state == "failed":
            failure = {"reason": "ModelLoadFailed", "exitCode": 1, "message": "the model could not be loaded"}
            status["modelStatus"] = {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": failure}
        if service.ready is not None:
            status["url"] = component["url"]
        return status

    def _address(self, key: Key, tag: str) -> str:
        if (key, tag) not in self._gateways:
            route = type("Route", (_Route,), {"kserve": self, "key": key, "tag": tag})
            gateway = ThreadingHTTPServer(("127.0.0.1", 0), route)
            gateway.daemon_threads = True
            threading.Thread(target=gateway.serve_forever, args=(0.02,), daemon=True).start()
            self._gateways[key, tag] = gateway
        return f"http://127.0.0.1:{self._gateways[key, tag].server_port}"

    def served_at(self, key: Key, tag: str) -> str | None:
        """URI of the version that answers a request to an address now; None where nothing is routed."""
        service = self._services.get(key)
        targets = [] if service is None else [target for target in service.traffic if tag in ("", target["tag"])]
        if service is None or not targets:
            return None
        weights = [1 if tag else target["percent"] for target in targets]
        chosen = self._luck.choices(targets, weights)[0]["revisionName"]
        return next(revision.model_uri for revision in service.revisions if revision.name == chosen)


class _Route(BaseHTTPRequestHandler):
    """One address of the gateway."""

    protocol_version = "HTTP/1.1"
    kserve: KServe
    key: Key
    tag: str

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        uri = self.kserve.served_at(self.key, self.tag)
        items = [{"item_id": item, "title": f"Film {item}", "score": 1.0 / item} for item in (1, 2, 3)]
        answer = {} if uri is None else {"items": items, "model_version": uri.rpartition("/")[2]}
        body = json.dumps(answer).encode()
        self.send_response(200 if uri else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class FakeCluster:
    """A cluster with KServe, and how to reach it."""

    kubernetes: Kubernetes
    kserve: KServe
    settings: KServeSettings

    def service(self, name: str = "recommender") -> dict[str, Any]:
        """The InferenceService as it stands."""
        return self.kubernetes.get(Key(*ISVC, "default", name))

    def shares(self) -> list[tuple[tuple[str, int], ...]]:
        """Every split of direct traffic that was in force, in order, those without a share left out."""
        return [tuple(share for share in shares if share[1]) for _, shares in self.kserve.history]


def write_kubeconfig(folder: Path, address: str) -> Path:
    """A kubeconfig that names the server."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "clusters": [{"name": "fake", "cluster": {"server": address}}],
        "users": [{"name": "fake", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@contextmanager
def fake_cluster(folder: Path, models: set[str]) -> Iterator[FakeCluster]:
    """A cluster where these versions' servers come up.

    Args:
        folder: For the kubeconfig.
        models: Pinned URIs.
    """
    kubernetes = Kubernetes(crds={"inferenceservices": "serving.kserve.io_inferenceservices.yaml"})
    kserve = KServe(kubernetes, models)
    try:
        with api_server(kubernetes) as address:
            settings = KServeSettings(
                image="registry.example/screentest:1.0",
                kubeconfig=str(write_kubeconfig(folder, address)),
                start_timeout_s=20.0,
            )
            yield FakeCluster(kubernetes, kserve, settings)
    finally:
        kserve.close()
