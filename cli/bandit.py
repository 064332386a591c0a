"""``screentest bandit``: what a live bandit knows, and making that again from the event log."""

from __future__ import annotations

import json as json_format
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.event_log import database_address
from core.errors import ConfigError
from core.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving.bandit_state import BanditState, Known

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(help="The experiment.")]
Events = Annotated[
    str,
    typer.Option(
        help="Its event database: a URL, a run's folder or its events.db.", show_default="the setting events_url"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


@app.command()
def show(name: Name, events: Events = "", json: Json = False) -> None:
    """What the bandit knows of each variant, and how likely it would choose it now.

    Exit code 1 where what policy servers share in Redis is not what the event log says; `rebuild` mends that.
    """
    from serving.bandit_state import read_log

    for state, spec, engine in _opened(name, events):
        state.catch_up()
        known = state.known
        same = read_log(engine, spec, known.commit).sums == known.sums
        _tell(name, known, json, same_as_log=same)
        if not same:
            raise typer.Exit(1)


@app.command()
def rebuild(name: Name, events: Events = "", json: Json = False) -> None:
    """Forget what policy servers share in Redis, and make it again from the event log.

    It may be done while they run: what they know is a function of the log, so all have the same afterwards.
    """
    from events.audit import command_was_run

    for state, _, engine in _opened(name, events):
        known = state.rebuild()
        command_was_run(engine, "bandit rebuild", name)
        _tell(name, known, json, same_as_log=True)


def _opened(name: str, events: str) -> Iterator[tuple[BanditState, Any, Any]]:
    """The state of the experiment, once; its database is closed behind it."""
    from events.database import open_database
    from events.experiments import load_experiment
    from experiments.spec import parse_spec
    from serving.bandit_state import BanditState

    settings = load_settings()
    address = events or settings.events_url.get_secret_value()
    if not address:
        raise ConfigError("no event database; give --events or set SCREENTEST_EVENTS_URL")
    engine = open_database(database_address(address))
    try:
        record = load_experiment(engine, name)
        if record is None:
            raise ConfigError(f"experiment {name!r} does not exist in this event database")
        spec = parse_spec(dict(record.spec))
        yield BanditState(engine, spec, record.id, settings.redis_url.get_secret_value()), spec, engine
    finally:
        engine.dispose()


def _tell(name: str, known: Known, json: bool, *, same_as_log: bool) -> None:
    from experiments.bandit_sums import HOUR_S
    from experiments.bandits.per_segment import PerSegment

    policy, now = known.sums.policy(), time.time() / HOUR_S
    pooled = policy.pooled if isinstance(policy, PerSegment) else policy
    # A contextual bandit has no propensity without a request.
    shares = None if pooled.contextual else pooled.propensities(at=now).tolist()
    rows: list[dict[str, Any]] = [
        {"variant": arm, "sessions": int(n), "reward": total, "propensity": None if shares is None else shares[place]}
        for place, (arm, (n, total)) in enumerate(known.sums.totals().items())
    ]
    if json:
        told = {"experiment": name, "log_commits": known.commit, "same_as_log": same_as_log, "variants": rows}
        typer.echo(json_format.dumps(told, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{name}: known as of commit {known.commit:,} of the event log")
    for row in rows:
        mean = f"{row['reward'] / row['sessions']:.4f}" if row["sessions"] else "–"
        share = "by context" if row["propensity"] is None else f"{100 * row['propensity']:.1f} %"
        typer.echo(f"  {row['variant']}: {row['sessions']:,} sessions, mean reward {mean}, chosen now {share}")
    if not same_as_log:
        typer.echo(f"This is NOT what the event log says; mend it: screentest bandit rebuild {name}")
