"""A cluster's API server, as far as an InferenceService needs it: read, create, replace, delete, follow.

Through KServe's client, which finds the cluster, and the Kubernetes client under it, which keeps status codes. Each
error is one line; what another writer did first is ``Conflict``, to be answered by reading again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, NoReturn

from kserve import KServeClient
from kubernetes import watch
from kubernetes.client import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from core.errors import ConfigError, ServerError
from core.settings import KServeSettings
from serving.deployers.inference_service import GROUP, PLURAL, VERSION
from serving.deployers.revisions import Revision, Seen, read

_CALL_TIMEOUT_S = 10.0
#: The status also tells of other objects: it is read anew after so long, even if nothing was heard.
_LONGEST_WATCH_S = 30.0
_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_RIGHTS = (
    "its account needs get, watch, create, update and delete on inferenceservices.serving.kserve.io and "
    "get on revisions.serving.knative.dev"
)


class Conflict(Exception):
    """Another writer was first: read again."""


class Unreachable(ServerError):
    """The API server did not answer; it may do so in a moment."""


class ClusterApi:
    """Calls about one InferenceService.

    Args:
        cluster: Where it is.
        name: Its name.

    Raises:
        ConfigError: No cluster is configured.
    """

    def __init__(self, cluster: KServeSettings, name: str) -> None:
        self._cluster = cluster
        self._name = name
        try:
            client = KServeClient(config_file=cluster.kubeconfig or None, context=cluster.context or None)
        except (ConfigException, OSError) as error:
            raise ConfigError(
                f"no Kubernetes cluster to deploy to ({_line(error)}); name one: kserve.kubeconfig, or $KUBECONFIG"
            ) from error
        self._api = client.api_instance
        self._where = f"{self._api.api_client.configuration.host}, InferenceService {cluster.namespace}/{name}"
        self._revisions: dict[str, Revision] = {}

    def close(self) -> None:
        """Close the connections."""
        self._api.api_client.close()

    def read(self) -> dict[str, Any] | None:
        """The object; None where there is none.

        Raises:
            ServerError: The API server refused or did not answer.
        """
        return self._get(GROUP, VERSION, PLURAL, self._name)

    def seen(self, service: Mapping[str, Any]) -> Seen:
        """What an object tells, together with its revisions; each of these is read once, since it never changes.

        Raises:
            ServerError: The API server refused or did not answer, or something else wrote the object.
        """
        return read(service, self._revision)

    def create(self, service: Mapping[str, Any]) -> dict[str, Any]:
        """Create the object.

        Raises:
            Conflict: There is one already.
            ServerError: The API server refused or did not answer.
        """
        return self._write(self._api.create_namespaced_custom_object, service)

    def replace(self, service: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the object, if it is still as it was read (its resourceVersion says so).

        Raises:
            Conflict: It is not, or it is gone.
            ServerError: The API server refused or did not answer.
        """
        return self._write(self._api.replace_namespaced_custom_object, service, self._name)

    def delete(self) -> None:
        """Delete the object, and with it every revision; nothing happens where there is none.

        Raises:
            ServerError: The API server refused or did not answer.
        """
        where = (GROUP, VERSION, self._cluster.namespace, PLURAL, self._name)
        try:
            self._api.delete_namespaced_custom_object(*where, _request_timeout=_CALL_TIMEOUT_S)
        except ApiException as error:
            if error.status != 404:
                self._refused(error)
        except HTTPError as error:
            self._silent(error)

    def follow(self, deadline: float) -> Iterator[Seen | None]:
        """The object as it is, and again whenever it has changed, until the deadline; None where there is none.

        It is read, then watched from there; a watch that breaks or is too old begins anew. Changes in quick
        succession may be told as one.

        Args:
            deadline: On ``time.monotonic``'s clock.

        Raises:
            ServerError: The API server refused. One that does not answer is asked again until the deadline.
        """
        pause = _PAUSE_S
        while True:
            try:
                found = self.read()
                yield None if found is None else self.seen(found)
                for event in self._events(found, deadline):
                    pause = _PAUSE_S
                    yield None if event is None else self.seen(event)
            except Unreachable:
                if time.monotonic() + pause >= deadline:
                    raise
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _events(self, found: Mapping[str, Any] | None, deadline: float) -> Iterator[dict[str, Any] | None]:
        left = min(deadline - time.monotonic(), _LONGEST_WATCH_S)
        if found is None or left <= 0:
            return
        try:
            events = watch.Watch().stream(
                self._api.list_namespaced_custom_object,
                *(GROUP, VERSION, self._cluster.namespace, PLURAL),
                field_selector=f"metadata.name={self._name}",
                resource_version=found["metadata"]["resourceVersion"],
                timeout_seconds=ceil(left),
                # A connection that died without a word must not outlast the deadline.
                _request_timeout=(_CALL_TIMEOUT_S, left),
            )
            for event in events:
                if event["type"] != "BOOKMARK":
                    yield None if event["type"] == "DELETED" else event["object"]
        except ApiException as error:
            # 410: the version read is no longer in the server's memory.
            if error.status != 410:
                self._refused(error)
        except (HTTPError, ValueError):
            # The connection broke, or a line of it: what was missed is read.
            return

    def _revision(self, name: str) -> Revision | None:
        if name not in self._revisions:
            document = self._get("serving.knative.dev", "v1", "revisions", name)
            if document is None:
                return None
            self._revisions[name] = Revision.of(document)
        return self._revisions[name]

    def _get(self, group: str, version: str, plural: str, name: str) -> dict[str, Any] | None:
        try:
            return self._api.get_namespaced_custom_object(
                group, version, self._cluster.namespace, plural, name, _request_timeout=_CALL_TIMEOUT_S
            )
        except ApiException as error:
            if error.status == 404:
                return None
            self._refused(error)
        except HTTPError as error:
            self._silent(error)

    def _write(self, call: Any, service: Mapping[str, Any], *name: str) -> dict[str, Any]:
        where = (GROUP, VERSION, self._cluster.namespace, PLURAL, *name)
        try:
            return call(*where, service, _request_timeout=_CALL_TIMEOUT_S)
        except ApiException as error:
            if error.status == 409 or (error.status == 404 and name):
                raise Conflict from error
            if error.status == 404:
                raise ServerError(
                    f"{self._where}: the cluster knows no {PLURAL}.{GROUP}, or no such namespace; install KServe"
                ) from error
            self._refused(error)
        except HTTPError as error:
            self._silent(error)

    def _refused(self, error: ApiException) -> NoReturn:
        """Raise what an answer with an error means."""
        told = _line(error.body if isinstance(error.body, str) else "")
        if error.status in (401, 403):
            raise ServerError(f"{self._where}: the cluster refuses ({error.status}); {_RIGHTS}: {told}") from error
        kind = Unreachable if error.status is None or error.status == 429 or error.status >= 500 else ServerError
        raise kind(f"{self._where}: answered {error.status} {error.reason}: {told}") from error

    def _silent(self, error: HTTPError) -> NoReturn:
        raise Unreachable(f"{self._where}: the API server does not answer ({_line(error)})") from error


def _line(text: object) -> str:
    """A short line of something longer."""
    line = " ".join(str(text).split())
    return line if len(line) <= 300 else line[:297] + "…"
