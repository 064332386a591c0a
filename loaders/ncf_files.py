"""The files of the NCF paper's protocol: test pairs, their negatives and, where ratings.dat is missing, the ratings.

Source: https://github.com/hexiangnan/neural_collaborative_filtering, folder Data. Users there are numbered from 0 as
ML-1M numbers them from 1; items are numbered from 0 in the order in which ratings.dat names them first.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import is_zipfile

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import DataError
from core.interactions import Interactions
from loaders.members import open_members

TEST, NEGATIVES, TRAIN = "ml-1m.test.rating", "ml-1m.test.negative", "ml-1m.train.rating"
_COLUMNS = ("user", "item", "rating", "timestamp")


class PublishedTest(NamedTuple):
    """What the files hold, by their own numbers.

    Attributes:
        user: (n,) int64 from 0, each once.
        item: (n,) int64 from 0, the one held out.
        negatives: (n, m) int64.
    """

    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    negatives: npt.NDArray[np.int64]


class RebuiltRatings(NamedTuple):
    """Ratings that no loader reads.

    Attributes:
        interactions: In the order of their file; times are 0 where there are none.
        by_number: Users and items are numbered as in the paper's files.
    """

    interactions: Interactions
    by_number: bool


def find_ncf_files(data: Path) -> Path:
    """The folder or ZIP that holds the test pairs: the data's own, or the folder it lies in.

    Raises:
        DataError: Neither holds them, or a ZIP is damaged.
    """
    for place in (data, data.parent):
        if _content(place, TEST) is not None and _content(place, NEGATIVES) is not None:
            return place
    raise DataError(
        f"neither {data} nor {data.parent} holds {TEST} and {NEGATIVES}; the data must be ML-1M "
        "(https://grouplens.org/datasets/movielens/1m/) with these two beside it: fetch them from "
        "https://github.com/hexiangnan/neural_collaborative_filtering (folder Data) and put them there"
    )


def read_published_test(place: Path) -> PublishedTest:
    """Read test pairs and negatives.

    Args:
        place: From :func:`find_ncf_files`.

    Raises:
        DataError: A line is not what it should be; the files do not belong together.
    """
    pairs = _table(place, TEST)
    user, item = pairs["user"].to_numpy(), pairs["item"].to_numpy()
    if len(np.unique(user)) != len(user):
        raise DataError("names a user twice; must hold one held-out item per user", file=str(place / TEST))
    try:
        negatives = pd.read_csv(BytesIO(_content(place, NEGATIVES) or b""), sep="\t", header=None, dtype={0: str})
    except ValueError as error:
        raise DataError(
            f"must hold a pair and its items in every line ({error})", file=str(place / NEGATIVES)
        ) from error
    named = negatives[0].str.extract(r"^\((\d+),(\d+)\)$")
    if named.isna().any(axis=None) or not np.array_equal(named.to_numpy(np.int64), np.column_stack([user, item])):
        raise DataError(f"does not name the pairs of {TEST}, line by line", file=str(place / NEGATIVES))
    numbers = negatives.iloc[:, 1:]
    if numbers.isna().any(axis=None) or not all(kind.kind == "i" for kind in numbers.dtypes):
        raise DataError("must hold item numbers behind each pair, as many in every line", file=str(place / NEGATIVES))
    return PublishedTest(user, item, numbers.to_numpy(np.int64))


def read_ratings(data: Path) -> RebuiltRatings | None:
    """The ratings where no loader reads them: without times, ratings.dat without movies.dat, or the paper's files.

    Args:
        data: A folder or ZIP with ratings.dat, ratings.csv or the paper's files; or ratings.dat or a CSV itself.

    Returns:
        None: a loader reads it.

    Raises:
        DataError: A line is not what it should be.
    """
    alone = data.is_file() and not is_zipfile(data)
    for name, separator in (("ratings.dat", "::"), ("ratings.csv", ",")):
        if alone and data.suffix == Path(name).suffix:
            name = data.name
        content = _content(data, name)
        if content is None:
            continue
        loaded = separator == "," or (not alone and _content(data, "movies.dat") is not None)
        found = _bare(content, separator, str(data / name), loaded=loaded)
        return None if found is None else RebuiltRatings(found, by_number=False)
    if _content(data, TRAIN) is None:
        return None
    # The held-out pairs last: item numbers come from their files, not from the order of rows.
    tables = [_table(data, TRAIN), _table(find_ncf_files(data), TEST)]
    return RebuiltRatings(_interactions(pd.concat(tables, ignore_index=True)), by_number=True)


def item_numbers(interactions: Interactions) -> npt.NDArray[np.int64]:
    """(n_items,) item ids in the order of first appearance: position is the paper's item number."""
    return interactions.ratings["item_id"].drop_duplicates().to_numpy(np.int64)


def _content(place: Path, name: str) -> bytes | None:
    """A file of a folder, of a ZIP (at its top or in a folder there), or itself; None where there is none."""
    if place.is_dir():
        return (place / name).read_bytes() if (place / name).is_file() else None
    if not place.is_file() or not is_zipfile(place):
        return place.read_bytes() if place.is_file() and place.name == name else None
    members = open_members(place)
    found = [member for member in members.names if PurePosixPath(member).name == name]
    return members.read(found[0]) if found else None


def _bare(content: bytes, separator: str, file: str, *, loaded: bool) -> Interactions | None:
    """Ratings as user, item, rating and maybe time; None where a loader reads those with times."""
    first = content.partition(b"\n")[0].decode("latin-1")
    n_columns = first.count(separator) + 1
    if loaded and n_columns != 3:
        return None
    names = _COLUMNS[:n_columns]
    types = {name: np.float32 if name == "rating" else np.int64 for name in names}
    # One character, for pandas' fast reader.
    text = BytesIO(content.replace(separator.encode(), b"\t"))
    header = None if first[:1].isdigit() else 0
    try:
        table = pd.read_csv(
            text, sep="\t", header=header, names=names, index_col=False, dtype=types, encoding="latin-1"
        )
    except (ValueError, TypeError) as error:
        problem = f"must hold user, item and rating, and maybe the time, by {separator!r} in every line ({error})"
        raise DataError(problem, file=file) from error
    return _interactions(table if "timestamp" in table else table.assign(timestamp=0))


def _table(place: Path, name: str) -> pd.DataFrame:
    try:
        return pd.read_csv(BytesIO(_content(place, name) or b""), sep="\t", header=None, names=_COLUMNS, dtype=np.int64)
    except ValueError as error:
        raise DataError(
            f"must hold user, item, rating and time, whole numbers separated by tabs ({error})", file=str(place / name)
        ) from error


def _interactions(table: pd.DataFrame) -> Interactions:
    items = np.unique(table["item"].to_numpy())
    return Interactions(
        pd.DataFrame(
            {
                "user_id": table["user"].to_numpy(np.int64),
                "item_id": table["item"].to_numpy(np.int64),
                "rating": table["rating"].to_numpy(np.float32),
                "timestamp": table["timestamp"].to_numpy(np.int64),
            }
        ),
        items=pd.DataFrame(
            {
                "item_id": items,
                "title": items.astype(str).astype(object),
                "year": pd.array([pd.NA] * len(items), dtype="Int16"),
            }
        ),
    )
