"""Rows of the offline report's tables: what lists are worth beyond being right, segments, models against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from evaluation.details import EvaluationDetails
from evaluation.pairwise import PairwiseDifference
from evaluation.summary import MetricSummary, summarise_each

#: How dark a segment's best figure is painted, 0 … 1; letters stay readable on it.
_DARKEST = 0.45
_SEED = 0


@dataclass(frozen=True)
class Column:
    """A figure of the table beyond accuracy.

    Attributes:
        name: As in ``EvaluationDetails.at_k`` or ``whole``.
        title: Head of the column.
        meaning: In a sentence.
        text: The figure as written.
    """

    name: str
    title: str
    meaning: str
    text: Callable[[float], str] = "{:.3f}".format


#: In the order of the table; those that no model has are left out.
COLUMNS = (
    Column("diversity", "diversity", "how different the genres within a list are, 0 … 1 (1 - cosine, mean of pairs)"),
    Column("novelty", "novelty", "bits of surprise: -log2 of the share of users who know an item", "{:.2f}".format),
    Column("serendipity", "serendipity", "share of the list that was liked and is not among the most popular"),
    Column("gini", "Gini", "0: every item is shown as often; 1: one item is shown to all"),
    Column("arp", "popularity", "share of users who rated an item of the list, mean", "{:.1%}".format),
    Column(
        "popularity_lift",
        "lift over profile",
        "how much more popular lists are than what users rated",
        "{:+.0%}".format,
    ),
    Column("auc", "AUC", "chance that a liked item ranks above another; 0.5 is luck"),
    Column("average_precision", "AP", "average precision over the whole ranking"),
    Column("ece", "ECE", "expected calibration error of the probabilities", "{:.4f}".format),
    Column("brier", "Brier", "mean squared error of the probabilities", "{:.4f}".format),
    Column("rmse", "RMSE", "root mean squared error of foretold ratings"),
    Column("mae", "MAE", "mean absolute error of foretold ratings"),
)


class ComparedPair(NamedTuple):
    """Two models, and the p-value after correction for all pairs.

    Attributes:
        difference: The comparison, with its raw p-value.
        corrected: Its p-value corrected by Holm; NaN where there is none.
    """

    difference: PairwiseDifference
    corrected: float


def beyond_rows(
    models: Mapping[str, EvaluationDetails],
) -> tuple[list[Column], list[tuple[str, list[tuple[str, str]]]]]:
    """The table beyond accuracy.

    Args:
        models: Model to its details, in the order of the rows.

    Returns:
        Columns that any model has a figure for; rows of name and cells (figure, interval), both empty where a model
        has none.
    """
    figures = {name: {**details.at_k(), **details.whole()} for name, details in models.items()}
    columns = [column for column in COLUMNS if any(column.name in found for found in figures.values())]
    rows = []
    for name, details in models.items():
        summaries = summarise_each(details.per_user, seed=_SEED)
        cells = [
            (column.text(figures[name][column.name]), _interval(summaries.get(column.name), column))
            if column.name in figures[name]
            else ("–", "")
            for column in columns
        ]
        rows.append((name, cells))
    return columns, rows


def segment_table(
    models: Mapping[str, EvaluationDetails], metric: str
) -> list[tuple[str, str, int, list[dict[str, Any]]]]:
    """One metric of every model in every segment that any model knows.

    Args:
        models: Model to its details, in the order of the columns.
        metric: One of ``evaluation.details.SEGMENT_METRICS``.

    Returns:
        Rows of kind, name, users, and a cell per model: figure, interval, shade 0 … 1, and whether it is the best.
    """
    values = {
        name: {segment: of_segment[metric] for segment, of_segment in details.segments.items()}
        for name, details in models.items()
    }
    # Names are text; the segments themselves stay the keys of what is looked up.
    found = {
        name: dict(
            zip(
                of_model,
                summarise_each({"\t".join(key): v for key, v in of_model.items()}, seed=_SEED).values(),
                strict=True,
            )
        )
        for name, of_model in values.items()
    }
    segments = list(dict.fromkeys(segment for of_model in found.values() for segment in of_model))
    highest = max(
        (one.mean for of_model in found.values() for one in of_model.values() if isfinite(one.mean)), default=0
    )
    rows = []
    for segment in segments:
        here = [of_model.get(segment) for of_model in found.values()]
        best = max((one.mean for one in here if one is not None), default=0.0)
        cells = [_cell(one, best, highest, compared=len(here) > 1) for one in here]
        rows.append((segment.kind, segment.name, max(one.n_users for one in here if one is not None), cells))
    return rows


def pair_rows(pairs: Sequence[ComparedPair], champion: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those with the champion, named second, and the others."""
    ours: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for pair in pairs:
        with_champion = champion in (pair.difference.candidate, pair.difference.baseline)
        (ours if with_champion else others).append(_pair_row(pair, turned=pair.difference.candidate == champion))
    return ours, others


def _pair_row(pair: ComparedPair, *, turned: bool) -> dict[str, Any]:
    found = pair.difference
    sign = -1 if turned else 1
    ends = sorted((sign * found.ci_lower, sign * found.ci_upper))
    return {
        "names": (found.baseline, found.candidate) if turned else (found.candidate, found.baseline),
        "difference": f"{sign * found.effect_size:+.4f}" if isfinite(found.effect_size) else "–",
        "interval": f"{ends[0]:+.3f} … {ends[1]:+.3f}" if found.status == "ok" else "",
        "pvalue": _pvalue(found.pvalue),
        "corrected": _pvalue(pair.corrected),
        "n_users": found.n_users,
    }


def _pvalue(p: float) -> str:
    if not isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _cell(summary: MetricSummary | None, best: float, highest: float, *, compared: bool) -> dict[str, Any]:
    if summary is None or not isfinite(summary.mean):
        return {"figure": "–", "interval": "", "shade": "0", "best": False}
    return {
        "figure": f"{summary.mean:.3f}",
        "interval": f"{summary.ci_lower:.2f} … {summary.ci_upper:.2f}" if summary.status == "ok" else "",
        "shade": f"{_DARKEST * summary.mean / highest:.2f}" if highest > 0 else "0",
        "best": compared and summary.mean == best > 0,
    }


def _interval(summary: MetricSummary | None, column: Column) -> str:
    if summary is None or summary.status != "ok":
        return ""
    return f"{column.text(summary.ci_lower)} … {column.text(summary.ci_upper)}"
