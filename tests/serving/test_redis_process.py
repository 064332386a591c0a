"""The embedded Redis: found, started, kept, ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from redis import ResponseError

from core.errors import FeatureStoreError
from core.settings import Settings, load_settings
from feature_repo.redis_client import connect
from serving import redis_process
from serving.processes import poll
from serving.redis_process import redis_for
from tests.redis_server import dead_url, running_redis

#: A run with an embedded Redis that is killed before it can end it.
RUN = """
import sys
from pathlib import Path
from core.settings import load_settings
from serving.redis_process import redis_for
with redis_for(load_settings(redis_url=""), Path(sys.argv[1])) as redis:
    print(redis.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def settings() -> Settings:
    return load_settings(redis_url="")


def pid_at(url: str) -> int:
    with connect(url, timeout_s=5) as client:
        return int(client.info("server")["process_id"])


def test_it_serves_this_machine_only_and_is_gone_afterwards(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "with a space" / "redis"
    with redis_for(settings, folder) as redis:
        pid = pid_at(redis.url)
        assert redis.embedded
        assert redis.url.startswith("redis://127.0.0.1:")
        bound = {one.laddr.ip for one in psutil.Process(pid).connections() if one.status == psutil.CONN_LISTEN}
        assert bound == {"127.0.0.1"}
        with connect(redis.url, timeout_s=5) as client:
            client.set("kept", "no")
            assert client.info("persistence")["aof_enabled"] == 0
    assert not psutil.pid_exists(pid)
    assert {file.name for file in folder.iterdir()} == {"redis.log"}


def test_what_is_saved_is_there_the_next_time(settings: Settings, tmp_path: Path) -> None:
    with redis_for(settings, tmp_path) as redis, connect(redis.url, timeout_s=5) as client:
        client.set("kept", "yes")
        redis.save()
        client.set("kept", "changed")
        client.set("forgotten", "yes")
    with redis_for(settings, tmp_path) as redis, connect(redis.url, timeout_s=5) as client:
        assert client.mget("kept", "forgotten") == [b"yes", None]


def test_who_reaches_the_port_gets_no_further(settings: Settings, tmp_path: Path) -> None:
    """It has no password; with CONFIG SET dir it would write files of this user anywhere."""
    with redis_for(settings, tmp_path) as redis, connect(redis.url, timeout_s=5) as client:
        for command in ("CONFIG GET dir", "MODULE LIST", "DEBUG SLEEP 0", "REPLICAOF NO ONE", "SLAVEOF NO ONE"):
            with pytest.raises(ResponseError, match="unknown command"):
                client.execute_command(*command.split())


def test_what_was_found_can_be_cleared(settings: Settings, tmp_path: Path) -> None:
    with redis_for(settings, tmp_path) as redis, connect(redis.url, timeout_s=5) as client:
        client.set("old", "yes")
        redis.save()
    with redis_for(settings, tmp_path) as redis, connect(redis.url, timeout_s=5) as client:
        redis.clear()
        assert client.dbsize() == 0
    with redis_for(settings, tmp_path) as redis, connect(redis.url, timeout_s=5) as client:
        assert client.get("old") == b"yes", "nothing was saved since"


def test_what_cannot_be_saved_is_told(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    with redis_for(settings, folder) as redis:
        shutil.rmtree(folder)
        with pytest.raises(FeatureStoreError, match="is the disk full") as raised:
            redis.save()
    assert "\n" not in str(raised.value)
    assert f"nothing was saved to {folder / 'dump.rdb'}" in str(raised.value)


def test_two_may_run_in_one_folder(settings: Settings, tmp_path: Path) -> None:
    with redis_for(settings, tmp_path) as first:
        with redis_for(settings, tmp_path) as second:
            assert pid_at(first.url) != pid_at(second.url)
        assert pid_at(first.url)


def test_a_redis_that_is_named_is_used_and_left_alone(tmp_path: Path) -> None:
    with running_redis(tmp_path / "theirs") as url:
        pid = pid_at(url)
        with redis_for(load_settings(redis_url=url), tmp_path / "ours") as redis:
            assert (redis.url, redis.embedded) == (url, False)
            with connect(url, timeout_s=5) as client:
                client.set("theirs", "yes")
                redis.clear()
                assert client.get("theirs") == b"yes"
            redis.save()
        assert pid_at(url) == pid
        assert not (tmp_path / "ours").exists()
        assert not (tmp_path / "theirs" / "dump.rdb").exists()


def test_a_dead_redis_that_is_named_is_told(tmp_path: Path) -> None:
    url = dead_url()
    with (
        pytest.raises(FeatureStoreError, match="cannot be reached; start it") as raised,
        redis_for(load_settings(redis_url=url), tmp_path / "ours"),
    ):
        pytest.fail("the block must not run")
    assert "hush" not in str(raised.value)
    assert not (tmp_path / "ours").exists()


def test_it_ends_when_the_block_fails(settings: Settings, tmp_path: Path) -> None:
    pids = []

    def fail() -> None:
        with redis_for(settings, tmp_path) as redis:
            pids.append(pid_at(redis.url))
            raise KeyError("ours")

    with pytest.raises(KeyError):
        fail()
    assert not psutil.pid_exists(pids[0])


def test_it_ends_with_a_killed_run(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout is not None
    assert run.stdin is not None
    pid = pid_at(run.stdout.readline().strip())

    os.kill(run.pid, signal.SIGKILL)
    run.communicate()

    assert poll(lambda: not psutil.pid_exists(pid), 30)


def test_another_port_is_tried_when_the_first_is_taken(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = redis_process._free_port
    with running_redis(tmp_path / "theirs") as url:
        taken = int(url.rpartition(":")[2].partition("/")[0])
        ports = iter([taken, taken])
        monkeypatch.setattr(redis_process, "_free_port", lambda: next(ports, None) or free_port())
        with redis_for(settings, tmp_path / "ours") as redis:
            assert redis.url != url
            assert pid_at(redis.url) != pid_at(url)
        assert pid_at(url)


def test_no_free_port_is_told(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_redis(tmp_path / "theirs") as url:
        taken = int(url.rpartition(":")[2].partition("/")[0])
        monkeypatch.setattr(redis_process, "_free_port", lambda: taken)
        with pytest.raises(FeatureStoreError, match="found its port taken 5 times"), redis_for(settings, tmp_path):
            pytest.fail("the block must not run")


def test_a_damaged_dump_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"no dump at all")
    with (
        pytest.raises(FeatureStoreError, match=r"embedded Redis .* ended with exit code 1") as raised,
        redis_for(settings, tmp_path),
    ):
        pytest.fail("the block must not run")
    assert "\n" not in str(raised.value)
    assert f"remove {tmp_path / 'dump.rdb'}" in str(raised.value)


def test_no_redis_server_is_installed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_process.sys, "executable", str(tmp_path / "python"))
    with (
        pytest.raises(FeatureStoreError, match=r"no redis-server of 6.2 or later on PATH or in .*; install one"),
        redis_for(settings, tmp_path),
    ):
        pytest.fail("the block must not run")


def test_an_old_one_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=6.0.16 sha=00000000:0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert redis_process._program() == str(Path(sys.executable).parent / "redis-server")


def test_the_environments_own_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_process._program() == str(Path(sys.executable).parent / "redis-server")
