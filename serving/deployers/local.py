"""Model servers as child processes of this one: one per pinned model version."""

from __future__ import annotations

import sys

from core.errors import ServerError
from serving.deployers.base import Deployer, Deployment, Site, Variant
from serving.processes import ServerCommand, ServerProcess


class LocalDeployer(Deployer):
    """Runs ``python -m serving.model_server`` for each version, on any free port.

    Direct traffic is not split here: there is nothing in front of the servers, so ``percent`` is only recorded.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._servers: dict[str, ServerProcess] = {}

    def apply(self, stable: str, candidate: str | None = None, percent: int = 0) -> None:
        """See ``Deployer.apply``; what is not named any more is stopped after the missing has been started."""
        self._applied = deployment = Deployment(stable, candidate, percent)
        for uri in deployment.versions:
            if uri not in self._servers or not self._servers[uri].alive:
                self._servers[uri] = ServerProcess(self._command(uri))
        for uri in self._servers.keys() - set(deployment.versions):
            self._servers.pop(uri).stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """See ``Deployer.wait``."""
        for server in self._servers.values():
            server.wait_ready(self.site.start_timeout_s if timeout_s is None else timeout_s)

    def url(self, variant: Variant) -> str:
        """See ``Deployer.url``."""
        return self._server(variant).url

    def check(self, *variants: Variant) -> None:
        """See ``Deployer.check``."""
        for server in [self._server(variant) for variant in variants] or self._servers.values():
            server.check()

    def close(self) -> None:
        """Stop every server."""
        while self._servers:
            self._servers.popitem()[1].stop()

    def pid(self, variant: Variant) -> int:
        """Process id of a variant's server.

        Raises:
            ServerError: Nothing is deployed for the variant.
        """
        return self._server(variant).pid

    def _server(self, variant: Variant) -> ServerProcess:
        deployment = self.deployment
        if deployment is None or (variant == "challenger" and deployment.candidate is None):
            raise ServerError(f"no server is deployed for variant {variant!r}; apply a deployment that has one")
        uri = deployment.stable if variant != "challenger" else deployment.candidate
        return self._servers[str(uri)]

    def _command(self, uri: str) -> ServerCommand:
        name = "model-" + uri.removeprefix("models:/").replace("/", "-")
        port_file = self.site.folder / f"{name}.port"
        return ServerCommand(
            name=f"model server {uri}",
            argv=[
                *(sys.executable, "-m", "serving.model_server"),
                *("--model-uri", uri, "--name", self.site.model_name),
                *("--host", self.site.host, "--port", "0", "--port-file", str(port_file)),
            ],
            port_file=port_file,
            log_file=self.site.folder / f"{name}.log",
            ready_path=f"/v2/models/{self.site.model_name}/ready",
            host=self.site.host,
            environment={"MLFLOW_TRACKING_URI": self.site.tracking_uri},
        )
