"""``screentest rollout run``: a rollout before servers that run already, on live or simulated traffic."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from core.errors import ConfigError
from core.logs import log_to_file
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from cli.run_folder import RunFolder
    from experiments.spec import ExperimentSpec
    from serving.rollout_folder import RolloutRequest

_STEP = "ab-rollout"
_DEFAULT_SETTLE_S = 30.0


def run(
    policy: Annotated[str, typer.Option(help="Address of the policy server; it has the event database of --events.")],
    champion: Annotated[str, typer.Option(help="Address of the champion's model server.")],
    challenger: Annotated[str, typer.Option(help="Address of the challenger's model server.")],
    run_dir: Annotated[
        Path, typer.Option(help="Folder of state, logs and report. Called again with it, a rollout goes on.")
    ],
    events: Annotated[
        str, typer.Option(help="The policy server's event database.", show_default="the setting events_url")
    ] = "",
    spec: Annotated[
        Path | None,
        typer.Option(help="The experiment spec (YAML). Default: the default canary between what the servers serve."),
    ] = None,
    name: Annotated[str, typer.Option(help="Without --spec: the experiment's name.")] = "rollout",
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds that a look waits for what becomes of its last sessions.")
    ] = _DEFAULT_SETTLE_S,
    visitors: Annotated[
        int,
        typer.Option(min=0, help="Simulate the traffic of so many users, with the tastes of --data; 0: live traffic."),
    ] = 0,
    data: Annotated[str, typer.Option(help="With --visitors: ratings, as `demo --data` takes them.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated users.")] = 42,
) -> None:
    """Let a rollout decide between two model servers that run already, and promote or roll back by itself.

    The traffic is whatever asks the policy server; the rollout waits for it, for days if it must, moves the canary on
    and tells every look in MLflow (MLFLOW_TRACKING_URI). Stopped, it goes on when called again; users keep their
    variant meanwhile.
    """
    from cli.finish import finish
    from cli.rollout import told_of, write_down
    from cli.run_folder import RunFolder
    from cli.stages import StageBoard
    from core.settings import exported
    from pipelines.local_runner import StepLog
    from serving.live_rollout import run_rollout

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_settings()
    address = events or settings.events_url.get_secret_value()
    if not address:
        raise ConfigError("no event database; give --events or set SCREENTEST_EVENTS_URL")
    if not settings.mlflow_tracking_uri:
        raise ConfigError("MLFLOW_TRACKING_URI is not set; set it to the MLflow that has the versions served")
    folder = RunFolder(run_dir.resolve())
    folder.log.parent.mkdir(parents=True, exist_ok=True)
    log_to_file(folder.own_log)
    request = _request(
        settings,
        folder,
        _spec(settings, folder, spec, name, {"champion": champion, "challenger": challenger}),
        {
            "servers": {"champion": champion, "challenger": challenger},
            "policy_url": policy,
            "settle_s": 0.0 if visitors else settle,
            "n_visitors": visitors,
            "seed": seed,
        },
        data,
    )
    write_down(address, "rollout run", request.spec.name)
    console = Console(file=sys.stdout)
    with StageBoard(console) as board, folder.log.open("a", encoding="utf-8") as log:
        steps = StepLog(log, board)
        steps.begin(_STEP)
        try:
            with exported({"SCREENTEST_EVENTS_URL": address}), contextlib.redirect_stdout(steps):
                run_rollout(request)
        except KeyboardInterrupt:
            typer.echo(f"interrupted; go on by the same command, or: screentest rollout resume {folder.path}", err=True)
            raise typer.Exit(130) from None
        steps.end("SUCCESS")
    with exported({"SCREENTEST_EVENTS_URL": address}):
        finish(folder, told_of(folder, board.seconds), console)


def _spec(
    settings: Settings, folder: RunFolder, file: Path | None, name: str, servers: Mapping[str, str]
) -> ExperimentSpec:
    """The spec given, that of the rollout begun here, or the default canary between what the servers serve."""
    from cli.spec_file import read_spec
    from experiments.spec import parse_spec
    from serving.rollout_folder import RolloutFolder
    from serving.standing_route import ask_what_is_served

    if file is not None:
        return read_spec(file)
    begun = RolloutFolder(folder.path)
    if begun.begun:
        # Servers that were restarted since a promotion serve other versions than those it was about.
        return begun.read_request().spec
    served = {
        variant: ask_what_is_served(url, settings.mlflow_model_name, settings.model_timeout_s).uri
        for variant, url in servers.items()
    }
    _check_contestants(settings, served)
    return parse_spec({"name": name, "variants": served})


def _check_contestants(settings: Settings, served: Mapping[str, str]) -> None:
    """Servers that stand since before the last promotion serve what is no longer champion and challenger."""
    from tracking.client import connect
    from tracking.registry import CHAMPION, version_for

    now = version_for(connect(settings.mlflow_tracking_uri), settings.mlflow_model_name, CHAMPION)
    if now is not None and served["champion"] != now.uri:
        raise ConfigError(
            f"the champion's server serves {served['champion']}, the champion is {now.uri} now; restart the server"
        )
    if served["champion"] == served["challenger"]:
        raise ConfigError(
            f"champion and challenger both serve {served['champion']}; train a challenger, restart its server, or name "
            "what is to be compared: --spec"
        )


def _request(
    settings: Settings, folder: RunFolder, spec: ExperimentSpec, given: dict[str, Any], data: str
) -> RolloutRequest:
    from serving.rollout_folder import RolloutRequest

    dataset = _prepared(settings, folder, data, int(given["seed"])) if given["n_visitors"] else None
    return RolloutRequest.build(
        **given,
        spec=spec.document(),
        deployer="standing",
        connections=settings.connections,
        run_dir=folder.path,
        dataset=dataset,
        tracking_uri=settings.mlflow_tracking_uri,
        experiment=settings.mlflow_experiment_name,
        model_name=settings.mlflow_model_name,
    )


def _prepared(settings: Settings, folder: RunFolder, data: str, seed: int) -> Path:
    """The ratings that the simulated users' tastes come from, in the run's folder."""
    from cli.simulated_world import chosen_loader
    from loaders.prepared import write_prepared

    place = folder.path / "data"
    if not place.exists():
        chosen, _ = chosen_loader(
            settings.model_copy(update={"data_source_path": data or settings.data_source_path}), seed
        )
        write_prepared(chosen, place)
    return place
