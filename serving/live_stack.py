"""A stack to be left running: MLflow's server, the models of a registry, and a policy server in front of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from core.errors import ConfigError
from events.database import open_database
from events.rollouts import Route, put_route
from experiments.spec import parse_spec
from serving.deployers.base import Site
from serving.deployers.local import LocalDeployer
from serving.policy_process import PolicyProcess
from serving.processes import ServerCommand, ServerProcess
from tracking.client import connect
from tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, ModelVersion, version_for


@contextmanager
def start_mlflow(tracking_uri: str, host: str, port: int, folder: Path, timeout_s: float) -> Iterator[str]:
    """MLflow's server over an existing store, for people to look at; its address. Stopped at the end of the block.

    Args:
        tracking_uri: A database URI. An MLflow server's own address is handed back as it is.
        host: Address to bind.
        port: A free port.
        folder: For its log.
        timeout_s: How long it may take to answer; it takes about ten seconds.

    Raises:
        ServerError: It did not start.
    """
    if tracking_uri.startswith("http"):
        yield tracking_uri
        return
    port_file = folder / "mlflow.port"
    server = ServerProcess(
        ServerCommand(
            name="MLflow server",
            argv=[
                *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking_uri),
                *("--host", host, "--port", str(port), "--workers", "1"),
            ],
            port_file=port_file,
            log_file=folder / "mlflow.log",
            ready_path="/health",
            host=host,
        )
    )
    # MLflow writes no port file: the port was chosen for it.
    port_file.write_text(str(port), encoding="ascii")
    try:
        server.wait_ready(timeout_s)
        yield server.url
    finally:
        server.stop()


@contextmanager
def start_models_and_policy(
    folder: Path,
    *,
    tracking_uri: str,
    model_name: str,
    experiment: str,
    policy_port: int,
    host: str,
    timeout_s: float,
) -> Iterator[dict[str, str]]:
    """Model servers for the champion and its rival, and a policy server that answers everyone with the champion.

    The rival (the challenger, or after a promotion the previous champion) is served at its own address only. The
    requests are logged in an event log of their own, not in the finished experiment's.

    Args:
        folder: For logs and the event log.
        tracking_uri: MLflow's address.
        model_name: The registered model.
        experiment: Name that exposures are logged under.
        policy_port: A free port.
        host: Address to bind.
        timeout_s: How long each server may take to answer.

    Yields:
        Addresses by what they are.

    Raises:
        ConfigError: The registry has no champion.
        ServerError: A server did not start.
    """
    tracker = connect(tracking_uri)
    champion = version_for(tracker, model_name, CHAMPION)
    if champion is None:
        raise ConfigError(
            f"registered model {model_name!r} has no champion at {tracking_uri}; `screentest demo` makes one"
        )
    rival = version_for(tracker, model_name, CHALLENGER) or version_for(tracker, model_name, PREVIOUS)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        site = Site(folder, tracking_uri, model_name, host, start_timeout_s=timeout_s)
        deployer = stack.enter_context(LocalDeployer(site))
        deployer.apply(champion.uri, rival.uri if rival else None)
        deployer.wait()
        events_url = f"sqlite:///{folder.absolute() / 'live-events.db'}"
        _route_everyone_to(champion, deployer.url("champion"), events_url, experiment, (rival or champion).uri)
        policy = PolicyProcess(events_url, folder, host=host, port=policy_port)
        stack.callback(policy.stop)
        policy.wait_alive(timeout_s)
        addresses = {
            "policy server": f"{policy.url}/choose?user_id=1",
            f"champion ({champion.model} v{champion.version})": deployer.url("champion"),
        }
        if rival:
            role = "/".join(rival.aliases)
            addresses[f"{role} ({rival.model} v{rival.version})"] = deployer.url("challenger")
        yield addresses


def _route_everyone_to(champion: ModelVersion, url: str, events_url: str, experiment: str, rival_uri: str) -> None:
    """Put a route in force that sends everyone to the champion's server."""
    spec = parse_spec({"name": experiment, "variants": {"champion": champion.uri, "challenger": rival_uri}})
    engine = open_database(events_url)
    try:
        put_route(engine, Route(experiment, spec.model_dump(mode="json"), 0, 0, url, champion.version))
    finally:
        engine.dispose()
