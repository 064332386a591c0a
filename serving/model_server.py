"""The model server: one process, one worker, one pinned model version; scale by starting more of them.

    POST /v1/models/<name>:predict   {"instances": [{"user_id": 17, "k": 10, "exclude_items": []}]}
    POST /recommend                  {"user_id": 17, "k": 10, "exclude_items": []}     (lean: the hot path)
    GET  /items?item_id=1&item_id=2            titles, years and genres, for people
    GET  /readyz, /v2/models/<name>/ready, /metrics

Bad input is answered 400 with the reason. A model that needs features gets its users' from Redis (REDIS_URL), unless
the request brings them as "features"; its answer's "features" says what it had: store, partial, default or given.
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
from serving.logs import log_to_stderr
from serving.model_source import load_source
from serving.ports import announce, listen
from wrappers.base import ModelWrapper

if TYPE_CHECKING:
    from serving.feature_lookup import FeatureLookup

_log = logging.getLogger(__name__)


def serve(
    model_uri: str, *, name: str, host: str, port: int, port_file: Path | None = None, tracking_uri: str = ""
) -> None:
    """Serve one model version until SIGTERM or SIGINT.

    Args:
        model_uri: ``models:/recommender/3``; an alias (``models:/recommender@champion``) is pinned to its version of
            this moment; or a folder that ``save`` wrote.
        name: The model's name in the HTTP paths.
        host: Address to bind.
        port: 0 takes any free one.
        port_file: Gets the port, once the model is loaded.
        tracking_uri: MLflow's address; empty: the one in the settings.

    Raises:
        BadInput: The URI, the artifact or the host is not what it should be.
        Failure: MLflow or the port cannot be had.
    """
    # Before anything slow: a port that is taken is told at once.
    sock = listen(host, port)
    settings = load_settings()
    source = load_source(model_uri, tracking_uri or settings.mlflow_tracking_uri)
    if source.uri != model_uri:
        _log.warning("%s is pinned to %s for as long as this server runs", model_uri, source.uri)
    # KServe takes two seconds to import; --help and a wrong URI are answered without it.
    from serving.kserve_model import PinnedModel
    from serving.kserve_server import LeanServer

    lookup = _feature_lookup(source.wrapper, settings) if source.wrapper.needs_features else None
    model = PinnedModel(name, source.version, source.wrapper, lookup)
    model.load()
    single_threaded()
    server = LeanServer(model)
    # What is loaded stays: the collector need not walk it again in the middle of a request.
    gc.collect()
    gc.freeze()
    bound = announce(sock, port_file)
    _log.warning("model %r version %s on http://%s:%d", name, source.version, host, bound)
    # Uvicorn has shut down in order when it raises the Ctrl-C it caught.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[sock])


def single_threaded() -> None:
    """Let numerical libraries use one thread in this process, from here on.

    A list is too little work to share out. Threads of BLAS wait for each other in busy loops, and where other processes
    want the cores too, a hybrid's list takes five times as long with them. For more lists at a time start more servers.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _feature_lookup(model: ModelWrapper, settings: Settings) -> FeatureLookup:
    """Where a model's features are; that they are not there is logged, and no reason not to serve."""
    # Only a model with features pays for the import of a Redis client.
    from prometheus_client import REGISTRY

    from serving.feature_lookup import FeatureLookup

    lookup = FeatureLookup(
        settings.redis_url.get_secret_value(),
        version=model.features_version,
        n_features=len(model.layout.user_names),
        timeout_s=settings.feature_timeout_ms / 1000,
        registry=REGISTRY,
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
        required=True,
        help="models:/NAME/VERSION, models:/NAME@ALIAS (pinned to its version at start), or a folder",
    )
    parser.add_argument("--name", default="recommender", help="the model's name in the HTTP paths (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--port", type=int, default=8081, help="port to bind, 0 for any free one (%(default)s)")
    parser.add_argument("--port-file", type=Path, help="file that gets the port once the model is loaded")
    parser.add_argument("--tracking-uri", default="", help="MLflow's address (default: MLFLOW_TRACKING_URI)")
    given = parser.parse_args(argv)
    log_to_stderr()
    try:
        serve(**vars(given))
    except ScreentestError as error:
        print(f"model server: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
