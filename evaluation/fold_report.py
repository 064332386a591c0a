"""Cross-validated models as one page: a box plot of each figure over the folds, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.charts import box_chart

_TEMPLATE = "folds.html.jinja"
#: Figures that are drawn; the others are in the table.
_MAX_CHARTS = 6


def folds_html(
    figures: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
    *,
    primary: str,
    n_folds: int,
    facts: Mapping[str, str] | None = None,
) -> str:
    """The page.

    Args:
        figures: Figure to model to (n_folds,) values, NaN where there is none; every figure has the same models.
        primary: The figure that orders the models and is drawn first.
        n_folds: Folds there are.
        facts: What else the reader should know, in order.

    Returns:
        HTML in which every text is escaped; nothing is fetched.

    Raises:
        ValueError: ``primary`` is no figure.
    """
    if primary not in figures:
        raise ValueError(f"primary == {primary!r}, must be one of {', '.join(figures)}")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    ordered = [primary, *(name for name in figures if name != primary)]
    means = {name: _mean(values) for name, values in figures[primary].items()}
    models = sorted(means, key=lambda name: (np.isnan(means[name]), -means[name]))
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return pages.get_template(_TEMPLATE).render(
        n_folds=n_folds,
        figures=ordered,
        rows=[(name, [_cell(figures[figure][name]) for figure in ordered]) for name in models],
        charts=[
            (figure, drawing)
            for figure in ordered[:_MAX_CHARTS]
            if (drawing := box_chart(figures[figure], metric=figure.replace("_at_", "@")))
        ],
        facts=facts or {},
    )


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _cell(values: npt.NDArray[np.float64]) -> tuple[str, str]:
    """Mean, and standard deviation over the folds; both empty where a fold has no figure."""
    if np.isnan(values).any() or len(values) == 0:
        return "–", ""
    deviation = f"± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}", deviation
