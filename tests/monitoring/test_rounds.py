"""Jobs side by side: what one lacks holds up no other, and one worker at a time does what one worker may do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Engine

from core.errors import TrackingError
from events.worker_jobs import load_job
from monitoring import rounds
from monitoring.alive import main as alive_main
from monitoring.rounds import Job, Rounds, pause_s
from serving.processes import poll

WAIT_S = 30


@contextmanager
def working(engine: Engine, worker: str, *jobs: Job, alive: Callable[[], None] = lambda: None) -> Iterator[Thread]:
    """A worker in a thread, told to stop at the end of the block."""
    stopped = Event()
    thread = Thread(target=Rounds(engine, worker, jobs, stopped=stopped, alive=alive).run)
    thread.start()
    try:
        yield thread
    finally:
        stopped.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_failing_job_is_told_once_tried_again_and_holds_up_no_other(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    attempts, done, mended = [], [], Event()

    def failing() -> None:
        attempts.append(1)
        if not mended.is_set():
            raise TrackingError("MLflow is\ndown")

    caplog.set_level(logging.WARNING, "monitoring.rounds")
    jobs = (Job("failing", 0.01, failing), Job("other", 0.01, lambda: done.append(1)))
    with working(engine, "w", *jobs):
        assert poll(lambda: len(attempts) > 4 and len(done) > 20, WAIT_S)
        # It waits longer and longer; the other does not.
        assert len(done) > len(attempts)
        assert poll(lambda: load_job(engine, "failing").failure == "MLflow is down", WAIT_S)
        assert load_job(engine, "failing").ran_at is None
        mended.set()
        assert poll(lambda: load_job(engine, "failing").failure == "", WAIT_S)
    assert load_job(engine, "failing").ran_at is not None
    assert load_job(engine, "other").failure == ""
    assert [record.getMessage() for record in caplog.records] == [
        "failing failed, is tried again: MLflow is down",
        "failing works again",
    ]


def test_pauses_double_up_to_a_minute_however_long_it_fails() -> None:
    assert [pause_s(2.0, failures) for failures in (0, 1, 4, 5, 100_000)] == [2.0, 4.0, 32.0, 60.0, 60.0]
    assert [pause_s(3600.0, failures) for failures in (0, 1, 100_000)] == [3600.0] * 3


def test_one_worker_at_a_time_and_the_next_takes_over_from_who_stopped(engine: Engine) -> None:
    first, second = [], []
    with working(engine, "w2", Job("both", 0.01, lambda: second.append(1))) as _:
        assert poll(lambda: len(second) > 2, WAIT_S)
        with working(engine, "w1", Job("both", 0.01, lambda: first.append(1)), Job("own", 0.01, lambda: None)):
            assert poll(lambda: load_job(engine, "own").ran_at is not None, WAIT_S)
            assert load_job(engine, "both").worker == "w2"
    assert first == []
    with working(engine, "w1", Job("both", 0.01, lambda: first.append(1))):
        assert poll(lambda: len(first) > 2, WAIT_S)
    assert load_job(engine, "both").worker == "w1"


def test_the_lease_is_kept_through_a_long_round_and_taken_from_the_dead(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LEASE_S", 2.0)
    monkeypatch.setattr(rounds, "_TICK_S", 0.05)
    begun, end, others = Event(), Event(), []

    def long() -> None:
        begun.set()
        end.wait(WAIT_S)

    with working(engine, "w1", Job("long", 0.01, long)):
        assert begun.wait(WAIT_S)
        before = load_job(engine, "long").lease_until
        with working(engine, "w2", Job("long", 0.01, lambda: others.append(1))):
            # Longer than the lease.
            assert poll(lambda: load_job(engine, "long").lease_until > before + 2, WAIT_S)
            assert others == []
            end.set()
    # Nobody renews a dead worker's.
    rounds.claim_job(engine, "long", "dead", lease_s=0.2)
    with working(engine, "w3", Job("long", 0.01, lambda: others.append(1))):
        assert poll(lambda: bool(others), WAIT_S)


def test_once_is_one_round_of_each_and_says_whether_it_went_well(engine: Engine) -> None:
    done = []

    def refusing() -> None:
        raise TrackingError("no")

    def run(*jobs: Job) -> bool:
        return Rounds(engine, "w", jobs, stopped=Event()).run(once=True)

    assert run(Job("a", 60, lambda: done.append("a")), Job("b", 60, lambda: done.append("b"), alone=False))
    assert sorted(done) == ["a", "b"]
    assert not run(Job("a", 60, refusing), Job("b", 60, lambda: done.append("b")))


def test_an_error_that_nobody_expected_ends_the_worker(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        Rounds(engine, "w", [Job("bad", 0.01, lambda: 1 / 0), Job("good", 0.01, lambda: None)], stopped=Event()).run()


def test_a_worker_touches_its_file_and_the_probe_looks_at_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rounds, "_TICK_S", 0.05)
    file = tmp_path / "alive"
    assert alive_main([str(file)]) == 1
    assert "No such file" in capsys.readouterr().err
    with working(engine, "w", Job("a", 60, lambda: None), alive=file.touch):
        assert poll(lambda: alive_main([str(file)]) == 0, WAIT_S)
    monkeypatch.setattr("monitoring.alive.LONGEST_SILENCE_S", -1.0)
    assert alive_main([str(file)]) == 1
    assert "was touched" in capsys.readouterr().err
    assert alive_main([]) == 2
