"""A rollout from request to verdict: servers up, sessions look by look, decision, servers down.

The sessions are those of simulated users, or come from elsewhere and are waited for; the servers are the rollout's own,
or run already. What must survive being killed is in the rollout's folder (request, event log with the rollout's state)
and in MLflow. Its own servers are not: they end with this process, and a resumed rollout starts new ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine

from core.errors import ConfigError, EventLogError, RolloutError, ServerError, TrackingError
from core.progress import report
from core.settings import Settings, load_settings
from events.aggregate import RecordedSession, count_exposures, sessions_recorded
from events.database import open_database
from events.rollouts import RolloutRecord, current_route, load_rollout
from experiments.click_fit import fit_click_model
from experiments.click_model import ClickConfig
from experiments.figures import interval, points
from experiments.report import ReportContext, rollout_html
from experiments.result import LookResult, RolloutResult
from experiments.spec import ExperimentSpec
from loaders.prepared import PreparedDataLoader
from serving.controller import RolloutController, begin_rollout, sessions_looked_at
from serving.deployers.base import Deployer, Site
from serving.deployers.registry import deployer as deployer_named
from serving.failed_answers import failure_hints
from serving.looks import looks_taken
from serving.others_traffic import OthersTraffic
from serving.policy_process import PolicyProcess
from serving.processes import poll
from serving.reaper import reaped
from serving.remote_policy import RemotePolicy
from serving.rollout_folder import MULTIPLIERS, RolloutFolder, RolloutRequest
from serving.rollout_history import final_figures, live_history, log_rollout
from serving.rollout_so_far import details_of, result_so_far
from serving.traffic import UNIT, Traffic
from tracking.client import Tracker, connect
from tracking.provenance import code_version, run_params
from tracking.registry import CHALLENGER, CHAMPION, drop_alias, promote, resolve, version_for

_COMMIT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class FinishedRollout:
    """What a rollout came to.

    Attributes:
        result: Decision, looks and steps.
        html: The report.
        run_id: Its MLflow run.
    """

    result: RolloutResult
    html: str
    run_id: str

    def figures(self) -> dict[str, float]:
        """The final figures that are numbers, by name."""
        return final_figures(self.result)


class MlflowAliases:
    """The registry's aliases as the controller moves them.

    Args:
        tracker: MLflow.
        name: The registered model.
    """

    def __init__(self, tracker: Tracker, name: str) -> None:
        self._tracker = tracker
        self._name = name

    def promote(self, version: str) -> None:
        """See ``serving.controller.Aliases``."""
        promote(self._tracker, self._name, version)

    def withdraw(self, version: str) -> None:
        """See ``serving.controller.Aliases``."""
        challenger = version_for(self._tracker, self._name, CHALLENGER)
        if challenger is not None and challenger.version == version:
            drop_alias(self._tracker, self._name, CHALLENGER)


def run_rollout(request: RolloutRequest) -> FinishedRollout:
    """Run a rollout to its decision, or go on with the one in the folder; a finished one is only reported again.

    Args:
        request: What to run. The same request gives the same decision, figures and looks, however often the process
            was killed in between.

    Raises:
        ConfigError: The folder holds another rollout, or something in the request is unknown.
        ServerError: A server did not start or died; names exit code, log file and how to resume.
        TrackingError: MLflow refused.
        EventLogError: The event log refused.
    """
    if request.simulated and request.spec.unit not in (UNIT, "user_id"):
        raise ConfigError(f"spec.unit == {request.spec.unit!r}: simulated users have {UNIT!r} and 'user_id' only")
    deployer_named(request.deployer)
    tracker = connect(request.tracking_uri, experiment=request.experiment)
    request = request.model_copy(update={"tracking_uri": tracker.uri})
    request.run_dir.mkdir(parents=True, exist_ok=True)
    folder = RolloutFolder(request.run_dir)
    settings = load_settings()
    request = folder.keep_request(request, settings)
    try:
        return _run(request, folder, tracker, settings)
    except (ServerError, TrackingError, EventLogError) as error:
        first, newline, rest = str(error).partition("\n")
        hint = f"{first}; when that is mended: screentest rollout resume {folder.path}"
        raise type(error)(hint + newline + rest) from error


def resume_rollout(run_dir: Path) -> FinishedRollout:
    """Go on with the rollout that a folder holds; see ``run_rollout``.

    Raises:
        ConfigError: The folder holds no rollout.
    """
    return run_rollout(RolloutFolder(run_dir.resolve()).read_request())


def _run(request: RolloutRequest, folder: RolloutFolder, tracker: Tracker, settings: Settings) -> FinishedRollout:
    began = time.monotonic()
    with ExitStack() as stack:
        engine = open_database(folder.events_url)
        stack.callback(engine.dispose)
        record = begin_rollout(engine, request.spec, _details(tracker, request))
        if record.state != "done":
            deployer, policy = stack.enter_context(_servers(request, folder, settings))
            controller = RolloutController(
                engine,
                record.experiment,
                deployer=deployer,
                policy=policy,
                aliases=MlflowAliases(tracker, request.model_name),
            )
            if record.state in ("pending", "running", "promoting"):
                # The controller would do it later: so the servers start while the simulated users are made.
                controller.start_servers(record)
            sessions = stack.enter_context(_sessions(request, policy, engine, settings))
            with live_history(tracker, record, _params(request)) as tell:
                _drive_to_the_end(engine, request.spec, controller, sessions, tell, _whoever_died(deployer, policy))
        return _conclude(request, folder, engine, tracker, {"rollout": time.monotonic() - began})


@contextmanager
def _servers(
    request: RolloutRequest, folder: RolloutFolder, settings: Settings
) -> Iterator[tuple[Deployer, PolicyProcess | RemotePolicy]]:
    """A deployer and a policy server that starts; what is ours of it ends with the block, or with this process."""
    with ExitStack() as stack:
        stack.enter_context(reaped())
        site = Site(
            folder=folder.servers,
            tracking_uri=request.tracking_uri,
            model_name=request.model_name,
            host=settings.host,
            start_timeout_s=settings.server_start_timeout_s,
            cluster=settings.kserve,
            addresses={request.spec.variants[variant]: url for variant, url in request.servers.items()},
        )
        deployer = stack.enter_context(deployer_named(request.deployer)(site))
        policy = _policy(request, folder, settings)
        stack.callback(policy.stop)
        yield deployer, policy


def _policy(request: RolloutRequest, folder: RolloutFolder, settings: Settings) -> PolicyProcess | RemotePolicy:
    if request.policy_url:
        return RemotePolicy(request.policy_url)
    return PolicyProcess(
        folder.events_url,
        folder.servers,
        host=settings.host,
        k=request.k,
        model_timeout_s=request.model_timeout_s,
        # Simulated users can wait: a test in which the champion died must stop, not go on with what stood in for it.
        spare_lists=not request.simulated,
    )


class Sessions(Protocol):
    """Where a rollout's sessions come from."""

    def drive(
        self, first: int, last: int, *, recorded: Mapping[str, RecordedSession], progress: Callable[[int], None]
    ) -> object:
        """Return when sessions ``first … last - 1`` are answered, and what became of them is known."""


