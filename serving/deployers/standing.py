"""Model servers that somebody else runs: compose, manifests, or a person at another terminal."""

from __future__ import annotations

from core.errors import ConfigError, ServerError
from serving.deployers.base import Deployer, Deployment, Variant
from serving.processes import poll
from serving.standing_route import ask_what_is_served

_ASK_TIMEOUT_S = 5.0


class StandingDeployer(Deployer):
    """Starts and stops nothing: it knows by which address each version answers (``Site.addresses``).

    Direct traffic is not split here, so ``percent`` is only recorded. A version that is promoted goes on at its own
    address.
    """

    def apply(self, stable: str, candidate: str | None = None, percent: int = 0) -> None:
        """See ``Deployer.apply``.

        Raises:
            ConfigError: A version has no address.
        """
        deployment = Deployment(stable, candidate, percent)
        for uri in deployment.versions:
            self._address(uri)
        self._applied = deployment

    def wait(self, timeout_s: float | None = None) -> None:
        """See ``Deployer.wait``; a server that answers with another version is refused at once."""
        limit = self.site.start_timeout_s if timeout_s is None else timeout_s
        for uri in self._versions:
            trouble: list[ServerError] = []
            if not poll(lambda uri=uri, trouble=trouble: self._answers(uri, trouble), limit):  # type: ignore[misc]
                raise ServerError(f"model server of {uri} is not ready after {limit:g} s: {trouble[-1]}")

    def url(self, variant: Variant) -> str:
        """See ``Deployer.url``."""
        deployment = self.deployment
        uri = None if deployment is None else deployment.candidate if variant == "challenger" else deployment.stable
        if uri is None:
            raise ServerError(f"no server is known for variant {variant!r}; apply a deployment that has one")
        return self._address(uri)

    def check(self, *variants: Variant) -> None:
        """See ``Deployer.check``."""
        named = [uri for uri in self._versions if any(self._address(uri) == self.url(variant) for variant in variants)]
        for uri in named or self._versions:
            self._ask(uri)

    def close(self) -> None:
        """Nothing: the servers are not ours."""

    @property
    def _versions(self) -> tuple[str, ...]:
        return () if self.deployment is None else self.deployment.versions

    def _answers(self, uri: str, trouble: list[ServerError]) -> bool:
        try:
            self._ask(uri)
        except ServerError as error:
            trouble.append(error)
            return False
        return True

    def _ask(self, uri: str) -> None:
        address = self._address(uri)
        served = ask_what_is_served(address, uri.removeprefix("models:/").rpartition("/")[0], _ASK_TIMEOUT_S)
        if served.uri != uri:
            raise ConfigError(f"model server {address} serves {served.uri}, the rollout names {uri}; start that one")

    def _address(self, uri: str) -> str:
        address = self.site.addresses.get(uri)
        if address is None:
            raise ConfigError(
                f"no address is known of a model server of {uri}; known: {', '.join(self.site.addresses)}"
            )
        return address.rstrip("/")
