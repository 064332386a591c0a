"""Parts of the training ratings to choose hyperparameters by, held out the way the test part is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.errors import ConfigError, DataError
from core.interactions import Interactions
from core.protocols import DataLoader
from evaluation.ranking import METRICS
from evaluation.splits import Split, leave_last_n, random_per_user, temporal
from wrappers.base import EvaluationConfig
from wrappers.offline import evaluate_recommender, metric_name
from wrappers.recommender import RecommenderWrapper

_SHARE, _SEEDS = 0.2, (1, 2, 3)


def inner_splits(training: Interactions, split: str) -> list[Split]:
    """Train and validation rows inside a training part.

    Args:
        training: The training part.
        split: How the test part was held out, as provenance tells it, e.g. ``leave_last_n(n=10)``. By time: one split
            that does so again. Any other: a random fifth of each user's ratings, three times.

    Raises:
        DataError: Too little is left to judge by.
    """
    ratings = training.ratings
    user, time = ratings["user_id"].to_numpy(), ratings["timestamp"].to_numpy()
    if split.startswith("temporal"):
        found = [temporal(time, _SHARE)]
    elif split.startswith("leave_last_n"):
        found = [leave_last_n(user, time, int(split.partition("n=")[2].rstrip(")")))]
    else:
        found = [random_per_user(user, _SHARE, seed) for seed in _SEEDS]
    if any(len(one.train) == 0 or len(one.test) == 0 for one in found):
        raise DataError(
            f"the training part ({len(training)} ratings) is too small to hold out some of it; give more data"
        )
    return found


def inner_judge(
    loader: DataLoader, *, metric: str = "ndcg", config: EvaluationConfig | None = None
) -> Callable[[RecommenderWrapper], Iterator[float]]:
    """What a search judges trials by.

    Args:
        loader: Only its training part is read.
        metric: One of ``evaluation.ranking.METRICS``.
        config: How models are judged; None: the defaults.

    Returns:
        An untrained recommender to its mean figure on each split, trained on one after the other.

    Raises:
        ConfigError: There is no such metric.
        DataError: Too little is left to judge by.
    """
    if metric not in METRICS:
        raise ConfigError(f"metric == {metric!r}, must be one of {', '.join(METRICS)}")
    options = config or EvaluationConfig()
    training = loader.train()
    splits = inner_splits(training, loader.provenance().split)

    def judge(recommender: RecommenderWrapper) -> Iterator[float]:
        for split in splits:
            trained = recommender.fit(training.take(split.train))
            judged = evaluate_recommender(trained, training.take(split.test), options, detailed=False)
            yield judged.means[metric_name(metric, options.k)]

    return judge
