"""A stack to be left running: MLflow's server, a registry's models, a policy server before them, the review page."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine

from core.api_key import NO_KEY
from core.errors import ConfigError
from core.settings import KServeSettings
from events.database import open_database
from events.experiments import list_experiments
from events.rollouts import Route, list_rollouts, put_route
from serving.deployers.base import Site
from serving.deployers.registry import deployer as deployer_named
from serving.policy_process import PolicyProcess
from serving.processes import ServerCommand, ServerProcess
from serving.standing_route import ServedVersion, everyone_to_the_champion
from tracking.client import Tracker, connect
from tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, ModelVersion, list_versions, version_for

_log = logging.getLogger(__name__)


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
    arguments = ["mlflow", "server", "--backend-store-uri", tracking_uri, "--workers", "1"]
    arguments += ["--host", host, "--port", str(port)]
    with (
        _temporary_folder(folder / "mlflow-tmp") as temporary,
        _module_on_port(arguments, host, port, folder / "mlflow", "/health", timeout_s, temporary) as url,
    ):
        yield url


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a process whose temporary files go here, and with the folder at the end of the block.

    MLflow's server leaves a lock (db_init_lock-…) for every database it opens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield {"TMPDIR": str(folder)}
    finally:
        # What a process that is ending still writes is no reason to fail.
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def start_page(
    script: Path,
    policy_url: str,
    host: str,
    port: int,
    folder: Path,
    timeout_s: float,
    page_key: SecretStr = NO_KEY,
) -> Iterator[str]:
    """The review page in front of a policy server; its address. Stopped at the end of the block.

    Args:
        script: The page's entry, app/main.py; Streamlit takes its options from .streamlit beside it.
        policy_url: The policy server's address.
        host: Address to bind.
        port: A free port.
        folder: For its log.
        timeout_s: How long it may take to answer.
        page_key: What it sends to the policy server; empty: the setting api_key.

    Raises:
        ServerError: It did not start.
    """
    secret = page_key.get_secret_value()
    environment = {"SCREENTEST_API_KEY": secret} if secret else {}
    arguments = ["streamlit", "run", str(script), "--server.address", host, "--server.port", str(port)]
    arguments += ["--", "--policy", policy_url]
    with _module_on_port(arguments, host, port, folder / "page", "/_stcore/health", timeout_s, environment) as url:
        yield url


@contextmanager
def _module_on_port(
    arguments: list[str],
    host: str,
    port: int,
    files: Path,
    ready_path: str,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """``python -m`` something that serves; its address. Its log and port file are ``files`` with a suffix each."""
    command = ServerCommand(
        name=arguments[0],
        argv=[sys.executable, "-m", *arguments],
        port_file=files.with_suffix(".port"),
        log_file=files.with_suffix(".log"),
        ready_path=ready_path,
        host=host,
        environment=environment or {},
    )
    server = ServerProcess(command)
    # It writes no port file: the port was chosen for it.
    command.port_file.write_text(str(port), encoding="ascii")
    try:
        server.wait_ready(timeout_s)
        yield server.url
    finally:
        server.stop()


class Served(NamedTuple):
    """What ``start_models_and_policy`` started.

    Attributes:
        policy_url: The policy server's base address.
        addresses: Where everything answers, by what it is.
        page_key: What the review page must send to the policy server; empty: nothing.
    """

    policy_url: str
    addresses: dict[str, str]
    page_key: SecretStr


@contextmanager
def start_models_and_policy(
    folder: Path,
    *,
    tracking_uri: str,
    model_name: str,
    events_url: str,
    experiment: str,
    policy_port: int,
    host: str,
    timeout_s: float,
    deployer_name: str = "local",
    cluster: KServeSettings | None = None,
) -> Iterator[Served]:
    """Model servers for the champion and its rival, and a policy server that answers everyone with the champion.

    The rival is whom the champion met in the latest rollout, else the challenger; it is served for previews and at its
    own address. The policy server reads the run's event log, so that its experiments are there to be looked at;
    requests are logged under an experiment of their own and change nothing in the finished ones.

    Args:
        folder: For logs.
        tracking_uri: MLflow's address.
        model_name: The registered model.
        events_url: The run's event log; made if missing.
        experiment: Name that exposures are logged under.
        policy_port: A free port.
        host: Address to bind.
        timeout_s: How long each server may take to answer.
        deployer_name: Where the model servers run; those on a cluster stay when the block ends.
        cluster: What a deployer to a cluster must know of it; None: the defaults.

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
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        engine = open_database(events_url)
        stack.callback(engine.dispose)
        rival = _rival(tracker, model_name, champion, engine)
        site = Site(folder, tracking_uri, model_name, host, timeout_s, cluster or KServeSettings())
        deployer = stack.enter_context(deployer_named(deployer_name)(site))
        deployer.apply(champion.uri, rival.uri if rival else None)
        deployer.wait()
        served = ServedVersion(deployer.url("champion"), champion.uri, champion.version)
        beside = ServedVersion(deployer.url("challenger"), rival.uri, rival.version) if rival else None
        route_everyone(engine, everyone_to_the_champion(experiment, served, beside))
        # For the review page: it reads.
        policy = PolicyProcess(events_url, folder, host=host, port=policy_port, role="viewer")
        stack.callback(policy.stop)
        policy.wait_alive(timeout_s)
        addresses = {
            "policy server": f"{policy.url}/choose?user_id=1",
            f"champion ({champion.model} v{champion.version})": deployer.url("champion"),
        }
        if rival:
            role = "/".join(rival.aliases) or "rival"
            addresses[f"{role} ({rival.model} v{rival.version})"] = deployer.url("challenger")
        yield Served(policy.url, addresses, policy.api_key)


def route_everyone(engine: Engine, route: Route) -> None:
    """Put a stack's own route in force, unless an experiment is running: that keeps its traffic, and its servers.

    Raises:
        EventLogError: The database refused.
    """
    running = [record.name for record in list_experiments(engine) if record.state == "running"]
    if running:
        _log.warning("experiment %s is running and keeps the traffic; stop it to send everyone here", running[0])
    else:
        put_route(engine, route)


def _rival(tracker: Tracker, model_name: str, champion: ModelVersion, engine: Engine) -> ModelVersion | None:
    """Whom to show beside the champion; None where there is nobody."""
    known = {version.uri: version for version in list_versions(tracker, model_name)}
    for record in list_rollouts(engine)[:1]:
        for uri in (record.challenger_uri, record.champion_uri):
            if uri in known and uri != champion.uri:
                return known[uri]
    return version_for(tracker, model_name, CHALLENGER) or version_for(tracker, model_name, PREVIOUS)
