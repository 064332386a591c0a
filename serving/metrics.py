"""What Prometheus reads from the policy server."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

#: Seconds; a list takes a few milliseconds, a model server is given up after about two seconds.
_BUCKETS = (0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class PolicyMetrics:
    """The policy server's counters, in a registry of their own.

    Args:
        waiting: Tells how many events wait for their commit.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.decisions = Counter(
            "screentest_decisions", "Lists answered.", ["experiment", "arm"], registry=self._registry
        )
        self.features = Counter(
            "screentest_choose_features",
            "Lists answered by a model with features, by what it knew of the user: store, or something less.",
            ["arm", "features"],
            registry=self._registry,
        )
        self.shed = Counter(
            "screentest_shed",
            "Requests refused unread, because as many as can be answered in time were on their way.",
            ["path"],
            registry=self._registry,
        )
        self.choose_seconds = Histogram(
            "screentest_choose_seconds",
            "Time to answer GET /choose, refused requests left out.",
            ["arm"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.model_errors = Counter(
            "screentest_model_errors",
            "Failed calls of a variant's model server: late where it took too long, failed otherwise.",
            ["arm", "cause"],
            registry=self._registry,
        )
        self.outcomes = Counter(
            "screentest_outcomes", "Outcomes on disk or recognised as duplicates.", ["status"], registry=self._registry
        )
        self.lost_exposures = Counter(
            "screentest_lost_exposures", "Exposures that the event log failed to keep.", registry=self._registry
        )
        self.route_revision = Gauge(
            "screentest_route_revision", "Revision of the route in force.", registry=self._registry
        )
        self.route_percent = Gauge(
            "screentest_route_percent", "Share of units on the challenger, 0 to 100.", registry=self._registry
        )
        depth = Gauge("screentest_event_log_waiting", "Events waiting for their commit.", registry=self._registry)
        depth.set_function(waiting)
        self._series = cache(self._series_of)

    def note_list(self, experiment: str, arm: str, features: str | None, seconds: float) -> None:
        """Count a list that is answered.

        Args:
            experiment: The spec's name.
            arm: Its variant.
            features: What the model knew of the user; None from a model without features.
            seconds: How long it took.
        """
        count, duration, by_features = self._series(experiment, arm, features)
        count.inc()
        duration.observe(seconds)
        if by_features is not None:
            by_features.inc()

    def _series_of(self, experiment: str, arm: str, features: str | None) -> tuple[Counter, Histogram, Counter | None]:
        """Remembered: Prometheus looks labels up under a lock, three times for a list."""
        by_features = None if features is None else self.features.labels(arm, features)
        return self.decisions.labels(experiment, arm), self.choose_seconds.labels(arm), by_features

    @property
    def registry(self) -> CollectorRegistry:
        """Where they are."""
        return self._registry

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
