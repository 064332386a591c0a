"""The local runner: real KFP runs of small pipelines, each step a process."""

from pathlib import Path

import pytest
from kfp import compiler, dsl

from core.errors import ConfigError, StepError
from core.progress import Progress
from pipelines.local_runner import StepLog, StepWatcher, check_root, run_pipeline


@dsl.component(base_image="python", install_kfp_package=False)
def count(upto: int) -> int:
    print(f"[progress] counting {upto}/{upto} nearly there")
    return upto


@dsl.component(base_image="python", install_kfp_package=False)
def refuse(name: str):
    from core.errors import ConfigError

    raise ConfigError(f"name == {name!r} isn't allowed")


@dsl.component(base_image="python", install_kfp_package=False)
def divide(by: int) -> float:
    return 1 / by


@dsl.component(base_image="python", install_kfp_package=False)
def vanish():
    import os
    import signal

    print("last words")
    os.kill(os.getpid(), signal.SIGKILL)


@dsl.component(base_image="python", install_kfp_package=False)
def despair():
    from core.errors import ServerError

    raise ServerError("the server died; its last words:\n    line one\n    line two")


@dsl.pipeline(name="despairing")
def despairing():
    despair()


@dsl.pipeline(name="dividing-side-by-side")
def side_by_side(numbers: list[int]):
    with dsl.ParallelFor(numbers) as number:
        counted = count(upto=number)
        divide(by=number).after(counted)


@dsl.pipeline(name="counting")
def counting(upto: int = 3) -> int:
    return count(upto=upto).output


@dsl.pipeline(name="refusing")
def refusing(name: str = "x"):
    refuse(name=name)


@dsl.pipeline(name="dividing")
def dividing(by: int = 0):
    divide(by=by)


@dsl.pipeline(name="vanishing")
def vanishing():
    vanish()


class Recorder(StepWatcher):
    def __init__(self) -> None:
        self.seen: list[object] = []

    def started(self, lane: int, step: str) -> None:
        self.seen.append(("started", step))

    def progressed(self, lane: int, progress: Progress) -> None:
        self.seen.append(progress)

    def finished(self, lane: int, step: str, status: str) -> None:
        self.seen.append(("finished", step, status))


def run(pipeline, tmp_path: Path, watcher: StepWatcher | None = None, **arguments):
    compiled = tmp_path / "pipeline.yaml"
    compiler.Compiler().compile(pipeline, str(compiled))
    return run_pipeline(compiled, arguments, root=tmp_path / "root", log=tmp_path / "log.txt", watcher=watcher)


def test_outputs_progress_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watcher = Recorder()

    outputs = run(counting, tmp_path, watcher, upto=5)

    assert outputs == {"Output": 5}
    assert watcher.seen == [
        ("started", "count"),
        Progress("counting", 5, 5, "nearly there"),
        ("finished", "count", "SUCCESS"),
    ]
    assert "nearly there" in (tmp_path / "log.txt").read_text()
    assert capsys.readouterr().out == ""


def test_our_error_keeps_its_message_and_exit_code(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"step 'refuse' failed: name == 'bob' isn't allowed") as caught:
        run(refusing, tmp_path, name="bob")

    assert caught.value.exit_code == 2
    assert caught.value.traceback == ""


def test_other_errors_carry_their_traceback(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"ZeroDivisionError: division by zero") as caught:
        run(dividing, tmp_path)

    assert caught.value.exit_code == 1
    assert "return 1 / by" in caught.value.traceback


def test_a_killed_step_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"'vanish' failed: its process ended without a traceback"):
        run(vanishing, tmp_path)


def test_text_that_the_runner_would_rewrite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'python3'"):
        run(refusing, tmp_path, name="/usr/lib/python3/data")


def test_a_root_that_is_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"root gs:/bucket/kfp is an address, and a pipeline that runs on this machine"
    ):
        check_root(Path("gs://bucket/kfp"))
    check_root(tmp_path)
    check_root(Path("runs"))


def test_lines_that_belong_to_our_message_stay_with_it(tmp_path: Path) -> None:
    with pytest.raises(StepError) as caught:
        run(despairing, tmp_path)

    assert [line.strip() for line in caught.value.cause.splitlines()] == [
        "the server died; its last words:",
        "line one",
        "line two",
    ]
    assert caught.value.exit_code == 1


def test_the_failing_one_of_two_loops_at_a_time_is_told(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"step 'divide' failed: ZeroDivisionError: division by zero"):
        run(side_by_side, tmp_path, numbers=[1, 0, 2])


@dsl.component(base_image="python", install_kfp_package=False)
def temporary_folder() -> str:
    import tempfile

    return tempfile.mkdtemp()


def test_what_steps_leave_in_temporary_folders_goes_with_the_run(tmp_path: Path) -> None:
    @dsl.pipeline(name="leaving")
    def leaving() -> str:
        return temporary_folder().outputs["Output"]

    compiler.Compiler().compile(leaving, str(tmp_path / "leaving.yaml"))
    outputs = run_pipeline(tmp_path / "leaving.yaml", {}, root=tmp_path / "root", log=tmp_path / "log")

    assert "screentest-" in outputs["Output"]
    assert not Path(outputs["Output"]).exists()


def test_a_step_whose_last_line_was_swallowed_is_finished_by_the_next_or_by_the_end(tmp_path: Path) -> None:
    finished: list[tuple[str, str]] = []

    class Watcher(StepWatcher):
        def finished(self, lane: int, step: str, status: str) -> None:
            finished.append((step, status))

    with (tmp_path / "log").open("w") as file:
        log = StepLog(file, Watcher())
        log.write("Executing task 'one'\nExecuting task 'two'\n")
        log.end_all("FAILURE")
        log.write("Traceback (most recent call last):\nValueError: broken\n")
        assert finished == [("one", "SUCCESS")]
        log.end_all("FAILURE")
    assert finished == [("one", "SUCCESS"), ("two", "FAILURE")]
    assert log.failure is not None
    assert "broken" in str(log.failure)
