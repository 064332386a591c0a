"""``screentest simulate``: an A/B test against bandits on the same simulated traffic, once or as time goes by."""

from __future__ import annotations

import json as json_format
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError
from core.file_lock import alone
from core.files import write_whole
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from cli.simulated_world import TrainedArms, WorldPlan
    from cli.simulation import Simulation, SimulationPlan
    from cli.simulation_results import Results
    from experiments.spec import ExperimentSpec


class World(StrEnum):
    """Who clicks."""

    click_model = "click_model"
    replay = "replay"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def simulate(
    models: Annotated[
        str, typer.Option(help="Models to show, by commas; the first is the control. One named twice: an A/A test.")
    ] = "popularity,ease",
    strategies: Annotated[
        str, typer.Option(help="fixed (a salted hash), and any bandits, by commas: thompson_beta, ucb1, linucb …")
    ] = "fixed,thompson_beta,ucb1,epsilon_greedy",
    data: Annotated[
        str, typer.Option(help="What the demo takes: a folder, a zip, an address, a release's name, or synthetic.")
    ] = "",
    run: Annotated[Path | None, typer.Option(help="Folder of a demo's run: show its two models, on its data.")] = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="An experiment spec: its models, its split, and its bandit beside the strategies."),
    ] = None,
    configs: Annotated[
        Path | None, typer.Option(help="Hyperparameters by model, as `screentest tune` writes them.")
    ] = None,
    world: Annotated[
        World, typer.Option(help="Who clicks: simulated users, or real users whose held-out ratings are replayed.")
    ] = World.click_model,
    visitors: Annotated[int, typer.Option(min=1, help="Simulated users of the click model.")] = 40_000,
    sessions: Annotated[int, typer.Option(min=1, help="Sessions of a round, in each run.")] = 4_000,
    rounds: Annotated[
        int | None, typer.Option(min=0, help="Rounds in all; 0: until Ctrl-C. Without it 1, with --every 0.")
    ] = None,
    every: Annotated[str, typer.Option(help="Begin a round every so often: 60s, 5m, 1h.")] = "",
    runs: Annotated[int, typer.Option(min=1, help="Independent repetitions; bands are over them.")] = 5,
    daily: Annotated[int, typer.Option(min=1, help="Sessions of a simulated day, in each run.")] = 4_000,
    interval: Annotated[str, typer.Option(help="Simulated time of the shortest window that is looked at.")] = "10m",
    batch: Annotated[int, typer.Option(min=1, help="Sessions decided before their rewards are known.")] = 100,
    delay: Annotated[int, typer.Option(min=0, help="Further batches that rewards come late.")] = 0,
    floor: Annotated[float, typer.Option(help="Least probability of each arm in a bandit.")] = 0.0,
    weights: Annotated[str, typer.Option(help="Of the fixed split, in the order of the models, e.g. 80,20.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of split, visitors, luck and draws.")] = 42,
    out: Annotated[Path, typer.Option(help="Folder of the log; what was stopped there goes on.")] = Path(
        "runs/simulate"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print JSON only, for scripts.")] = False,
) -> None:
    """Run an A/B test and bandits on the same simulated traffic: what each lost, and which arm each found.

    Sessions are appended as Parquet, aggregated after each round (click rate, regret, share of the traffic; days, weeks
    and months of simulated time) into snapshots in the folder and into MLflow. Stopped or killed, the same command goes
    on where it was.
    """
    from cli.simulated_world import WorldPlan
    from cli.simulation import SimulationPlan, check_batches, planned, run_rounds
    from cli.simulation_results import document, results
    from cli.spec_file import read_spec

    plan = SimulationPlan(
        strategies=_names(strategies),
        weights=_weights(weights, len(_names(models))) if spec is None else (),
        runs=runs,
        batch=batch,
        delay=delay,
        floor=floor,
        interval=round(_seconds("interval", interval)),
    )
    experiment = None if spec is None else read_spec(spec)
    if experiment is not None:
        plan = planned(plan, experiment)
    check_batches(batch, sessions=sessions, daily=daily)
    pause = _seconds("every", every) if every else 0.0
    wanted = (0 if every else 1) if rounds is None else rounds
    settings = load_settings(data_source_path=data or None)
    world_plan = WorldPlan(world.value, visitors, daily, seed)
    out.mkdir(parents=True, exist_ok=True)
    with alone(out / "simulation.lock", f"a simulation in {out}"):
        arms, simulation = _begin(
            settings, plan, world_plan, models=models, run=run, spec=experiment, configs=configs, out=out, quiet=json
        )
        look = _Look(simulation, settings, arms)
        try:
            run_rounds(simulation, sessions=sessions, rounds=wanted, every=pause, after=look.take, quiet=json)
        except KeyboardInterrupt:
            typer.echo(f"stopped after {simulation.log.next_session():,} sessions; the same command goes on", err=True)
            if not simulation.log.next_session():
                return
            look.last = None
        found = look.last or results(simulation)
    if json:
        typer.echo(json_format.dumps(document(found), indent=2, ensure_ascii=False))
        return
    _tell(found, arms.told)


