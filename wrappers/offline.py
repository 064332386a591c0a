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
from core.interactions import Interactions, to_csr
from evaluation.beyond_accuracy import coverage
from evaluation.details import LIST_QUALITIES, EvaluationDetails
from evaluation.ranking import METRICS, evaluate_ranking
from evaluation.summary import MetricSummary, summarise, summarise_each
from wrappers.base import EvaluationConfig
from wrappers.offline_details import details_of, judge_lists

if TYPE_CHECKING:
    from wrappers.recommender import RecommenderWrapper

#: Seed of the resampling behind the intervals: the same figures give the same intervals.
_RESAMPLING_SEED = 0
#: What the names of the details' arrays begin with.
_DETAILS = "details."


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
        details: What else is known; None where figures kept by an earlier version of this program lack it.
    """

    config: EvaluationConfig
    user_ids: npt.NDArray[Any]
    per_user: dict[str, npt.NDArray[np.float64]]
    coverage: float
    n_cold: int
    details: EvaluationDetails | None = None

    @property
    def n_users(self) -> int:
        """Users with a relevant held-out item: those the means are over."""
        return int(np.count_nonzero(~np.isnan(self.per_user[METRICS[0]])))

    @property
    def means(self) -> dict[str, float]:
        """``ndcg_at_10`` … to the mean over users, ``coverage_at_10``, and those of the details that are numbers.

        MLflow allows no ``@`` in names.
        """
        k = self.config.k
        named = {metric_name(name, k): float(np.nanmean(values)) for name, values in self.per_user.items()}
        named[metric_name("coverage", k)] = self.coverage
        if self.details is None:
            return named
        return {**named, **{metric_name(name, k): v for name, v in self.details.at_k().items()}, **self.details.whole()}

    @cached_property
    def summaries(self) -> dict[str, MetricSummary]:
        """Metric to its mean with a bootstrap interval."""
        return summarise(self.per_user, seed=_RESAMPLING_SEED)

    @cached_property
    def detail_summaries(self) -> dict[str, MetricSummary]:
        """What of the details is told per user, likewise; empty without details."""
        return summarise_each(self.details.per_user, seed=_RESAMPLING_SEED) if self.details is not None else {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything as arrays, as a run keeps it: user_id, the metrics, single numbers, and the details."""
        rest = {**self.config.model_dump(), "coverage": self.coverage, "n_cold": self.n_cold}
        details = {} if self.details is None else self.details.arrays()
        return {
            "user_id": self.user_ids,
            **self.per_user,
            **{name: np.array(value) for name, value in rest.items()},
            **{f"{_DETAILS}{name}": values for name, values in details.items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> OfflineEvaluation:
        """What ``arrays`` gave, in this version of the program or in one that knew no details.

        Raises:
            KeyError: An array is missing.
        """
        details = {name.removeprefix(_DETAILS): values for name, values in arrays.items() if name.startswith(_DETAILS)}
        options = {name: arrays[name].item() for name in EvaluationConfig.model_fields}
        return cls(
            config=EvaluationConfig(**options),
            user_ids=arrays["user_id"],
            per_user={metric: arrays[metric] for metric in METRICS},
            coverage=arrays["coverage"].item(),
            n_cold=arrays["n_cold"].item(),
            details=EvaluationDetails.from_arrays(details) if details else None,
        )


def figures_of(evaluation: OfflineEvaluation) -> dict[str, Any]:
    """One flat row of JSON values: each metric's mean and interval, coverage, users; None where there is no figure.

    Behind them the details', where they are known: those told per user with intervals.
    """
    k = evaluation.config.k
    row: dict[str, Any] = {}
    for metric, summary in evaluation.summaries.items():
        row |= _with_interval(metric_name(metric, k), summary)
    row[metric_name("coverage", k)] = number_or_none(evaluation.coverage)
    row |= {"n_users": evaluation.n_users, "n_cold": evaluation.n_cold}
    if evaluation.details is None:
        return row
    for name, summary in evaluation.detail_summaries.items():
        row |= _with_interval(metric_name(name, k) if name in LIST_QUALITIES else name, summary)
    at_k = {metric_name(name, k): value for name, value in evaluation.details.at_k().items()}
    return {**row, **{name: v for name, v in {**at_k, **evaluation.details.whole()}.items() if name not in row}}


def segment_rows(evaluation: OfflineEvaluation) -> list[dict[str, Any]]:
    """A flat row of JSON values per segment and metric: kind, segment, metric, mean, interval, n_users."""
    if evaluation.details is None:
        return []
    named = {
        (segment.kind, segment.name, metric): values
        for segment, of_segment in evaluation.details.segments.items()
        for metric, values in of_segment.items()
    }
    texts = {"\t".join(key): values for key, values in named.items()}
    k = evaluation.config.k
    return [
        {
            "kind": kind,
            "segment": segment,
            "metric": metric_name(metric, k),
            "mean": number_or_none(summary.mean),
            "ci_lower": number_or_none(summary.ci_lower),
            "ci_upper": number_or_none(summary.ci_upper),
            "n_users": summary.n_users,
        }
        for (kind, segment, metric), summary in zip(
            named, summarise_each(texts, seed=_RESAMPLING_SEED).values(), strict=True
        )
    ]


def _with_interval(name: str, summary: MetricSummary) -> dict[str, float | None]:
    return {
        name: number_or_none(summary.mean),
        f"{name}_ci_lower": number_or_none(summary.ci_lower),
        f"{name}_ci_upper": number_or_none(summary.ci_upper),
    }


def number_or_none(value: float) -> float | None:
    """The number as JSON knows it: None where it is NaN or infinite."""
    return value if math.isfinite(value) else None


def metric_name(metric: str, k: int) -> str:
    """A metric's name in MLflow, e.g. ``ndcg_at_10``."""
    return f"{metric}_at_{k}"


def evaluate_recommender(
    recommender: RecommenderWrapper, test: Interactions, config: EvaluationConfig, *, detailed: bool = True
) -> OfflineEvaluation:
    """Recommend k unseen items to every test user and compare with the held-out items rated high enough.

    Relevant items that the model never saw in training count against it like any it missed; test users it never
    saw get its answer for cold users.

    Args:
        recommender: A trained recommender.
        test: The held-out ratings.
        config: List length, and the rating from which a held-out item is relevant.
        detailed: Also what is told of lists, scores and segments beside the ranking metrics; a search that looks at
            one metric needs none of it.

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
    items = recommender.known.items.with_new(liked["item_id"].to_numpy())
    truth = to_csr(liked, users, items)
    judged = judge_lists(recommender, users.ids, truth, config.k) if detailed else None
    found = recommender.recommend(users.ids, config.k) if judged is None else judged.found
    per_user = evaluate_ranking(found.item_index, truth, config.k)
    covered = coverage(found.item_index, len(recommender.known.items), config.k)
    details = None if judged is None else details_of(recommender, judged, truth, per_user, items, test, config.k)
    return OfflineEvaluation(config, users.ids, per_user, covered, int(np.count_nonzero(found.cold)), details)
