"""On real MovieLens the order of the models is what everyone else measures too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.paired import paired_bootstrap
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from tests.small_interactions import interactions_of
from wrappers.artifact import load_wrapper
from wrappers.ease import Ease
from wrappers.offline import OfflineEvaluation
from wrappers.popularity import Popularity
from wrappers.recommender import RecommenderWrapper
from wrappers.shuffled import Shuffled

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def loader(movielens: Path) -> LocalDataLoader:
    return LocalDataLoader(movielens, split=SplitRule(kind="leave_last_n", n=10))


@pytest.fixture(scope="module")
def ease(loader: LocalDataLoader) -> Ease:
    return Ease().train(loader)


@pytest.fixture(scope="module")
def popularity(loader: LocalDataLoader) -> OfflineEvaluation:
    return Popularity().train(loader).evaluate(loader)


def better(loader: LocalDataLoader, candidate: RecommenderWrapper, baseline: OfflineEvaluation) -> bool:
    """Whether the candidate's NDCG@10 is above the baseline's beyond chance."""
    figures = candidate.evaluate(loader)
    np.testing.assert_array_equal(figures.user_ids, baseline.user_ids)
    return paired_bootstrap(figures.per_user["ndcg"], baseline.per_user["ndcg"], seed=0).ci_lower > 0


def test_ease_beats_popularity(loader: LocalDataLoader, ease: Ease, popularity: OfflineEvaluation) -> None:
    assert better(loader, ease, popularity)
    assert ease.evaluate(loader).means["ndcg_at_10"] > 1.25 * popularity.means["ndcg_at_10"]


def test_the_negative_control_loses_to_everyone(
    loader: LocalDataLoader, ease: Ease, popularity: OfflineEvaluation
) -> None:
    shuffled = Shuffled.around(ease).evaluate(loader)
    assert paired_bootstrap(popularity.per_user["ndcg"], shuffled.per_user["ndcg"], seed=0).ci_lower > 0
    assert paired_bootstrap(ease.evaluate(loader).per_user["ndcg"], shuffled.per_user["ndcg"], seed=0).ci_lower > 0


def test_the_artifact_is_small_and_exact(ease: Ease, tmp_path: Path) -> None:
    ease.save(tmp_path / "ease")
    assert sum(path.stat().st_size for path in (tmp_path / "ease").iterdir()) < 5_000_000
    loaded = load_wrapper(tmp_path / "ease")
    assert isinstance(loaded, Ease)
    users = ease.known.users.ids
    for here, there in zip(ease.recommend(users), loaded.recommend(users), strict=True):
        np.testing.assert_array_equal(here, there)


def test_equals_the_paper_on_real_ratings(ease: Ease) -> None:
    """The dual form against the dense inverse in float64, on the 1,500 most popular items and all users."""
    known = ease.known
    popular = np.sort(np.argsort(-known.popularity, kind="stable")[:1500])
    history = known.history.toarray()[:, popular].astype(np.float64)
    inverse = np.linalg.inv(history.T @ history + 300.0 * np.eye(1500))
    weights = -inverse / np.diagonal(inverse)
    np.fill_diagonal(weights, 0.0)
    user, item = np.nonzero(history)
    small = Ease({"reg": 300.0}).fit(interactions_of(user, item))
    np.testing.assert_array_equal(small.known.history.toarray(), history)
    np.testing.assert_allclose(small.score(np.arange(len(history))), history @ weights, rtol=0, atol=2e-5)
