"""The rollout controller: brings a rollout from its persisted state one short step further, as often as asked.

States::

    pending ─> running ──────> promoting ──────> promoted ─────> done
               steps 5/25/50   watch at 100 %    alias moves
                  │                │
                  └────────────────┴─────────> rolling_back ───> done

The state in the database says what is wanted; every step first makes the world agree with it, and only then moves on.
What a step does to the world may be repeated (deployer, route and aliases are told a wish, not a change), and each
change of state is one transaction, together with the look that caused it. So a controller killed anywhere is followed
by one that goes on exactly there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy import Engine

from core.errors import RolloutError, ServerError
from events.aggregate import count_exposures
from events.rollouts import (
    RolloutRecord,
    Route,
    create_rollout,
    current_route,
    load_rollout,
    put_route,
    save_rollout,
)
from experiments.result import LookResult
from experiments.spec import ExperimentSpec, parse_spec
from serving.deployers.base import Deployer, Deployment
from serving.looks import WATCH_PERCENT, looks_taken, take_look, take_watch_look
from serving.result_documents import look_document

State = Literal["pending", "running", "promoting", "promoted", "rolling_back", "done"]


class Aliases(Protocol):
    """The model registry, as far as a rollout moves things in it. Each call may be repeated."""

    def promote(self, version: str) -> None:
        """Make the version the champion; the one before it stays known as the previous one."""

    def withdraw(self, version: str) -> None:
        """The version is no challenger any more; nothing happens if it was none."""


class PolicyServer(Protocol):
    """Who obeys the route in the database."""

    def refresh(self, experiment: str) -> int:
        """Read the route again, which is this experiment's; the revision now in force."""


class Reconciled(NamedTuple):
    """What one step led to.

    Attributes:
        record: The rollout as it is now.
        waiting_for: Numbers of the sessions, counted from the rollout's first as 0, that the next look waits for;
            None where the next step can be taken at once, or the rollout is done.
    """

    record: RolloutRecord
    waiting_for: range | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.record.state == "done"


def begin_rollout(engine: Engine, spec: ExperimentSpec, details: Mapping[str, Any] | None = None) -> RolloutRecord:
    """The rollout of this spec: made if it does not exist, otherwise as it stands.

    Args:
        engine: The event log's database.
        spec: What to run.
        details: What a reader should find beside a new rollout's state; see ``serving.rollout_so_far.details_of``.

    Raises:
        RolloutError: A rollout of that name exists with another spec.
        EventLogError: The database refused.
    """
    document = spec.document()
    record = load_rollout(engine, spec.name)
    if record is None:
        variants = spec.variants
        return create_rollout(
            engine,
            RolloutRecord(
                experiment=spec.name,
                spec=document,
                state="pending",
                champion_uri=variants["champion"],
                champion_version=variants["champion"].rpartition("/")[2],
                challenger_uri=variants["challenger"],
                challenger_version=variants["challenger"].rpartition("/")[2],
                details=details or {},
            ),
        )
    if parse_spec(record.spec) != spec:
        raise RolloutError(
            f"rollout {spec.name!r} was begun with another spec (state {record.state!r}); "
            "a spec cannot change under a rollout: give the new one another name"
        )
    return record


