"""The offline report: one HTML page that fetches nothing, for MLflow, for a pipeline's screen and for a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.charts import difference_chart, metric_chart
from evaluation.gate import GateResult
from evaluation.summary import MetricSummary

_TEMPLATE = "report.html.jinja"


@dataclass(frozen=True)
class EvaluatedModel:
    """A model's row.

    Attributes:
        name: Its name.
        summaries: Metric name without "@k" to its summary; every model has the same metrics.
        coverage: Share of the catalogue it recommends to anyone, 0 … 1.
        role: "champion", "challenger" or empty.
    """

    name: str
    summaries: Mapping[str, MetricSummary]
    coverage: float
    role: str = ""


def evaluation_html(
    models: Sequence[EvaluatedModel],
    *,
    k: int,
    primary: str = "ndcg",
    alpha: float = 0.05,
    verdict: GateResult | None = None,
    differences: Mapping[str, npt.NDArray[np.float64]] | None = None,
    facts: Mapping[str, str] | None = None,
) -> str:
    """One or more models compared, as a page.

    Args:
        models: At least one; shown by falling mean of the primary metric.
        k: Length of the lists.
        primary: Metric that orders the models.
        alpha: Of the intervals, for the words.
        verdict: What the gate decided; None: nothing was decided.
        differences: Candidate's name to its per-user difference from the champion in the primary metric.
        facts: What else the reader should know, in order, e.g. ``{"Data": "ml-latest-small, …"}``.

    Returns:
        HTML in which every text is escaped.

    Raises:
        ValueError: No model is given, or one lacks a metric the others have.
    """
    metrics = list(models[0].summaries) if models else []
    if primary not in metrics or any(list(model.summaries) != metrics for model in models):
        raise ValueError(f"models must be one or more with the same metrics, {primary!r} among them")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    ranked = sorted(models, key=lambda model: _falling(model.summaries[primary].mean))
    champion = next((model.name for model in ranked if model.role == "champion"), None)
    return pages.get_template(_TEMPLATE).render(
        k=k,
        level=f"{1 - alpha:.0%}",
        verdict=verdict,
        metrics=metrics,
        rows=[_row(model, metrics) for model in ranked],
        metric_charts=_metric_charts(ranked, metrics, k, champion),
        difference_charts=[
            (name, difference_chart(values, candidate=name, baseline=champion or "champion", metric=f"{primary}@{k}"))
            for name, values in (differences or {}).items()
        ],
        has_champion=champion is not None,
        facts=facts or {},
    )


def _falling(mean: float) -> float:
    """Sort key: highest first, models without a mean last."""
    return -mean if isfinite(mean) else float("inf")


def _row(model: EvaluatedModel, metrics: Sequence[str]) -> dict[str, object]:
    summaries = [model.summaries[metric] for metric in metrics]
    return {
        "name": model.name,
        "role": model.role,
        "cells": [(_figure(summary.mean), _interval(summary)) for summary in summaries],
        "coverage": f"{model.coverage:.1%}" if isfinite(model.coverage) else "–",
        "n_users": max(summary.n_users for summary in summaries),
    }


def _figure(value: float) -> str:
    return f"{value:.4f}" if isfinite(value) else "–"


def _interval(summary: MetricSummary) -> str:
    """The interval, or why there is none."""
    if summary.status == "ok":
        return f"{summary.ci_lower:.3f} … {summary.ci_upper:.3f}"
    return {"no_units": "no user to judge by", "no_variance": "the same for every user"}[summary.status]


def _metric_charts(
    models: Sequence[EvaluatedModel], metrics: Sequence[str], k: int, champion: str | None
) -> list[tuple[str, str]]:
    """Metric and drawing; those that have nothing to draw are left out."""
    drawings = (
        (
            metric,
            metric_chart(
                {model.name: model.summaries[metric] for model in models}, metric=f"{metric}@{k}", champion=champion
            ),
        )
        for metric in metrics
    )
    return [(metric, drawing) for metric, drawing in drawings if drawing]
