"""What a model counts itself, for Prometheus: a chat model's answers, fallbacks, retries, tokens and cost."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from wrappers.base import ModelWrapper


class ModelFigures(Collector):
    """Read when Prometheus asks, so that no request pays for it.

    Args:
        wrapper: The model that is served.
    """

    def __init__(self, wrapper: ModelWrapper) -> None:
        self._wrapper = wrapper

    def collect(self) -> Iterator[CounterMetricFamily]:
        """``screentest_model_figures_total{figure="llm_fallback_deadline"}`` …, where the model counts anything."""
        figures = self._wrapper.figures()
        if figures:
            family = CounterMetricFamily(
                "screentest_model_figures", "What the model counts since the server started.", labels=["figure"]
            )
            for name, value in figures.items():
                family.add_metric([name], value)
            yield family
