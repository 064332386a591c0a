import io

from rich.console import Console

from cli.stages import StageBoard
from core.progress import Progress


def board_in_a_pipe() -> tuple[StageBoard, io.StringIO]:
    out = io.StringIO()
    return StageBoard(Console(file=out, width=100)), out


def test_each_step_is_one_line_with_its_last_words() -> None:
    board, out = board_in_a_pipe()

    with board:
        board.started(1, "train-model")
        board.progressed(1, Progress("train", 1, 1, "ease [0.3 s]"))
        board.finished(1, "train-model", "SUCCESS")
        board.started(1, "importer")
        board.finished(1, "importer", "SUCCESS")

    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("✓ train-model")
    assert lines[0].endswith("ease [0.3 s]")


def test_seconds_of_steps_of_one_kind_add_up() -> None:
    board, _ = board_in_a_pipe()

    with board:
        for _ in range(2):
            board.started(1, "train-model")
            board.finished(1, "train-model", "SUCCESS")

    assert list(board.seconds) == ["train-model"]
    assert board.seconds["train-model"] >= 0


def test_a_failed_step_is_marked() -> None:
    board, out = board_in_a_pipe()

    with board:
        board.started(1, "get-data")
        board.finished(1, "get-data", "FAILURE")

    assert out.getvalue().startswith("✗ get-data")


def test_two_steps_at_a_time_are_told_apart() -> None:
    board, out = board_in_a_pipe()

    with board:
        board.started(1, "train-model")
        board.started(2, "train-model")
        board.progressed(1, Progress("train", 1, 1, "ease"))
        board.progressed(2, Progress("train", 1, 1, "item_knn"))
        board.finished(2, "train-model", "SUCCESS")
        board.finished(1, "train-model", "SUCCESS")

    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["item_knn", "ease"]
