"""``screentest serve``: one server, or the review page, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.settings import load_settings

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Host = Annotated[str | None, typer.Option(help="Address to bind. Default: the setting host.")]
PortFile = Annotated[Path | None, typer.Option(help="File that gets the port once the server is about to serve.")]


@app.command()
def model(
    model_uri: Annotated[
        str,
        typer.Option(
            help="models:/NAME/VERSION, models:/NAME@ALIAS (pinned to its version at start), or a folder. Default: "
            "the settings' mlflow_model_name and mlflow_model_stage."
        ),
    ] = "",
    fallback_uri: Annotated[
        str,
        typer.Option(
            help="Served instead where --model-uri names an alias that points nowhere, as `challenger` does once it "
            "was promoted."
        ),
    ] = "",
    name: Annotated[str | None, typer.Option(help="Name in the HTTP paths. Default: mlflow_model_name.")] = None,
    host: Host = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8081,
    port_file: PortFile = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of gRPC, 0 takes any free one. Default: no gRPC.")
    ] = None,
    grpc_port_file: Annotated[Path | None, typer.Option(help="File that gets the port of gRPC once it serves.")] = None,
) -> None:
    """Serve one model version: KServe's V1 and V2 protocols, plain JSON, and the lean POST /recommend.

    Try it: curl localhost:8081/recommend -d '{"user_id": 17, "k": 10}'
    """
    from serving.logs import log_to_stderr
    from serving.model_server import serve
    from serving.model_source import configured_uri

    settings = load_settings(host=host, mlflow_model_name=name)
    log_to_stderr(settings.log_format)
    serve(
        model_uri or configured_uri(settings),
        name=settings.mlflow_model_name,
        host=settings.host,
        port=port,
        port_file=port_file,
        grpc_port=grpc_port,
        grpc_port_file=grpc_port_file,
        fallback_uri=fallback_uri,
    )


@app.command()
def policy(
    events: Annotated[
        str | None,
        typer.Option(
            help="Event log, sqlite:////absolute/path/events.db or postgresql+psycopg://user@host/database.",
            show_default="the setting events_url",
        ),
    ] = None,
    host: Host = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes any free one. Default: the setting policy_port.")
    ] = None,
    port_file: PortFile = None,
) -> None:
    """Decide who gets which variant, and keep the event log.

    Try it: curl 'localhost:8080/choose?user_id=17'
    """
    from serving.logs import log_to_stderr
    from serving.policy_server import serve

    settings = load_settings(host=host, policy_port=port)
    log_to_stderr(settings.log_format)
    serve(events, host=settings.host, port=settings.policy_port, port_file=port_file)


@app.command()
def page(
    policy: Annotated[str, typer.Option(help="Address of the policy server. Default: the settings' own.")] = "",
    host: Host = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to bind. Default: the setting app_port.")
    ] = None,
) -> None:
    """Show the review page, on which people look at experiments.

    Try it: open http://localhost:8501
    """
    import os
    import sys
    from importlib.resources import files

    settings = load_settings(host=host, app_port=port)
    command = [sys.executable, "-m", "streamlit", "run", str(files("app") / "main.py")]
    command += ["--server.address", settings.host, "--server.port", str(settings.app_port)]
    command += ["--", "--policy", policy] if policy else []
    # Streamlit is this process from here on: signals reach it, and nothing is left behind.
    os.execv(sys.executable, command)
