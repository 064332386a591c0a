"""The second net: tables that are not as they must be are refused by name, whatever loader they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from core.interactions import Interactions
from loaders.base import BaseLoader, SplitRule
from loaders.local import LocalDataLoader
from loaders.prepared import PreparedDataLoader, write_prepared
from loaders.schemas import SCHEMAS, conforming, faults
from loaders.synthetic import SyntheticDataLoader


def sound() -> Interactions:
    return SyntheticDataLoader(1, n_users=20, n_items=60).load()


def texts(interactions: Interactions) -> list[str]:
    return [str(fault) for fault in faults(interactions)]


def changed(interactions: Interactions, table: str, **columns: object) -> Interactions:
    return replace(interactions, **{table: getattr(interactions, table).assign(**columns)})


class OtherLoader(BaseLoader):
    """A loader of another package, which hands on what it was given."""

    source = "elsewhere://ratings"
    layout = "other"

    def __init__(self, data: Interactions) -> None:
        super().__init__(split=SplitRule())
        self.data = data

    @classmethod
    def open(cls, source: str, *, split: SplitRule, seed: int) -> Self:
        raise NotImplementedError

    def read(self) -> Interactions:
        return self.data


def test_every_release_conforms(release: Path) -> None:
    assert faults(LocalDataLoader(release).load()) == []


def test_made_up_data_conform() -> None:
    assert faults(sound()) == []


def test_empty_tables_conform() -> None:
    assert faults(replace(sound(), ratings=sound().ratings.iloc[:0])) == []


def test_text_ids_conform() -> None:
    data = sound()
    named = {
        name: getattr(data, name).assign(item_id=getattr(data, name)["item_id"].map("tt{}".format))
        for name in ("ratings", "items", "genres")
    }

    assert faults(replace(data, **named)) == []


def first(column: str, value: object) -> Callable[[pd.DataFrame], pd.Series]:
    """The column with another value in row 2."""

    def spoilt(frame: pd.DataFrame) -> pd.Series:
        values = frame[column].copy()
        values.iloc[2] = value
        return values

    return spoilt


@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        ("ratings", "rating", 9.0, "ratings: rating must hold above 0 and up to 5; row 2: 9.0"),
        ("ratings", "rating", 0.0, "ratings: rating must hold above 0 and up to 5; row 2: 0.0"),
        (
            "ratings",
            "rating",
            np.nan,
            "ratings: rating must hold a value in every row; row 2: nan",
        ),
        (
            "ratings",
            "rating",
            np.inf,
            "ratings: rating must hold above 0 and up to 5; row 2: inf",
        ),
        (
            "ratings",
            "timestamp",
            1_500_000_000_000,
            "ratings: timestamp must hold seconds since 1970 (UTC); row 2: 1500000000000",
        ),
        (
            "ratings",
            "timestamp",
            -1,
            "ratings: timestamp must hold seconds since 1970 (UTC); row 2: -1",
        ),
        ("items", "year", 20, "items: year must hold a year of four digits; row 2: 20"),
    ],
)
def test_a_bad_value_is_told_with_its_row(table: str, column: str, value: object, told: str) -> None:
    assert texts(changed(sound(), table, **{column: first(column, value)})) == [told]


def test_rows_are_told_by_position_whatever_the_index() -> None:
    data = changed(sound(), "ratings", rating=first("rating", 9.0))
    data = replace(data, ratings=data.ratings.set_axis(np.arange(len(data))[::-1]))

    assert texts(data) == ["ratings: rating must hold above 0 and up to 5; row 2: 9.0"]


def test_rows_taken_at_steps_are_told_by_position_too() -> None:
    data = changed(sound(), "ratings", rating=first("rating", 9.0))

    assert texts(replace(data, ratings=data.ratings.iloc[::2])) == [
        "ratings: rating must hold above 0 and up to 5; row 1: 9.0"
    ]


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_a_missing_column_is_told_for_full_and_empty_tables(table: str) -> None:
    data = sound()
    frame = getattr(data, table)
    column = frame.columns[0]

    for rows in (frame, frame.iloc[:0]):
        assert f"{table}: lacks the column {column}" in texts(replace(data, **{table: rows.drop(columns=column)}))


def test_types_are_told() -> None:
    data = sound()

    assert texts(changed(data, "ratings", rating=data.ratings["rating"].astype(float))) == [
        "ratings: rating is of type float64; expected float32"
    ]
    mixed = data.ratings["user_id"].astype(object)
    mixed.iloc[0] = "u1"
    assert texts(changed(data, "ratings", user_id=mixed)) == ["ratings: user_id must hold integers, or text throughout"]
    assert texts(changed(data, "items", title=7)) == ["items: title must hold text throughout"]


def test_an_item_listed_twice_is_told() -> None:
    data = sound()
    twice = pd.concat([data.items, data.items.iloc[[4]]], ignore_index=True)

    assert texts(replace(data, items=twice))[0].startswith("items: item_id must hold each value once; row ")


def test_ids_of_two_kinds_are_told() -> None:
    data = sound()

    assert texts(changed(data, "items", item_id=data.items["item_id"].astype(str))) == [
        "items: item_id holds text, that of ratings integers"
    ]


def test_the_message_is_one_line_and_counts_the_rest() -> None:
    data = changed(changed(sound(), "ratings", rating=first("rating", 9.0)), "items", title=7)

    with pytest.raises(DataError) as caught:
        conforming(data, "here")
    assert str(caught.value) == (
        "here: ratings: rating must hold above 0 and up to 5; row 2: 9.0 "
        "(and 1 more such faults); mend the data or the loader"
    )


def test_no_loader_hands_on_what_does_not_conform() -> None:
    loader = OtherLoader(changed(sound(), "ratings", rating=first("rating", 9.0)))

    for part in (loader.load, loader.train, loader.test):
        with pytest.raises(DataError, match=r"^elsewhere://ratings: ratings: rating must hold above 0 and up to 5"):
            part()


def test_nothing_is_prepared_that_does_not_conform(tmp_path: Path) -> None:
    class Careless(OtherLoader):
        def load(self) -> Interactions:
            return self.data

    with pytest.raises(DataError, match="items: title must hold text"):
        write_prepared(Careless(changed(sound(), "items", title=7)), tmp_path / "prepared")
    assert list(tmp_path.iterdir()) == []


def test_prepared_data_that_were_tampered_with_are_refused(tmp_path: Path) -> None:
    write_prepared(SyntheticDataLoader(1, n_users=20, n_items=60), tmp_path / "prepared")
    file = tmp_path / "prepared" / "train.parquet"
    train = pd.read_parquet(file)
    train.assign(rating=np.float32(7)).to_parquet(file)

    with pytest.raises(DataError, match=r"prepared: ratings: .* up to 5; row 0: 7.0 and \d+ more; mend"):
        PreparedDataLoader(tmp_path / "prepared").train()
