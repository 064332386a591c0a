"""Artifacts: whole or not there, and every damage is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput, ConfigError, DataError, UnknownName
from tests.small_interactions import random_interactions
from wrappers import artifact
from wrappers.artifact import FORMAT, Artifact, load_wrapper, read_artifact, wrapper_of, write_artifact
from wrappers.ease import Ease, EaseConfig


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Ease().fit(random_interactions()).save(tmp_path / "ease")
    return tmp_path / "ease"


def change_header(folder: Path, **changes: Any) -> None:
    header = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**header, **changes}))


def test_the_header_tells_what_it_is(saved: Path) -> None:
    header = json.loads((saved / "model.json").read_text())
    assert header["format"] == FORMAT
    assert header["model"] == "ease"
    assert header["config"] == EaseConfig().model_dump(mode="json")
    assert header["dimensions"] == {"n_users": 30, "n_items": 25}
    assert header["id_types"] == {"user_id": "int64", "item_id": "int64"}
    assert set(header["sha256"]) == {"known.npz", "state.npz", "items.parquet"}


def test_the_item_table_is_there_for_anybody_to_read(saved: Path) -> None:
    items = read_artifact(saved).tables["items"]
    assert list(items.columns) == ["item_id", "title", "year", "genres"]
    assert items.iloc[0].tolist() == [100, "Film 100", 2000, "Drama|War"]


@pytest.mark.parametrize("name", ["known.npz", "state.npz", "items.parquet"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]],
    ids=["truncated", "emptied", "one bit flipped"],
)
def test_a_damaged_file_is_named(saved: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    (saved / name).write_bytes(damage((saved / name).read_bytes()))
    with pytest.raises(DataError, match=rf"{name}: is damaged"):
        load_wrapper(saved)


def test_a_missing_file_is_named(saved: Path) -> None:
    (saved / "state.npz").unlink()
    with pytest.raises(DataError, match=r"lacks 'state.npz'"):
        load_wrapper(saved)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": FORMAT + 1}, f"format == {FORMAT + 1}, this version reads {FORMAT}"),
        ({"model": "os:system"}, "unknown model 'os:system'"),
        ({"model": None}, "model == None, must be a str"),
        ({"config": {"reg": -1}}, "ease: reg == -1"),
        ({"config": {"rug": 1}}, "ease: unknown option rug == 1"),
        ({"sha256": {"../ease/state.npz": "0"}}, "lacks '../ease/state.npz'"),
        ({"model": "item_knn", "config": {}}, "the artifact of model 'item_knn' does not fit together"),
    ],
)
def test_a_wrong_header_is_refused(saved: Path, changes: dict[str, Any], problem: str) -> None:
    change_header(saved, **changes)
    with pytest.raises(BadInput, match=problem):
        load_wrapper(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1', "\x00\x01"])
def test_a_header_that_is_no_header_is_refused(saved: Path, text: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(DataError, match=r"model\.json"):
        load_wrapper(saved)


def test_a_place_without_an_artifact_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no model\.json in it"):
        load_wrapper(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError):
        load_wrapper(tmp_path / "file")


def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    ease = Ease().fit(random_interactions())
    parts = {"known": ease.known.arrays(), "state": {"weights": np.zeros((2, 2), np.float32)}}
    header = {"model": "ease", "config": {}}
    write_artifact(tmp_path / "shape", Artifact(header, parts, {"items": ease.known.catalogue}))
    with pytest.raises(DataError, match=r"does not fit together.*shape \(2, 2\), must have \(25, 25\)"):
        load_wrapper(tmp_path / "shape")
    write_artifact(tmp_path / "less", Artifact(header, {"known": parts["known"], "state": {}}, {}))
    with pytest.raises(DataError, match="does not fit together: 'items'"):
        load_wrapper(tmp_path / "less")


def test_pickled_objects_are_neither_written_nor_read(saved: Path, tmp_path: Path) -> None:
    hostile = {"state": {"weights": np.array([{"a": 1}], dtype=object)}}
    with pytest.raises(ValueError, match="pickle"):
        write_artifact(tmp_path / "hostile", Artifact({"model": "ease", "config": {}}, hostile, {}))
    assert not (tmp_path / "hostile").exists()
    np.savez(saved / "state.npz", weights=hostile["state"]["weights"])
    hashes = {name: artifact._sha256(saved / name) for name in ("known.npz", "state.npz", "items.parquet")}
    change_header(saved, sha256=hashes)
    with pytest.raises(DataError, match=r"state\.npz: cannot be read"):
        load_wrapper(saved)


def test_a_folder_that_holds_something_is_not_overwritten(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds something already"):
        Ease().fit(random_interactions()).save(saved)
    (tmp_path / "empty").mkdir()
    Ease().fit(random_interactions()).save(tmp_path / "empty")
    assert load_wrapper(tmp_path / "empty").name == "ease"


def test_an_interrupted_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: Path) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(artifact, "_hashes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Ease().fit(random_interactions()).save(tmp_path / "ease")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_is_answered_with_the_known_ones(saved: Path) -> None:
    change_header(saved, model="als2")
    with pytest.raises(UnknownName, match=r"known: als, .*ease, .*wrappers/registry\.py"):
        load_wrapper(saved)


@pytest.fixture
def with_part(tmp_path: Path) -> Path:
    """An artifact with a part that has a part itself, and with a graph."""
    ease = Ease().fit(random_interactions())._artifact()
    inner = Artifact({"model": "ease", "config": {}}, {}, {}, graphs={"network": b"\x08\x07"}, parts={"deep": ease})
    write_artifact(tmp_path / "made", Artifact({"model": "ease", "config": {}}, {}, {}, parts={"first": inner}))
    return tmp_path / "made"


def test_parts_and_graphs_come_back_as_they_were(with_part: Path, tmp_path: Path) -> None:
    found = read_artifact(with_part)
    assert list(found.parts) == ["first"]
    assert found.parts["first"].graphs == {"network": b"\x08\x07"}
    deep = wrapper_of(found.parts["first"].parts["deep"])
    assert isinstance(deep, Ease)
    users = deep.known.users.ids
    for here, there in zip(deep.recommend(users), Ease().fit(random_interactions()).recommend(users), strict=True):
        np.testing.assert_array_equal(here, there)
    write_artifact(tmp_path / "again", found)
    files = sorted(path.relative_to(with_part) for path in with_part.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*"))
    for path in files:
        assert (tmp_path / "again" / path).read_bytes() == (with_part / path).read_bytes()


@pytest.mark.parametrize(
    "name", ["first/model.json", "first/network.onnx", "first/deep/model.json", "first/deep/state.npz"]
)
def test_damage_in_a_part_is_named(with_part: Path, name: str) -> None:
    data = (with_part / name).read_bytes()
    (with_part / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DataError, match=rf"{name}: is damaged"):
        read_artifact(with_part)


def test_a_part_that_is_gone_is_named(with_part: Path) -> None:
    shutil.rmtree(with_part / "first/deep")
    with pytest.raises(DataError, match=r"first: lacks 'deep/model\.json'"):
        read_artifact(with_part)


@pytest.mark.parametrize(
    "name",
    [
        "../made/first/model.json",
        "first/../first/model.json",
        "first/deep/model.json",
        "/etc/model.json",
        "./model.json",
        "first/state.npz",
        "..",
        "first",
    ],
)
def test_a_header_cannot_reach_outside_its_folder_and_its_parts(with_part: Path, name: str) -> None:
    hashes = json.loads((with_part / "model.json").read_text())["sha256"]
    path = with_part / name
    digest = artifact._sha256(path) if path.is_file() else "0"
    change_header(with_part, sha256={**hashes, name: digest})
    with pytest.raises(DataError, match="lacks"):
        read_artifact(with_part)
