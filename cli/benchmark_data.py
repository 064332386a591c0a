"""The data of a benchmark: all ratings in file order, and what a protocol published beside them."""

from __future__ import annotations

from pathlib import Path

from cli.audition import source_of
from core.errors import BadInput, DataError
from core.interactions import Interactions
from core.settings import load_settings
from loaders.base import SplitRule
from loaders.ncf_files import find_ncf_files, item_numbers, read_published_test, read_ratings
from loaders.registry import open_loader
from wrappers.protocols.negatives import RankedAmongNegatives
from wrappers.protocols.protocol import BenchmarkData, Protocol
from wrappers.protocols.releases import release_of


def benchmark_data(protocol: Protocol, data: str) -> BenchmarkData:
    """The ratings in file order, named by their release, and the published test pairs where the protocol needs them.

    Raises:
        DataError: A file is missing or not what it should be; says where to get it.
    """
    path = Path(data).expanduser()
    published = protocol.name == "loo99" and path.exists()
    rebuilt = read_ratings(path) if published else None
    interactions = _open(protocol, data) if rebuilt is None else rebuilt.interactions
    if not published:
        return BenchmarkData(release_of(interactions), interactions)
    ranked = _published_pairs(path, interactions, by_number=rebuilt is not None and rebuilt.by_number)
    return BenchmarkData(release_of(interactions), interactions, ranked)


def _open(protocol: Protocol, data: str) -> Interactions:
    settings = load_settings(data_source_path=data)
    try:
        source = source_of(settings)
        opened = open_loader(source.kind, source=source.path, split=SplitRule(), columns=settings.data_columns)
        return opened.load()
    except BadInput as error:
        raise DataError(f"{error}; {protocol.name} is published for {protocol.needs}") from error


def _published_pairs(path: Path, interactions: Interactions, *, by_number: bool) -> RankedAmongNegatives:
    """The NCF paper's test pairs and negatives, in the ids of the data.

    Args:
        path: The data.
        interactions: Its ratings.
        by_number: They are numbered as in the paper's files.
    """
    found = read_published_test(find_ncf_files(path))
    if by_number:
        return RankedAmongNegatives(*found)
    items = item_numbers(interactions)
    highest = max(found.item.max(initial=0), found.negatives.max(initial=0))
    if highest >= len(items):
        raise DataError(f"the published test pairs name item {highest}, {path} has {len(items)} items; it is not ML-1M")
    return RankedAmongNegatives(found.user + 1, items[found.item], items[found.negatives])
