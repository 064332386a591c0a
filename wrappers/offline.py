"""A recommender judged on held-out ratings: its lists against what each user liked later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.ids import UNKNOWN, IdIndex
from core.interactions import Interactions, to_csr
from evaluation.beyond_accuracy import coverage
from evaluation.ranking import METRICS, evaluate_ranking
from evaluation.summary import MetricSummary, summarise
from wrappers.base import EvaluationConfig

if TYPE_CHECKING:
    from wrappers.recommender import RecommenderWrapper

#: Seed of the resampling behind the intervals: the same figures give the same intervals.
_RESAMPLING_SEED = 0


@dataclass(frozen=True)
class OfflineEvaluation:
    """One model's figures.

    Attributes:
        config: How it was judged.
        user_ids: (n_users,) the test users, ascending.
        per_user: Each of ``evaluation.ranking.METRICS`` to (n_users,) float64, NaN for users without a relevant
            held-out item.
        coverage: Share of the model's items that appear in any list.
        n_cold: Test users that the model had nothing to go by for, so that they got popularity order.
    """

    config: EvaluationConfig
    user_ids: npt.NDArray[Any]
    per_user: dict[str, npt.NDArray[np.float64]]
    coverage: float
    n_cold: int

    @property
    def n_users(self) -> int:
        """Users with a relevant held-out item: those the means are over."""
        return int(np.count_nonzero(~np.isnan(self.per_user[METRICS[0]])))

    @property
    def means(self) -> dict[str, float]:
        """``ndcg_at_10`` … to the mean over users, and ``coverage_at_10``; MLflow allows no ``@`` in names."""
        named = {metric_name(name, self.config.k): float(np.nanmean(values)) for name, values in self.per_user.items()}
        return {**named, metric_name("coverage", self.config.k): self.coverage}

    @cached_property
    def summaries(self) -> dict[str, MetricSummary]:
        """Metric to its mean with a bootstrap interval."""
        return summarise(self.per_user, seed=_RESAMPLING_SEED)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything as arrays, as a run keeps it: user_id, the metrics, and the rest as single numbers."""
        rest = {**self.config.model_dump(), "coverage": self.coverage, "n_cold": self.n_cold}
        return {"user_id": self.user_ids, **self.per_user, **{name: np.array(value) for name, value in rest.items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> OfflineEvaluation:
        """What ``arrays`` gave.

        Raises:
            KeyError: An array is missing.
        """
        options = {name: arrays[name].item() for name in EvaluationConfig.model_fields}
        return cls(
            config=EvaluationConfig(**options),
            user_ids=arrays["user_id"],
            per_user={metric: arrays[metric] for metric in METRICS},
            coverage=arrays["coverage"].item(),
            n_cold=arrays["n_cold"].item(),
        )


def figures_of(evaluation: OfflineEvaluation) -> dict[str, Any]:
    """One flat row of JSON values: each metric's mean and interval, coverage, users; None where there is no figure."""
    k = evaluation.config.k
    row: dict[str, Any] = {}
    for metric, summary in evaluation.summaries.items():
        row[metric_name(metric, k)] = _number(summary.mean)
        row[f"{metric_name(metric, k)}_ci_lower"] = _number(summary.ci_lower)
        row[f"{metric_name(metric, k)}_ci_upper"] = _number(summary.ci_upper)
    row[metric_name("coverage", k)] = _number(evaluation.coverage)
    return {**row, "n_users": evaluation.n_users, "n_cold": evaluation.n_cold}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def metric_name(metric: str, k: int) -> str:
    """A metric's name in MLflow, e.g. ``ndcg_at_10``."""
    return f"{metric}_at_{k}"


def evaluate_recommender(
    recommender: RecommenderWrapper, test: Interactions, config: EvaluationConfig
) -> OfflineEvaluation:
    """Recommend k unseen items to every test user and compare with the held-out items rated high enough.

    Relevant items that the model never saw in training count against it like any it missed; test users it never
    saw get its answer for cold users.

    Args:
        recommender: A trained recommender.
        test: The held-out ratings.
        config: List length, and the rating from which a held-out item is relevant.

    Raises:
        DataError: No held-out rating is relevant.
    """
    liked = test.ratings[test.ratings["rating"] >= config.relevant_rating]
    if len(liked) == 0:
        raise DataError(
            f"none of the {len(test)} held-out ratings is at least relevant_rating == {config.relevant_rating}; "
            "lower relevant_rating or hold out more"
        )
    users = test.user_index()
    truth = to_csr(liked, users, _with_new_items(recommender.known.items, liked["item_id"].to_numpy()))
    found = recommender.recommend(users.ids, config.k)
    per_user = evaluate_ranking(found.item_index, truth, config.k)
    covered = coverage(found.item_index, len(recommender.known.items), config.k)
    return OfflineEvaluation(config, users.ids, per_user, covered, int(np.count_nonzero(found.cold)))


def _with_new_items(items: IdIndex, item_ids: npt.NDArray[Any]) -> IdIndex:
    """The model's items in their order, and behind them the given ones that it does not know."""
    new = np.unique(item_ids[items.index_of(item_ids) == UNKNOWN])
    return IdIndex(np.concatenate([items.ids, new])) if len(new) else items
