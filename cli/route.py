"""``screentest route``: which policy each user is sent to, and what it recommends."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.errors import BadInput, ConfigError
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from wrappers.router import Router


def route(
    users: Annotated[list[str], typer.Argument(help="Ids of users, known or not.", metavar="USER...")],
    k: Annotated[int | None, typer.Option(min=1, max=1000, help="Length of a list. Default: the setting k.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list and nothing else.")] = False,
) -> None:
    """Show which policy the router sends users to, PolicyA or PolicyB, and its list with scores.

    The router is the one in MLflow (MLFLOW_TRACKING_URI; else that of the newest finished run): model `router`, alias
    `router`. It is made when models are registered and both policies exist, as in `screentest demo`.
    """
    settings = load_settings(k=k)
    for user in users:
        if not user.isprintable():
            raise BadInput(f"USER == {user!r}, must be text without control characters")
    answers = _answers(_router(settings), users, settings.k)
    if json:
        typer.echo(json_format.dumps(answers, indent=2, ensure_ascii=False))
        return
    # Ids and titles may hold brackets and colons, which are no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    for answer in answers:
        console.print(_told(answer), soft_wrap=True)
        console.print(_table(answer))


def _router(settings: Settings) -> Router:
    from cli.run_folder import RunFolder
    from tracking.client import connect, shown
    from tracking.registry import download, version_for
    from wrappers.router import ROUTER, Router

    uri = settings.mlflow_tracking_uri or RunFolder.latest(settings.runs_dir).database
    tracker = connect(uri, experiment=settings.mlflow_experiment_name)
    version = version_for(tracker, ROUTER, ROUTER)
    if version is None:
        raise ConfigError(
            f"MLflow at {shown(uri)} holds no router yet; it is made when models of both PolicyA and PolicyB are "
            "registered: run `screentest demo --models logreg,lightgbm`"
        )
    return Router.load(download(tracker, version.uri))


def _answers(router: Router, users: list[str], k: int) -> list[dict[str, Any]]:
    """A row per user: what the router answers, the user's bucket and the policy's version."""
    found = router.predict([{"user_id": user, "k": k} for user in users])
    return [
        {**answer, "bucket": assigned.bucket, "policy": router.config.policies[assigned.arm]}
        for answer, assigned in zip(found, router.assign(users), strict=True)
    ]


def _told(answer: dict[str, Any]) -> str:
    cold = ", a user it does not know: popularity order" if answer["cold"] else ""
    return f"user {answer['user_id']}: {answer['arm']} ({answer['policy']}), bucket {answer['bucket']:.4f}{cold}"


def _table(answer: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("", justify="right")
    table.add_column("item", justify="right")
    table.add_column("title", overflow="fold")
    table.add_column("score", justify="right")
    listed = zip(answer["items"], answer["titles"], answer["scores"], strict=True)
    for place, (item, title, score) in enumerate(listed, start=1):
        table.add_row(str(place), str(item), title, f"{score:.4f}")
    return table
