"""How long a model server's answers take, for Prometheus: one histogram, by model, version and route."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

#: Seconds; a list takes about a millisecond, one with reasons tens of them, a chat model seconds.
BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class ModelSeconds:
    """``screentest_model_seconds{model, version, route}``: time to answer, refused requests left out.

    Args:
        model: The model's name in the paths.
        version: What it is pinned to.
        registry: Where the histogram is registered.
    """

    def __init__(self, model: str, version: str, registry: CollectorRegistry) -> None:
        self._labels = (model, version)
        self._seconds = Histogram(
            "screentest_model_seconds",
            "Time to answer, refused requests left out.",
            ["model", "version", "route"],
            buckets=BUCKETS,
            registry=registry,
        )

    def of(self, route: str) -> Histogram:
        """The route's own part of it, for a caller to keep: Prometheus looks labels up under a lock."""
        return self._seconds.labels(*self._labels, route)
