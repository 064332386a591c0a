import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait

import pytest

from core.errors import BadInput, EventLogError
from events.group_commit import GroupCommit
from serving.processes import poll

TIMEOUT_S = 10


class Disk:
    """Commits lists of numbers; can be held in the middle of a commit, and can fail."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    def commit(self, entries: Sequence[int]) -> list[int | BadInput]:
        self.entered.release()
        assert self.go_on.wait(TIMEOUT_S)
        if self.error is not None:
            raise self.error
        self.batches.append(list(entries))
        return [BadInput("odd") if entry % 2 else 10 * entry for entry in entries]

    def hold(self, queue: GroupCommit[int, int]) -> Future[int]:
        """Start a commit and keep it from ending."""
        self.go_on.clear()
        held = queue.submit(0)
        assert self.entered.acquire(timeout=TIMEOUT_S)
        return held


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def queue(disk: Disk) -> Iterator[GroupCommit[int, int]]:
    made = GroupCommit(disk.commit, window_s=60, max_batch=8, max_waiting=20)
    yield made
    disk.go_on.set()
    made.close()


def test_what_arrives_during_a_commit_shares_the_next_one(disk: Disk, queue: GroupCommit[int, int]) -> None:
    first = disk.hold(queue)
    others = [queue.submit(number) for number in (2, 4, 6)]
    assert not any(future.done() for future in [first, *others]), "nothing is acknowledged before its commit"
    disk.go_on.set()
    assert [future.result(TIMEOUT_S) for future in [first, *others]] == [0, 20, 40, 60]
    assert disk.batches == [[0], [2, 4, 6]]


def test_a_refused_entry_leaves_the_others_alone(queue: GroupCommit[int, int]) -> None:
    refused, kept = queue.submit(3), queue.submit(4)
    with pytest.raises(BadInput, match="odd"):
        refused.result(TIMEOUT_S)
    assert kept.result(TIMEOUT_S) == 40


def test_patient_entries_wait_for_company(disk: Disk, queue: GroupCommit[int, int]) -> None:
    patient = [queue.submit(number, patient=True) for number in (2, 4)]
    hurried = queue.submit(6)
    assert hurried.result(TIMEOUT_S) == 60
    assert [future.result(TIMEOUT_S) for future in patient] == [20, 40]
    assert disk.batches == [[2, 4, 6]], "the window of 60 s ended when somebody waited"


def test_a_full_batch_ends_the_wait(disk: Disk, queue: GroupCommit[int, int]) -> None:
    wait([queue.submit(number, patient=True) for number in range(0, 16, 2)], TIMEOUT_S)
    assert [len(batch) for batch in disk.batches] == [8]


def test_a_failed_commit_fails_its_batch_and_no_later_one(disk: Disk, queue: GroupCommit[int, int]) -> None:
    disk.error = EventLogError("disk full")
    with pytest.raises(EventLogError, match="disk full"):
        queue.submit(2).result(TIMEOUT_S)
    disk.error = None
    assert queue.submit(2).result(TIMEOUT_S) == 20


def test_patient_entries_of_a_failed_commit_are_tried_again_before_later_ones() -> None:
    disk = Disk()
    queue: GroupCommit[int, int] = GroupCommit(disk.commit, window_s=0, max_waiting=20, retry_s=60)
    disk.error = EventLogError("the database is gone")
    patient = [queue.submit(number, patient=True) for number in (2, 4)]
    for _ in range(2):
        with pytest.raises(EventLogError, match="gone"):
            queue.submit(6).result(TIMEOUT_S)
    assert not any(future.done() for future in patient)
    assert queue.waiting == 2
    disk.error = None
    assert queue.submit(8).result(TIMEOUT_S) == 80
    assert [future.result(0) for future in patient] == [20, 40]
    assert (disk.batches, queue.waiting) == ([[2, 4, 8]], 0)
    queue.close()


def test_patient_entries_are_tried_again_without_company() -> None:
    disk = Disk()
    queue: GroupCommit[int, int] = GroupCommit(disk.commit, window_s=0, retry_s=0.01)
    disk.error = EventLogError("the database is gone")
    patient = queue.submit(2, patient=True)
    for _ in range(3):
        assert disk.entered.acquire(timeout=TIMEOUT_S)
    assert not patient.done()
    disk.error = None
    assert patient.result(TIMEOUT_S) == 20
    queue.close()


def test_what_is_kept_counts_as_waiting_so_memory_is_bounded() -> None:
    disk = Disk()
    queue: GroupCommit[int, int] = GroupCommit(disk.commit, window_s=0, max_waiting=3, retry_s=60)
    disk.error = EventLogError("the database is gone")
    kept = []
    for number in (2, 4, 6):
        kept.append(queue.submit(number, patient=True))
        assert disk.entered.acquire(timeout=TIMEOUT_S)
    with pytest.raises(EventLogError, match="3 entries behind"):
        queue.submit(8, patient=True)
    queue.close()
    for future in kept:
        with pytest.raises(EventLogError, match="gone"):
            future.result(0)


def test_a_failure_that_does_not_pass_fails_patient_entries_too() -> None:
    disk = Disk()
    queue: GroupCommit[int, int] = GroupCommit(disk.commit, window_s=0, may_pass=lambda error: "gone" in str(error))
    disk.error = EventLogError("no such column")
    with pytest.raises(EventLogError, match="no such column"):
        queue.submit(2, patient=True).result(TIMEOUT_S)
    disk.error = None
    assert queue.submit(4).result(TIMEOUT_S) == 40
    assert disk.batches == [[4]]
    queue.close()


def test_closing_tries_what_was_kept_once_more() -> None:
    disk = Disk()
    queue: GroupCommit[int, int] = GroupCommit(disk.commit, window_s=0, retry_s=60)
    disk.error = EventLogError("the database is gone")
    patient = queue.submit(2, patient=True)
    assert disk.entered.acquire(timeout=TIMEOUT_S)
    with pytest.raises(EventLogError, match="gone"):
        queue.submit(4).result(TIMEOUT_S)
    disk.error = None
    queue.close()
    assert patient.result(0) == 20


def test_too_many_waiting_are_refused(disk: Disk, queue: GroupCommit[int, int]) -> None:
    disk.hold(queue)
    accepted = [queue.submit(2) for _ in range(20)]
    assert queue.waiting == 20
    with pytest.raises(EventLogError, match="20 entries behind"):
        queue.submit(2)
    disk.go_on.set()
    assert [future.result(TIMEOUT_S) for future in accepted] == [20] * 20


def test_a_caller_that_gives_up_does_not_stop_the_commit(disk: Disk, queue: GroupCommit[int, int]) -> None:
    disk.hold(queue)
    abandoned, other = queue.submit(2), queue.submit(4)
    assert not abandoned.cancel()
    disk.go_on.set()
    assert (abandoned.result(TIMEOUT_S), other.result(TIMEOUT_S)) == (20, 40)


def test_closing_commits_what_is_queued_and_refuses_the_rest(disk: Disk, queue: GroupCommit[int, int]) -> None:
    disk.hold(queue)
    queued = [queue.submit(number, patient=True) for number in range(0, 30, 2)]
    disk.go_on.set()
    queue.close()
    assert [future.result(0) for future in queued] == [10 * number for number in range(0, 30, 2)]
    with pytest.raises(EventLogError, match="closed"):
        queue.submit(2)
    queue.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_programming_error_leaves_nobody_waiting(disk: Disk, queue: GroupCommit[int, int]) -> None:
    first = disk.hold(queue)
    second = queue.submit(2)
    disk.error = ZeroDivisionError()
    disk.go_on.set()
    for future in (first, second):
        with pytest.raises(EventLogError, match="writer died"):
            future.result(TIMEOUT_S)
    assert "writer died" in (queue.failure or "")
    with pytest.raises(EventLogError, match="closed"):
        queue.submit(2)


def test_a_queue_closed_in_order_did_not_fail(queue: GroupCommit[int, int]) -> None:
    queue.close()
    assert queue.failure is None


def test_entries_keep_their_order_over_many_threads() -> None:
    disk = Disk()
    queue: GroupCommit[int, int] = GroupCommit(disk.commit, max_batch=7)

    def send(sender: int) -> None:
        for number in range(100):
            queue.submit(2 * (1000 * sender + number), patient=number % 3 == 0)

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.close()
    written = [entry // 2 for batch in disk.batches for entry in batch]
    assert len(written) == 400
    for sender in range(4):
        mine = [entry for entry in written if entry // 1000 == sender]
        assert mine == [1000 * sender + number for number in range(100)]


def test_a_commit_that_hangs_is_seen(disk: Disk, queue: GroupCommit[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.group_commit.STALLED_S", 0.0)
    assert not queue.stalled
    held = disk.hold(queue)
    assert queue.stalled
    disk.go_on.set()
    assert held.result(TIMEOUT_S) == 0
    assert queue.submit(2).result(TIMEOUT_S) == 20
    assert poll(lambda: not queue.stalled, TIMEOUT_S)
    disk.error = EventLogError("disk full")
    with pytest.raises(EventLogError):
        queue.submit(4).result(TIMEOUT_S)
    assert poll(lambda: not queue.stalled, TIMEOUT_S), "one that failed does not hang"
