"""Made-up data have the statistics of the release they are shaped like, within a tenth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import UnknownName
from core.interactions import Interactions
from loaders.describe import gini
from loaders.local import LocalDataLoader
from loaders.synthetic import SyntheticDataLoader
from loaders.synthetic_shapes import ML_1M, SHAPES, shape

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
#: Read off ml-latest-small.
MEASURED = {
    "ratings": 100_836, "users": 610, "rated items": 9_724, "density": 0.016_999_7, "mean": 3.5016, "spread": 1.0425,
    "Gini of users": 0.604, "Gini of items": 0.716_3,
    "user 0.0": 20, "user 0.1": 24, "user 0.25": 35, "user 0.5": 70.5, "user 0.75": 168, "user 0.9": 400.3,
    "user 0.95": 610.75, "user 0.99": 1256.22, "user 1.0": 2698,
    "item 0.0": 1, "item 0.1": 1, "item 0.25": 1, "item 0.5": 3, "item 0.75": 9, "item 0.9": 27, "item 0.95": 47,
    "item 0.99": 114.54, "item 1.0": 329,
}  # fmt: skip
#: Published of ML-1M: README, and what every exploration of it prints.
PUBLISHED_OF_ML_1M = {
    "ratings": 1_000_209, "users": 6_040, "rated items": 3_706, "density": 0.044_68, "mean": 3.58, "spread": 1.117,
    "user 0.0": 20, "user 0.25": 44, "user 0.5": 96, "user 0.75": 208, "user 1.0": 2_314,
    "item 0.0": 1, "item 0.25": 33, "item 0.5": 123.5, "item 0.75": 350, "item 1.0": 3_428,
}  # fmt: skip


def statistics(data: Interactions) -> dict[str, float]:
    """Every figure that must agree."""
    counts: dict[str, npt.NDArray[np.int64]] = {
        who: np.unique(data.ratings[f"{who}_id"].to_numpy(), return_counts=True)[1] for who in ("user", "item")
    }
    stars = data.ratings["rating"].to_numpy(np.float64)
    return {
        "ratings": len(data),
        "users": len(counts["user"]),
        "rated items": len(counts["item"]),
        "density": len(data) / (len(counts["user"]) * len(counts["item"])),
        "mean": stars.mean(),
        "spread": stars.std(),
        "Gini of users": gini(counts["user"]),
        "Gini of items": gini(counts["item"]),
        **{f"{who} {at}": float(np.quantile(count, at)) for who, count in counts.items() for at in QUANTILES},
    }


def off_by_more_than_a_tenth(found: dict[str, float], expected: dict[str, float]) -> dict[str, tuple[float, float]]:
    return {name: (found[name], due) for name, due in expected.items() if abs(found[name] / due - 1) > 0.1}


@pytest.fixture(scope="module", params=[0, 42])
def seed(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.mark.real_data
def test_the_default_world_has_the_statistics_of_the_real_file(movielens: Path, seed: int) -> None:
    real = statistics(LocalDataLoader(movielens).load())

    assert off_by_more_than_a_tenth(statistics(SyntheticDataLoader(seed).load()), real) == {}
    assert off_by_more_than_a_tenth(MEASURED, real) == {}


def test_the_default_world_has_the_statistics_measured_on_ml_latest_small(seed: int) -> None:
    assert off_by_more_than_a_tenth(statistics(SyntheticDataLoader(seed).load()), MEASURED) == {}


def test_the_ml_1m_world_has_the_published_totals_and_quartiles(seed: int) -> None:
    data = SyntheticDataLoader(seed, shape=ML_1M).load()
    found = statistics(data)

    assert off_by_more_than_a_tenth(found, PUBLISHED_OF_ML_1M) == {}
    assert (found["ratings"], found["users"], found["rated items"]) == (1_000_209, 6_040, 3_706)
    assert found["mean"] == pytest.approx(3.5816, abs=0.0001)
    assert found["user 0.0"] >= 20
    assert np.unique(data.ratings["rating"]).tolist() == [1, 2, 3, 4, 5]


def test_half_the_users_rate_half_as_much() -> None:
    """Scaled: the spread per user keeps, whatever the number of users."""
    found = statistics(SyntheticDataLoader(1, n_users=305, n_items=9_724).load())
    per_user = {name: due for name, due in MEASURED.items() if name.startswith("user ") and name != "user 1.0"}

    assert found["ratings"] == 50_418
    assert off_by_more_than_a_tenth(found, per_user) == {}


def test_a_figure_that_is_off_is_told() -> None:
    assert off_by_more_than_a_tenth({"mean": 4.0}, {"mean": 3.5}) == {"mean": (4.0, 3.5)}


def test_an_unknown_shape_is_named_with_those_there_are() -> None:
    assert shape("ml-1m") is ML_1M
    with pytest.raises(UnknownName, match=r"unknown shape of made-up data 'ml-9'; known: ml-1m, ml-latest-small"):
        shape("ml-9")


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_shape_agrees_with_itself(name: str) -> None:
    given = SHAPES[name]

    assert sum(given.stars.values()) == given.n_ratings
    assert list(given.stars) == sorted(given.stars)
    assert list(given.years) == sorted(given.years)
    assert given.arrivals[0] < given.arrivals[1] < given.last_year
