"""Clients that give up at once, with one line that says what is wrong and keeps the password."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import redis

from core.errors import ConfigError, FeatureStoreError, ScreentestError
from feature_repo.redis_client import (
    CONNECT_TIMEOUT_S,
    address,
    check,
    check_writable,
    connect,
    connect_async,
    refusals,
)
from feature_repo.redis_connection import TimerConnection
from tests.real_redis import RealRedis, real_redis
from tests.redis_server import Impostor, dead_url


def refusal(url: str) -> str:
    with pytest.raises(ScreentestError) as raised:
        check(url)
    return said(raised.value)


def said(error: ScreentestError) -> str:
    text = str(error)
    assert "\n" not in text
    assert "hush" not in text
    return text


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """A Redis that a test may set as it likes; it must put things right again."""
    with real_redis(tmp_path_factory.mktemp("own")) as server:
        yield server


@pytest.fixture
def guarded(own: RealRedis) -> Iterator[str]:
    """A Redis with a password."""
    with own.client() as client:
        client.config_set("requirepass", "open sesame")
        yield own.url
        client.config_set("requirepass", "")


def test_a_redis_that_runs_is_found(redis_url: str) -> None:
    check(redis_url, timeout_s=5)
    with connect(redis_url, timeout_s=5) as client:
        client.set("greeting", "hello")
        assert client.get("greeting") == b"hello"


def test_the_right_password_is_taken(guarded: str) -> None:
    check(guarded.replace("//", "//:open%20sesame@"), timeout_s=5)


def test_a_dead_redis() -> None:
    url = dead_url()

    assert refusal(url).startswith(f"Redis at {address(url)} cannot be reached; start it, mend REDIS_URL")


def test_a_silent_redis_is_asked_once(silent: Impostor) -> None:
    assert "did not answer in time" in refusal(silent.url)
    assert silent.connections == 1


def test_something_that_is_no_redis(web_server: Impostor) -> None:
    assert "no Redis" in refusal(web_server.url.replace(":hush@", ""))


@pytest.mark.parametrize("user", [":hush@", "me:hush@", ""])
def test_a_wrong_password_or_none(guarded: str, user: str) -> None:
    with pytest.raises(FeatureStoreError, match="refused the password in REDIS_URL") as raised:
        check(guarded.replace("//", f"//{user}"), timeout_s=5)
    said(raised.value)


def test_a_password_where_none_is_wanted(redis_url: str) -> None:
    with pytest.raises(FeatureStoreError, match="refused the password in REDIS_URL") as raised:
        check(redis_url.replace("//", "//me:hush@"), timeout_s=5)
    said(raised.value)


def test_a_refused_command_is_told(redis_url: str) -> None:
    with connect(redis_url, timeout_s=5) as client:
        client.set("text", "hello")
        with pytest.raises(FeatureStoreError, match="refused a command: WRONGTYPE"), refusals(redis_url):
            client.hget("text", "field")


def written_at_once(url: str) -> None:
    """As Feast writes: redis-py quotes the whole command when Redis refuses one of many."""
    with connect(url, timeout_s=5) as client, refusals(url), client.pipeline(transaction=False) as pipe:
        pipe.hset("key", mapping={"field": b"\x00\n\xff"})
        pipe.execute()


def test_a_full_redis_is_told(own: RealRedis) -> None:
    with own.client() as client:
        client.config_set("maxmemory", 1)
        try:
            check(own.url, timeout_s=5)
            for write in (lambda: check_writable(own.url, timeout_s=5), lambda: written_at_once(own.url)):
                with pytest.raises(FeatureStoreError, match="is full and writes nothing more; raise its maxmemory"):
                    write()
        finally:
            client.config_set("maxmemory", 0)
    check_writable(own.url, timeout_s=5)


def test_a_replica_is_told(own: RealRedis) -> None:
    with own.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(FeatureStoreError, match="is a replica and cannot be written; name its primary"):
                check_writable(own.url, timeout_s=5)
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


def test_a_user_that_may_not_write_is_told(own: RealRedis) -> None:
    with own.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">hush", "~*", "+@read", "+@connection")
    url = own.url.replace("//", "//reader:hush@")
    check(url, timeout_s=5)
    for write, command in ((lambda: check_writable(url, timeout_s=5), "set"), (lambda: written_at_once(url), "hset")):
        with pytest.raises(FeatureStoreError, match=rf"refused a command: this user has .* '{command}'") as raised:
            write()
        said(raised.value)


def test_tls_and_sockets_are_spoken_by_what_speaks_them() -> None:
    """The password must not cross in the clear because a connection class of ours was put in."""
    kinds = [
        connect_async(f"{scheme}host").connection_pool.connection_class
        for scheme in ("redis://", "rediss://", "unix:///")
    ]
    assert kinds == [TimerConnection, redis.asyncio.SSLConnection, redis.asyncio.UnixDomainSocketConnection]
    assert connect("rediss://host").connection_pool.connection_class is redis.SSLConnection


def test_something_that_speaks_no_tls(web_server: Impostor) -> None:
    assert "cannot be reached over TLS" in refusal(web_server.url.replace("redis:", "rediss:"))


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:6379", "http://me:hush@host:6379", "redis://:hush@host:none/0", "redis://:hush@host:99999"),
        # A password without a host behind it, with a slash in it, and where none is expected.
        *("redis://:hush", "redis://me:hush", "redis://:12/hush@host:6379/0", "http://host?password=hush"),
        # A database that is no number, options that redis-py does not know.
        *("redis://host:6379/features", "redis://host?hurry=1", "redis://host?socket_timeout=x"),
        "rediss://host?ssl_cert_reqs=sometimes",
    ],
)
def test_no_address_of_a_redis(url: str) -> None:
    with pytest.raises(ConfigError, match="expected redis://") as raised:
        connect(url)
    said(raised.value)
    with pytest.raises(ConfigError):
        connect_async(url)


def test_clients_wait_briefly_and_never_try_again() -> None:
    for client in (connect("redis://host", timeout_s=0.03), connect_async("redis://host", timeout_s=0.03)):
        settings = client.connection_pool.connection_kwargs
        assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (0.03, CONNECT_TIMEOUT_S)
        assert settings["retry"].get_retries() == 0


@pytest.mark.parametrize("kind", ["dead", "silent"])
def test_the_same_in_an_event_loop(kind: str, silent: Impostor) -> None:
    url = dead_url() if kind == "dead" else silent.url

    async def ask() -> None:
        async with connect_async(url) as client:
            with refusals(url):
                await client.get("anything")

    with pytest.raises(FeatureStoreError, match="cannot be reached" if kind == "dead" else "in time") as raised:
        asyncio.run(ask())
    said(raised.value)
    assert silent.connections == (kind == "silent")


def test_what_is_no_fault_of_redis_stays_what_it_is() -> None:
    with pytest.raises(KeyError), refusals("redis://host"):
        raise KeyError("ours")
    with pytest.raises(FeatureStoreError), refusals("redis://host"):
        raise redis.ConnectionError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hush@example.org:6380/2", "example.org:6380/2"),
        ("redis://example.org", "example.org:6379"),
        ("rediss://me:hush@[::1]:6379/0", "[::1]:6379/0"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
    ],
)
def test_addresses_are_shown_without_the_password(url: str, shown: str) -> None:
    assert address(url) == shown


def test_a_redis_that_stops_reading_is_given_up(redis_url: str) -> None:
    """Sending is timed, too: more is sent than fits between here and there."""

    async def send_too_much() -> None:
        async with connect_async(redis_url, timeout_s=5) as client:
            await client.ping()
            (connection,) = client.connection_pool._available_connections
            connection.socket_timeout = 0.05
            with connect(redis_url, timeout_s=5) as other:
                pid = int(other.info("server")["process_id"])
            os.kill(pid, signal.SIGSTOP)
            try:
                with refusals(redis_url):
                    await client.set("much", b"x" * 100_000_000)
            finally:
                os.kill(pid, signal.SIGCONT)

    with pytest.raises(FeatureStoreError, match="did not answer in time"):
        asyncio.run(send_too_much())
    check(redis_url, timeout_s=5)


def test_an_event_loop_reads_what_was_written(redis_url: str) -> None:
    async def ask() -> list[bytes | None]:
        async with connect_async(redis_url, timeout_s=5) as client:
            await client.set("greeting", "hello")
            return [await client.get("greeting"), await client.get("nothing")]

    assert asyncio.run(ask()) == [b"hello", None]
