"""The files of a data set, whether they lie in a folder or in a zip or alone."""

from __future__ import annotations

import gzip
import os
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
#: What is packed a hundredfold and more is no data but a bomb; ratings are packed three- to tenfold.
MOST_PACKED = 100
#: Unpacked bytes up to which it does not matter.
HARMLESS_BYTES = 1 << 28
#: Nobody's ratings have a longer line; where none ends a block would be the whole file.
LONGEST_LINE = 1 << 24
_PART = 1 << 24
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
            parts = []
            while part := file.read(_PART):
                parts.append(part)
            return b"".join(parts)

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """The content of a member in parts of about ``size`` bytes, each ending where a line does.

        Raises:
            DataError: It cannot be read.
        """
        with self._unpacked(name) as file:
            while block := file.read(size):
                rest = b"" if len(block) < size else file.readline(LONGEST_LINE)
                if len(rest) == LONGEST_LINE:
                    raise DataError(
                        f"has a line of more than {LONGEST_LINE:,} bytes; expected a rating or an item in each",
                        file=f"{self.path}/{name}",
                    )
                yield block + rest

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
                packed_bytes = file.seek(0, os.SEEK_END)
                file.seek(0)
                with gzip.open(file) as unpacked:
                    yield _Bounded(unpacked, packed_bytes, f"{self.path}/{name}")
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise DataError(
                    "is no complete gzip: truncated or damaged; copy or download it again",
                    file=f"{self.path}/{name}",
                ) from error


class _Bounded:
    """A gzip that is read; more than its packed bytes can honestly hold is refused. It tells no length beforehand."""

    def __init__(self, file: IO[bytes], packed_bytes: int, name: str) -> None:
        self._file = file
        self._most = max(HARMLESS_BYTES, MOST_PACKED * packed_bytes)
        self._name = name

    def read(self, size: int) -> bytes:
        """As a file's."""
        return self._checked(self._file.read(size))

    def readline(self, size: int) -> bytes:
        """As a file's."""
        return self._checked(self._file.readline(size))

    def _checked(self, data: bytes) -> bytes:
        if self._file.tell() > self._most:
            raise _bomb(self._name)
        return data


def _bomb(name: str) -> DataError:
    return DataError(
        f"would be more than {MOST_PACKED} times as large unpacked; expected ratings, which are not packed so densely; "
        "unpack it yourself if it is meant so",
        file=name,
    )


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
                # No more than it says is ever unpacked.
                told = archive.getinfo(name)
                if told.file_size > max(HARMLESS_BYTES, MOST_PACKED * told.compress_size):
                    raise _bomb(f"{self.path}/{name}")
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
