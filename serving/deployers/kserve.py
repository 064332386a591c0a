"""Model servers on a Kubernetes cluster: one InferenceService per registered model, a revision per version.

The policy server is the only split of the experiment: it addresses each variant by its revision's tagged address.
``canaryTrafficPercent`` is set to the same step and governs whoever calls the service's own address. Everything the
deployer knows is read back from the object, so another process goes on where one ended. See docs/KSERVE.md.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.errors import ServerError
from serving.deployers.base import Deployer, Deployment, Site, Variant
from serving.deployers.inference_service import (
    Predictor,
    new_service,
    predictor_of,
    service_name,
    with_percent,
    with_predictor,
)
from serving.deployers.revisions import (
    LATEST,
    PREV,
    Seen,
    arrived,
    candidate_of,
    next_predictor,
    wished,
)

if TYPE_CHECKING:
    from serving.deployers.cluster_api import ClusterApi

#: Other writers of one object are few: so often in a row they are not first by chance.
_CONFLICTS = 10


class KServeDeployer(Deployer):
    """Writes an InferenceService, and waits for what KServe makes of it.

    Nothing stops with this process: ``close`` ends the connection, ``delete`` the servers.

    Raises:
        ConfigError: Image, name or MLflow's address cannot be used on a cluster. No cluster is asked yet.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._name = service_name(site.model_name)
        # Told before anybody trains a model for it.
        new_service(self._name, Predictor("", ""), site.tracking_uri, site.cluster)
        self._generation: int | None = None

    @property
    def deployment(self) -> Deployment | None:
        """See ``Deployer.deployment``; what no call of this process asked for is read from the object."""
        if self._applied is not None:
            return self._applied
        seen = self._seen()
        return None if seen is None else wished(seen)

    def apply(self, stable: str, candidate: str | None = None, percent: int = 0) -> None:
        """See ``Deployer.apply``; nothing is written if the object asks for it already.

        What cannot be asked for yet (a candidate, while the stable version is starting) ``wait`` asks for.

        Raises:
            ConfigError: See ``Deployment``; or no cluster is configured.
            ServerError: The cluster refused, or the object is somebody else's.
        """
        wish = Deployment(stable, candidate, percent)
        self._generation = self._write_what_is_next(wish)
        self._applied = wish

    def wait(self, timeout_s: float | None = None) -> None:
        """See ``Deployer.wait``; None waits the setting ``kserve.start_timeout_s``.

        Raises:
            ServerError: Names the revision that failed and why, or what is missing when the time is over; or another
                writer wants something else of the object.
        """
        wish = self.deployment
        if wish is None:
            return
        limit = self.site.cluster.start_timeout_s if timeout_s is None else timeout_s
        seen: Seen | None = None
        for seen in self._api.follow(time.monotonic() + limit):
            if seen is None:
                raise ServerError(f"{self._title} was deleted while its servers were waited for; apply again")
            if next_predictor(seen, wish) is not None:
                if self._generation is not None and seen.generation < self._generation:
                    continue  # news from before the last write
                self._raise_if_another_writer(seen)
                self._generation = self._write_what_is_next(wish)
            elif arrived(seen, wish):
                return
            elif not seen.predictor.spare:
                self._raise_if_failed(seen)
        raise ServerError(f"{self._title} is not ready after {limit:g} s: {_what_is_missing(seen)}")

    def url(self, variant: Variant) -> str:
        """See ``Deployer.url``: the tagged address of the variant's revision, as KServe tells it.

        A stable version without a candidate has the service's own address, which then has one version behind it.
        """
        wish, seen = self.deployment, self._seen()
        if wish is None or seen is None or (variant == "challenger" and wish.candidate is None):
            raise ServerError(f"no server is deployed for variant {variant!r}; apply a deployment that has one")
        candidate = candidate_of(wish)
        if variant == "challenger" and candidate is not None:
            target = seen.target(LATEST, candidate)
        elif seen.predictor.percent is not None:
            target = seen.target(PREV, wish.stable)
        elif arrived(seen, Deployment(wish.stable)):
            return seen.url
        else:
            target = None
        if target is None:
            raise ServerError(f"{self._title} has no address for variant {variant!r} yet; wait for it")
        return target.url

    def check(self, *variants: Variant) -> None:
        """See ``Deployer.check``; pods that die are started again by the cluster, so a revision that failed counts."""
        wish, seen = self.deployment, self._seen()
        if wish is None and not variants:
            return
        if wish is None or seen is None:
            raise ServerError(f"{self._title} does not exist; apply a deployment")
        asked = variants or (("champion",) if wish.candidate is None else ("champion", "challenger"))
        if not seen.routes_ready:
            raise ServerError(f"{self._title}: its addresses are not in force; look at its conditions")
        if "challenger" in asked and wish.candidate is None:
            raise ServerError("no server is deployed for variant 'challenger'; apply a deployment that has one")
        alone = seen.predictor.percent is None
        if alone or ("challenger" in asked and candidate_of(wish) is not None):
            self._raise_if_failed(seen)

    def close(self) -> None:
        """Close the connection; the servers stay."""
        if "_api" in self.__dict__:
            self._api.close()

    def delete(self) -> None:
        """Delete the InferenceService, and with it every server; nothing happens where there is none.

        Raises:
            ServerError: The cluster refused.
        """
        self._api.delete()
        self._applied = self._generation = None

    @cached_property
    def _api(self) -> ClusterApi:
        # KServe's client takes two seconds to import: only who deploys to a cluster pays for it.
        from serving.deployers.cluster_api import ClusterApi

        return ClusterApi(self.site.cluster, self._name)

    @property
    def _title(self) -> str:
        return f"InferenceService {self.site.cluster.namespace}/{self._name}"

    def _seen(self) -> Seen | None:
        service = self._api.read()
        return None if service is None else self._api.seen(service)

    def _write_what_is_next(self, wish: Deployment) -> int:
        """Write the next step towards a wish, if there is one now; the generation the object then has."""
        from serving.deployers.cluster_api import Conflict

        for _ in range(_CONFLICTS):
            service = self._api.read()
            seen = None if service is None else self._api.seen(service)
            predictor = next_predictor(seen, wish)
            if service is not None and predictor is None:
                return service["metadata"]["generation"]
            try:
                written = self._written(service, predictor or Predictor(wish.stable, wish.stable))
            except Conflict:
                continue
            return written["metadata"]["generation"]
        raise ServerError(f"{self._title} was changed by another writer {_CONFLICTS} times in a row; let one write it")

    def _written(self, service: dict[str, Any] | None, predictor: Predictor) -> dict[str, Any]:
        site = self.site
        if service is None:
            return self._api.create(new_service(self._name, predictor, site.tracking_uri, site.cluster))
        # A predictor that was written before keeps its number: then only its share changes, and no revision is made.
        if predictor.write and predictor.write == predictor_of(service).write:
            return self._api.replace(with_percent(service, predictor.percent))
        return self._api.replace(with_predictor(service, predictor, site.tracking_uri, site.cluster))

    def _raise_if_another_writer(self, seen: Seen) -> None:
        """Two deployers that want different things must not undo each other's work for ever."""
        if self._generation is not None and seen.generation != self._generation:
            raise ServerError(
                f"{self._title} was changed by another writer (generation {seen.generation}, expected "
                f"{self._generation}): it now asks for {wished(seen)}; let one controller write it"
            )

    def _raise_if_failed(self, seen: Seen) -> None:
        if seen.asked_for_failed and seen.created is not None:
            raise ServerError(
                f"{self._title}: revision {seen.created.name} ({seen.created.model_uri}) failed: {seen.problem}"
            )


def _what_is_missing(seen: Seen | None) -> str:
    if seen is None:
        return "the API server did not answer"
    asked = seen.predictor
    if not asked.spare and (seen.created is None or seen.created.write != asked.write):
        return f"no revision was made for {asked.model_uri}; kubectl describe inferenceservice tells more"
    if not asked.spare and not seen.asked_for_is_ready and seen.created is not None:
        return f"revision {seen.created.name} ({asked.model_uri}) has not become ready"
    shares = ", ".join(
        f"{tag} {target.percent} % {target.revision.name if target.revision else 'gone'}"
        for tag, target in seen.targets.items()
    )
    return f"direct traffic is not as asked ({shares or 'none'})"
