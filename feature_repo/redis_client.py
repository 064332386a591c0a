"""Clients of Redis that fail fast: a Redis that is down costs milliseconds and one clear line.

redis-py waits without a limit and tries again three times by default; a request of a user must not.
"""

from __future__ import annotations

import re
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
_EXPECTED = "redis://[:password@]host:port/db, rediss://… or unix:///path"
#: Written, with a life of a second, to learn whether that is allowed.
_PROBE = "screentest:features:probe"
#: redis-py quotes the command that failed before what Redis said of it; ours are long and full of bytes.
_QUOTED = re.compile(r"^Command # \d+ .* of pipeline caused error: ", re.DOTALL)


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
        client = redis.Redis.from_url(url, retry=_no_retry(redis), **_timeouts(timeout_s))
        _try_options(client.connection_pool)
    return client


def connect_async(url: str, *, timeout_s: float = TIMEOUT_S) -> redis.asyncio.Redis:
    """The same for an event loop; see :func:`connect`."""
    import redis.asyncio

    from feature_repo.redis_connection import TimerConnection

    with _readable(url):
        # For rediss:// and unix:// redis-py takes the connections of its own, which speak that.
        client = redis.asyncio.Redis.from_url(
            url, connection_class=TimerConnection, retry=_no_retry(redis.asyncio), **_timeouts(timeout_s)
        )
        _try_options(client.connection_pool)
    return client


def check(url: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Return if a Redis answers at the address.

    Raises:
        FeatureStoreError: None does, or it refuses our password; one line says which.
        ConfigError: That is no address of a Redis.
    """
    with connect(url, timeout_s=timeout_s) as client, refusals(url):
        client.ping()


def check_writable(url: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Return if a Redis answers at the address and takes what we write.

    Raises:
        FeatureStoreError: None does, or it is full, a replica, or lets our user only read; one line says which.
        ConfigError: That is no address of a Redis.
    """
    with connect(url, timeout_s=timeout_s) as client, refusals(url):
        client.set(_PROBE, "", ex=1)


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
    if "SSL:" in said:
        return f"{where} cannot be reached over TLS ({said}); mend the certificates or REDIS_URL (?ssl_ca_certs=FILE)"
    if isinstance(error, redis.ConnectionError):
        return f"{where} cannot be reached; start it, mend REDIS_URL, or unset it for an embedded Redis"
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        return f"{where} is full and writes nothing more; raise its maxmemory, or remove features that nobody reads"
    if isinstance(error, redis.exceptions.ReadOnlyError):
        return f"{where} is a replica and cannot be written; name its primary in REDIS_URL"
    return f"{where} refused a command: {_QUOTED.sub('', said) or 'without a reason'}"


@contextmanager
def _readable(url: str) -> Iterator[None]:
    import redis

    try:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError("unknown scheme")
        if parts.scheme != "unix" and not re.fullmatch(r"(/\d*)?", parts.path):
            raise ValueError("the database is no number")
        address(url)
        yield
    # The latter two: of an option behind the question mark that redis-py does not know, or a value of it.
    except (ValueError, TypeError, redis.RedisError) as error:
        raise ConfigError(f"REDIS_URL{_shown(url)} is no address of a Redis; expected {_EXPECTED}") from error


def _shown(url: str) -> str:
    """What stands behind the password; nothing where it is unclear where a password ends."""
    rest = url.rpartition("@")[2].partition("?")[0]
    return f" (…{rest})" if "@" in url or ":" not in rest.partition("://")[2] else ""


def _try_options(pool: Any) -> None:
    """Make a connection, which is not opened: only that tells of options that it does not take."""
    pool.connection_class(**pool.connection_kwargs)


def _timeouts(timeout_s: float) -> dict[str, Any]:
    return {"socket_timeout": timeout_s, "socket_connect_timeout": CONNECT_TIMEOUT_S}


def _no_retry(package: Any) -> Any:
    from redis.backoff import NoBackoff

    return package.retry.Retry(NoBackoff(), 0)
