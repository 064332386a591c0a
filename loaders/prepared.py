"""A prepared data set: read, checked and split once, then shared by every pipeline step as Parquet."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import ConfigError, DataError
from core.interactions import RATING_COLUMNS, Interactions
from core.protocols import Provenance
from evaluation.splits import Split
from loaders.base import OpenableLoader, SplitRule
from loaders.describe import describe
from loaders.schemas import conforming

FORMAT = 1
_PROVENANCE = "provenance.json"
#: The tables beside train and test, with the columns each must have.
_TABLES = {
    "items": ("item_id", "title", "year"),
    "genres": ("item_id", "genre"),
    "tags": ("user_id", "item_id", "tag", "timestamp"),
    "users": ("user_id",),
}
#: Where a rating stood before the split, so that ``load`` gives back the original order.
_ROW = "row"
#: Ratings that the split left out of train and test; there is a file only if there are some.
_LEFT_OUT = "left_out"


def write_prepared(loader: OpenableLoader, folder: str | Path) -> dict[str, Any]:
    """Write a data set for ``PreparedDataLoader``: all of it or nothing.

    Args:
        loader: What to write.
        folder: Where; made, or replaced if it is empty or a prepared data set.

    Returns:
        The description (see ``loaders.describe.Description``).

    Raises:
        ConfigError: The folder holds something else.
        DataError: The loader's data are bad, break a schema of ``loaders/schemas.py`` or cannot be split.
    """
    target = Path(folder)
    if target.exists() and not _replaceable(target):
        raise ConfigError(f"{target} holds other files; give a folder that is new, empty or a prepared data set")
    interactions, split = conforming(loader.load(), str(target)), loader.split_rows()
    # A folder beside the target lies on the same file system, so that the rename is atomic.
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    try:
        left_out = np.setdiff1d(np.arange(len(interactions)), np.concatenate(split))
        parts = {"train": split.train, "test": split.test} | ({_LEFT_OUT: left_out} if len(left_out) else {})
        for part, rows in parts.items():
            _write(interactions.ratings.iloc[rows].assign(**{_ROW: rows}), draft / f"{part}.parquet")
        for table in _TABLES:
            _write(getattr(interactions, table), draft / f"{table}.parquet")
        document = {"format": FORMAT, **asdict(loader.provenance())}
        (draft / _PROVENANCE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return describe(interactions, split).as_dict()


class PreparedDataLoader:
    """Reads what ``write_prepared`` wrote.

    Args:
        folder: The folder.

    Raises:
        DataError: A file is missing, damaged or of another format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._provenance = self._read_provenance()
        missing = [f"{name}.parquet" for name in ("train", "test", *_TABLES) if not self._file(name).is_file()]
        if missing:
            raise DataError(f"lacks {', '.join(missing)}; expected a complete prepared data set", file=str(self.folder))

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int, columns: Mapping[str, str] | None = None) -> Self:
        """The loader of a folder; its split was made when it was written."""
        return cls(source)

    def load(self) -> Interactions:
        """Everything in the original order."""
        left_out = [self._ratings(_LEFT_OUT)] if self._file(_LEFT_OUT).is_file() else []
        ratings = pd.concat([self._ratings("train"), self._ratings("test"), *left_out])
        order = np.argsort(ratings[_ROW].to_numpy(), kind="stable")
        if not np.array_equal(ratings[_ROW].to_numpy()[order], np.arange(len(ratings))):
            raise DataError("lacks some of the ratings it was made of; prepare the data again", file=str(self.folder))
        return self._interactions(ratings.iloc[order])

    def train(self) -> Interactions:
        """What a model may learn from."""
        return self._interactions(self._ratings("train"))

    def test(self) -> Interactions:
        """What it is judged on."""
        return self._interactions(self._ratings("test"))

    def split_rows(self) -> Split:
        """Positions of train and test in :meth:`load`."""
        return Split(*(self._ratings(part)[_ROW].to_numpy(np.int64) for part in ("train", "test")))

    def provenance(self) -> Provenance:
        """Where the data came from before they were prepared."""
        return self._provenance

    def _interactions(self, ratings: pd.DataFrame) -> Interactions:
        tables = {name: self._table(name, columns) for name, columns in _TABLES.items()}
        return conforming(
            Interactions(ratings.drop(columns=_ROW).reset_index(drop=True), **tables), source=str(self.folder)
        )

    def _ratings(self, part: str) -> pd.DataFrame:
        return self._table(part, (*RATING_COLUMNS, _ROW))

    def _table(self, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
        file = self._file(name)
        try:
            # One thread: a process that used pyarrow's now and then aborts when it ends (apache/arrow#34314).
            table = pq.read_table(file, use_threads=False, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise DataError("is no readable Parquet file; prepare the data again", file=str(file)) from error
        missing = [column for column in columns if column not in table.column_names]
        if missing:
            raise DataError(f"lacks the columns {', '.join(missing)}; expected {', '.join(columns)}", file=str(file))
        frame: pd.DataFrame = table.to_pandas(use_threads=False)
        return frame

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _read_provenance(self) -> Provenance:
        file = self.folder / _PROVENANCE
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            if document.pop("format") != FORMAT:
                raise DataError(f"is of another format than {FORMAT}; prepare the data again", file=str(file))
            return Provenance(**document)
        except OSError as error:
            raise DataError(
                f"cannot be read ({error.strerror}); expected a folder that get-data or write_prepared wrote",
                file=str(file),
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                "is no provenance of a prepared data set; prepare the data again", file=str(file)
            ) from error


def _write(frame: pd.DataFrame, file: Path) -> None:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)


def _replaceable(target: Path) -> bool:
    return target.is_dir() and ((target / _PROVENANCE).is_file() or not any(target.iterdir()))
