"""The model server: one process, one worker, one pinned model version; scale by starting more of them.

    POST /recommend                       {"user_id": 17, "k": 10, "exclude_items": []}     (lean: the hot path)
    POST /predict, /invoke                the same for any model, or a list of such requests
    POST /v1/models/<name>:predict        {"instances": [{"user_id": 17, "k": 10, "exclude_items": []}]}
    POST /v1/models/<name>:explain        the same, with a reason for every item
    POST /v2/models/<name>/infer          tensors; the same by gRPC with --grpc-port
    GET  /items?item_id=1&item_id=2       titles, years and genres, for people
    GET  /readyz, /v2/models/<name>, /v2/models/<name>/ready, /metrics

Bad input is answered 400 with the reason. A model that needs features gets its users' from Redis (REDIS_URL), unless
the request brings them as "features"; its answer's "features" says what it had: store, partial, default or given.
All of it: docs/SERVING.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ScreentestError
from core.settings import Settings, load_settings
from serving.kserve_import import kserve_without_arguments
from serving.logs import log_to_stderr
from serving.model_source import configured_uri, load_source
from serving.ports import announce, listen
from wrappers.base import ModelWrapper

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from serving.feature_lookup import FeatureLookup
    from serving.kserve_model import PinnedModel

_log = logging.getLogger(__name__)


def serve(
    model_uri: str = "",
    *,
    name: str,
    host: str,
    port: int,
    port_file: Path | None = None,
    grpc_port: int | None = None,
    grpc_port_file: Path | None = None,
    tracking_uri: str = "",
    fallback_uri: str = "",
) -> None:
    """Serve one model version until SIGTERM or SIGINT.

    Args:
        model_uri: ``models:/recommender/3``; an alias (``models:/recommender@champion``) is pinned to its version of
            this moment; or a folder that ``save`` wrote. Empty: what the settings name.
        name: The model's name in the HTTP paths.
        host: Address to bind.
        port: 0 takes any free one.
        port_file: Gets the port, once the model is loaded.
        grpc_port: Of gRPC, on the same address; 0 takes any free one; None: no gRPC.
        grpc_port_file: Gets that port.
        tracking_uri: MLflow's address; empty: the one in the settings.
        fallback_uri: Served instead where ``model_uri`` names an alias that points nowhere; empty: nothing is.

    Raises:
        BadInput: The URI, the artifact or the host is not what it should be.
        Failure: MLflow or a port cannot be had.
    """
    # Before anything slow: a port that is taken is told at once.
    sock = listen(host, port)
    settings = load_settings(mlflow_tracking_uri=tracking_uri or None)
    registry, model = prepare(model_uri or configured_uri(settings), name, settings, fallback_uri)
    from serving.kserve_server import LeanServer, pinned_application

    beside = None
    if grpc_port is not None:
        from serving.grpc_server import GrpcServer

        grpc = GrpcServer(host, grpc_port, grpc_port_file)
        beside = (grpc.start, grpc.stop)
    server = LeanServer(pinned_application(model, registry, beside))
    freeze()
    bound = announce(sock, port_file)
    _log.warning("model %r version %s on http://%s:%d", name, model.version, host, bound)
    # Uvicorn has shut down in order when it raises the Ctrl-C it caught.
    with suppress(KeyboardInterrupt):
        server.run(sock)


def prepare(
    model_uri: str, name: str, settings: Settings, fallback_uri: str = ""
) -> tuple[CollectorRegistry, PinnedModel]:
    """Load a model and make it ready. Not inside an event loop.

    Args:
        model_uri: As ``serve`` takes it; not empty.
        name: The model's name in the HTTP paths.
        settings: Say where MLflow and Redis are.
        fallback_uri: As ``serve`` takes it.

    Returns:
        What Prometheus will read, and the model.

    Raises:
        BadInput: The URI or the artifact is not what it should be.
        Failure: MLflow cannot be reached, or has no such version or alias.
    """
    source = load_source(model_uri, settings.mlflow_tracking_uri, fallback_uri)
    if source.uri != model_uri:
        _log.warning("%s is pinned to %s for as long as this server runs", model_uri, source.uri)
    # KServe takes two seconds to import; --help and a wrong URI are answered without it.
    kserve_without_arguments()
    from prometheus_client import CollectorRegistry

    from serving.kserve_model import PinnedModel

    registry = CollectorRegistry()
    lookup = _feature_lookup(source.wrapper, settings, registry) if source.wrapper.needs_features else None
    model = PinnedModel(name, source.version, source.wrapper, lookup)
    model.load()
    single_threaded()
    return registry, model


def freeze() -> None:
    """Let the collector leave alone what is loaded: it need not walk it again in the middle of a request."""
    gc.collect()
    gc.freeze()


def single_threaded() -> None:
    """Let numerical libraries use one thread in this process, from here on.

    A list is too little work to share out. Threads of BLAS wait for each other in busy loops, and where other processes
    want the cores too, a hybrid's list takes five times as long with them. For more lists at a time start more servers.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _feature_lookup(model: ModelWrapper, settings: Settings, registry: CollectorRegistry) -> FeatureLookup:
    """Where a model's features are; that they are not there is logged, and no reason not to serve."""
    # Only a model with features pays for the import of a Redis client.
    from serving.feature_lookup import FeatureLookup

    lookup = FeatureLookup(
        settings.redis_url.get_secret_value(),
        version=model.features_version,
        n_features=len(model.layout.user_names),
        timeout_s=settings.feature_timeout_ms / 1000,
        registry=registry,
    )
    asyncio.run(lookup.report())
    return lookup


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of ``python -m serving.model_server``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.model_server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model-uri",
        default="",
        help="models:/NAME/VERSION, models:/NAME@ALIAS (pinned to its version at start), or a folder (default: "
        "MLFLOW_MODEL_NAME and MLFLOW_MODEL_STAGE)",
    )
    parser.add_argument(
        "--fallback-uri", default="", help="served instead where --model-uri names an alias that points nowhere"
    )
    parser.add_argument("--name", help="the model's name in the HTTP paths (default: MLFLOW_MODEL_NAME)")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="port to bind, 0 for any free one (%(default)s)")
    parser.add_argument("--port-file", type=Path, help="file that gets the port once the model is loaded")
    parser.add_argument("--grpc-port", type=int, help="port of gRPC, 0 for any free one (default: no gRPC)")
    parser.add_argument("--grpc-port-file", type=Path, help="file that gets the port of gRPC once it serves")
    parser.add_argument("--tracking-uri", default="", help="MLflow's address (default: MLFLOW_TRACKING_URI)")
    given = parser.parse_args(argv)
    log_to_stderr()
    try:
        settings = load_settings()
        log_to_stderr(settings.log_format)
        given.name = given.name or settings.mlflow_model_name
        serve(**vars(given))
    except ScreentestError as error:
        print(f"model server: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
