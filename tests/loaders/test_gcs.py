"""Objects of Google Cloud Storage, from the emulator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.exceptions import Forbidden
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import storage

from core.errors import ConfigError, DataError, DownloadError, ScreentestError
from loaders import gcs
from loaders.choice import choose_source
from loaders.fetch import Fetched, fetch
from loaders.local import LocalDataLoader
from tests.cloud_storage import emulator
from tests.small_releases import write_release, zip_folder

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Bucket]:
    with emulator(monkeypatch, "ratings") as made:
        yield made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def put(bucket: storage.Bucket, name: str, content: bytes) -> None:
    bucket.blob(name).upload_from_string(content)


def refusal(address: str, cache: Path, kind: type[ScreentestError], **options: str) -> str:
    with pytest.raises(kind) as caught:
        fetch(address, cache, **options)
    message = str(caught.value)
    assert message.startswith(address)
    assert "\n" not in message
    return message


def files(fetched: Fetched) -> dict[str, bytes]:
    found = (path for path in fetched.path.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(fetched.path).as_posix(): path.read_bytes() for path in found}


def test_an_object_comes_whole_in_chunks(
    bucket: storage.Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gcs, "_CHUNK", 100_000)
    put(bucket, "a/ml.zip", CONTENT)

    path, how = fetch("gs://ratings/a/ml.zip", cache)

    assert path.read_bytes() == CONTENT
    assert path.name == "ml.zip"
    assert how == "downloaded, 0.3 MB"
    assert f"[progress] download {len(CONTENT)}/{len(CONTENT)} ml.zip: 0.3 MB" in capsys.readouterr().out


def test_the_same_generation_is_not_fetched_again_and_another_is(bucket: storage.Bucket, cache: Path) -> None:
    put(bucket, "ml.zip", CONTENT)
    fetch("gs://ratings/ml.zip", cache)

    assert fetch("gs://ratings/ml.zip", cache).how == "cached, of the same generation"
    put(bucket, "ml.zip", b"another")
    assert fetch("gs://ratings/ml.zip", cache).path.read_bytes() == b"another"


def test_a_download_that_broke_off_is_taken_up(
    bucket: storage.Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs, "_CHUNK", 100_000)
    put(bucket, "ml.zip", CONTENT)
    asked: list[int] = []
    whole = storage.Blob.download_as_bytes

    def counting(blob: storage.Blob, **options: object) -> bytes:
        asked.append(options["start"])
        if len(asked) == 2:
            raise ConnectionError("the line is dead")
        return whole(blob, **options)

    monkeypatch.setattr(storage.Blob, "download_as_bytes", counting)
    with pytest.raises(ConnectionError):
        fetch("gs://ratings/ml.zip", cache)

    assert fetch("gs://ratings/ml.zip", cache).path.read_bytes() == CONTENT
    assert asked == [0, 100_000, 100_000, 200_000]


def test_a_part_of_another_generation_is_thrown_away(
    bucket: storage.Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs, "_CHUNK", 100_000)
    put(bucket, "ml.zip", CONTENT)
    with monkeypatch.context() as full:
        full.setattr(gcs.CacheSlot, "finish", lambda *_, **__: (_ for _ in ()).throw(DownloadError("killed")))
        with pytest.raises(DownloadError):
            fetch("gs://ratings/ml.zip", cache)
    put(bucket, "ml.zip", CONTENT[::-1])

    assert fetch("gs://ratings/ml.zip", cache).path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("address", ["gs://ratings/ml-latest", "gs://ratings/ml-latest/"])
def test_a_folder_comes_with_its_files_and_is_read_as_one(
    address: str, bucket: storage.Bucket, cache: Path, latest: Path
) -> None:
    for file in latest.iterdir():
        put(bucket, f"ml-latest/{file.name}", file.read_bytes())
    put(bucket, "ml-latest-of-another", b"")
    put(bucket, "ml-latest/far/too/deep.csv", b"")

    source = choose_source(address, cache)

    assert source.kind == "local"
    assert source.why == f"{address} (3 files, downloaded), because DATA names it"
    assert len(LocalDataLoader(source.path).load()) == 18


def test_what_is_no_longer_in_the_folder_is_no_longer_in_the_cache(bucket: storage.Bucket, cache: Path) -> None:
    put(bucket, "data/ratings.csv", b"1")
    put(bucket, "data/tags/tags.csv", b"2")
    assert files(fetch("gs://ratings/data", cache)) == {"ratings.csv": b"1", "tags/tags.csv": b"2"}

    bucket.blob("data/tags/tags.csv").delete()

    again = fetch("gs://ratings/data", cache)
    assert files(again) == {"ratings.csv": b"1"}
    assert again.how == "1 files, cached"


@pytest.mark.parametrize("name", ["../outside.csv", "..", "/etc", "/x", ".ratings.csv.origin.json", "a/.b", "a/"])
def test_a_name_that_leads_out_of_the_folder_is_no_file_of_it(
    name: str, bucket: storage.Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google allows such names; the emulator does not, so that the listing alone holds them."""
    listed = storage.Client.list_blobs

    def hostile(*args: object, prefix: str, **options: object) -> list[storage.Blob]:
        return [*listed(*args, prefix=prefix, **options), storage.Blob(f"{prefix}{name}", bucket)]

    monkeypatch.setattr(storage.Client, "list_blobs", hostile)
    for place in ("data/", ""):
        put(bucket, f"{place}ratings.csv", b"1")
        assert files(fetch(f"gs://ratings/{place}", cache))["ratings.csv"] == b"1"


