"""The offline report: one HTML page that fetches nothing, for MLflow, for a pipeline's screen and for a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.calibration import calibration
from evaluation.charts import difference_chart, metric_chart
from evaluation.curve_charts import MAX_LINES, calibration_chart, lift_chart, precision_recall_chart, roc_chart
from evaluation.details import SEGMENT_METRICS, EvaluationDetails
from evaluation.gate import GateResult
from evaluation.report_tables import ComparedPair, beyond_rows, pair_rows, segment_table
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
        details: Qualities, curves and segments; None where they are not known.
    """

    name: str
    summaries: Mapping[str, MetricSummary]
    coverage: float
    role: str = ""
    details: EvaluationDetails | None = None


def evaluation_html(
    models: Sequence[EvaluatedModel],
    *,
    k: int,
    primary: str = "ndcg",
    alpha: float = 0.05,
    verdict: GateResult | None = None,
    differences: Mapping[str, npt.NDArray[np.float64]] | None = None,
    pairs: Sequence[ComparedPair] = (),
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
        pairs: Models against each other, p-values corrected by whoever knows how many there are.
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
        pairs=pair_rows(pairs, champion),
        n_pairs=len(pairs),
        **_detailed(ranked, primary if primary in SEGMENT_METRICS else SEGMENT_METRICS[0], k),
    )


def _detailed(ranked: Sequence[EvaluatedModel], metric: str, k: int) -> dict[str, object]:
    """What the page shows of the models' details; nothing of it where no model has any."""
    known = {model.name: model.details for model in ranked if model.details is not None}
    columns, rows = beyond_rows(known)
    drawn = dict(list(known.items())[:MAX_LINES])
    curves = {name: details.curves for name, details in drawn.items()}
    told = {name: calibration(details.foretold) for name, details in drawn.items() if details.foretold is not None}
    charts = [
        ("ROC: liked items found against others let through", roc_chart(curves)),
        ("Precision against recall over the whole ranking", precision_recall_chart(curves)),
        ("Lift over a random order", lift_chart(curves)),
        ("Calibration: foretold and actual shares, each with its interval", calibration_chart(told)),
    ]
    return {
        "beyond_columns": columns,
        "beyond_rows": rows,
        "curve_charts": [(title, drawing) for title, drawing in charts if drawing],
        "curves_left_out": len(known) - len(drawn),
        "segment_models": list(known),
        "segment_metric": f"{metric}@{k}",
        "segment_rows": segment_table(known, metric),
    }


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
    """Metric and drawing; those that have nothing to draw are left out, all of them where nothing is compared."""
    if len(models) < 2:
        return []
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
