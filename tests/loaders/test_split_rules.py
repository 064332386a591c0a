"""Every kind of split can be asked for by name, of every loader, and comes back from a prepared data set."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from core.settings import Settings
from evaluation.splits import SplitKind, leaks
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from loaders.prepared import PreparedDataLoader, write_prepared
from loaders.synthetic import SyntheticDataLoader

KINDS = get_args(SplitKind)


def made(rule: SplitRule) -> SyntheticDataLoader:
    return SyntheticDataLoader(4, n_users=40, n_items=80, split=rule)


def test_the_setting_takes_every_kind_there_is() -> None:
    assert get_args(Settings.model_fields["split"].annotation) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_made_and_leaks_nothing(kind: SplitKind) -> None:
    loader = made(SplitRule(kind, n=3, seed=1))
    ratings, split = loader.load().ratings, loader.split_rows()

    assert len(split.train) > len(split.test) > 0
    found = leaks(split, ratings["user_id"], ratings["timestamp"], kind, ratings["item_id"])
    assert found == ()
    assert loader.provenance().split.startswith(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_from_a_prepared_data_set(kind: SplitKind, tmp_path: Path) -> None:
    loader = made(SplitRule(kind, n=3, seed=1))
    write_prepared(loader, tmp_path / "prepared")
    prepared = PreparedDataLoader(tmp_path / "prepared")

    for part in ("load", "train", "test"):
        pd.testing.assert_frame_equal(getattr(prepared, part)().ratings, getattr(loader, part)().ratings)
    for before, after in zip(loader.split_rows(), prepared.split_rows(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert (tmp_path / "prepared" / "left_out.parquet").exists() == (kind == "full811")


def test_what_full811_left_out_is_missed(tmp_path: Path) -> None:
    write_prepared(made(SplitRule("full811")), tmp_path / "prepared")
    (tmp_path / "prepared" / "left_out.parquet").unlink()

    with pytest.raises(DataError, match="lacks some of the ratings it was made of; prepare the data again"):
        PreparedDataLoader(tmp_path / "prepared").load()


def test_full811_never_shows_a_low_rating() -> None:
    loader = made(SplitRule("full811"))

    assert loader.load().ratings["rating"].min() < 3
    assert min(loader.train().ratings["rating"].min(), loader.test().ratings["rating"].min()) >= 3


@pytest.mark.parametrize("kind", ["kfold", "kfold_per_user"])
def test_the_folds_of_a_rule_are_one_division(kind: SplitKind) -> None:
    folds = [made(SplitRule(kind, n_folds=4, fold=fold, seed=9)).split_rows().test for fold in range(4)]

    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(len(made(SplitRule()).load())))


@pytest.mark.parametrize(
    ("rule", "advice"),
    [
        (SplitRule("ms75"), "split ms75 leaves no test rows of 2 ratings; it needs items with at least 3 ratings"),
        (SplitRule("full811"), r"split full811\(seed=0\) leaves no train rows .* at least two ratings of 3 or more"),
        (SplitRule("stratified"), "users with at least 5 ratings"),
        (SplitRule("stratified", test_fraction=0.3), "users with at least 4 ratings"),
        (SplitRule("kfold"), r"split kfold\(n_folds=5, fold=0, seed=0\) needs at least 5 ratings, there are 2"),
        (SplitRule("kfold_per_user"), "give fewer folds or more data"),
    ],
)
def test_data_too_small_for_a_rule_are_refused_with_advice(rule: SplitRule, advice: str) -> None:
    ratings = pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "rating": [1.0, 1.0], "timestamp": [5, 6]})

    with pytest.raises(DataError, match=advice):
        rule.apply(ratings)


@pytest.mark.real_data
def test_row_counts_on_ml_latest_small(movielens: Path) -> None:
    """Counted by hand from the number of ratings of each user, item or value."""
    ratings = LocalDataLoader(movielens).load().ratings
    per_user = ratings.groupby("user_id").size()
    liked = ratings[ratings["rating"] >= 3].groupby("user_id").size()
    expected = {
        SplitRule("ms75"): (76_882, 23_954),
        SplitRule("stratified"): (100_836 - int((per_user // 5).sum()), int((per_user // 5).sum())),
        SplitRule("kfold", fold=0): (80_668, 20_168),
        SplitRule("kfold", fold=4): (80_669, 20_167),
        SplitRule("full811"): (
            int(liked.sum() - (liked // 10).clip(lower=1).sum()),
            int((liked // 10).clip(lower=1).sum()),
        ),
    }

    assert {rule: tuple(len(part) for part in rule.apply(ratings)) for rule in expected} == expected
