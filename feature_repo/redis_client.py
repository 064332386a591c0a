"""Clients of Redis that fail fast: a Redis that is down costs milliseconds and one clear line.

redis-py waits without a limit and tries again three times by default; a request of a user must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.errors import ConfigError, FeatureStoreError

if TYPE_CHECKING:
    import redis
    import redis.asyncio

#: A Redis that has not answered after this counts as down.
TIMEOUT_S = 0.05
#: Of writing everything at once, where a Redis may be busy with what was sent before.
BULK_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 0.2
_SCHEMES = ("redis", "rediss", "unix")


def connect(url: str, *, timeout_s: float = TIMEOUT_S) -> redis.Redis:
    """A client of the Redis at an address; nothing is sent yet.

    Args:
        url: ``redis://[[user]:password@]host[:port][/db]``, ``rediss://`` for TLS, or ``unix:///path``.
        timeout_s: Longest wait for an answer, > 0.

    Returns:
        A client that never tries again; what it raises, :func:`refusals` turns into our errors.

    Raises:
        ConfigError: That is no address of a Redis.
    """
    import redis

    with _readable(url):
        return redis.Redis.from_url(url, retry=_no_retry(redis), **_timeouts(timeout_s))


def connect_async(url: str, *, timeout_s: float = TIMEOUT_S) -> redis.asyncio.Redis:
    """The same for an event loop; see :func:`connect`."""
    import redis.asyncio

    from feature_repo.redis_connection import TimerConnection

    with _readable(url):
        return redis.asyncio.Redis.from_url(
            url, connection_class=TimerConnection, retry=_no_retry(redis.asyncio), **_timeouts(timeout_s)
        )


def check(url: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Return if a Redis answers at the address.

    Raises:
        FeatureStoreError: None does, or it refuses our password; one line says which.
        ConfigError: That is no address of a Redis.
    """
    with connect(url, timeout_s=timeout_s) as client, refusals(url):
        client.ping()


@contextmanager
def refusals(url: str) -> Iterator[None]:
    """Turn whatever Redis, or the way to it, raises inside the block into one line without the password.

    Args:
        url: The address that the block talks to.

    Raises:
        FeatureStoreError: Redis is down, slow, no Redis, refuses the password or the command.
    """
    import redis

    try:
        yield
    except redis.RedisError as error:
        raise FeatureStoreError(_line(url, error)) from error


def address(url: str) -> str:
    """``host:port/db`` (or the socket's path) of an address: what messages may show."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
    return f"{host}:{parts.port or 6379}{parts.path.rstrip('/')}"


def _line(url: str, error: redis.RedisError) -> str:
    import redis

    where, said = f"Redis at {address(url)}", " ".join(str(error).split())
    if isinstance(error, redis.AuthenticationError) or said.startswith(("NOAUTH", "WRONGPASS")):
        return f"{where} refused the password in REDIS_URL; expected redis://:password@host:port/db"
    if isinstance(error, redis.BusyLoadingError):
        return f"{where} is still loading its data; try again when it has"
    if isinstance(error, redis.InvalidResponse):
        return f"{where}: something answers there that is no Redis; mend REDIS_URL"
    if isinstance(error, redis.TimeoutError):
        return f"{where} did not answer in time; see whether it is overloaded, or mend REDIS_URL"
    if isinstance(error, redis.ConnectionError):
        return f"{where} cannot be reached; start it, mend REDIS_URL, or unset it for an embedded Redis"
    return f"{where} refused a command: {said}"


@contextmanager
def _readable(url: str) -> Iterator[None]:
    try:
        if urlsplit(url).scheme not in _SCHEMES:
            raise ValueError("unknown scheme")
        address(url)
        yield
    except ValueError as error:
        shown = url.rpartition("@")[2]
        raise ConfigError(
            f"REDIS_URL (…{shown}) is no address of a Redis; expected redis://[:password@]host:port/db, rediss://… or "
            "unix:///path"
        ) from error


def _timeouts(timeout_s: float) -> dict[str, Any]:
    return {"socket_timeout": timeout_s, "socket_connect_timeout": CONNECT_TIMEOUT_S}


def _no_retry(package: Any) -> Any:
    from redis.backoff import NoBackoff

    return package.retry.Retry(NoBackoff(), 0)
