"""On real MovieLens a ranker beats popularity, and the retriever whose candidates it ranks."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.paired import paired_bootstrap
from loaders.base import SplitRule
from loaders.local import LocalDataLoader
from wrappers.ease import Ease
from wrappers.lightgbm_ranker import LightGBM
from wrappers.logreg import LogReg
from wrappers.offline import OfflineEvaluation
from wrappers.popularity import Popularity
from wrappers.ranker import RankerWrapper

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def loader(movielens: Path) -> LocalDataLoader:
    return LocalDataLoader(movielens, split=SplitRule("random_per_user", test_fraction=0.2, seed=42))


@pytest.fixture(scope="module")
def popularity(loader: LocalDataLoader) -> OfflineEvaluation:
    return Popularity().train(loader).evaluate(loader)


@pytest.mark.parametrize("kind", [LogReg, LightGBM])
@pytest.mark.long
def test_a_ranker_beats_popularity_and_its_retriever(
    kind: type[RankerWrapper], loader: LocalDataLoader, popularity: OfflineEvaluation
) -> None:
    figures = kind().train(loader).evaluate(loader)
    retriever = Ease().train(loader).evaluate(loader)
    against_popularity = paired_bootstrap(figures.per_user["ndcg"], popularity.per_user["ndcg"], seed=0)
    assert against_popularity.ci_lower > 0.1
    assert figures.means["ndcg_at_10"] > retriever.means["ndcg_at_10"]