def test_a_zip_in_a_bucket_is_data(bucket: storage.Bucket, cache: Path, tmp_path: Path) -> None:
    packed = zip_folder(write_release("ml-1m", tmp_path / "ml-1m"), tmp_path / "ml-1m.zip")
    put(bucket, "ml-1m.zip", packed.read_bytes())

    assert len(LocalDataLoader(choose_source("gs://ratings/ml-1m.zip", cache).path).load()) == 18


def test_the_hash_the_user_expects_is_checked(bucket: storage.Bucket, cache: Path) -> None:
    put(bucket, "ml.zip", CONTENT)

    assert "has the SHA-256" in refusal("gs://ratings/ml.zip", cache, DataError, sha256="0" * 64)
    assert fetch("gs://ratings/ml.zip", cache, sha256=hashlib.sha256(CONTENT).hexdigest()).path.exists()


@pytest.mark.parametrize(
    "address", ["gs://ratings/nothing.zip", "gs://nowhere/ml.zip", "gs://ratings", "gs://ratings/x/"]
)
def test_what_is_not_there_is_one_line(address: str, bucket: storage.Bucket, cache: Path) -> None:
    assert "there is no such" in refusal(address, cache, DataError)


@pytest.mark.parametrize("bucket_name", ["", "-x-"])
def test_an_address_without_a_bucket_is_one_line(bucket_name: str, cache: Path, bucket: storage.Bucket) -> None:
    with pytest.raises(ConfigError, match=r"names no bucket.*; expected gs://bucket/object") as caught:
        fetch(f"gs://{bucket_name}/ml.zip", cache)
    assert "\n" not in str(caught.value)


def test_too_many_objects_are_no_data_set(bucket: storage.Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs, "_MOST_OBJECTS", 2)
    for number in range(3):
        put(bucket, f"many/{number}", b"")

    assert "holds more than 2 objects" in refusal("gs://ratings/many", cache, DataError)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(gcs, "_RETRY_S", 0.0)

    assert "cannot be reached" in refusal("gs://ratings/ml.zip", cache, DownloadError)


def test_what_may_not_be_read_says_how_to_log_in(
    bucket: storage.Bucket, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise Forbidden("no storage.objects.get access")

    monkeypatch.setattr(storage.Bucket, "get_blob", forbidden)

    assert "gcloud auth application-default login" in refusal("gs://ratings/ml.zip", cache, ConfigError)


def test_without_credentials_public_objects_can_still_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", missing)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)

    assert type(gcs._client()._credentials).__name__ == "AnonymousCredentials"
