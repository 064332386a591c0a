import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.errors import ServerError
from serving.processes import ServerCommand, ServerProcess, poll
from serving.reaper import RUN_TAG, Reaper, reaped, tagged

# A server that tells its port, answers 404 on everything but /ready, and does what its first argument says.
SERVER = """
import http.server, pathlib, signal, sys
mode, port_file = sys.argv[1], pathlib.Path(sys.argv[2])
if mode == "dies":
    print("loading"); print("no such model version", file=sys.stderr); sys.exit(3)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" and mode != "unready" else 404); self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
port_file.write_text(f"{server.server_address[1]}\\n")
server.serve_forever()
"""

# A run: starts a watcher, then a child that starts a grandchild, tells the pids, and does what its argument says.
RUN = '''
import signal, subprocess, sys
from serving.reaper import reaped
# A suite that runs in the background of a script inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
child = """if True:
    import subprocess, sys
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(grandchild.pid, flush=True)
    grandchild.wait()
"""
with reaped() as reaper:
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True, start_new_session=True)
    print(reaper.tag, reaper.pid, process.pid, process.stdout.readline().strip(), flush=True)
    if sys.argv[1] == "fails":
        raise RuntimeError("the step failed")
    if sys.argv[1] == "waits":
        process.wait()
'''


def command(folder: Path, mode: str) -> ServerCommand:
    port_file = folder / "server.port"
    return ServerCommand(
        name="test server",
        argv=[sys.executable, "-c", SERVER, mode, str(port_file)],
        port_file=port_file,
        log_file=folder / "logs" / "server.log",
        ready_path="/ready",
        environment={"GREETING": "hello"},
    )


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_server_is_started_found_and_stopped(tmp_path: Path) -> None:
    server = ServerProcess(command(tmp_path, "serves"))
    server.wait_ready(30)
    assert server.alive
    assert server.url == f"http://127.0.0.1:{(tmp_path / 'server.port').read_text().strip()}"
    assert psutil.Process(server.pid).environ()["GREETING"] == "hello"
    assert "GREETING" not in os.environ
    server.stop()
    assert not server.alive
    assert not psutil.pid_exists(server.pid)
    with pytest.raises(ServerError, match=r"signal 15 \(SIGTERM\)"):
        server.check()


def test_a_server_that_dies_early_names_its_exit_code_and_last_words(tmp_path: Path) -> None:
    server = ServerProcess(command(tmp_path, "dies"))
    with pytest.raises(ServerError) as caught:
        server.wait_ready(30)
    message = str(caught.value)
    assert "test server" in message
    assert "exit code 3" in message
    assert "no such model version" in message
    assert str(tmp_path / "logs" / "server.log") in message
    assert not psutil.pid_exists(server.pid)


def test_a_server_that_never_is_ready_is_reported(tmp_path: Path) -> None:
    server = ServerProcess(command(tmp_path, "unready"))
    with pytest.raises(ServerError, match=r"not ready after 0\.3 s"):
        server.wait_ready(0.3)
    server.stop()


def test_a_server_without_port_has_no_url(tmp_path: Path) -> None:
    server = ServerProcess(command(tmp_path, "dies"))
    with pytest.raises(ServerError, match="wait until it is ready"):
        _ = server.url
    server.stop()


def test_a_server_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    server = ServerProcess(command(tmp_path, "stubborn"))
    server.wait_ready(30)
    server.stop(grace_s=0.1)
    with pytest.raises(ServerError, match="SIGKILL"):
        server.check()
    assert not psutil.pid_exists(server.pid)


def test_an_old_port_file_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "server.port").write_text("1\n")
    server = ServerProcess(command(tmp_path, "serves"))
    server.wait_ready(30)
    assert not server.url.endswith(":1")
    server.stop()


def start_run(mode: str) -> tuple[subprocess.Popen[str], str, list[int]]:
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    tag, *pids = run.stdout.readline().split()
    return run, tag, [int(pid) for pid in pids]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_a_run_that_is_killed(number: signal.Signals) -> None:
    run, tag, pids = start_run("waits")
    # A process that is just being started shows no environment yet: the grandchild may be seen a moment later.
    assert poll(lambda: {process.pid for process in tagged(tag)} == set(pids[1:]), 30)
    run.send_signal(number)
    run.communicate()
    assert run.returncode == -number
    assert poll(lambda: all(gone(pid) for pid in pids), 30), "watcher, child and grandchild must be gone"


def test_the_whole_process_group_gets_ctrl_c_and_the_watcher_still_does_its_work() -> None:
    run, _, pids = start_run("waits")
    os.killpg(run.pid, signal.SIGINT)
    run.communicate()
    assert poll(lambda: all(gone(pid) for pid in pids), 30)


@pytest.mark.parametrize(("mode", "code"), [("ends", 0), ("fails", 1)])
def test_nothing_is_left_when_the_block_has_ended(mode: str, code: int) -> None:
    run, tag, pids = start_run(mode)
    run.communicate()
    assert run.returncode == code
    assert tagged(tag) == []
    assert all(gone(pid) for pid in pids)


def test_tags_nest_and_are_taken_back() -> None:
    with reaped() as outer:
        with reaped() as inner:
            assert inner.environment[RUN_TAG] == f"{outer.tag}:{inner.tag}"
            assert os.environ[RUN_TAG] == inner.environment[RUN_TAG]
        assert os.environ[RUN_TAG] == outer.tag
        again = Reaper()
        assert again.environment[RUN_TAG] == f"{outer.tag}:{again.tag}"
        assert RUN_TAG not in psutil.Process(again.pid).environ()
        again.close()
    assert os.environ[RUN_TAG] == ""
