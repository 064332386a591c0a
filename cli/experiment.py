"""``screentest experiment``: A/B/n tests and bandits on live traffic, from a draft to what came out."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.event_log import database_address
from cli.spec_file import read_spec
from core.errors import ConfigError, ServerError
from core.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from events.experiments import ExperimentRecord

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(help="Name of the experiment, as its spec says it.")]
Events = Annotated[
    str | None,
    typer.Option(
        help="The policy server's event log: a database URL, a run's folder or its events.db.",
        show_default="the setting events_url",
    ),
]
Policy = Annotated[
    str, typer.Option(help="Address of the policy server, to be told at once; else it notices within a second.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def create(
    spec: Annotated[Path, typer.Argument(help="The experiment spec (YAML or JSON), policy fixed or bandit.")],
    events: Events = None,
    replace: Annotated[bool, typer.Option("--replace", help="Give the draft of that name this spec.")] = False,
) -> None:
    """Keep an experiment as a draft; nobody sees it before it is started."""
    from events.audit import command_was_run
    from serving.experiment_lifecycle import change
    from serving.experiment_lifecycle import create as create_draft

    document = read_spec(spec).document()
    with _database(events) as engine:
        record = change(engine, document["name"], document) if replace else create_draft(engine, document)
        command_was_run(engine, "experiment create --replace" if replace else "experiment create", record.name)
    typer.echo(f"{record.name}: {record.state}, variants {', '.join(record.spec['variants'])}")


@app.command()
def start(
    name: Name,
    server: Annotated[
        list[str] | None,
        typer.Option(help="VARIANT=URL of the model server that serves it; once per variant. A pause keeps them."),
    ] = None,
    events: Events = None,
    policy: Policy = "",
) -> None:
    """Give it the traffic, for the first time or after a pause; each server must serve the version that is pinned."""
    from events.audit import command_was_run
    from serving.experiment_lifecycle import start as start_traffic

    with _database(events) as engine:
        record = start_traffic(engine, name, _servers(server or []), timeout_s=load_settings().model_timeout_s)
        command_was_run(engine, "experiment start", name)
        _tell(engine, record, policy)


@app.command()
def pause(name: Name, events: Events = None, policy: Policy = "") -> None:
    """Give everyone the control's list until it is started again; those sessions are not analysed."""
    from events.audit import command_was_run
    from serving.experiment_lifecycle import pause as pause_traffic

    with _database(events) as engine:
        record = pause_traffic(engine, name)
        command_was_run(engine, "experiment pause", name)
        _tell(engine, record, policy)


@app.command()
def stop(name: Name, events: Events = None, policy: Policy = "") -> None:
    """End it for good; everyone gets the control's list until something else is routed."""
    from events.audit import command_was_run
    from serving.experiment_lifecycle import stop as stop_traffic

    with _database(events) as engine:
        record = stop_traffic(engine, name)
        command_was_run(engine, "experiment stop", name)
        _tell(engine, record, policy)


@app.command("list")
def list_command(events: Events = None, json: AsJson = False) -> None:
    """List every A/B/n test and bandit, the one made last first; rollouts: screentest rollout status."""
    from events.aggregate import count_exposures
    from events.experiments import list_experiments
    from serving.experiment_documents import summary_document

    with _database(events) as engine:
        found = [
            summary_document(record, sessions=count_exposures(engine, record.name))
            for record in list_experiments(engine)
        ]
    if json:
        typer.echo(json_format.dumps(found, indent=2))
        return
    if not found:
        typer.echo("no experiment yet; `screentest experiment create SPEC` makes one")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("experiment", "kind", "state", "sessions", "variants"):
        table.add_column(column, justify="right" if column == "sessions" else "left")
    for one in found:
        variants = ", ".join(one["variants"])
        table.add_row(one["experiment"], one["kind"], one["state"], f"{one['sessions']:,}", variants)
    Console(highlight=False).print(table)


@app.command()
def show(name: Name, events: Events = None) -> None:
    """Print one experiment as JSON: its spec, its state, and who serves its variants."""
    from events.aggregate import count_exposures
    from serving.experiment_documents import detail_document
    from serving.experiment_lifecycle import known

    with _database(events) as engine:
        document = detail_document(known(engine, name), sessions=count_exposures(engine, name))
    typer.echo(json_format.dumps(document, indent=2))


@app.command()
def results(
    name: Name,
    events: Events = None,
    look: Annotated[int, typer.Option(min=1, help="Method group: which of its looks this is.")] = 1,
    json: AsJson = False,
) -> None:
    """Tell what each lane has earned, and what the fixed lane's test says."""
    from serving.analysis.results import experiment_results
    from serving.experiment_lifecycle import known

    with _database(events) as engine:
        document = experiment_results(engine, known(engine, name), look=look)
    if json:
        typer.echo(json_format.dumps(document, indent=2, ensure_ascii=False))
        return
    for line in _result_lines(document):
        typer.echo(line)


@app.command()
def delete(name: Name, events: Events = None) -> None:
    """Forget an experiment that nobody has seen."""
    from events.audit import command_was_run
    from events.experiments import delete_experiment

    with _database(events) as engine:
        delete_experiment(engine, name)
        command_was_run(engine, "experiment delete", name)
    typer.echo(f"{name}: deleted")


@contextmanager
def _database(given: str | None) -> Iterator[Engine]:
    from events.database import open_database

    address = given or load_settings().events_url.get_secret_value()
    if not address:
        raise ConfigError("no event log; give --events or set SCREENTEST_EVENTS_URL")
    engine = open_database(database_address(address))
    try:
        yield engine
    finally:
        engine.dispose()


def _servers(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        variant, equals, url = text.partition("=")
        if not (variant and equals and url):
            raise ConfigError(f"--server {text!r}, must be VARIANT=URL, e.g. control=http://127.0.0.1:8081")
        if variant in found:
            raise ConfigError(f"--server names variant {variant!r} twice; give it once")
        found[variant] = url
    return found


def _tell(engine: Engine, record: ExperimentRecord, policy: str) -> None:
    """Say what happened, and make the policy server read its route now."""
    from events.rollouts import current_route
    from serving.remote_policy import RemotePolicy

    typer.echo(f"{record.name}: {record.state}")
    route = current_route(engine)
    # A draft that is stopped changes no route, and there may be none.
    if not policy or route is None:
        return
    try:
        typer.echo(f"the policy server obeys route {RemotePolicy(policy).refresh(route.experiment)}")
    except ServerError as error:
        # What was asked for is done: the server reads the database every second anyway.
        print(f"not told at once: {error}", file=sys.stderr)


def _result_lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['experiment']}: {document['state']}, {document['sessions']:,} sessions"
    read = document["lanes"]
    for lane, found in read["lanes"].items():
        if not found["sessions"]:
            continue
        yield f"{lane} lane: {_figures(found)} ({read['metric']} per session)"
        for variant, figures in found["variants"].items():
            yield f"  {variant}: {_figures(figures)}"
    analysis = document["analysis"]
    yield f"verdict: {analysis['verdict']['sentence'] if analysis else document['no_analysis']}"


def _figures(found: dict[str, Any]) -> str:
    if not found["sessions"]:
        return "no session"
    told = f"{found['reward_per_session']:.4f} in {found['sessions']:,} sessions"
    if found["ci_lower"] is None:
        return told
    return f"{told}, {found['ci_lower']:.4f} to {found['ci_upper']:.4f}"