def _begin(
    settings: Settings,
    plan: SimulationPlan,
    world: WorldPlan,
    *,
    models: str,
    run: Path | None,
    spec: ExperimentSpec | None,
    configs: Path | None,
    out: Path,
    quiet: bool,
) -> tuple[TrainedArms, Simulation]:
    """Arms, their world, and the folder's simulation."""
    from cli.configs import read_configs
    from cli.simulated_world import known_world, rollout_arms, spec_arms, trained_arms
    from cli.simulation import Simulation
    from experiments.strategies import check_strategies

    check_strategies(plan.strategies)
    given = read_configs(configs)
    if spec is not None:
        arms = spec_arms(spec, settings, run, seed=world.seed)
    elif run is not None:
        arms = rollout_arms(run)
    else:
        arms = trained_arms(settings, _names(models), given, seed=world.seed, quiet=quiet)
    provenance = arms.loader.provenance()
    about = {
        "world": world.kind,
        "visitors": world.visitors if world.kind == "click_model" else None,
        "k": settings.k,
        "configs": given,
        "run": None if run is None else str(run.resolve()),
        "spec": None if spec is None else spec.document(),
        "data": provenance.sha256,
        "split": str(provenance.split),
    }
    return arms, Simulation(out, plan, known_world(arms, world, settings), about)


class _Look:
    """What is made of the log after each round: snapshots, MLflow, the page."""

    def __init__(self, simulation: Simulation, settings: Settings, arms: TrainedArms) -> None:
        from cli.simulation_tracking import SimulationHistory
        from tracking.client import connect, database_uri
        from tracking.provenance import run_params

        tracker = connect(
            settings.mlflow_tracking_uri or database_uri(simulation.folder),
            experiment=settings.mlflow_experiment_name,
            artifact_root=settings.artifact_root,
        )
        params = {
            **run_params(arms.loader.provenance(), seed=simulation.world.seed),
            **{name: str(value) for name, value in simulation.about.items() if name not in ("seed", "data", "split")},
        }
        self._simulation, self._told = simulation, arms.told
        self._history = SimulationHistory(tracker, simulation.id, params)
        self.last: Results | None = None

    def take(self) -> None:
        from cli.simulation_page import simulation_html
        from cli.simulation_results import results, write_snapshots

        found = results(self._simulation)
        write_snapshots(found)
        self._history.tell(found)
        write_whole(self._simulation.folder / "report.html", simulation_html(found, self._told))
        self.last = found


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _weights(text: str, arms: int) -> tuple[float, ...]:
    """Shares, from numbers of any sum."""
    if not text:
        return ()
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != arms or not all(weight >= 0 for weight in found) or not 0 < sum(found) < float("inf"):
        raise ConfigError(f"weights == {text!r}, must be {arms} numbers >= 0 by commas, one a model, e.g. 80,20")
    return tuple(weight / sum(found) for weight in found)


def _seconds(option: str, text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"{option} == {text!r}, must be a number above 0 and s, m, h or d, e.g. 60s or 5m")
    return float(match[1]) * _UNITS[match[2]]


def _tell(found: Results, told: str) -> None:
    from cli.simulation_page import table_head, table_rows
    from experiments.figures import percent

    console = Console(highlight=False)
    world, folder = found.simulation.world, found.simulation.folder
    rates = zip(world.arms, world.means.tolist(), strict=True)
    console.print(f"data: {told}", soft_wrap=True, markup=False)
    console.print("true click rates: " + ", ".join(f"{arm} {percent(mean, 'en', 2)}" for arm, mean in rates))
    console.print(f"independent runs of the same length: {found.simulation.plan.runs}")
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(table_head(found)):
        table.add_column(name, justify="right" if place else "left", no_wrap=place in (0, 4))
    for row in table_rows(found):
        table.add_row(*row)
    console.print(table)
    console.print(found.sentence(), style="bold", soft_wrap=True)
    if found.ab is not None:
        console.print(f"The fixed split read as an A/B test: {found.ab.sentence}", soft_wrap=True)
    console.print(f"the page: {folder / 'report.html'}; the log: {folder / 'sessions'}", soft_wrap=True)
