"""The Feast transformer: users' features into V1 and V2 requests, then on to the predictor.

    python -m serving.transformer --model_name recommender --predictor_host recommender-predictor.screentest

KServe adds ``--model_name``, ``--predictor_host`` and ``--http_port`` to the command line of an InferenceService's
transformer by itself. Rows are read packed from Redis (REDIS_URL), or with ``--snapshots FOLDER`` by Feast, within the
setting feature_timeout_ms; a user without a row, or a Redis that is down or slow, costs the documented defaults, which
the answer tells ("features": "default"). Which features are wanted the predictor says (GET /features).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ScreentestError
from core.settings import Settings, load_settings
from serving.kserve_import import kserve_without_arguments
from serving.logs import log_to_stderr
from serving.model_server import freeze
from serving.ports import announce, listen

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from serving.feature_transformer import FeatureTransformer, RowSource
    from serving.kserve_server import ModelApplication

_log = logging.getLogger(__name__)


def serve(
    predictor_host: str,
    *,
    name: str,
    host: str,
    port: int,
    port_file: Path | None = None,
    snapshots: Path | None = None,
    secure: bool = False,
    timeout_s: float | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        predictor_host: ``host`` or ``host:port`` of the predictor.
        name: The model's name in the HTTP paths, here and there.
        host: Address to bind.
        port: 0 takes any free one.
        port_file: Gets the port.
        snapshots: Folder of ``features build``, to read by Feast; None: packed rows.
        secure: The predictor is asked over TLS.
        timeout_s: A predictor that has not answered after this has failed; None: the setting model_timeout_s.

    Raises:
        BadInput: An argument is not what it should be.
        Failure: The port cannot be had.
    """
    sock = listen(host, port)
    settings = load_settings(model_timeout_s=timeout_s)
    kserve_without_arguments()
    from prometheus_client import CollectorRegistry

    from serving.feature_transformer import FeatureTransformer
    from serving.kserve_server import LeanServer
    from serving.predictor import Predictor

    registry = CollectorRegistry()
    source = _source(snapshots, settings, registry)
    url = f"{'https' if secure else 'http'}://{predictor_host}"
    model = FeatureTransformer(name, Predictor(url, name, settings.model_timeout_s), source)
    server = LeanServer(_application(model, registry))
    freeze()
    bound = announce(sock, port_file)
    _log.warning("transformer of %r at %s on http://%s:%d", name, url, host, bound)
    # Uvicorn has shut down in order when it raises the Ctrl-C it caught.
    with suppress(KeyboardInterrupt):
        server.run(sock)


def _source(snapshots: Path | None, settings: Settings, registry: CollectorRegistry) -> RowSource:
    url, timeout_s = settings.redis_url.get_secret_value(), settings.feature_timeout_ms / 1000
    if not url:
        _log.warning("REDIS_URL is not set: predictors get default features only")
    if snapshots is None:
        from serving.feature_lookup import FeatureLookup

        return FeatureLookup(url, version="", n_features=0, timeout_s=timeout_s, registry=registry)
    from feature_repo.snapshots import read_snapshots
    from serving.feast_rows import FeastRows

    rows = FeastRows(read_snapshots(snapshots), url, timeout_s=timeout_s, registry=registry)
    rows.open()
    return rows


def _application(model: FeatureTransformer, registry: CollectorRegistry) -> ModelApplication:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from serving.http_errors import ERROR_ANSWERS, Json, refuse
    from serving.kserve_server import ModelApplication
    from serving.model_seconds import ModelSeconds

    async def readyz(_request: Request) -> Response:
        if not model.ready:
            return refuse(503, "the predictor has not told yet which features it wants")
        return Json({"ready": True, "model": model.name, "role": "transformer"})

    async def start(*_: Any) -> None:
        model.start_following()

    async def nothing() -> None:
        """The model lets go of everything in ``close``."""

    model.seconds = ModelSeconds(model.name, "transformer", registry)
    direct = Starlette(routes=[Route("/readyz", readyz, methods=["GET"])], exception_handlers=ERROR_ANSWERS)
    return ModelApplication(model, direct, ("/readyz",), registry, nothing, (start, model.close))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of ``python -m serving.transformer``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.transformer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Named as KServe names them.
    parser.add_argument("--predictor_host", required=True, help="host or host:port of the predictor")
    parser.add_argument("--model_name", dest="name", default="recommender", help="the model's name (%(default)s)")
    parser.add_argument(
        "--http_port", dest="port", type=int, default=8080, help="port to bind, 0 for any free one (%(default)s)"
    )
    parser.add_argument(
        "--predictor_use_ssl", dest="secure", type=_truth, default=False, help="true: ask the predictor over TLS"
    )
    parser.add_argument(
        "--predictor_request_timeout_seconds",
        dest="timeout_s",
        type=float,
        help="a predictor slower than this has failed (setting model_timeout_s)",
    )
    parser.add_argument("--workers", type=int, choices=[1], default=1, help="one worker a process; scale by replicas")
    parser.add_argument("--predictor_protocol", choices=["v1"], default="v1", help="how the predictor is asked")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--port-file", type=Path, help="file that gets the port")
    parser.add_argument("--snapshots", type=Path, help="folder of `features build`: read by Feast, not packed rows")
    given = vars(parser.parse_args(argv))
    del given["predictor_protocol"], given["workers"]
    log_to_stderr()
    try:
        log_to_stderr(load_settings().log_format)
        serve(**given)
    except ScreentestError as error:
        print(f"transformer: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}, must be true or false")
    return text.lower() == "true"


if __name__ == "__main__":
    sys.exit(main())
