"""Data from an address: fetched into the cache, then read as from anywhere on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from core.errors import ConfigError
from core.progress import report
from loaders.cache_slot import Watch, file_name, shown, slot_folder

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_FETCHED = ("http://", "https://", "gs://")
#: Where GroupLens keeps the releases of MovieLens.
GROUPLENS = "https://files.grouplens.org/datasets/movielens"
RELEASES = (
    "ml-latest-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest",
)  # fmt: skip


class Fetched(NamedTuple):
    """Data that lie on this machine now.

    Attributes:
        path: A file or folder.
        how: How they were come by, e.g. "downloaded, 1.0 MB" or "cached, unchanged on the server".
    """

    path: Path
    how: str


def is_address(text: str) -> bool:
    """Whether it begins with a scheme like ``https://``."""
    return _SCHEME.match(text) is not None


def fetch(address: str, cache_dir: Path, *, sha256: str = "", watch: Watch = report) -> Fetched:
    """Bring what lies at an address into the cache, unless it is there and has not changed.

    Args:
        address: ``http://…``, ``https://…`` or ``gs://bucket/object`` (or ``gs://bucket/folder``).
        cache_dir: The cache; ``~`` is understood. Each address has a folder of its own in ``downloads``.
        sha256: Expected hash of a file; empty: not checked.
        watch: Told how far it is.

    Raises:
        ConfigError: An address of another kind.
        DataError: There is nothing at the address, or something other than expected.
        DownloadError: It cannot be fetched or kept.
    """
    found = _SCHEME.match(address)
    scheme = found[1].lower() if found else ""
    try:
        urlsplit(address)
    except ValueError as error:
        raise ConfigError(f"an address of {scheme} cannot be read ({error}); expected {scheme}://HOST/PATH") from error
    folder = slot_folder(cache_dir.expanduser(), address)
    if scheme in ("http", "https"):
        from loaders.download import download

        path = folder / file_name(address)
        return Fetched(path, download(address, path, sha256=sha256, watch=watch))
    if scheme == "gs":
        from loaders.gcs import fetch_gcs

        return Fetched(*fetch_gcs(address, folder, sha256=sha256, watch=watch))
    raise ConfigError(
        f"{shown(address)}: an address of this kind cannot be read; expected http://…, https://…, gs://bucket/object, "
        "or a file, folder or zip on this machine"
    )


def fetch_release(name: str, cache_dir: Path, *, sha256: str = "", watch: Watch = report) -> Fetched:
    """Bring a release of MovieLens into the cache, where it is found from then on without being named.

    Args:
        name: One of ``RELEASES``.
        cache_dir: The cache; ``~`` is understood.
        sha256: Expected hash of the zip; empty: GroupLens' own MD5 is checked where there is one.
        watch: Told how far it is.

    Raises:
        DataError: It has another hash than expected.
        DownloadError: It cannot be fetched or kept.
    """
    from loaders.download import download

    path = cache_dir.expanduser() / f"{name}.zip"
    return Fetched(path, download(f"{GROUPLENS}/{name}.zip", path, sha256=sha256, watch=watch))


def on_this_machine(source: str, cache_dir: Path, *, sha256: str = "", watch: Watch = report) -> str:
    """An address that can be fetched as the path it has in the cache; anything else as it is; see :func:`fetch`."""
    if source.lower().startswith(_FETCHED):
        return str(fetch(source, cache_dir, sha256=sha256, watch=watch).path)
    return source
