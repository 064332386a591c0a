"""Given data, else a cached MovieLens, else synthetic; and one line that says which and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput, ConfigError
from loaders.choice import choose_source
from loaders.local import LocalDataLoader
from tests.small_releases import write_release, zip_folder


def test_data_that_is_named_is_taken(latest: Path, tmp_path: Path) -> None:
    source = choose_source(str(latest), tmp_path / "cache")

    assert (source.kind, source.path) == ("local", str(latest))
    assert source.why == f"{latest}, because DATA names it"


def test_a_relative_path_becomes_absolute(latest: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(latest.parent)

    assert choose_source("ml-latest", tmp_path).path == str(latest)


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"DATA=nowhere.zip does not exist; expected a MovieLens folder or zip"):
        choose_source("nowhere.zip", tmp_path)


@pytest.mark.parametrize("address", ["http://example.org/ml.zip", "https://example.org/ml.zip", "gs://bucket/ml.zip"])
def test_an_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"DATA={address}: an address cannot be read; .* download it first"):
        choose_source(address, tmp_path)


def test_synthetic_data_can_be_asked_for(latest: Path) -> None:
    source = choose_source("synthetic", latest.parent)

    assert (source.kind, source.path) == ("synthetic", "")
    assert "because DATA=synthetic asks for them" in source.why


@pytest.mark.parametrize("exists", [True, False])
def test_without_a_cache_the_ratings_are_synthetic(exists: bool, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    if exists:
        cache.mkdir()
        (cache / "notes.txt").write_text("")
        (cache / "other").mkdir()

    source = choose_source("", cache)

    assert (source.kind, source.path) == ("synthetic", "")
    assert source.why == (f"synthetic MovieLens-shaped ratings, because DATA names none and {cache} holds no MovieLens")


def test_the_smallest_known_release_in_the_cache_is_taken(tmp_path: Path) -> None:
    for name in ("ml-25m", "ml-latest-small", "a-data-set-of-mine"):
        write_release("ml-latest", tmp_path / name)
    zip_folder(write_release("ml-1m", tmp_path / "unpacked" / "ml-1m"), tmp_path / "ml-1m.zip")

    source = choose_source("", tmp_path)

    assert source.path == str(tmp_path / "ml-latest-small")
    assert source.why == f"{tmp_path}/ml-latest-small, found in the cache because DATA names none"
    assert len(LocalDataLoader(source.path).load()) == 18


def test_a_release_of_another_name_is_found(tmp_path: Path) -> None:
    zip_folder(write_release("ml-100k", tmp_path / "hidden" / "deeper" / "x"), tmp_path / "mine.zip", top="x")

    assert choose_source("", tmp_path).path == str(tmp_path / "mine.zip")


def test_a_damaged_zip_in_the_cache_is_passed_over_and_named(tmp_path: Path) -> None:
    (tmp_path / "ml-latest-small.zip").write_bytes(b"half a download")

    source = choose_source("", tmp_path)

    assert source.kind == "synthetic"
    assert source.why.endswith("holds no MovieLens (ml-latest-small.zip there cannot be opened)")
    assert "\n" not in source.why


def test_choosing_reads_no_ratings(tmp_path: Path) -> None:
    folder = write_release("ml-latest", tmp_path / "ml-latest-small")
    (folder / "ratings.csv").write_bytes(b"\xff not ratings")

    assert choose_source("", tmp_path).kind == "local"
