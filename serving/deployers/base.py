"""The deployer's contract: say what should run, then wait until it does."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from core.errors import ConfigError
from core.settings import KServeSettings

Variant = Literal["champion", "control", "challenger"]

_PINNED = re.compile(r"^models:/[^/@]+/\d+$")


@dataclass(frozen=True)
class Site:
    """What every deployer is given.

    Attributes:
        folder: For logs and whatever else it must keep.
        tracking_uri: The MLflow that holds the models.
        model_name: The servers' name in their HTTP paths.
        host: The address that local servers bind.
        start_timeout_s: How long a server of this machine may take until it is ready.
        cluster: What a deployer to a cluster must know of it.
        addresses: Pinned URI to the address of a server that runs already; for the deployer of these alone.
    """

    folder: Path
    tracking_uri: str
    model_name: str = "recommender"
    host: str = "127.0.0.1"
    start_timeout_s: float = 60.0
    cluster: KServeSettings = field(default_factory=KServeSettings)
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    """What should run.

    Attributes:
        stable: Pinned URI of the version that serves, ``models:/recommender/3``.
        candidate: Pinned URI of the version on trial, or None.
        percent: Share of direct, untagged traffic the candidate gets where the place can split it, 0 … 100.

    Raises:
        ConfigError: A URI names an alias or a stage instead of a version, or the percentage is impossible.
    """

    stable: str
    candidate: str | None = None
    percent: int = 0

    def __post_init__(self) -> None:
        for uri in self.versions:
            if not _PINNED.match(uri):
                raise ConfigError(f"model URI {uri!r} is not pinned to a version; give e.g. 'models:/recommender/3'")
        if not 0 <= self.percent <= 100 or (self.candidate is None and self.percent):
            raise ConfigError(f"percent == {self.percent}, must be 0 … 100, and 0 without a candidate")

    @property
    def versions(self) -> tuple[str, ...]:
        """The distinct URIs, stable first."""
        return (self.stable,) if self.candidate in (None, self.stable) else (self.stable, str(self.candidate))


class Deployer(ABC):
    """Runs one model server per pinned version. Champion and control share the stable one.

    Every call may be repeated: it changes only what is not yet as asked. A running variant's version never
    changes under it: another version is another server.

    Addresses change make-before-break: an address handed out before goes on answering with its variant's version
    after a candidate came at 0 %, and after one was promoted or rolled back. So whoever routes by addresses asks for
    them again after each of these, and before the candidate gets direct traffic.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._applied: Deployment | None = None

    @property
    def deployment(self) -> Deployment | None:
        """What was last applied; None before the first time.

        Where servers outlive this process, what an earlier one applied is read back.

        Raises:
            ServerError: It cannot be read.
        """
        return self._applied

    @abstractmethod
    def apply(self, stable: str, candidate: str | None = None, percent: int = 0) -> None:
        """Start what is named and missing (or dead), keep what runs, stop what is not named any more.

        Returns before the new servers are ready: ``wait`` for them.

        Raises:
            ConfigError: See ``Deployment``.
        """

    @abstractmethod
    def wait(self, timeout_s: float | None = None) -> None:
        """Return once everything applied is ready; None waits as long as the site gives a server to start.

        Raises:
            ServerError: A server died first, or the time is over.
        """

    @abstractmethod
    def url(self, variant: Variant) -> str:
        """Base URL of a variant's own server.

        Raises:
            ServerError: Nothing is deployed for the variant, or it is not ready yet.
        """

    @abstractmethod
    def check(self, *variants: Variant) -> None:
        """Raise if a server has died.

        Args:
            variants: Those to look at; none given: all that are deployed.

        Raises:
            ServerError: Names the server and, where known, its exit code and last log lines.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop whatever must not outlive this process; what runs on a cluster stays. The deployer is of no use then."""

    def promote(self) -> None:
        """The candidate becomes the stable version, the old one is stopped; nothing happens without a candidate."""
        deployment = self.deployment
        if deployment is not None and deployment.candidate is not None:
            self.apply(deployment.candidate)

    def rollback(self) -> None:
        """The candidate is stopped; nothing happens without one."""
        deployment = self.deployment
        if deployment is not None:
            self.apply(deployment.stable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
