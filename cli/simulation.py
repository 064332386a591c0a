"""Strategies on the same simulated traffic, round by round, in a folder that says where to go on."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.files import write_whole
from core.progress import report
from events.simulated_log import Coded, ServedSessions, SimulatedLog
from experiments.bandits.base import Policy
from experiments.click_model import CHANNELS, DEVICES
from experiments.known_world import KnownWorld
from experiments.spec import ExperimentSpec
from experiments.spec_traffic import BanditTraffic, RolloutTraffic
from experiments.strategies import Learning, strategy


@dataclass(frozen=True)
class SimulationPlan:
    """What the strategies are and how they learn.

    Attributes:
        strategies: Names of ``experiments.strategies``, all different.
        weights: Of the fixed split; empty: equal shares.
        runs: Independent repetitions; bands are over them.
        batch: Sessions decided on the same knowledge.
        delay: Batches that rewards come late.
        floor: Least probability of each arm in a bandit.
        interval: Seconds of the shortest window that is looked at.
        options: By name, settings of bandits that are not their defaults.

    Raises:
        ConfigError: A figure is not allowed, or a strategy is named twice.
    """

    strategies: tuple[str, ...]
    weights: tuple[float, ...] = ()
    runs: int = 5
    batch: int = 100
    delay: int = 0
    floor: float = 0.0
    interval: int = 600
    options: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.strategies or len(set(self.strategies)) < len(self.strategies):
            raise ConfigError(f"strategies == {','.join(self.strategies)!r}, must be different names, at least one")
        if self.runs < 1 or self.batch < 1:
            raise ConfigError(f"runs == {self.runs}, batch == {self.batch}; both must be >= 1")
        if not 0 < self.interval <= 86_400 or 86_400 % self.interval:
            raise ConfigError(f"interval == {self.interval} s, must divide a day, e.g. 5m, 10m or 1h")


def planned(plan: SimulationPlan, spec: ExperimentSpec) -> SimulationPlan:
    """The plan with what the spec says of traffic; of a rollout an even split.

    A bandit of the spec runs beside the plan's strategies, in place of the one of its name. It learns from the
    features of the simulated world, and is one for all segments.

    Raises:
        ConfigError: A figure is not allowed.
    """
    traffic = spec.traffic
    if isinstance(traffic, RolloutTraffic):
        return plan
    plan = replace(plan, weights=spec.allocation.weights)
    if not isinstance(traffic, BanditTraffic):
        return plan
    strategies = plan.strategies if traffic.algorithm in plan.strategies else (*plan.strategies, traffic.algorithm)
    options = {traffic.algorithm: traffic.options}
    return replace(plan, strategies=strategies, floor=max(plan.floor, traffic.min_exposure), options=options)


def check_batches(batch: int, **sessions: int) -> None:
    """Refuse days and rounds that would end within a batch.

    Args:
        batch: Sessions of one.
        sessions: By name, what must be whole batches.

    Raises:
        ConfigError: Something is not.
    """
    for name, given in sessions.items():
        if given % batch:
            raise ConfigError(f"{name} == {given}, must be a multiple of batch == {batch} sessions")


class Simulation:
    """What one folder holds.

    Args:
        folder: Of the log and everything made from it; made if missing.
        plan: The strategies.
        world: Who comes and clicks.
        about: What else makes this simulation what it is (data, models …); a folder that holds another is refused.

    Raises:
        ConfigError: The folder holds another simulation, or the world's days are not whole batches.
        EventLogError: The log is damaged.
    """

    def __init__(
        self, folder: Path, plan: SimulationPlan, world: KnownWorld, about: Mapping[str, Any] | None = None
    ) -> None:
        check_batches(plan.batch, daily=world.daily)
        self.folder, self.plan, self.world = folder, plan, world
        self.log = SimulatedLog(folder / "sessions")
        self._lanes = {
            (name, run): strategy(
                name,
                world,
                run=run,
                weights=plan.weights,
                batch=plan.batch,
                delay=plan.delay,
                floor=plan.floor,
                options=plan.options.get(name),
            )
            for run in range(plan.runs)
            for name in plan.strategies
        }
        described = {**asdict(plan), "arms": world.arms, "daily": world.daily, "seed": world.seed, **(about or {})}
        # As it will be read again.
        self.about: dict[str, Any] = json.loads(json.dumps(described))
        self.id = self._kept_id()
        self.next_session = self.log.next_session()
        if self.next_session:
            state = self.log.state()
            for (name, run), lane in self._lanes.items():
                lane.restore(state[f"{name}/{run}"])

    def policy(self, name: str) -> Policy | None:
        """A strategy's policy with its settings, as it is in the first run; None for a fixed split."""
        lane = self._lanes[name, 0]
        return lane.policy if isinstance(lane, Learning) else None

    def advance(self, sessions: int) -> None:
        """Serve the next sessions of every run under every strategy, and append them day by day.

        Args:
            sessions: How many, in whole batches.

        Raises:
            ConfigError: They are no whole batches.
            EventLogError: The log cannot be written; what is in it stays.
        """
        check_batches(self.plan.batch, sessions=sessions)
        end = self.next_session + sessions
        while self.next_session < end:
            day_ends = (self.next_session // self.world.daily + 1) * self.world.daily
            self._serve(min(end, day_ends))

    def _serve(self, last: int) -> None:
        served = []
        for run in range(self.plan.runs):
            traffic = self.world.traffic(self.next_session, last, run=run)
            for name in self.plan.strategies:
                shown = self._lanes[name, run].serve(traffic)
                served.append(
                    ServedSessions(
                        strategy=name,
                        run=run,
                        session=traffic.number,
                        unit=Coded(traffic.unit, self.world.unit_ids),
                        variant=Coded(shown.arm, self.world.arms),
                        propensity=shown.propensity,
                        reward=traffic.rewards(shown.arm),
                        device=Coded(traffic.device, DEVICES),
                        channel=Coded(traffic.channel, CHANNELS),
                        time=traffic.time,
                    )
                )
        state = {f"{name}/{run}": lane.state() for (name, run), lane in self._lanes.items()}
        self.log.append(served, next_session=last, state=state)
        self.next_session = last

    def _kept_id(self) -> str:
        """The simulation's id, by which MLflow's runs find it; new in a new folder."""
        path, about = self.folder / "simulation.json", self.about
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            name = secrets.token_hex(6)
            write_whole(path, json.dumps({"id": name, "about": about}, indent=2) + "\n")
            return name
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            name, before = str(kept["id"]), dict(kept["about"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} is damaged ({error}); name a new folder with --out") from error
        differing = sorted(key for key in before.keys() | about.keys() if before.get(key) != about.get(key))
        if differing:
            key = differing[0]
            raise ConfigError(
                f"{self.folder} holds another simulation: {key} == {before.get(key)!r}, now {about.get(key)!r}; "
                "name a new folder with --out"
            )
        return name


def run_rounds(
    simulation: Simulation,
    *,
    sessions: int,
    rounds: int,
    every: float = 0.0,
    after: Callable[[], None],
    quiet: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Serve round by round, and look at the log after each.

    Args:
        simulation: Goes on where it is; a round that was begun is finished first.
        sessions: Sessions of a round, in each run.
        rounds: Rounds in all, those served before included; 0: until somebody stops it.
        every: Seconds from the beginning of one round to that of the next; 0: at once.
        after: Called after each round, and once where none is left to serve.
        quiet: Print no progress.
        sleep: Waits.
        clock: Seconds, of any beginning.

    Raises:
        ConfigError: sessions is no multiple of the batch, or is below 1.
    """
    if sessions < 1:
        raise ConfigError(f"sessions == {sessions}, must be >= 1")
    if rounds and simulation.next_session >= rounds * sessions:
        after()
        return
    while not rounds or simulation.next_session < rounds * sessions:
        began = clock()
        this = simulation.next_session // sessions + 1
        simulation.advance(this * sessions - simulation.next_session)
        if not quiet:
            report(
                "simulate", this, max(rounds, this), f"{simulation.next_session:,} sessions of each strategy and run"
            )
        after()
        if every and (not rounds or this < rounds):
            sleep(max(0.0, every - (clock() - began)))
