"""Objects of Google Cloud Storage: kept in the cache by generation, taken up where a download broke off.

Credentials are Google's default ones (``gcloud auth application-default login``, or the service account of a pod);
without any, public objects can still be read. ``STORAGE_EMULATOR_HOST`` is honoured by Google's library.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.errors import ConfigError, DataError, DownloadError
from core.progress import report
from loaders.cache_slot import CacheSlot, Origin, Watch, disk_errors, file_name

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.storage import Blob, Client

#: Bytes asked for at a time: what is lost at most when a download breaks off.
_CHUNK = 2**23
_TIMEOUT_S = (10.0, 60.0)
#: Seconds for which Google's library repeats what may be better a moment later.
_RETRY_S = 30.0
#: A folder of data holds few files; so many are another kind of prefix.
_MOST_OBJECTS = 100
_BETWEEN_REPORTS_S = 0.5


def fetch_gcs(address: str, folder: Path, *, sha256: str = "", watch: Watch = report) -> tuple[Path, str]:
    """Fetch an object, or every object of a folder, unless it is there already in its present generation.

    Args:
        address: ``gs://bucket/object``, or ``gs://bucket/folder`` for all objects in it and one folder below.
        folder: Where to keep them.
        sha256: Expected hash of the one object; empty: Google's own MD5 is checked where there is one.
        watch: Told how far it is.

    Returns:
        The file or folder, and how it was come by, for people.

    Raises:
        ConfigError: The address lacks its bucket, or the credentials do.
        DataError: There is no such bucket or object, or too many, or it has another hash than expected.
        DownloadError: Google's storage cannot be reached or refuses, or the disk is full.
    """
    parts = urlsplit(address)
    bucket, name = parts.netloc, parts.path.lstrip("/")
    if not bucket:
        raise ConfigError(f"{address}: names no bucket; expected gs://bucket/object or gs://bucket/folder")
    with _storage_errors(address):
        client = _client()
        blobs = _blobs(client, bucket, name)
        if not blobs:
            raise DataError("there is no such object or folder; expected a file, or a folder with files", file=address)
        if len(blobs) == 1 and blobs[0].name == name:
            path = folder / file_name(address)
            return path, _fetch(client, blobs[0], path, sha256, watch)
        if len(blobs) > _MOST_OBJECTS:
            raise DataError(
                f"holds more than {_MOST_OBJECTS} objects; expected the folder of one data set", file=address
            )
        if sha256:
            raise ConfigError(f"{address} is a folder, and data_sha256 the hash of one file; leave it out")
        return folder, _fetch_folder(client, blobs, PurePosixPath(name), folder, watch)


def _fetch_folder(client: Client, blobs: list[Blob], prefix: PurePosixPath, folder: Path, watch: Watch) -> str:
    kept = {folder / PurePosixPath(blob.name).relative_to(prefix): blob for blob in blobs}
    how = {_fetch(client, blob, path, "", watch).partition(",")[0] for path, blob in kept.items()}
    # What is no longer in the bucket is no longer part of the data.
    for path in [*folder.glob("*"), *folder.glob("*/*")]:
        if path.is_file() and path not in kept and not path.name.startswith("."):
            path.unlink()
    return f"{len(blobs)} files, {' and '.join(sorted(how))}"


def _blobs(client: Client, bucket: str, name: str) -> list[Blob]:
    """The object of that name; if there is none, those in the folder of that name and one below."""
    try:
        handle = client.bucket(bucket)
    except ValueError as error:
        raise ConfigError(
            f"gs://{bucket} names no bucket ({str(error).rstrip('.')}); expected gs://bucket/object or gs://bucket/folder"
        ) from error
    asking = {"timeout": _TIMEOUT_S, "retry": _retry()}
    blob = None if not name or name.endswith("/") else handle.get_blob(name, **asking)
    if blob is not None:
        return [blob]
    prefix = f"{name.rstrip('/')}/" if name else ""
    listed = client.list_blobs(handle, prefix=prefix, max_results=10 * _MOST_OBJECTS, **asking)
    return [blob for blob in listed if _is_of_folder(blob.name.removeprefix(prefix))]


def _is_of_folder(name: str) -> bool:
    """Whether an object of that name in a folder is a file of it or of a folder below; any text may be a name.

    A name that ends with a slash is how consoles mark an empty folder; one with ``..`` would be kept elsewhere, and one
    that begins with a dot is no data, or one of the cache's own.
    """
    parts = name.split("/")
    return len(parts) <= 2 and not any(not part or part.startswith(".") for part in parts)


def _fetch(client: Client, blob: Blob, path: Path, sha256: str, watch: Watch) -> str:
    slot = CacheSlot(path)
    address = f"gs://{blob.bucket.name}/{blob.name}"
    origin = Origin(address, version=str(blob.generation), modified=blob.md5_hash or "", size=blob.size)
    with slot.locked():
        known = slot.finished()
        if known is not None and known.version == origin.version and (not sha256 or slot.holds(sha256)):
            return "cached, of the same generation"
        if slot.begun() != origin:
            with disk_errors(path):
                slot.begin(origin)
        _append(client, blob, slot, watch)
        with disk_errors(path):
            slot.finish(origin, sha256=sha256, md5=_hexadecimal(blob.md5_hash))
    return f"downloaded, {slot.path.stat().st_size / 1e6:,.1f} MB"


def _append(client: Client, blob: Blob, slot: CacheSlot, watch: Watch) -> None:
    """Fetch what the part lacks, one chunk after the other."""
    told = 0.0
    while (have := slot.have()) < blob.size:
        end = min(have + _CHUNK, blob.size) - 1
        chunk = blob.download_as_bytes(
            client=client,
            start=have,
            end=end,
            raw_download=True,
            if_generation_match=blob.generation,
            timeout=_TIMEOUT_S,
            # The whole is checked when it is complete.
            checksum=None,
            retry=_retry(),
        )
        if len(chunk) != end - have + 1:
            raise DownloadError(f"gs://{blob.bucket.name}/{blob.name}: a part of it came incomplete; try again")
        try:
            with disk_errors(slot.path), slot.appending() as part:
                part.write(chunk)
        except DownloadError:
            slot.drop()
            raise
        if time.monotonic() - told >= _BETWEEN_REPORTS_S or end + 1 == blob.size:
            told = time.monotonic()
            watch("download", end + 1, blob.size, f"{slot.path.name}: {(end + 1) / 1e6:,.1f} MB")


def _retry() -> Retry:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(_RETRY_S)


def _client() -> Client:
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud.storage import Client

    try:
        return Client()
    except DefaultCredentialsError:
        return Client.create_anonymous_client()
    except OSError as error:
        if "project" not in str(error).lower():
            raise
        # Credentials without a project: reading objects needs none.
        return Client(project="<none>")


def _hexadecimal(base64_md5: str | None) -> str:
    """Google's MD5 as everybody else writes it; objects that were put together of parts have none."""
    from base64 import b64decode

    return b64decode(base64_md5).hex() if base64_md5 else ""


@contextmanager
def _storage_errors(address: str) -> Iterator[None]:
    """Raise what Google's library raises as one of ours."""
    from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, PreconditionFailed, Unauthorized
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except NotFound as error:
        raise DataError("there is no such bucket or object; check the address", file=address) from error
    except (Unauthorized, Forbidden) as error:
        raise ConfigError(
            f"{address}: may not be read with the credentials there are, if any; log in with `gcloud auth "
            "application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS, as someone who may"
        ) from error
    except PreconditionFailed as error:
        raise DownloadError(f"{address}: was replaced while it was fetched; try again") from error
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        reason = " ".join(str(error).split())[:300]
        raise DownloadError(f"{address}: Google Cloud Storage cannot be reached: {reason}; try again") from error