class RolloutController:
    """Steps one rollout.

    Args:
        engine: The event log's database, which also holds the rollout's state.
        experiment: The rollout's name; it must have been begun.
        deployer: Runs the model servers.
        policy: Obeys the route.
        aliases: The model registry.
    """

    def __init__(
        self, engine: Engine, experiment: str, *, deployer: Deployer, policy: PolicyServer, aliases: Aliases
    ) -> None:
        self._engine = engine
        self._experiment = experiment
        self._deployer = deployer
        self._policy = policy
        self._aliases = aliases
        # The canary step that this controller itself has seen in force; a new one has seen nothing.
        self._in_force: int | None = None

    def reconcile(self, complete: int | None = None) -> Reconciled:
        """Do at most one thing: put a step in force, take a look that is due, or settle the decision.

        Args:
            complete: How many sessions, from the first on, the caller knows to be recorded with all their outcomes;
                no look is taken on more. None where nobody knows: a look is then due by the exposures alone.

        Raises:
            RolloutError: The rollout does not exist, or another controller is working on it.
            ServerError: A server does not start, or the policy server does not take the route.
            TrackingError: The model registry refused. After any error the call may be repeated.
        """
        record = load_rollout(self._engine, self._experiment)
        if record is None:
            raise RolloutError(f"rollout {self._experiment!r} does not exist; begin it first")
        spec = parse_spec(record.spec)
        if record.state == "pending":
            return Reconciled(save_rollout(self._engine, replace(record, state="running")))
        if record.state in ("running", "promoting"):
            if self._in_force != record.step_index:
                return self._put_in_force(record, spec)
            return self._look_if_due(record, spec, complete)
        if record.state == "promoted":
            return self._settle_promotion(record, spec)
        if record.state == "rolling_back":
            return self._settle_rollback(record, spec)
        return Reconciled(record)

    def start_servers(self, record: RolloutRecord) -> None:
        """Start both versions' servers, without waiting; ``reconcile`` does it too, where nobody did before.

        A new challenger gets no direct traffic yet: that must wait until the route names each variant's own address.
        """
        wanted, running = Deployment(record.champion_uri, record.challenger_uri), self._deployer.deployment
        percent = running.percent if running is not None and running.versions == wanted.versions else 0
        self._deployer.apply(record.champion_uri, record.challenger_uri, percent)

    def _put_in_force(self, record: RolloutRecord, spec: ExperimentSpec) -> Reconciled:
        steps = spec.rollout.steps
        percent = WATCH_PERCENT if record.step_index == len(steps) else steps[record.step_index].percent
        self.start_servers(record)
        self._deployer.wait()
        self._route(
            Route(
                experiment=record.experiment,
                spec=record.spec,
                percent=percent,
                step_index=record.step_index,
                champion_url=self._deployer.url("champion"),
                champion_version=record.champion_version,
                challenger_url=self._deployer.url("challenger"),
                challenger_version=record.challenger_version,
            )
        )
        self._deployer.apply(record.champion_uri, record.challenger_uri, percent)
        self._deployer.wait()
        self._in_force = record.step_index
        return Reconciled(record)

    def _look_if_due(self, record: RolloutRecord, spec: ExperimentSpec, complete: int | None) -> Reconciled:
        looks = looks_taken(self._engine, record.experiment)
        seen, due = sessions_looked_at(spec, looks), _next_look_at(spec, record, looks)
        sessions = count_exposures(self._engine, record.experiment)
        if min(sessions, sessions if complete is None else complete) < due:
            return Reconciled(record, waiting_for=range(seen, due))
        number = record.looks + 1
        if record.state == "running":
            decision, look = take_look(
                self._engine, spec, number=number, step_index=record.step_index, sessions=sessions
            )
        else:
            is_last = due == _watch_ends_at(spec, looks)
            decision, look = take_watch_look(self._engine, spec, number=number, sessions=sessions, is_last=is_last)
        state = _after_look(record, look, spec)
        begins_next = decision.advance_step or (record.state, state) == ("running", "promoting")
        undecided = look.decision == "continue"
        after = replace(
            record,
            state=state,
            decision=record.decision if undecided else look.decision,
            reasons=record.reasons if undecided else look.reasons,
            step_index=record.step_index + int(begins_next),
            looks=number,
        )
        return Reconciled(save_rollout(self._engine, after, look=look_document(look)))

    def _settle_promotion(self, record: RolloutRecord, spec: ExperimentSpec) -> Reconciled:
        """Alias first: were the servers to die now, whoever starts them again must find the new champion."""
        self._aliases.promote(record.challenger_version)
        if self._deployer.deployment is None:
            self._deployer.apply(record.challenger_uri)
            self._deployer.wait()
        deployment = self._deployer.deployment
        on_trial = deployment is not None and deployment.candidate is not None
        url = self._deployer.url("challenger" if on_trial else "champion")
        self._route(self._after_rollout(record, spec, url, record.challenger_version))
        self._deployer.promote()
        self._deployer.wait()
        # The address of a variant on trial goes to the next one: the champion has one of its own from now on.
        url = self._deployer.url("champion")
        self._route(self._after_rollout(record, spec, url, record.challenger_version))
        return Reconciled(save_rollout(self._engine, replace(record, state="done")))

    def _settle_rollback(self, record: RolloutRecord, spec: ExperimentSpec) -> Reconciled:
        """Route first: no user waits for the registry while a broken challenger is shown."""
        if self._deployer.deployment is None:
            self._deployer.apply(record.champion_uri)
            self._deployer.wait()
        self._route(self._after_rollout(record, spec, self._deployer.url("champion"), record.champion_version))
        self._deployer.rollback()
        self._aliases.withdraw(record.challenger_version)
        return Reconciled(save_rollout(self._engine, replace(record, state="done")))

    def _after_rollout(self, record: RolloutRecord, spec: ExperimentSpec, url: str, version: str) -> Route:
        """One version for everybody, under a step of its own, so that its sessions are no part of the rollout's."""
        return Route(
            experiment=record.experiment,
            spec=record.spec,
            percent=0,
            step_index=len(spec.rollout.steps) + 1,
            champion_url=url,
            champion_version=version,
        )

    def _route(self, wanted: Route) -> None:
        route = current_route(self._engine)
        if route is None or replace(route, revision=wanted.revision) != wanted:
            route = put_route(self._engine, wanted)
        revision = self._policy.refresh(route.experiment)
        if revision < route.revision:
            raise ServerError(
                f"the policy server obeys route revision {revision}, wanted {route.revision}; "
                "it must read the same database as the controller"
            )


def sessions_looked_at(spec: ExperimentSpec, looks: tuple[LookResult, ...]) -> int:
    """Sessions that the looks so far rest on: a whole look each, the watch's last one perhaps a shorter one.

    Counted in looks, not in recorded exposures: a session that a caller had to ask for twice is one session.
    """
    watched = sum(look.step_percent == WATCH_PERCENT for look in looks)
    every = spec.stopping.look_every
    return (len(looks) - watched) * every + min(watched * every, spec.rollout.watch_sessions)


def _next_look_at(spec: ExperimentSpec, record: RolloutRecord, looks: tuple[LookResult, ...]) -> int:
    due = sessions_looked_at(spec, looks) + spec.stopping.look_every
    return due if record.state == "running" else min(due, _watch_ends_at(spec, looks))


def _watch_ends_at(spec: ExperimentSpec, looks: tuple[LookResult, ...]) -> int:
    tested = tuple(look for look in looks if look.step_percent < WATCH_PERCENT)
    return sessions_looked_at(spec, tested) + spec.rollout.watch_sessions


def _after_look(record: RolloutRecord, look: LookResult, spec: ExperimentSpec) -> State:
    if look.decision == "continue":
        return "running" if record.state == "running" else "promoting"
    if look.decision == "promote":
        return "promoting" if record.state == "running" and spec.rollout.watch_sessions else "promoted"
    return "rolling_back"