@contextmanager
def _sessions(
    request: RolloutRequest, policy: PolicyProcess | RemotePolicy, engine: Engine, settings: Settings
) -> Iterator[Sessions]:
    """The simulated users, or whoever comes, before a policy server that answers."""
    if request.dataset is None or not request.simulated:
        _wait_for(policy, engine, settings)
        yield OthersTraffic(engine, request.spec.name, settle_s=request.settle_s)
        return
    report("traffic", 0, _sessions_planned(request.spec), "simulated users")
    data = PreparedDataLoader(request.dataset)
    config = ClickConfig(n_visitors=request.n_visitors, k=request.k or settings.k)
    world = fit_click_model(data.train(), data.test(), seed=request.seed, config=config)
    _wait_for(policy, engine, settings)
    with Traffic(
        policy.url,
        world,
        connections=request.connections,
        multiplier=MULTIPLIERS[request.plant],
        api_key=policy.api_key,
    ) as traffic:
        yield traffic


def _wait_for(policy: PolicyProcess | RemotePolicy, engine: Engine, settings: Settings) -> None:
    """Until it answers; one that reads another database is told before a canary is on the way that nobody watches."""
    policy.wait_alive(settings.server_start_timeout_s)
    route = current_route(engine)
    if not isinstance(policy, RemotePolicy) or route is None:
        return
    revision = policy.refresh(route.experiment)
    # Two databases may both hold a route of the default name.
    if revision != route.revision:
        raise ServerError(
            f"policy server {policy.url} obeys route {revision} and not {route.revision}: it reads another event "
            "database; name the policy server or the database (--events) that belongs to the other"
        )


def _drive_to_the_end(
    engine: Engine,
    spec: ExperimentSpec,
    controller: RolloutController,
    sessions: Sessions,
    tell: Callable[[Sequence[LookResult]], None],
    raise_if_dead: Callable[[], None],
) -> None:
    """Reconcile until nothing is left to do, with the sessions each look waits for.

    A look is taken only after its sessions have been driven here: what an earlier, killed process left of them has its
    lists already, and its clicks are sent again, since some may be missing.
    """
    left_over: dict[str, RecordedSession] = sessions_recorded(engine, spec.name)
    complete = sessions_looked_at(spec, looks_taken(engine, spec.name))
    try:
        while not (reconciled := controller.reconcile(complete)).done:
            wanted = reconciled.waiting_for
            if wanted is not None:
                looks = looks_taken(engine, spec.name)
                tell(looks)
                text = _progress_text(spec, reconciled.record, looks)
                told = partial(_tell, wanted.start, _sessions_planned(spec), text)
                sessions.drive(wanted.start, wanted.stop, recorded=left_over, progress=told)
                left_over = {}
                _wait_for_commit(engine, spec, wanted.stop)
                complete = wanted.stop
    except ServerError:
        # The traffic sees only that nobody answers; which server died, and of what, its process tells.
        raise_if_dead()
        raise


