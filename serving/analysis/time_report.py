"""What an analysis over time tells: its sentences, and its part of the document for JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from experiments.figures import Language, count
from experiments.inference.comparison import Comparison
from experiments.json_document import json_document
from experiments.over_time.anomalies import Anomalies
from experiments.over_time.cusum import Cusum
from experiments.over_time.periods import Period
from experiments.over_time.readings import PeriodReading, Shift
from experiments.over_time.words import (
    SENTENCES,
    carry_over_sentence,
    date_text,
    effect_shift_sentence,
    metric_days_sentence,
    novelty_sentence,
    pre_period_sentence,
    split_shift_sentence,
    traffic_days_sentence,
)
from serving.analysis.analysed import Analysed
from serving.analysis.over_time import Before, Earlier, MetricOverTime, OverTime


class Check(NamedTuple):
    """Something that was looked for.

    Attributes:
        found: Its figures, for JSON.
        alarm: Whether it is worth a look.
        sentence: By language.
    """

    found: dict[str, Any]
    alarm: bool
    sentence: Callable[[Language], str]


def checks(found: Analysed) -> dict[str, list[Check]]:
    """Everything that was looked for, by kind."""
    seen, control = found.over_time, found.analysis.plan.control
    told: dict[str, list[Check]] = {
        "before": [_before(one, control) for one in found.before],
        "earlier": [_earlier(one) for one in found.earlier],
    }
    if seen is None or seen.period is None:
        return told
    told["novelty"] = [_novelty(one) for one in seen.metrics]
    told["odd_days"] = [
        check
        for arm in seen.arms
        for check in (
            *(_odd_metric(metric, arm.variant, days) for metric, days in arm.metrics),
            _odd_traffic(arm.variant, arm.traffic),
        )
    ]
    told["shifts"] = [_effect_shift(one, control) for one in seen.metrics] + [
        _split_shift(arm.variant, arm.split) for arm in seen.arms if arm.split is not None
    ]
    return told


def time_sentences(found: Analysed, language: Language) -> list[str]:
    """What to know: first what is worth a look, then what was looked for in vain."""
    words = SENTENCES[language]
    told: list[str] = []
    if found.over_time is not None:
        seen = found.over_time
        if seen.period is None:
            told.append(words["no_times"])
        if seen.rows_without_time:
            told.append(words["rows_without_time"].format(rows=count(seen.rows_without_time)))
        told += [words["quantile"].format(metric=metric.name) for metric in seen.skipped]
    every = [check for kind in checks(found).values() for check in kind]
    return told + [check.sentence(language) for check in sorted(every, key=lambda check: not check.alarm)]


def time_document(found: Analysed) -> dict[str, Any]:
    """``over_time``, ``before`` and ``earlier`` of the document."""
    told = {
        kind: [
            json_document({**check.found, "alarm": check.alarm})
            | {name: value for name, value in check.found.items() if isinstance(value, list)}
            | {"sentence": check.sentence("en"), "sentence_ko": check.sentence("ko")}
            for check in every
        ]
        for kind, every in checks(found).items()
    }
    document: dict[str, Any] = {"before": told.pop("before"), "earlier": told.pop("earlier"), "over_time": None}
    seen = found.over_time
    if seen is not None:
        document["over_time"] = {
            "time": found.question.time,
            "utc_offset_minutes": found.question.utc_offset,
            "every": seen.period,
            "status": "ok" if seen.period is not None else "no_times",
            "rows_without_time": seen.rows_without_time,
            "readings": [row for one in seen.metrics for row in _reading_rows(one, seen.period)],
            **told,
        }
    return document


def period_rows(seen: OverTime) -> list[tuple[MetricOverTime, PeriodReading, str]]:
    """Each reading with the name of its period."""
    return [
        (one, reading, date_text(reading.period, seen.period))
        for one in seen.metrics
        for reading in one.periods
        if seen.period is not None
    ]


def _reading_rows(one: MetricOverTime, period: Period | None) -> list[dict[str, Any]]:
    if period is None:
        return []
    return [
        json_document(
            {
                "metric": one.metric.name,
                "variant": one.variant,
                "period": date_text(reading.period, period),
                **_figures(reading.alone, ""),
                **_figures(reading.so_far, "so_far_"),
            }
        )
        for reading in one.periods
    ]


def _figures(compared: Comparison, prefix: str) -> dict[str, Any]:
    names = (
        "effect_size", "rel_effect_size", "ci_lower", "ci_upper", "pvalue", "control_value", "treatment_value",
        "control_n", "treatment_n", "status",
    )  # fmt: skip
    return {prefix + name: getattr(compared, name) for name in names}


def _before(one: Before, control: str) -> Check:
    compared = one.found.comparison
    return Check(
        {"covariate": one.covariate, "variant": one.variant, **_figures(compared, "")},
        one.found.alarm,
        lambda language: pre_period_sentence(one.found, one.covariate, one.variant, control, language),
    )


def _earlier(one: Earlier) -> Check:
    found = one.found
    return Check(
        {
            "metric": one.metric.name,
            "variant": one.variant,
            "pvalue": found.pvalue,
            "interaction_pvalue": found.interaction.pvalue,
            "balance_pvalue": found.balance_pvalue,
            "status": found.status,
        },
        found.alarm,
        lambda language: carry_over_sentence(found, one.metric, one.variant, language),
    )


def _novelty(one: MetricOverTime) -> Check:
    fit = one.novelty.found
    figures = {name: getattr(fit, name) for name in fit._fields}
    return Check(
        {
            "metric": one.metric.name,
            "variant": one.variant,
            "scale": one.novelty.scale,
            "units": one.novelty.units,
            **figures,
        },
        fit.trend in ("fades", "grows"),
        lambda language: novelty_sentence(one.novelty, one.metric, one.variant, language),
    )


def _odd_metric(metric: Any, variant: str, days: Anomalies) -> Check:
    return Check(
        {"of": "metric", "metric": metric.name, "variant": variant, **_flags(days)},
        bool(days.flags),
        lambda language: metric_days_sentence(days, metric, variant, language),
    )


def _odd_traffic(variant: str, days: Anomalies) -> Check:
    return Check(
        {"of": "traffic", "metric": "", "variant": variant, **_flags(days)},
        bool(days.flags),
        lambda language: traffic_days_sentence(days, variant, language),
    )


def _flags(days: Anomalies) -> dict[str, Any]:
    return {
        "baseline": days.baseline,
        "status": days.status,
        "days": [json_document({**flag._asdict(), "day": date_text(flag.day)}) for flag in days.flags],
    }


def _effect_shift(one: MetricOverTime, control: str) -> Check:
    return Check(
        {"of": "effect", "metric": one.metric.name, "variant": one.variant, **_chart(one.shift)},
        one.shift.chart.alarm >= 0,
        lambda language: effect_shift_sentence(one.shift, one.metric, one.variant, control, language),
    )


def _split_shift(variant: str, shift: Shift) -> Check:
    return Check(
        {"of": "split", "metric": "", "variant": variant, **_chart(shift)},
        shift.chart.alarm >= 0,
        lambda language: split_shift_sentence(shift, variant, language),
    )


def _chart(shift: Shift) -> dict[str, Any]:
    chart: Cusum = shift.chart
    dates = {
        name: date_text(int(shift.days[place])) if place >= 0 else None
        for name, place in (("noticed", chart.alarm), ("since", chart.change))
    }
    run_length = shift.run_length if math.isfinite(shift.run_length) else None
    return {"side": chart.side, **dates, "n_days": len(shift.days), "run_length": run_length, "status": chart.status}
