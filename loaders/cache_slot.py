"""A file in the cache that is fetched from elsewhere: finished or begun, never half-written under its own name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from core.errors import DataError, DownloadError

#: Told how far a download is: stage, units done, units in all (0: not known), a remark; e.g. core.progress.report.
Watch = Callable[[str, int, int, str], None]

_DIGEST_LENGTH = 10
_HASHED_AT_ONCE = 2**20


@dataclass(frozen=True)
class Origin:
    """Which version of what a file holds.

    Attributes:
        address: Where it is from, without password and query.
        version: What the source calls this version (an ETag, a generation); empty if it does not say.
        modified: When the source changed it last, as it writes that; empty if it does not say.
        size: Bytes in all; None if not known.
        sha256: Of the content; empty while it is incomplete.
    """

    address: str
    version: str = ""
    modified: str = ""
    size: int | None = None
    sha256: str = ""


class CacheSlot:
    """Where one file is kept, with what is known of it beside it.

    Args:
        path: The finished file. Its folder is made.

    Raises:
        DownloadError: The folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.part")
        self._origin = path.with_name(f".{path.name}.origin.json")
        self._part_origin = path.with_name(f".{path.name}.part.json")
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with this file: another process that wants it waits, and then finds it finished."""
        with disk_errors(self.path):
            lock = self.path.with_name(f".{self.path.name}.lock").open("w")
        with lock:
            with disk_errors(self.path):
                # The lock goes with the process, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def finished(self) -> Origin | None:
        """What the finished file holds; None if there is none, or not as it was left."""
        origin = _read(self._origin)
        whole = origin is not None and self.path.is_file() and self.path.stat().st_size == origin.size
        return origin if whole else None

    def holds(self, sha256: str) -> bool:
        """Whether the finished file, as it lies there now, has a hash."""
        return self.path.is_file() and _digests(self.path)["sha256"] == sha256.lower()

    def begun(self) -> Origin | None:
        """What the part holds the beginning of; None if there is none."""
        return _read(self._part_origin) if self.part.is_file() else None

    def begin(self, origin: Origin) -> None:
        """Forget the part there is and be ready for another."""
        self.drop()
        _write(self._part_origin, origin)
        self.part.touch()

    def drop(self) -> None:
        """Forget the part there is."""
        self.part.unlink(missing_ok=True)
        self._part_origin.unlink(missing_ok=True)

    def have(self) -> int:
        """Bytes of the part."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def appending(self) -> IO[bytes]:
        """The part, to be written on."""
        return self.part.open("ab")

    def finish(self, origin: Origin, *, sha256: str = "", md5: str = "") -> None:
        """Make the part the file, if it is what it should be.

        Args:
            origin: What it holds.
            sha256: Expected hash; empty: not checked.
            md5: Likewise.

        Raises:
            DataError: It has another SHA-256 than the user expects; the part is gone.
            DownloadError: It has another MD5 than its source published; the part is gone.
        """
        found = _digests(self.part)
        if sha256 and found["sha256"] != sha256.lower():
            self.drop()
            raise DataError(
                f"has the SHA-256 {found['sha256']}; expected {sha256.lower()} (data_sha256): give the right hash, or "
                "find out why the file is another",
                file=origin.address,
            )
        if md5 and found["md5"] != md5.lower():
            self.drop()
            raise DownloadError(
                f"{origin.address}: has the MD5 {found['md5']}, and {md5.lower()} is published for it: damaged on the "
                "way; try again"
            )
        size = self.have()
        # A crash in between leaves a file without its origin: it is fetched again, not believed.
        self._origin.unlink(missing_ok=True)
        self.part.replace(self.path)
        _write(self._origin, Origin(**{**asdict(origin), "size": size, "sha256": found["sha256"]}))
        self._part_origin.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise what the disk refuses as one DownloadError of one line."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be kept ({error.strerror or error}); make room, or set cache_dir to another place"
        ) from error


def slot_folder(cache_dir: Path, address: str) -> Path:
    """A folder of its own for every address, readable for people: ``downloads/HOST/DIGEST``."""
    digest = hashlib.sha256(address.encode()).hexdigest()[:_DIGEST_LENGTH]
    host = re.sub(r"[^\w.-]", "_", urlsplit(address).hostname or "elsewhere")
    return cache_dir / "downloads" / host / digest


def file_name(address: str) -> str:
    """The last part of an address's path as the name of a file.

    >>> file_name("https://example.org/data/ml%20small.zip?token=1")
    'ml small.zip'
    """
    name = Path(unquote(urlsplit(address).path)).name
    return re.sub(r"[^\w. -]", "_", name).lstrip(".") or "data"


def shown(address: str) -> str:
    """An address without user, password and query, which may be secrets.

    >>> shown("https://me:secret@example.org/ml.zip?signature=1")
    'https://example.org/ml.zip'
    """
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _digests(path: Path) -> dict[str, str]:
    digests = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    with path.open("rb") as file:
        while part := file.read(_HASHED_AT_ONCE):
            for digest in digests.values():
                digest.update(part)
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _read(path: Path) -> Origin | None:
    """What is written there; None if nothing that can be read is."""
    try:
        return Origin(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, origin: Origin) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(origin)), encoding="utf-8")
    draft.replace(path)
