"""The files of a data set, whether they lie in a folder or in a zip or alone."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from core.errors import DataError

#: Members a packer adds by itself.
_NOT_DATA = ("__MACOSX", ".")
_GZIP = b"\x1f\x8b"
#: What zipfile raises for damage, depending on which byte is hit: NotImplementedError for a damaged version or
#: compression number, ValueError (and its UnicodeDecodeError) for a damaged offset or name.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error)


class Members(ABC):
    """Names and contents of the files of one data set.

    Attributes:
        path: The folder or zip.
        names: Relative paths with ``/``, ascending: those at the top and those one folder below.
    """

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path = path
        self.names = sorted(name for name in names if _is_data(name))

    def read(self, name: str) -> bytes:
        """The whole content of a member, unpacked if it is a gzip.

        Raises:
            DataError: It cannot be read.
        """
        with self._unpacked(name) as file:
            return file.read()

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """The content of a member in parts of about ``size`` bytes, each ending where a line does.

        Raises:
            DataError: It cannot be read.
        """
        with self._unpacked(name) as file:
            while block := file.read(size):
                yield block if len(block) < size else block + file.readline()

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """The member as a binary file that can seek; what goes wrong while it is open is a DataError.

        Raises:
            DataError: It cannot be read.
        """

    @contextmanager
    def _unpacked(self, name: str) -> Iterator[IO[bytes]]:
        with self.open(name) as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not packed:
                yield file
                return
            try:
                with gzip.open(file) as unpacked:
                    yield unpacked
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise DataError(
                    "is no complete gzip: truncated or damaged; copy or download it again",
                    file=f"{self.path}/{name}",
                ) from error


class FolderMembers(Members):
    """The files of a folder."""

    def __init__(self, path: Path) -> None:
        try:
            found = [entry for entry in (*path.glob("*"), *path.glob("*/*")) if entry.is_file()]
        except OSError as error:
            raise DataError(
                f"cannot list the folder ({error.strerror}); expected a readable folder", file=str(path)
            ) from error
        super().__init__(path, [entry.relative_to(path).as_posix() for entry in found])

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The member as a binary file."""
        try:
            with (self.path / name).open("rb") as file:
                yield file
        except OSError as error:
            raise DataError(
                f"cannot be read ({error.strerror}); expected a readable file", file=str(self.path / name)
            ) from error


class ZipMembers(Members):
    """The files of a zip."""

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                names = [member.filename for member in archive.infolist() if not member.is_dir()]
        except _DAMAGED as error:
            raise DataError(
                "is no complete zip: truncated, or another kind of file; expected a MovieLens zip or folder, "
                "so copy or download it again",
                file=str(path),
            ) from error
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror}); expected a readable zip", file=str(path)) from error
        super().__init__(path, names)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The member as a binary file, whose checksum is verified at its end."""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                yield file
        except (*_DAMAGED, OSError) as error:
            raise DataError(
                "is damaged inside the zip; expected an intact archive, so copy or download it again",
                file=f"{self.path}/{name}",
            ) from error
        except RuntimeError as error:
            # What zipfile raises for a password.
            raise DataError(
                f"cannot be unpacked ({error}); expected a plain zip, so unpack it and give the folder",
                file=f"{self.path}/{name}",
            ) from error


class FileMembers(FolderMembers):
    """One file alone."""

    def __init__(self, path: Path) -> None:
        Members.__init__(self, path.parent, [])
        self.names = [path.name]


def open_members(path: Path) -> Members:
    """The files of a folder or zip.

    Raises:
        DataError: The path does not exist, or is a file and no zip.
    """
    if path.is_dir():
        return FolderMembers(path)
    if not path.exists():
        raise DataError("does not exist; expected a MovieLens folder or zip", file=str(path))
    if path.stat().st_size == 0:
        raise DataError("is empty (0 bytes); expected a MovieLens folder or zip", file=str(path))
    return ZipMembers(path)


def _is_data(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) <= 2 and not any(part.startswith(_NOT_DATA) for part in parts)
