"""``screentest``: the command line. Commands live in one file per group; this one puts them together."""

from __future__ import annotations

import sys

import typer

from cli import (
    analyze,
    audit,
    bandit,
    benchmark,
    cross_validate,
    data,
    database,
    decide,
    demo,
    design,
    events,
    experiment,
    features,
    forecast,
    keys,
    models,
    ope,
    pipeline,
    retrain,
    rollout,
    route,
    serve,
    simulate,
    stack,
    tune,
    worker,
)
from core.errors import ScreentestError, StepError

app = typer.Typer(
    name="screentest",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Audition recommenders before they go live: train several, compare them offline, serve them, run an honest "
    "A/B test, promote the winner by canary.\n\nStart with `screentest demo`. Exit codes: 0 ok, 1 failed, 2 bad input.",
)
app.command("demo")(demo.demo)
app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("route")(route.route)
app.command("benchmark")(benchmark.benchmark)
app.command("tune")(tune.tune)
app.command("cross-validate")(cross_validate.cross_validate)
app.command("design")(design.design)
app.command("analyze")(analyze.analyze)
app.command("simulate")(simulate.simulate)
app.command("ope")(ope.ope)
app.command("decide")(decide.decide)
app.command("retrain")(retrain.retrain)
app.command("worker")(worker.worker)
app.command("audit")(audit.audit)
app.add_typer(bandit.app, name="bandit", help="What a live bandit knows, and making that again from the log.")
app.add_typer(data.app, name="data", help="Check, describe and make rating data.")
app.add_typer(database.app, name="database", help="The event database: its version, and what is in it.")
app.add_typer(events.app, name="events", help="The event log as Parquet files, and what is kept of it.")
app.add_typer(experiment.app, name="experiment", help="A/B/n tests and bandits on live traffic: draft to results.")
app.add_typer(features.app, name="features", help="Build the features that models rank on, and look at them.")
app.add_typer(forecast.app, name="forecast", help="Hold what was foretold of an uplift against what a test found.")
app.add_typer(keys.app, name="keys", help="Who may use a policy server, and what for.")
app.add_typer(models.app, name="models", help="The recommenders that can be auditioned.")
app.add_typer(pipeline.app, name="pipeline", help="Compile the Kubeflow pipelines and run them on this machine.")
app.add_typer(
    rollout.app,
    name="rollout",
    help="Run a rollout before servers that run, resume one, or route.",
)
app.add_typer(serve.app, name="serve", help="Run one server, or the review page, in the foreground.")


def main() -> None:
    """Run the command line; turn our errors into one line and an exit code."""
    try:
        app()
    except ScreentestError as error:
        if isinstance(error, StepError) and error.traceback:
            print(error.traceback, file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
