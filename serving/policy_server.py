"""The policy server: one process, one worker; it decides who gets which variant and keeps the event log.

    GET  /choose?user_id=17&context={"session_id": "s1"}    {"arm", "items", "decision_id", "experiment", "step"}
    POST /update   {"user_id", "arm", "item_id", "reward", "ts", "meta", "decision_id"?, "kind"?}
    POST /recommendations {"user_id", "num_recommendations"?, "context"?, "exclude_items"?, "include_explanation"?}
    POST /feedback        {"user_id", "item_id", "kind"?, "reward"?, "decision_id"?}      (recommendation_schema.py)
    GET  /healthz, /readyz, /metrics, /routes      POST /routes/refresh
    /experiments…, /model…, /preview?user_id=17, /ws/experiments/NAME                         (for people: docs/API.md)
    GET  /docs, /openapi.json                                                                 (all of them, described)

A list by a model with features carries "features": store, or what it had instead (partial, default). With more requests
under way than can be answered in time, /choose, /recommendations, /update and /feedback answer 429 with Retry-After.
Where something is down, the first two answer with a lesser list and say so in "degraded", the others with 503 and
Retry-After: docs/DEGRADATION.md.

Where other machines reach it callers must have an API key (serving/access, SECURITY.md).

Who gets what stands in the event database and is written by the rollout controller. A second policy server on the same
SQLite event log is refused; on PostgreSQL there may be several.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from core.errors import ConfigError, ScreentestError
from core.settings import Settings, load_settings
from events.database import connect
from events.store import EventStore
from serving.access.guarded import guarded
from serving.access.request_head import LimitedHead
from serving.graceful_server import GracefulServer
from serving.lanes import dealt_routes
from serving.list_cache import ListCache
from serving.logs import log_to_stderr
from serving.management.parts import management_of
from serving.policy_app import Policy
from serving.ports import announce, listen
from serving.preview import Preview
from serving.routing import Routing

#: Requests answered at once: enough to keep the models busy, few enough that the last of them is answered in time.
MAX_UNDER_WAY = 64
#: After SIGTERM, for requests under way; whoever stopped this server kills it after five seconds (processes.py).
_GRACE_S = 3
#: Bytes of a message from a WebSocket.
_LONGEST_WORD = 4096
#: Nobody waits for an exposure to be on disk. At 200 lists a second eight share a commit, which alone costs as much CPU
#: as a list does.
_EXPOSURE_WINDOW_S = 0.04

_log = logging.getLogger(__name__)


def serve(
    events: str | None = None,
    *,
    host: str,
    port: int,
    port_file: Path | None = None,
    k: int | None = None,
    model_timeout_s: float | None = None,
    spare_lists: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT, then commit what is queued.

    Args:
        events: ``sqlite:////absolute/path/events.db``, made if missing, or ``postgresql+psycopg://…``; None: the
            setting events_url.
        host: Address to bind.
        port: 0 takes any free one.
        port_file: Gets the port.
        k: Length of a list where the request names none; None: the setting.
        model_timeout_s: A model server that has not answered after this has failed; None: the setting.
        spare_lists: Whether a remembered or a popular list is answered where no model server gives one; else 503.

    Raises:
        BadInput: An argument is not what it should be.
        Failure: The port or the event log cannot be had.
    """
    settings = load_settings(k=k, model_timeout_s=model_timeout_s)
    events = events or settings.events_url.get_secret_value()
    if not events:
        raise ConfigError("no event log; give --events or set SCREENTEST_EVENTS_URL")
    sock = listen(host, port)
    # A PostgreSQL that is down now may be there in a minute: this server is alive, and not ready, until then.
    store = EventStore(events, window_s=_EXPOSURE_WINDOW_S, wait=True)
    engine = connect(events)
    routing = Routing(
        engine, dealt_routes(engine, settings.redis_url.get_secret_value(), settings.feature_timeout_ms / 1000)
    )
    policy = Policy(
        store,
        routing,
        k=settings.k,
        model_timeout_s=settings.model_timeout_s,
        deadline_s=settings.choose_deadline_s,
        # Each simulated user waits for one answer at a time: the demo's own traffic is never refused.
        max_under_way=max(MAX_UNDER_WAY, settings.connections),
        spare_lists=spare_lists,
        cache=_list_cache(settings),
    )
    preview = Preview(routing, k=settings.k, model_timeout_s=settings.model_timeout_s)
    management = management_of(engine, events, routing, policy, settings, preview.routes())
    app = policy.application(management)
    gc.collect()
    gc.freeze()
    # The log's writer thread takes the interpreter lock several times per commit; under load it would wait up to 5 ms
    # each time behind the event loop.
    sys.setswitchinterval(0.0005)
    bound = announce(sock, port_file)
    _log.warning("policy server on http://%s:%d, event log %s", host, bound, store.name)
    if store.failure:
        _log.warning("%s; not ready until it is there", store.failure)
    with guarded(app, engine, settings, sock.getsockname()[0], policy.counters) as application:
        config = uvicorn.Config(
            application,
            http=LimitedHead,
            # Watchers of experiments have nothing to say.
            ws_max_size=_LONGEST_WORD,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE_S,
            # A caller could say any address.
            proxy_headers=False,
        )
        GracefulServer(config).run(sockets=[sock])


def _list_cache(settings: Settings) -> Callable[[CollectorRegistry], ListCache] | None:
    """What makes the cache of ``/recommendations``, where it is switched on."""
    if not settings.recommendation_cache_s:
        return None
    url = settings.redis_url.get_secret_value()
    if not url:
        raise ConfigError(
            f"recommendation_cache_s == {settings.recommendation_cache_s:g} needs a Redis; set REDIS_URL, or 0"
        )
    timeout_s = settings.feature_timeout_ms / 1000
    ttl_s = settings.recommendation_cache_s
    return lambda registry: ListCache(url, ttl_s=ttl_s, timeout_s=timeout_s, registry=registry)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of ``python -m serving.policy_server``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.policy_server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--events",
        help="event log, sqlite:////absolute/path/events.db or postgresql+psycopg://user@host/database "
        "(setting events_url, which may hold a password)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to bind, 0 for any free one (%(default)s)")
    parser.add_argument("--port-file", type=Path, help="file that gets the port")
    parser.add_argument("--k", type=int, help="length of a list where the request names none (setting k)")
    parser.add_argument(
        "--model-timeout-s", type=float, help="a model server slower than this has failed (setting model_timeout_s)"
    )
    parser.add_argument(
        "--no-spare-lists",
        action="store_false",
        dest="spare_lists",
        help="503 where no model server gives a list, for callers that can wait for one",
    )
    given = parser.parse_args(argv)
    log_to_stderr()
    try:
        log_to_stderr(load_settings().log_format)
        serve(**vars(given))
    except ScreentestError as error:
        print(f"policy server: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
