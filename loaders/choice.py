"""Which data a command uses when the user may or may not have named some."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, ConfigError, DataError
from loaders.layouts import locate
from loaders.members import open_members

#: A cached release is taken in this order, small before large, so that a first try is quick. Data sets of other
#: names come last, by name.
PREFERENCE = ("ml-latest-small", "ml-100k", "ml-1m", "ml-20m", "ml-25m", "ml-32m", "ml-latest")


@dataclass(frozen=True)
class Source:
    """The data chosen.

    Attributes:
        kind: The loader's name in loaders/registry.py: "local" or "synthetic".
        path: Absolute path of a folder or zip; empty for synthetic data.
        why: One line: which data, and why these.
    """

    kind: str
    path: str
    why: str


def choose_source(data_source_path: str, cache_dir: Path) -> Source:
    """Take the data named, else a MovieLens from the cache, else synthetic ratings.

    Args:
        data_source_path: A folder or zip, or "synthetic"; empty if the user named none.
        cache_dir: Where a MovieLens release may lie as folder or zip; need not exist.

    Raises:
        ConfigError: An address (``http://…``, ``gs://…``) is given.
        BadInput: The path given does not exist.
    """
    given = data_source_path.strip()
    if given == "synthetic":
        return Source("synthetic", "", "synthetic MovieLens-shaped ratings, because DATA=synthetic asks for them")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", given):
        raise ConfigError(
            f"DATA={given}: an address cannot be read; expected a folder or zip on this machine: download it first"
        )
    if given:
        path = Path(given).expanduser()
        if not path.exists():
            raise BadInput(
                f"DATA={given} does not exist; expected a MovieLens folder or zip (or leave DATA out for a cached "
                "MovieLens or synthetic ratings)"
            )
        return Source("local", str(path.resolve()), f"{given}, because DATA names it")
    return _from_cache(cache_dir.expanduser())


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
    release = (path.name if path.is_dir() else path.stem).lower()
    return (PREFERENCE.index(release) if release in PREFERENCE else len(PREFERENCE), path.name)
