"""Made-up ratings: the same seed, MovieLens' shape, and taste that can be learned."""

from __future__ import annotations

import doctest
import re

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import loaders.synthetic
from core.errors import ConfigError
from core.interactions import Interactions, to_csr
from loaders.describe import describe
from loaders.synthetic import SyntheticDataLoader
from loaders.synthetic_world import GENRES


@pytest.fixture(scope="module", params=[0, 42])
def loader(request: pytest.FixtureRequest) -> SyntheticDataLoader:
    return SyntheticDataLoader(request.param)


@pytest.fixture(scope="module")
def data(loader: SyntheticDataLoader) -> Interactions:
    return loader.load()


def small(seed: int = 3) -> SyntheticDataLoader:
    return SyntheticDataLoader(seed, n_users=40, n_items=60, n_ratings=900)


def test_doctests() -> None:
    assert doctest.testmod(loaders.synthetic).failed == 0


def test_the_same_seed_makes_the_same_data() -> None:
    one, other = small().load(), small().load()

    for table in ("ratings", "items", "genres"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def test_another_seed_makes_other_data() -> None:
    assert small(3).provenance().sha256 != small(4).provenance().sha256
    assert small(3).provenance().seed == 3


def test_counts_are_as_ordered() -> None:
    found = describe(small().load(), small().split_rows())

    assert (found.n_users, found.n_items, found.n_ratings) == (40, 60, 900)
    assert found.user_quantiles["min"] >= 20


def test_no_pair_occurs_twice_and_rows_are_in_order(data: Interactions) -> None:
    pair = data.ratings["user_id"].to_numpy() * 1_000_000 + data.ratings["item_id"].to_numpy()

    assert (np.diff(pair) > 0).all()


def test_ratings_are_half_stars(data: Interactions) -> None:
    assert sorted(data.ratings["rating"].unique().tolist()) == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert data.ratings["rating"].dtype == np.float32


def test_users_rate_in_bursts_over_years(data: Interactions) -> None:
    time = pd.to_datetime(data.ratings["timestamp"], unit="s")
    span_days = data.ratings.groupby("user_id")["timestamp"].agg(np.ptp) / 86_400

    assert time.min().year == 1996
    assert time.max().year == 2018
    assert span_days.median() < 1
    assert span_days.quantile(0.9) > 100


def test_nobody_rates_a_film_before_its_year(data: Interactions) -> None:
    year = data.items.set_index("item_id")["year"].reindex(data.ratings["item_id"]).to_numpy(np.int64)

    assert (pd.to_datetime(data.ratings["timestamp"], unit="s").dt.year.to_numpy() >= year).all()


def test_titles_are_distinct_and_end_with_the_year(data: Interactions) -> None:
    years = [int(re.fullmatch(r".+ \((\d{4})\)", title)[1]) for title in data.items["title"]]

    assert data.items["title"].is_unique
    assert years == data.items["year"].tolist()


def test_more_films_than_titles_are_numbered() -> None:
    titles = SyntheticDataLoader(1, n_users=20, n_items=40_000, n_ratings=400).load().items["title"]

    assert titles.is_unique
    assert titles.str.contains(r" 2 \(\d{4}\)$").any()


def test_every_film_has_genres(data: Interactions) -> None:
    assert set(data.genres["genre"]) == set(GENRES)
    assert set(data.genres["item_id"]) == set(data.items["item_id"])
    assert not data.genres.duplicated().any()


def test_ids_are_no_matrix_indexes(data: Interactions) -> None:
    assert data.items["item_id"].is_unique
    assert data.items["item_id"].max() > 1.5 * len(data.items)


def test_taste_can_be_learned(loader: SyntheticDataLoader) -> None:
    """EASE (Steck 2019) through its dual form finds more of what users like than popularity does."""
    train, test = loader.train(), loader.test()
    users, items = train.user_index(), train.item_index()
    history = to_csr(train.ratings, users, items).toarray()
    liked = to_csr(test.ratings[test.ratings["rating"] >= 4], users, items).toarray()
    popularity = np.broadcast_to(history.sum(axis=0), history.shape)

    popular, personal = (hits_at_10(scores, history, liked) for scores in (popularity, ease_scores(history, reg=200)))

    assert popular > 0.2
    assert personal > 1.2 * popular


def ease_scores(history: npt.NDArray[np.float32], reg: float) -> npt.NDArray[np.float32]:
    """X B with P = (X'X + reg I)^-1 = (I - X'(XX' + reg I)^-1 X) / reg, B = I - P / diag(P)."""
    kernel = np.linalg.solve(history @ history.T + reg * np.eye(len(history), dtype=np.float32), history)
    diagonal = (1 - np.einsum("ui,ui->i", history, kernel)) / reg
    product = (history - (history @ history.T) @ kernel) / reg
    return history - product / diagonal


def hits_at_10(
    scores: npt.NDArray[np.float32], history: npt.NDArray[np.float32], liked: npt.NDArray[np.float32]
) -> float:
    top = np.argsort(-np.where(history > 0, -np.inf, scores), axis=1)[:, :10]
    judged = liked.any(axis=1)
    return float(np.take_along_axis(liked, top, axis=1).any(axis=1)[judged].mean())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": -1}, "seed == -1, must be >= 0"),
        ({"n_users": 0}, "n_users == 0, must be >= 1"),
        ({"n_items": 10}, "n_items == 10, must be >= 50"),
        ({"n_users": 10, "n_items": 100, "n_ratings": 100}, r"n_ratings == 100, must be 200 … 500 for 10 users"),
        ({"n_users": 10, "n_items": 100, "n_ratings": 900}, r"n_ratings == 900, must be 200 … 500"),
    ],
)
def test_impossible_numbers_are_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SyntheticDataLoader(**given)


@pytest.mark.parametrize(("n_users", "n_items"), [(1, 50), (2, 60), (300, 50), (50, 2_000)])
def test_odd_sizes_work(n_users: int, n_items: int) -> None:
    loader = SyntheticDataLoader(5, n_users=n_users, n_items=n_items)
    ratings = loader.load().ratings

    assert len(ratings) == loader.n_ratings
    assert ratings.groupby("user_id").size().min() >= 20
    assert not ratings.duplicated(["user_id", "item_id"]).any()
