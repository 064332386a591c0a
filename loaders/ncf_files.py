"""The files of the NCF paper's protocol: test pairs, their negatives and, where ratings.dat is missing, the ratings.

Source: https://github.com/hexiangnan/neural_collaborative_filtering, folder Data. Users there are numbered from 0 as
ML-1M numbers them from 1; items are numbered from 0 in the order in which ratings.dat names them first.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import DataError
from core.interactions import Interactions

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


def find_ncf_files(data: Path) -> Path:
    """The folder that holds the test pairs: the data's own, or the one it lies in.

    Raises:
        DataError: Neither holds them.
    """
    for folder in (data, data.parent):
        if (folder / TEST).is_file() and (folder / NEGATIVES).is_file():
            return folder
    raise DataError(
        f"neither {data} nor {data.parent} holds {TEST} and {NEGATIVES}; fetch them from "
        "https://github.com/hexiangnan/neural_collaborative_filtering (folder Data) and put them there"
    )


def read_published_test(folder: Path) -> PublishedTest:
    """Read test pairs and negatives.

    Raises:
        DataError: A line is not what it should be; the files do not belong together.
    """
    pairs = _table(folder / TEST)
    user, item = pairs["user"].to_numpy(), pairs["item"].to_numpy()
    if len(np.unique(user)) != len(user):
        raise DataError("names a user twice; must hold one held-out item per user", file=str(folder / TEST))
    negatives = pd.read_csv(folder / NEGATIVES, sep="\t", header=None, dtype={0: str})
    named = negatives[0].str.extract(r"^\((\d+),(\d+)\)$")
    if named.isna().any(axis=None) or not np.array_equal(named.to_numpy(np.int64), np.column_stack([user, item])):
        raise DataError(f"does not name the pairs of {TEST}, line by line", file=str(folder / NEGATIVES))
    numbers = negatives.iloc[:, 1:]
    if numbers.isna().any(axis=None) or not all(kind.kind == "i" for kind in numbers.dtypes):
        raise DataError("must hold item numbers behind each pair, as many in every line", file=str(folder / NEGATIVES))
    return PublishedTest(user, item, numbers.to_numpy(np.int64))


def read_ratings(data: Path) -> Interactions | None:
    """The ratings where no loader reads them: ratings.dat without times or without movies.dat, or the paper's files.

    Args:
        data: The folder.

    Returns:
        User numbers count from 1 and items keep theirs where ratings.dat is there; else both count from 0, as in the
        paper's files. Times are 0 where there are none. None: a loader reads the folder.

    Raises:
        DataError: A line is not what it should be.
    """
    rebuilt = data / "ratings.dat"
    if rebuilt.is_file():
        return _bare(rebuilt)
    if (data / TRAIN).is_file():
        # The held-out pairs last: item numbers come from their files, not from the order of rows.
        return _interactions(pd.concat([_table(data / TRAIN), _table(data / TEST)], ignore_index=True))
    return None


def item_numbers(interactions: Interactions) -> npt.NDArray[np.int64]:
    """(n_items,) item ids in the order of first appearance: position is the paper's item number."""
    return interactions.ratings["item_id"].drop_duplicates().to_numpy(np.int64)


def _bare(path: Path) -> Interactions | None:
    """Ratings that lack their times, or the movies beside them; None where they lack neither."""
    with path.open(encoding="latin-1") as file:
        n_columns = file.readline().count("::") + 1
    if n_columns != 3 and path.with_name("movies.dat").is_file():
        return None
    names = _COLUMNS[:n_columns]
    types = {name: np.float32 if name == "rating" else np.int64 for name in names}
    try:
        table = pd.read_csv(path, sep="::", engine="python", header=None, names=names, dtype=types, encoding="latin-1")
    except (ValueError, TypeError) as error:
        problem = f"must hold UserID::MovieID::Rating, and maybe ::Timestamp, in every line ({error})"
        raise DataError(problem, file=str(path)) from error
    return _interactions(table if "timestamp" in table else table.assign(timestamp=0))


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep="\t", header=None, names=_COLUMNS, dtype=np.int64)
    except (ValueError, FileNotFoundError) as error:
        raise DataError(
            f"must hold user, item, rating and time, whole numbers separated by tabs ({error})", file=str(path)
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
