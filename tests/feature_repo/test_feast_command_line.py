"""The feast command line in a copy of the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo.lazy_feast import feast as feast_module
from feature_repo.snapshots import write_snapshots
from feature_repo.views import ITEM_VIEWS, USER_ITEM, USER_VIEWS
from tests.redis_server import dead_url
from tests.small_feature_world import small_world

FOLDER = Path(__file__).parents[2] / "feature_repo"


def feast(copy: Path, redis_url: str, *arguments: str) -> str:
    """What the command prints."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "feast"), *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent), "REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder as it is in a clone, and small snapshots in its data/."""
    copy = tmp_path / "feature_repo"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("data", "__pycache__"))
    write_snapshots(small_world(), copy / "data" / "snapshots", every_days=30)
    return copy


@pytest.mark.long
def test_apply_and_list(copy: Path) -> None:
    """Neither needs a Redis."""
    assert "Applying changes for project screentest" in feast(copy, "", "apply")
    assert (copy / "data" / "registry.db").is_file()
    listed = feast(copy, "", "feature-views", "list")
    for view in (*USER_VIEWS, *ITEM_VIEWS):
        assert view.name in listed
    assert USER_ITEM in listed


@pytest.mark.long
def test_the_url_and_its_password_stay_in_the_environment(copy: Path) -> None:
    feast(copy, "redis://:hush@127.0.0.1:1/0", "apply")
    for file in copy.rglob("*"):
        assert file.is_dir() or b"hush" not in file.read_bytes(), file


@pytest.mark.long
@pytest.mark.parametrize("url", ["", dead_url()], ids=["none", "dead"])
def test_a_redis_that_is_not_there_is_told_last(url: str, copy: Path) -> None:
    """After Feast's traceback, which it prints of everything."""
    feast(copy, url, "apply")
    with pytest.raises(subprocess.CalledProcessError) as raised:
        feast(copy, url, "get-online-features", "-f", "user_activity:rating_count", "-e", "user_id=1")
    last = raised.value.stderr.strip().splitlines()[-1]
    assert ("cannot be reached; start it" if url else "REDIS_URL is not set") in last
    assert "hush" not in raised.value.stderr


@pytest.mark.long
def test_materialise_and_read(copy: Path, redis_url: str) -> None:
    feast(copy, redis_url, "apply")
    feast(copy, redis_url, "materialize", "1990-01-01T00:00:00", "2030-01-01T00:00:00")

    answer = feast(
        *(copy, redis_url, "get-online-features", "-f", "user_activity:rating_count", "-f", f"{USER_ITEM}:quality_gap"),
        *("-e", "user_id=1", "-e", "item_id=10"),
    )

    assert '"rating_count": [\n        3.0' in answer


def test_feast_scans_the_definitions_alone() -> None:
    """Whatever file is added must not be imported by the command line as well: it would be imported twice."""
    assert feast_module("repo_operations").get_repo_files(FOLDER) == [FOLDER / "definitions.py"]
