"""The feast command line in a copy of the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo.snapshots import write_snapshots
from feature_repo.views import ITEM_VIEWS, USER_ITEM, USER_VIEWS
from tests.small_feature_world import small_world

FOLDER = Path(__file__).parents[2] / "feature_repo"


@pytest.mark.long
def test_apply_list_materialise_and_read(tmp_path: Path, redis_url: str) -> None:
    copy = tmp_path / "feature_repo"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("data", "__pycache__"))
    write_snapshots(small_world(), copy / "data" / "snapshots", every_days=30)

    def feast(*arguments: str) -> str:
        return subprocess.run(
            [str(Path(sys.executable).parent / "feast"), *arguments],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(FOLDER.parent), "REDIS_URL": redis_url},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "Applying changes for project screentest" in feast("apply")
    listed = feast("feature-views", "list")
    for view in (*USER_VIEWS, *ITEM_VIEWS):
        assert view.name in listed
    assert USER_ITEM in listed
    feast("materialize", "1990-01-01T00:00:00", "2030-01-01T00:00:00")
    answer = feast(
        *("get-online-features", "-f", "user_activity:rating_count", "-f", f"{USER_ITEM}:quality_gap"),
        *("-e", "user_id=1", "-e", "item_id=10"),
    )
    assert '"rating_count": [\n        3.0' in answer
    assert (copy / "data" / "registry.db").is_file()


def test_feast_scans_the_definitions_alone() -> None:
    """Whatever file is added must not be imported by the command line as well: it would be imported twice."""
    from feature_repo.lazy_feast import feast

    assert feast("repo_operations").get_repo_files(FOLDER) == [FOLDER / "definitions.py"]
