"""Which data a command uses when the user may or may not have named some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, DataError
from core.progress import report
from loaders.cache_slot import Watch, shown
from loaders.fetch import RELEASES, fetch, fetch_release, is_address
from loaders.layouts import ML_LATEST, Layout, locate
from loaders.members import open_members


@dataclass(frozen=True)
class Source:
    """The data chosen.

    Attributes:
        kind: The loader's name in loaders/registry.py: "local", "table" or "synthetic".
        path: Absolute path of a file, folder or zip; empty for synthetic data.
        why: One line: which data, and why these.
    """

    kind: str
    path: str
    why: str


def choose_source(
    data_source_path: str,
    cache_dir: Path,
    *,
    columns: Mapping[str, str] | None = None,
    sha256: str = "",
    watch: Watch = report,
) -> Source:
    """Take the data named, else a MovieLens from the cache, else synthetic ratings.

    Args:
        data_source_path: A file, folder or zip, an address, the name of a MovieLens release, or "synthetic"; empty if
            the user named none. Nothing is downloaded that was not named.
        cache_dir: Where a MovieLens release may lie as folder or zip, and where downloads go; need not exist.
        columns: Our names to the file's, for files whose columns have other names.
        sha256: Expected hash of a downloaded file; empty: not checked.
        watch: Told how far a download is.

    Raises:
        ConfigError: An address of a kind that cannot be read.
        BadInput: The path given does not exist.
        DataError: What was downloaded is not what was expected.
        DownloadError: The address cannot be read, or the download not kept.
    """
    given = data_source_path.strip()
    if given == "synthetic":
        return Source("synthetic", "", "synthetic MovieLens-shaped ratings, because DATA=synthetic asks for them")
    if is_address(given):
        path, how = fetch(given, cache_dir, sha256=sha256, watch=watch)
        return _named(path, f"{shown(given)} ({how})", columns)
    if not given:
        return _from_cache(cache_dir.expanduser())
    path = Path(given).expanduser()
    if path.exists():
        return _named(path, given, columns)
    if given.lower() in RELEASES:
        return _release(given.lower(), cache_dir, sha256, watch)
    raise BadInput(
        f"the data {given} do not exist; expected a MovieLens folder or zip, a CSV, Parquet or JSON file, an address "
        f"(https://…, gs://…), one of {', '.join(RELEASES)}, or synthetic for ratings that are made up"
    )


def kind_of(path: Path, columns: Mapping[str, str] | None = None) -> str:
    """The loader that reads a path: "local" for a MovieLens layout, "table" for other tables.

    What is neither is left to "local", which says what it expected. A folder of CSV files as of ml-latest is a table
    where the user says what its columns are called.
    """
    from loaders.tabular import holds_ratings

    layout = _layout(path)
    if layout is None:
        return "table" if holds_ratings(path) else "local"
    return "table" if columns and layout is ML_LATEST else "local"


def _named(path: Path, name: str, columns: Mapping[str, str] | None) -> Source:
    return Source(kind_of(path, columns), str(path.resolve()), f"{name}, because DATA names it")


def _release(name: str, cache_dir: Path, sha256: str, watch: Watch) -> Source:
    """A release by its name: one that lies in the cache, folder or zip, is not asked for again."""
    for path in (cache_dir.expanduser() / name, cache_dir.expanduser() / f"{name}.zip"):
        if not sha256 and path.exists() and _layout(path) is not None:
            return Source("local", str(path.resolve()), f"{name} ({path}, cached), because DATA names it")
    path, how = fetch_release(name, cache_dir, sha256=sha256, watch=watch)
    return Source("local", str(path.resolve()), f"{name} ({how}), because DATA names it")


def _layout(path: Path) -> Layout | None:
    try:
        return locate(open_members(path)).layout
    except DataError:
        return None


def _from_cache(cache_dir: Path) -> Source:
    damaged = []
    for path in sorted(_entries(cache_dir), key=_rank):
        try:
            members = open_members(path)
        except DataError:
            damaged.append(path.name)
            continue
        try:
            locate(members)
        except DataError:
            # Whatever else lies in the cache is not our business.
            continue
        return Source("local", str(path.resolve()), f"{path}, found in the cache because DATA names none")
    also = f" ({', '.join(damaged)} there cannot be opened)" if damaged else ""
    why = f"synthetic MovieLens-shaped ratings, because DATA names none and {cache_dir} holds no MovieLens{also}"
    return Source("synthetic", "", why)


def _entries(cache_dir: Path) -> list[Path]:
    if not cache_dir.is_dir():
        return []
    return [path for path in cache_dir.iterdir() if path.is_dir() or path.suffix.lower() == ".zip"]


def _rank(path: Path) -> tuple[int, str]:
    """A cached release is taken in the order of ``RELEASES``, small before large, so that a first try is quick.

    Data sets of other names come last, by name.
    """
    release = (path.name if path.is_dir() else path.stem).lower()
    return (RELEASES.index(release) if release in RELEASES else len(RELEASES), path.name)
