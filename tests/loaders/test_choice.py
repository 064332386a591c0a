"""Given data, else a cached MovieLens, else synthetic; and one line that says which and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput, ConfigError
from loaders.choice import choose_source
from loaders.local import LocalDataLoader
from tests.file_server import serving
from tests.small_releases import movielens_ratings, write_release, zip_folder


def test_data_that_is_named_is_taken(latest: Path, tmp_path: Path) -> None:
    source = choose_source(str(latest), tmp_path / "cache")

    assert (source.kind, source.path) == ("local", str(latest))
    assert source.why == f"{latest}, because DATA names it"


def test_a_relative_path_becomes_absolute(latest: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(latest.parent)

    assert choose_source("ml-latest", tmp_path).path == str(latest)


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^the data nowhere.zip do not exist; expected a MovieLens folder or zip"):
        choose_source("nowhere.zip", tmp_path)


@pytest.mark.parametrize("address", ["ftp://example.org/ml.zip", "s3://bucket/ml.zip"])
def test_an_address_of_another_kind_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{address}: an address of this kind cannot be read; expected http://"):
        choose_source(address, tmp_path)


def test_an_address_is_fetched_into_the_cache_and_read_from_there(latest: Path, tmp_path: Path) -> None:
    packed = zip_folder(latest, tmp_path / "packed.zip").read_bytes()
    with serving({"/data/ml.zip": packed}) as served:
        first = choose_source(f"{served.address}/data/ml.zip?token=hidden", tmp_path / "cache")
        second = choose_source(f"{served.address}/data/ml.zip?token=hidden", tmp_path / "cache")

    assert (first.kind, first.path) == ("local", second.path)
    assert Path(first.path).is_relative_to(tmp_path / "cache" / "downloads" / "127.0.0.1")
    assert first.why == f"{served.address}/data/ml.zip (downloaded, 0.0 MB), because DATA names it"
    assert second.why == f"{served.address}/data/ml.zip (cached, unchanged on the server), because DATA names it"
    assert len(LocalDataLoader(first.path).load()) == 18
    assert choose_source("", tmp_path / "cache").kind == "synthetic", "what was not named again is not taken"


def test_a_release_is_downloaded_by_its_name_and_found_in_the_cache_afterwards(
    latest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zip_folder(latest, tmp_path / "packed.zip", top="ml-latest-small").read_bytes()
    cache = tmp_path / "cache"
    with serving({"/ml-latest-small.zip": packed}) as served:
        monkeypatch.setattr("loaders.fetch.GROUPLENS", served.address)
        first = choose_source("ml-latest-small", cache)

    assert (first.kind, first.path) == ("local", str(cache / "ml-latest-small.zip"))
    assert first.why == "ml-latest-small (downloaded, 0.0 MB), because DATA names it"
    again = choose_source("ML-latest-small", cache)
    assert again.why == f"ml-latest-small ({cache}/ml-latest-small.zip, cached), because DATA names it"
    assert choose_source("", cache).path == first.path


def test_nothing_is_downloaded_that_was_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as served:
        monkeypatch.setattr("loaders.fetch.GROUPLENS", served.address)
        assert choose_source("", tmp_path).kind == "synthetic"
    assert served.requests == []


def test_a_file_of_ratings_is_a_table(tmp_path: Path) -> None:
    movielens_ratings().to_csv(tmp_path / "mine.csv", index=False)
    movielens_ratings().to_parquet(tmp_path / "ratings.parquet")

    for given in (tmp_path / "mine.csv", tmp_path):
        assert choose_source(str(given), tmp_path / "cache").kind == "table"


def test_a_movielens_folder_is_a_table_if_its_columns_are_named(latest: Path, tmp_path: Path) -> None:
    columns = {"user_id": "userId"}

    assert choose_source(str(latest), tmp_path, columns=columns).kind == "table"
    assert choose_source(str(write_release("ml-1m", tmp_path / "1m")), tmp_path, columns=columns).kind == "local"


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
