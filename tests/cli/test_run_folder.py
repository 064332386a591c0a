from datetime import datetime
from pathlib import Path

import pytest

from cli.run_folder import RunFolder
from core.errors import ConfigError

NOW = datetime(2026, 11, 21, 12, 0, 0)


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    one, two = (RunFolder.create(tmp_path, "none-seed42", NOW) for _ in range(2))

    assert one.path != two.path
    assert one.path.name.startswith("20261121-120000-none-seed42-")


def test_latest_is_the_newest_that_finished(tmp_path: Path) -> None:
    old = RunFolder.create(tmp_path, "x", NOW)
    new = RunFolder.create(tmp_path, "x", NOW.replace(hour=13))
    old.result.write_text("{}")

    assert RunFolder.latest(tmp_path) == old
    new.result.write_text("{}")
    assert RunFolder.latest(tmp_path) == new


def test_no_run_yet_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no finished run yet; `make demo`"):
        RunFolder.latest(tmp_path)
