"""Tables written as every kind of file, and the refusal of one that is read."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from core.errors import DataError
from loaders.tabular import TableDataLoader
from tests.small_releases import movielens_ratings

Writer = Callable[[pd.DataFrame, Path], None]


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    path.write_text(frame.to_csv(index=False))


def write_semicolons(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, sep=";", quoting=csv.QUOTE_ALL)


def write_tabs(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, sep="\t", lineterminator="\r\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path)


def write_array(frame: pd.DataFrame, path: Path) -> None:
    path.write_text(json.dumps(frame.to_dict("records"), indent=1))


def write_lines(frame: pd.DataFrame, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))


def packed(write: Writer) -> Writer:
    def write_packed(frame: pd.DataFrame, path: Path) -> None:
        write(frame, path)
        path.write_bytes(gzip.compress(path.read_bytes()))

    return write_packed


KINDS: dict[str, Writer] = {
    "csv": write_csv,
    "csv with semicolons.csv": write_semicolons,
    "tsv": write_tabs,
    "parquet": write_parquet,
    "json": write_array,
    "jsonl": write_lines,
    "ndjson": write_lines,
    "csv.gz": packed(write_csv),
    "jsonl.gz": packed(write_lines),
    "json.gz": packed(write_array),
}
#: Where the rows of each kind begin, for messages.
FIRST = {"csv": 2, "parquet": 1, "json": 1, "jsonl": 1}


def write(kind: str, frame: pd.DataFrame, folder: Path, stem: str = "ratings") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.{kind.rpartition(' ')[2].removeprefix('semicolons.')}"
    KINDS[kind](frame, path)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        TableDataLoader(path, **options).load()
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_cell(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    return frame


def many_ratings() -> pd.DataFrame:
    """The small release's ratings by 60 users: one bad row among them is a small share."""
    copies = [movielens_ratings().assign(user_id=lambda frame, n=n: frame["user_id"] + 3 * n) for n in range(20)]
    return pd.concat(copies, ignore_index=True)


def shop(ratings: pd.DataFrame | None = None) -> pd.DataFrame:
    """The small release's ratings as another shop would write them."""
    ratings = movielens_ratings() if ratings is None else ratings
    return pd.DataFrame(
        {
            "uid": [f"u-{user}" for user in ratings["user_id"]],
            "note": "x, y",
            "ts": pd.to_datetime(ratings["timestamp"], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%S"),
            "sku": [f"é{item}" for item in ratings["item_id"]],
            "stars": ratings["rating"],
        }
    )


SHOP = {"user_id": "uid", "item_id": "sku", "rating": "stars", "timestamp": "ts"}
