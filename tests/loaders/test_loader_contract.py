"""What every registered loader must do, and that every loader is registered."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import loaders
from core.errors import ConfigError, UnknownName
from core.protocols import DataLoader
from loaders.base import BaseLoader, OpenableLoader, SplitRule
from loaders.fingerprint import ratings_sha256
from loaders.prepared import write_prepared
from loaders.registry import LOADERS, loader, loader_names, open_loader
from loaders.synthetic import SyntheticDataLoader
from tests.small_releases import movielens_ratings, write_release

LAST_FIVE = SplitRule("leave_last_n", n=5)


@pytest.fixture(scope="module", params=sorted(LOADERS))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OpenableLoader:
    sources = {"local": _release, "prepared": _prepared, "synthetic": lambda _: "", "table": _table}
    assert set(sources) == set(LOADERS), "a new loader needs a source here"
    source = str(sources[request.param](tmp_path_factory.mktemp("source")))
    return open_loader(request.param, source=source, split=LAST_FIVE, seed=11)


def _release(base: Path) -> Path:
    return write_release("ml-100k", base / "release")


def _table(base: Path) -> Path:
    movielens_ratings().to_parquet(base / "ratings.parquet")
    return base


def _prepared(base: Path) -> Path:
    write_prepared(SyntheticDataLoader(2, n_users=20, n_items=60, split=LAST_FIVE), base / "prepared")
    return base / "prepared"


def test_every_loader_file_is_registered() -> None:
    found = set()
    for module_info in pkgutil.iter_modules(loaders.__path__, "loaders."):
        module = import_module(module_info.name)
        found |= {
            f"{module.__name__}:{name}"
            for name, value in vars(module).items()
            if isinstance(value, type)
            and value.__module__ == module.__name__
            and issubclass(value, OpenableLoader)
            and value not in (BaseLoader, OpenableLoader)
        }

    assert found == set(LOADERS.values())


def test_it_is_a_data_loader(opened: OpenableLoader) -> None:
    assert isinstance(opened, DataLoader)


def test_train_and_test_are_all_rows_once(opened: OpenableLoader) -> None:
    everything, train, test = opened.load(), opened.train(), opened.test()
    split = opened.split_rows()

    assert len(train) + len(test) == len(everything)
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == list(range(len(everything)))
    assert train.ratings.equals(everything.take(split.train).ratings)
    assert test.ratings.equals(everything.take(split.test).ratings)


def test_the_split_asked_for_is_made(opened: OpenableLoader) -> None:
    assert opened.provenance().split == "leave_last_n(n=5)"
    assert set(opened.test().ratings.groupby("user_id").size()) == {5}


def test_the_columns_and_types_are_those_of_interactions(opened: OpenableLoader) -> None:
    data = opened.load()

    assert {name: str(kind) for name, kind in data.ratings.dtypes.items()} == {
        "user_id": "int64",
        "item_id": "int64",
        "rating": "float32",
        "timestamp": "int64",
    }
    assert {name: str(kind) for name, kind in data.items.dtypes.items()} == {
        "item_id": "int64",
        "title": "object",
        "year": "Int16",
    }
    assert list(data.genres.columns) == ["item_id", "genre"]
    assert data.genres["item_id"].dtype == "int64"
    assert list(data.tags.columns) == ["user_id", "item_id", "tag", "timestamp"]
    assert data.users.columns[0] == "user_id"


def test_every_rated_item_is_listed_once(opened: OpenableLoader) -> None:
    data = opened.load()

    assert data.items["item_id"].is_unique
    assert set(data.ratings["item_id"]) <= set(data.items["item_id"])
    assert set(data.genres["item_id"]) <= set(data.items["item_id"])


def test_provenance_is_complete_and_hashes_what_is_loaded(opened: OpenableLoader) -> None:
    provenance = opened.provenance()

    assert provenance.source
    assert provenance.layout
    assert provenance.sha256 == ratings_sha256(opened.load().ratings)
    assert provenance == opened.provenance()


def test_an_unknown_loader_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"unknown loader 'ftp'; known: local, prepared, synthetic, table"):
        loader("ftp")
    assert loader_names() == ["local", "prepared", "synthetic", "table"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"kind": "random"},
            "split.kind == 'random', must be one of random_per_user, stratified, leave_last_n, temporal, ",
        ),
        ({"n_folds": 1}, "split.n_folds == 1, must be >= 2"),
        ({"fold": 5}, "split.fold == 5, must be 0 … 4 of 5 folds"),
        ({"n": 0}, "split.n == 0, must be >= 1"),
        ({"seed": -1}, "split.seed == -1, must be >= 0"),
        ({"kind": "temporal", "test_fraction": 1.0}, "split.test_fraction == 1.0, must be > 0 and < 1"),
    ],
)
def test_a_split_rule_that_is_impossible_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitRule(**given)


def test_a_temporal_split_lies_strictly_before_its_test() -> None:
    made = SyntheticDataLoader(2, n_users=30, n_items=80, split=SplitRule("temporal", test_fraction=0.25))

    assert made.train().ratings["timestamp"].max() < made.test().ratings["timestamp"].min()
    assert made.provenance().split == "temporal(test_fraction=0.25)"
