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
        board.started("train-model")
        board.progressed("train-model", Progress("train", 1, 1, "ease [0.3 s]"))
        board.finished("train-model", "SUCCESS")
        board.started("importer")
        board.finished("importer", "SUCCESS")

    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("✓ train-model ease [0.3 s]")


def test_seconds_of_steps_of_one_kind_add_up() -> None:
    board, _ = board_in_a_pipe()

    with board:
        for _ in range(2):
            board.started("train-model")
            board.finished("train-model", "SUCCESS")

    assert list(board.seconds) == ["train-model"]
    assert board.seconds["train-model"] >= 0


def test_a_failed_step_is_marked() -> None:
    board, out = board_in_a_pipe()

    with board:
        board.started("get-data")
        board.finished("get-data", "FAILURE")

    assert out.getvalue().startswith("✗ get-data")