def _tell(start: int, planned: int, text: str, done: int) -> None:
    report("traffic", start + done, planned, text)


def _sessions_planned(spec: ExperimentSpec) -> int:
    return spec.total_sessions + spec.rollout.watch_sessions


def _wait_for_commit(engine: Engine, spec: ExperimentSpec, sessions: int) -> None:
    """An exposure is answered once it is queued: the last ones may not be on disk yet."""
    if not poll(lambda: count_exposures(engine, spec.name) >= sessions, _COMMIT_TIMEOUT_S):
        found = count_exposures(engine, spec.name)
        raise EventLogError(
            f"{found} of {sessions} sessions are in the event log {_COMMIT_TIMEOUT_S:g} s after the last was answered: "
            "exposures were lost"
        )


def _whoever_died(deployer: Deployer, policy: PolicyProcess | RemotePolicy) -> Callable[[], None]:
    """A challenger may die: its guardrail sees it. Without the champion or the policy server nothing goes on."""

    def check() -> None:
        policy.check()
        if deployer.deployment is not None:
            deployer.check("champion")

    return check


def _progress_text(spec: ExperimentSpec, record: RolloutRecord, looks: tuple[LookResult, ...]) -> str:
    steps = spec.rollout.steps
    if record.step_index == len(steps):
        return "100 %, watched by guardrails"
    text = f"{steps[record.step_index].percent} % on the challenger"
    if not looks or isnan(looks[-1].ci_lower):
        return text
    look = looks[-1]
    return f"{text}, effect {points(look.effect_size, 'en')} ({interval(look.ci_lower, look.ci_upper, 'en')})"


def _conclude(
    request: RolloutRequest, folder: RolloutFolder, engine: Engine, tracker: Tracker, seconds: dict[str, float]
) -> FinishedRollout:
    """Put together what the database holds; write it down in the folder and in MLflow."""
    record = load_rollout(engine, request.spec.name)
    if record is None:
        raise RolloutError(f"rollout {request.spec.name!r} is not in {folder.events_name}")
    result = rollout_result(engine, record, tracker, request)
    params = _params(request)
    context = ReportContext(
        spec=request.spec,
        data=data_of(request),
        seconds=seconds,
        run_folder=str(folder.path),
        hints=failure_hints(folder, request, result.reasons),
        provenance={"code version": str(code_version()), **params},
    )
    html = rollout_html(result, context)
    run_id = log_rollout(tracker, record, result, html, params)
    folder.write_result(result, html)
    planned = _sessions_planned(request.spec)
    report("traffic", planned, planned, f"{result.decision} after {result.looks[-1].sessions:,} sessions")
    return FinishedRollout(result, html, run_id)


def data_params(request: RolloutRequest) -> dict[str, str]:
    """What a run says of the data that the visitors' tastes come from; nothing of live traffic."""
    if request.dataset is None:
        return {}
    return run_params(PreparedDataLoader(request.dataset).provenance(), seed=request.seed)


def _params(request: RolloutRequest) -> dict[str, str]:
    """What the rollout's run records beside its spec."""
    return {
        **data_params(request),
        "plant": request.plant,
        "n_visitors": str(request.n_visitors),
        "k": str(request.k),
    }


def data_of(request: RolloutRequest) -> str:
    """Whose tastes the visitors have, for readers."""
    if request.dataset is None:
        return f"live traffic of {request.policy_url}"
    provenance = PreparedDataLoader(request.dataset).provenance()
    return f"{provenance.source} ({provenance.layout})"


def rollout_result(engine: Engine, record: RolloutRecord, tracker: Tracker, request: RolloutRequest) -> RolloutResult:
    """What a rollout amounts to so far, with the champion that MLflow names now.

    Raises:
        EventLogError: The event log cannot be read.
        TrackingError: MLflow cannot be reached.
    """
    champion = version_for(tracker, request.model_name, CHAMPION)
    return result_so_far(
        engine, record, champion_after=record.champion_version if champion is None else champion.version
    )


def _details(tracker: Tracker, request: RolloutRequest) -> dict[str, Any]:
    variants = request.spec.variants
    champion, challenger = (resolve(tracker, uri).model for uri in (variants["champion"], variants["challenger"]))
    return details_of(champion, challenger, request.plant, simulated=request.simulated)
