"""Looks as the charts and tables take them, from the JSON of the policy server, where null is what is no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from experiments.result import LookResult, MetricLook


def looks_of(documents: Sequence[Mapping[str, Any]]) -> list[LookResult]:
    """The looks of ``GET /experiments/{name}``, in order; empty before the first."""
    return [
        LookResult(
            **{
                **{name: nan if value is None else value for name, value in document.items()},
                "reasons": tuple(document["reasons"]),
                "metrics": tuple(
                    MetricLook(**{name: nan if value is None else value for name, value in metric.items()})
                    for metric in document.get("metrics", ())
                ),
            }
        )
        for document in documents
    ]
