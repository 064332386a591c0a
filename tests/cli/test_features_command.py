"""``screentest features``, on a folder of its own with the embedded Redis."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import BadInput, ConfigError
from core.settings import load_settings
from feature_repo.packed import layout_key
from feature_repo.redis_client import connect
from feature_repo.snapshots import read_snapshots
from serving.redis_process import redis_for
from tests.small_releases import write_release


def screentest(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["features", *map(str, arguments)])


@pytest.fixture(autouse=True)
def _no_redis_of_the_developers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def test_build_show_push(tmp_path: Path) -> None:
    data, out = write_release("ml-latest", tmp_path / "ratings"), tmp_path / "features"

    told = screentest("build", "--data", data, "--out", out)
    assert told.exit_code == 0, told.output
    assert "version" in told.output
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")

    rows = pq.read_table(out / "snapshots" / "user_features.parquet")
    last = rows.to_pandas().drop_duplicates("user_id", keep="last").iloc[[0]]
    user = last["user_id"].item()
    item = pq.read_table(out / "snapshots" / "item_features.parquet")["item_id"][0].as_py()
    shown = screentest("show", user, item, "--out", out).output
    for text in (f"user {user} x item {item}", "release_age_years", "quality_gap", "missing; a model takes 30"):
        assert text in shown
    assert "user nobody: not known" in screentest("show", "nobody", "--out", out).output

    fresh = last.assign(rating_count=77.0, event_timestamp=last["event_timestamp"] + pd.Timedelta(hours=1))
    pq.write_table(pa.Table.from_pandas(fresh, schema=rows.schema, preserve_index=False), tmp_path / "fresh.parquet")
    assert "1 fresh rows are online" in screentest("push", tmp_path / "fresh.parquet", "--out", out).output
    lines = screentest("show", user, "--out", out).output.splitlines()
    assert [line.split()[1] for line in lines if line.split()[:1] == ["rating_count"]] == ["77"]


@pytest.mark.long
def test_one_version_is_kept_until_it_is_removed(tmp_path: Path) -> None:
    """What an earlier build of other data saved does not pile up."""
    out = tmp_path / "features"
    for shape in ("ml-latest", "ml-100k"):
        assert screentest("build", "--data", write_release(shape, tmp_path / shape), "--out", out).exit_code == 0
    version = read_snapshots(out / "snapshots").version

    with redis_for(load_settings(), out / "redis") as redis, connect(redis.url, timeout_s=5) as client:
        assert list(client.scan_iter("screentest:features:*:layout")) == [layout_key(version).encode()]

    assert f"keys of version {version} removed" in screentest("remove", version, "--out", out).output
    assert f"nothing of version {version}" in screentest("remove", version, "--out", out).output
    assert isinstance(screentest("remove", "*", "--out", out).exception, ConfigError)


def test_what_was_never_built_cannot_be_shown(tmp_path: Path) -> None:
    found = screentest("show", "1", "--out", tmp_path)
    assert isinstance(found.exception, ConfigError)
    assert "build them: screentest features build" in str(found.exception)


@pytest.mark.parametrize("columns", [{"rating": [1.0]}, {"user_id": ["1"], "item_id": ["2"]}])
def test_a_file_of_neither_users_nor_items_is_refused(columns: dict[str, list[object]], tmp_path: Path) -> None:
    file = tmp_path / "fresh.parquet"
    pq.write_table(pa.table(columns), file)
    found = screentest("push", file, "--out", tmp_path)
    assert isinstance(found.exception, BadInput)
    assert "expected one" in str(found.exception)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fresh.parquet"
    file.write_text("user_id\n1\n", encoding="utf-8")
    assert "no readable Parquet" in str(screentest("push", file, "--out", tmp_path).exception)
