"""Metrics as they are written on a command line."""

from __future__ import annotations

import pytest

from core.errors import ConfigError
from experiments.metrics import Metric, parse_metric


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("paid", Metric("paid", "mean", "paid")),
        ("paid:proportion", Metric("paid", "proportion", "paid")),
        ("clicks/views", Metric("clicks/views", "ratio", "clicks", "views")),
        ("clicks:ratio", Metric("clicks", "ratio", "clicks")),
        ("wait:quantile", Metric("wait p50", "quantile", "wait")),
        ("wait:quantile:.95", Metric("wait p95", "quantile", "wait", level=0.95)),
    ],
)
def test_written_metrics(text: str, expected: Metric) -> None:
    assert parse_metric(text) == expected


def test_covariates_and_columns() -> None:
    found = parse_metric("clicks/views:ratio", covariate="before/seen", lower_is_better=True)
    assert (found.covariate, found.covariate_denominator, found.lower_is_better) == ("before", "seen", True)
    assert found.columns == ("clicks", "views", "before", "seen")
    assert parse_metric("paid", default="proportion").kind == "proportion"


@pytest.mark.parametrize(
    ("text", "covariate", "told"),
    [
        ("paid:median", None, "of kind 'median', must be one of mean, proportion, ratio, quantile"),
        (":mean", None, "names no column"),
        ("a/:ratio", None, "names no column"),
        ("a/b:mean", None, "has a denominator but is a mean; write a/b:ratio"),
        ("a:mean:.5", None, "has a level but is a mean"),
        ("a:quantile:1.5", None, "has level '1.5', must be above 0 and below 1"),
        ("a:quantile:0.0", None, "has level '0.0', must be above 0 and below 1"),
        ("a:quantile", "b", "takes no covariate"),
        ("a:mean", "b/c", "only a ratio takes one; metric 'a:mean' is a mean"),
    ],
)
def test_what_is_no_metric_is_refused(text: str, covariate: str | None, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_metric(text, covariate=covariate)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"a\:b", Metric("a:b", "mean", "a:b")),
        (r"a\/b:mean", Metric("a/b", "mean", "a/b")),
        (r"a\:b/c\/d", Metric("a:b/c/d", "ratio", "a:b", "c/d")),
        (r"C\:\wait:quantile:.9", Metric(r"C:\wait p90", "quantile", r"C:\wait", level=0.9)),
        (r"a\\:ratio", Metric("a\\", "ratio", "a\\")),
        (r"a\b", Metric(r"a\b", "mean", r"a\b")),
    ],
)
def test_marks_may_be_part_of_a_name(text: str, expected: Metric) -> None:
    assert parse_metric(text) == expected
    assert parse_metric("x:ratio", covariate=r"b\/4/n\:1").columns == ("x", "b/4", "n:1")
