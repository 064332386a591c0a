from pathlib import Path

import pytest

from core.files import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, "old")
    write_whole(target, "새 글\n")
    assert target.read_text(encoding="utf-8") == "새 글\n"
    assert list(tmp_path.iterdir()) == [target]


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "lone \ud800 surrogate")
    assert target.read_text(encoding="utf-8") == "old"
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "a.txt", "x")
