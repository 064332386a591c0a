"""The data loaders there are. To add one: its file, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from core.plugins import known, resolve
from loaders.base import OpenableLoader, SplitRule

LOADERS = {
    "local": "loaders.local:LocalDataLoader",
    "table": "loaders.tabular:TableDataLoader",
    "synthetic": "loaders.synthetic:SyntheticDataLoader",
    "prepared": "loaders.prepared:PreparedDataLoader",
}


def loader(name: str) -> type[OpenableLoader]:
    """The loader registered under a name, here or by an installed package (entry point ``screentest.loaders``).

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: It is registered, but its module or class is missing or is no loader.
    """
    return resolve("loader", name, LOADERS, base=OpenableLoader, where="loaders/registry.py")


def open_loader(
    name: str, *, source: str, split: SplitRule, seed: int = 0, columns: Mapping[str, str] | None = None
) -> OpenableLoader:
    """Open data by the loader's name.

    Args:
        name: A registered name.
        source: Path or URI; ignored by loaders that read none.
        split: How to divide the data; ignored by loaders whose data are divided already.
        seed: Seed of made data; ignored by loaders that read theirs.
        columns: Our names to the file's; ignored by loaders that know their columns.

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: The registered class is missing or is no loader.
    """
    return loader(name).open(source, split=split, seed=seed, columns=columns)


def loader_names() -> list[str]:
    """Every name that :func:`loader` knows, those of installed packages included, ascending."""
    return sorted(known("loader", LOADERS))
