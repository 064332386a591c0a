"""The deployers there are. Another one is one file and one line; the contract test then runs for it too."""

from __future__ import annotations

from core.plugins import resolve
from serving.deployers.base import Deployer

DEPLOYERS = {
    "kserve": "serving.deployers.kserve:KServeDeployer",
    "local": "serving.deployers.local:LocalDeployer",
    "standing": "serving.deployers.standing:StandingDeployer",
}


def deployer(name: str) -> type[Deployer]:
    """The deployer registered under a name; call it with a ``Site``.

    Raises:
        UnknownName: Nobody registered it.
    """
    return resolve("deployer", name, DEPLOYERS, base=Deployer, where="serving/deployers/registry.py")  # type: ignore[type-abstract]
