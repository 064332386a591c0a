"""What the policy server's own counters come to since it was started, for people; Prometheus reads /metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

_DECISIONS, _LATENCY = "screentest_decisions", "screentest_choose_seconds"
#: What is told under a short name: the sum over all labels of a counter.
_TOTALS = {
    "model_errors": "screentest_model_errors",
    "outcomes": "screentest_outcomes",
    "lost_exposures": "screentest_lost_exposures",
    "shed": "screentest_shed",
}


def live_counters(registry: CollectorRegistry) -> dict[str, Any]:
    """Decisions by variant, errors, and the middle and the 95th percentile of what a list took.

    Args:
        registry: The policy server's.

    Returns:
        ``decisions``, ``by_arm``, ``model_errors``, ``outcomes``, ``lost_exposures``, ``shed``, and ``latency_ms`` with
        ``p50`` and ``p95``: read off the histogram, linear within a bucket; None before the first list, and where it
        lies beyond the last bucket.
    """
    families = {family.name: family for family in registry.collect()}
    by_arm: Counter[str] = Counter()
    for labels, value in _samples(families.get(_DECISIONS), "_total"):
        by_arm[labels["arm"]] += int(value)
    buckets: Counter[float] = Counter()
    for labels, value in _samples(families.get(_LATENCY), "_bucket"):
        buckets[float(labels["le"])] += int(value)
    cumulative = sorted(buckets.items())
    return {
        "decisions": by_arm.total(),
        "by_arm": dict(sorted(by_arm.items())),
        **{
            short: int(sum(value for _, value in _samples(families.get(name), "_total")))
            for short, name in _TOTALS.items()
        },
        "latency_ms": {f"p{share:.0%}".rstrip("%"): bucket_quantile(cumulative, share) for share in (0.5, 0.95)},
    }


def bucket_quantile(cumulative: Sequence[tuple[float, int]], share: float) -> float | None:
    """A quantile in ms from a histogram of seconds.

    >>> bucket_quantile([(0.001, 0), (0.002, 10), (math.inf, 10)], 0.5)
    1.5

    Args:
        cumulative: Upper bound of each bucket, rising, the last infinite, and how many lie at or below it.
        share: 0 … 1.

    Returns:
        None where nothing was counted, or the quantile lies in the last bucket.
    """
    total = cumulative[-1][1] if cumulative else 0
    if not total:
        return None
    wanted, lower, below = share * total, 0.0, 0
    for upper, so_far in cumulative:
        if so_far >= wanted:
            inside = (wanted - below) / (so_far - below) if so_far > below else 1.0
            return None if math.isinf(upper) else round(1000 * (lower + inside * (upper - lower)), 3)
        lower, below = upper, so_far
    return None


def _samples(family: Metric | None, suffix: str) -> Iterable[tuple[dict[str, str], float]]:
    if family is None:
        return
    for sample in family.samples:
        if sample.name == family.name + suffix:
            yield sample.labels, sample.value
