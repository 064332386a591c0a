"""``screentest up`` and ``down``: the stack of a finished run, left running."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer

from cli.feature_store import kept_feature_store
from cli.run_folder import RunFolder
from core.errors import ConfigError, ServerError
from core.files import write_whole
from core.settings import Settings, load_settings

_STATE = "up.json"
_LIVE = "live"
#: How the lines begin that tell what is being started: the detached process's are passed on.
_STARTING = "starting"


def up(
    run: Annotated[Path | None, typer.Option(help="Folder of a demo run. Default: the newest in runs/.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once everything answers; `screentest down` ends it.")
    ] = False,
) -> None:
    """Serve a finished run: the review page, MLflow, its models, and a policy server that answers with the champion."""
    settings = load_settings()
    state = settings.runs_dir / _STATE
    running = _running(state)
    if running:
        typer.echo("already running:")
        _print_addresses(running.addresses)
        return
    folder = RunFolder(run.resolve()) if run else RunFolder.latest(settings.runs_dir)
    if not folder.plan.exists():
        raise ConfigError(f"--run {folder.path}: no {folder.plan.name} in it, so it is not a demo run's folder")
    if detach:
        _print_addresses(_start_detached(folder, settings, state))
        typer.echo("stop it with `make down` (or `screentest down`)")
        return
    with _stack(folder, settings) as addresses:
        write_whole(state, json.dumps({"pid": os.getpid(), "addresses": addresses}))
        try:
            _print_addresses(addresses)
            typer.echo("Ctrl-C stops everything")
            _wait_for_the_end()
        finally:
            state.unlink(missing_ok=True)


def down() -> None:
    """Stop what `screentest up --detach` left running."""
    running = _running(load_settings().runs_dir / _STATE)
    if running is None:
        typer.echo("nothing is running")
        return
    try:
        running.process.terminate()
        running.process.wait(30)
    except psutil.TimeoutExpired:
        # Its servers are ended by its reaper.
        running.process.kill()
    except psutil.NoSuchProcess:
        pass
    typer.echo("stopped")


@contextmanager
def _stack(folder: RunFolder, settings: Settings) -> Iterator[dict[str, str]]:
    """Everything started and answering; all of it stopped at the end of the block."""
    from core.settings import export_for_children
    from serving.live_stack import start_mlflow, start_models_and_policy, start_page
    from serving.reaper import reaped
    from serving.rollout_folder import RolloutFolder

    ports = {
        "review page": _free_port(settings.host, settings.app_port, "SCREENTEST_APP_PORT"),
        "MLflow": _free_port(settings.host, settings.mlflow_port, "SCREENTEST_MLFLOW_PORT"),
        "policy server": _free_port(settings.host, settings.policy_port, "SCREENTEST_POLICY_PORT"),
    }
    plan = json.loads(folder.plan.read_text(encoding="utf-8"))
    tracking_uri = plan["tracking_uri"]
    export_for_children({"MLFLOW_TRACKING_URI": tracking_uri})
    with ExitStack() as stack:
        stack.enter_context(reaped())
        stack.enter_context(kept_feature_store(settings, folder))
        typer.echo(f"{_STARTING} MLflow …")
        mlflow = stack.enter_context(
            start_mlflow(
                tracking_uri, settings.host, ports["MLflow"], folder.path / "up", settings.server_start_timeout_s
            )
        )
        typer.echo(f"{_STARTING} the model servers and the policy server …")
        served = stack.enter_context(
            start_models_and_policy(
                folder.path / "up",
                tracking_uri=tracking_uri,
                model_name=plan["model_name"],
                events_url=RolloutFolder(folder.path).events_url,
                experiment=_LIVE,
                policy_port=ports["policy server"],
                host=settings.host,
                timeout_s=settings.server_start_timeout_s,
                deployer_name=settings.deployer,
                cluster=settings.kserve,
            )
        )
        typer.echo(f"{_STARTING} the review page …")
        page = stack.enter_context(
            start_page(
                Path(str(files("app") / "main.py")),
                served.policy_url,
                settings.host,
                ports["review page"],
                folder.path / "up",
                settings.server_start_timeout_s,
                served.page_key,
            )
        )
        yield {"review page": page, "MLflow": mlflow, **served.addresses}


def _start_detached(folder: RunFolder, settings: Settings, state: Path) -> dict[str, str]:
    """Start ``screentest up`` in a session of its own and wait until it has told its addresses."""
    from serving.processes import poll

    log = folder.path / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--run", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    typer.echo(f"starting the stack of {folder.path}; it takes about half a minute")
    told = 0

    def settled() -> bool:
        """Whether it is up or has ended; what it has begun since is passed on meanwhile."""
        nonlocal told
        begun = [line for line in log.read_text("utf-8", "replace").split("\n")[:-1] if line.startswith(_STARTING)]
        for line in begun[told:]:
            typer.echo(line)
        told = len(begun)
        return state.exists() or process.poll() is not None

    poll(settled, 3 * settings.server_start_timeout_s)
    if process.poll() is not None:
        said = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
        if process.returncode == ConfigError.exit_code:
            raise ConfigError(said[-1].removeprefix("error: ") if said else f"see {log}")
        raise ServerError(
            f"the stack did not start: {said[-1].removeprefix('error: ') if said else 'no output'} (see {log})"
        )
    if not state.exists():
        process.terminate()
        raise ServerError(f"the stack was not ready in time; see {log}")
    running = _running(state)
    if running is None:
        raise ServerError(f"the stack ended as soon as it was ready; see {log}")
    return running.addresses


class _Running(NamedTuple):
    """A stack that runs: its process, and where it answers."""

    process: psutil.Process
    addresses: dict[str, str]


def _running(state: Path) -> _Running | None:
    """The stack that runs; None, and a state file that is stale or damaged removed, where none does."""
    try:
        found = json.loads(state.read_text(encoding="utf-8"))
        process = psutil.Process(found["pid"])
        if "up" in process.cmdline():
            return _Running(process, dict(found["addresses"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, psutil.Error):
        pass
    state.unlink(missing_ok=True)
    return None


def _free_port(host: str, port: int, setting: str) -> int:
    """The port itself if it is free, any free one for 0.

    Raises:
        ConfigError: Somebody listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on {host} is taken ({error.strerror}); free it, or set {setting} to another "
                "(0 takes any free one)"
            ) from error
        return int(probe.getsockname()[1])


def _wait_for_the_end() -> None:
    """Return on SIGTERM; Ctrl-C raises KeyboardInterrupt as ever."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    while not ended:
        signal.pause()


def _print_addresses(addresses: dict[str, str]) -> None:
    width = max(len(name) for name in addresses)
    for name, address in addresses.items():
        typer.echo(f"  {name:<{width}}  {address}")
