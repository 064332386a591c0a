"""What is seen over time, in sentences for people who have never heard of a control chart, in English and Korean.

Names of variants and metrics stand in brackets after a Korean noun, so that the particle is right for any name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.figures import Language, count, pvalue
from experiments.metric_figures import effect_text, relative_text, value_text
from experiments.metrics import Metric
from experiments.over_time.anomalies import Anomalies, Anomaly
from experiments.over_time.carry_over import CarryOver, PrePeriod
from experiments.over_time.cusum import Cusum
from experiments.over_time.periods import Period, period_starts
from experiments.over_time.readings import NoveltyReading, Shift

SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "novelty.fades": (
            "{metric}, {variant}: the effect wears off, from {first} on a unit's first day to {last} on the last of "
            "its first {days} days (p {pvalue}). What is left in the long run may be less than the whole shows."
        ),
        "novelty.grows": (
            "{metric}, {variant}: the effect grows, from {first} on a unit's first day to {last} on the last of its "
            "first {days} days (p {pvalue}). What there will be in the long run may be more than the whole shows."
        ),
        "novelty.steady": (
            "{metric}, {variant}: no change of the effect with the days since a unit's first was shown (p {pvalue}), "
            "which is no proof that there is none."
        ),
        "novelty.too_few_days": (
            "{metric}, {variant}: whether the effect wears off cannot be told; it takes units that are seen on three "
            "days or more. Let the experiment run longer, or give a row per event."
        ),
        "novelty.no_variance": (
            "{metric}, {variant}: whether the effect wears off cannot be tested; the days lie exactly on a line."
        ),
        "metric_days.flags": (
            "{metric} in {variant} is odd on {days}. Look for what happened then before you trust the whole."
        ),
        "metric_days.ok": "{metric} in {variant}: no odd day.",
        "metric_days.too_few_days": "{metric} in {variant}: odd days cannot be told; it takes seven days or more.",
        "metric_days.no_variance": "{metric} in {variant}: all days are alike.",
        "traffic_days.flags": (
            "Far fewer units came to {variant} than on the days before: {days}. Events may be missing; the last day "
            "may not be over."
        ),
        "traffic_days.ok": "Units that came to {variant}: no sudden drop.",
        "traffic_days.too_few_days": "Units that came to {variant}: drops cannot be told; it takes four days or more.",
        "effect_shift.rise": (
            "{metric}, {variant}: since {change} or so the difference from {control} lies higher than before (noticed "
            "on {alarm}). One figure for all days hides that; find out what changed."
        ),
        "effect_shift.fall": (
            "{metric}, {variant}: since {change} or so the difference from {control} lies lower than before (noticed "
            "on {alarm}). One figure for all days hides that; find out what changed."
        ),
        "effect_shift.none": "{metric}, {variant}: no lasting shift of the difference from {control} was noticed.",
        "effect_shift.unknown": (
            "{metric}, {variant}: lasting shifts cannot be looked for; on no day can the variants be compared."
        ),
        "split_shift.rise": (
            "Since {change} or so {variant} has been getting more of the new units than intended (noticed on {alarm}). "
            "Find out what changed in the assignment or the log."
        ),
        "split_shift.fall": (
            "Since {change} or so {variant} has been getting fewer of the new units than intended (noticed on "
            "{alarm}). Find out what changed in the assignment or the log."
        ),
        "split_shift.none": "The share of new units that {variant} gets: no lasting shift was noticed.",
        "split_shift.unknown": (
            "The share of new units that {variant} gets: shifts cannot be looked for; on no day did ten new units come."
        ),
        "carry_over.alarm": (
            "{metric}, {variant}: what units had in the earlier experiment still shows (outcome p {outcome}, effect p "
            "{effect}, assignment p {balance}). Read segments by the earlier variant before you trust the whole."
        ),
        "carry_over.ok": (
            "{metric}, {variant}: no trace of the earlier experiment (outcome p {outcome}, effect p {effect}, "
            "assignment p {balance})."
        ),
        "carry_over.too_few_groups": (
            "{metric}, {variant}: traces of the earlier experiment cannot be looked for; fewer than two of its "
            "variants have units here."
        ),
        "pre_period.alarm": (
            "{variant}: the units differed from those of {control} before the experiment began ({covariate}, p "
            "{pvalue}). Check the assignment, or assign anew with another salt."
        ),
        "pre_period.ok": (
            "{variant}: no difference from {control} before the experiment began ({covariate}, p {pvalue})."
        ),
        "pre_period.unknown": (
            "{variant}: whether the units were like those of {control} before cannot be tested ({covariate})."
        ),
        "no_times": "No row says when it was, so there is nothing to read over time.",
        "rows_without_time": "Rows that say no time, left out of the readings over time: {rows}.",
        "quantile": "{metric}: a quantile is not read over time.",
    },
    "ko": {
        "novelty.fades": (
            "지표({metric}), 변형안({variant}): 효과가 옅어집니다. 대상의 첫날 {first}에서 처음 {days}일의 마지막 날 "
            "{last}로 바뀌었습니다(p {pvalue}). 장기 효과는 전체 수치보다 작을 수 있습니다."
        ),
        "novelty.grows": (
            "지표({metric}), 변형안({variant}): 효과가 커집니다. 대상의 첫날 {first}에서 처음 {days}일의 마지막 날 "
            "{last}로 바뀌었습니다(p {pvalue}). 장기 효과는 전체 수치보다 클 수 있습니다."
        ),
        "novelty.steady": (
            "지표({metric}), 변형안({variant}): 첫 노출 뒤 날짜에 따른 효과의 변화는 확인되지 않았습니다(p {pvalue}). "
            "변화가 없다는 증명은 아닙니다."
        ),
        "novelty.too_few_days": (
            "지표({metric}), 변형안({variant}): 효과가 옅어지는지 알 수 없습니다. 사흘 이상 관찰한 대상이 필요하니 "
            "실험을 더 진행하거나 이벤트마다 한 행씩 주십시오."
        ),
        "novelty.no_variance": (
            "지표({metric}), 변형안({variant}): 날짜별 효과가 정확히 한 직선 위에 있어 검정할 수 없습니다."
        ),
        "metric_days.flags": (
            "변형안({variant})의 지표({metric})가 다음 날에 유난히 다릅니다: {days}. 전체 수치를 믿기 전에 그날 무슨 "
            "일이 있었는지 확인하십시오."
        ),
        "metric_days.ok": "변형안({variant})의 지표({metric}): 유난히 다른 날이 없습니다.",
        "metric_days.too_few_days": (
            "변형안({variant})의 지표({metric}): 이레 이상이어야 유난히 다른 날을 가릴 수 있습니다."
        ),
        "metric_days.no_variance": "변형안({variant})의 지표({metric}): 모든 날이 똑같습니다.",
        "traffic_days.flags": (
            "변형안({variant})에 온 대상이 앞선 날들보다 훨씬 적습니다: {days}. 이벤트가 빠졌을 수 있습니다. 마지막 "
            "날은 아직 끝나지 않았을 수 있습니다."
        ),
        "traffic_days.ok": "변형안({variant})에 온 대상: 갑자기 줄어든 날이 없습니다.",
        "traffic_days.too_few_days": "변형안({variant})에 온 대상: 나흘 이상이어야 줄어든 날을 가릴 수 있습니다.",
        "effect_shift.rise": (
            "지표({metric}), 변형안({variant}): {change} 무렵부터 기준안({control})과의 차이가 전보다 "
            "높습니다({alarm}에 감지). 전체를 합친 수치에는 드러나지 않으니 무엇이 바뀌었는지 확인하십시오."
        ),
        "effect_shift.fall": (
            "지표({metric}), 변형안({variant}): {change} 무렵부터 기준안({control})과의 차이가 전보다 "
            "낮습니다({alarm}에 감지). 전체를 합친 수치에는 드러나지 않으니 무엇이 바뀌었는지 확인하십시오."
        ),
        "effect_shift.none": (
            "지표({metric}), 변형안({variant}): 기준안({control})과의 차이가 지속적으로 바뀐 흔적은 없습니다."
        ),
        "effect_shift.unknown": (
            "지표({metric}), 변형안({variant}): 두 안을 비교할 수 있는 날이 없어 지속적인 변화를 살필 수 없습니다."
        ),
        "split_shift.rise": (
            "{change} 무렵부터 변형안({variant})에 새 대상이 의도보다 많이 배정됩니다({alarm}에 감지). 배정이나 "
            "로그에서 무엇이 바뀌었는지 확인하십시오."
        ),
        "split_shift.fall": (
            "{change} 무렵부터 변형안({variant})에 새 대상이 의도보다 적게 배정됩니다({alarm}에 감지). 배정이나 "
            "로그에서 무엇이 바뀌었는지 확인하십시오."
        ),
        "split_shift.none": "변형안({variant})이 받는 새 대상의 비율: 지속적으로 바뀐 흔적이 없습니다.",
        "split_shift.unknown": (
            "변형안({variant})이 받는 새 대상의 비율: 새 대상이 열 명 이상인 날이 없어 살필 수 없습니다."
        ),
        "carry_over.alarm": (
            "지표({metric}), 변형안({variant}): 이전 실험의 흔적이 남아 있습니다(결과 p {outcome}, 효과 p {effect}, "
            "배정 p {balance}). 전체 수치를 믿기 전에 이전 변형안별로 나누어 보십시오."
        ),
        "carry_over.ok": (
            "지표({metric}), 변형안({variant}): 이전 실험의 흔적이 없습니다(결과 p {outcome}, 효과 p {effect}, 배정 p "
            "{balance})."
        ),
        "carry_over.too_few_groups": (
            "지표({metric}), 변형안({variant}): 이전 실험의 변형안 가운데 대상이 있는 것이 둘 미만이라 흔적을 살필 수 "
            "없습니다."
        ),
        "pre_period.alarm": (
            "변형안({variant}): 실험 전부터 기준안({control})의 대상과 달랐습니다({covariate}, p {pvalue}). 배정을 "
            "확인하거나 다른 솔트로 다시 배정하십시오."
        ),
        "pre_period.ok": (
            "변형안({variant}): 실험 전에는 기준안({control})과 차이가 없었습니다({covariate}, p {pvalue})."
        ),
        "pre_period.unknown": (
            "변형안({variant}): 실험 전에 기준안({control})의 대상과 같았는지 검정할 수 없습니다({covariate})."
        ),
        "no_times": "시각이 기록된 행이 없어 시간에 따른 변화를 볼 수 없습니다.",
        "rows_without_time": "시각이 기록되지 않아 시간에 따른 변화에서 제외한 행: {rows}개.",
        "quantile": "지표({metric}): 분위수는 시간에 따라 나누어 보지 않습니다.",
    },
}


def date_text(number: int, period: Period = "day") -> str:
    """The first day of a period, as ISO 8601 writes it; a month without its day.

    >>> date_text(0), date_text(0, "week"), date_text(1, "month")
    ('1970-01-01', '1969-12-29', '1970-02')
    """
    start = np.datetime64(int(period_starts([number], period)[0]), "s")
    return str(start.astype("datetime64[M]" if period == "month" else "datetime64[D]"))


def novelty_sentence(found: NoveltyReading, metric: Metric, variant: str, language: Language) -> str:
    """Whether the effect wears off."""
    fit = found.found
    key = fit.trend if fit.status == "ok" else fit.status

    def told(effect: float) -> str:
        relative = found.scale == "relative"
        return relative_text(effect, language) if relative else effect_text(metric, effect, language)

    return SENTENCES[language][f"novelty.{key}"].format(
        metric=metric.name,
        variant=variant,
        first=told(fit.first_effect),
        last=told(fit.last_effect),
        days=count(fit.n_days),
        pvalue=pvalue(fit.pvalue),
    )


def metric_days_sentence(found: Anomalies, metric: Metric, variant: str, language: Language) -> str:
    """Days on which a metric is odd."""

    def told(flag: Anomaly) -> str:
        value, expected = (value_text(metric, number, language) for number in (flag.value, flag.expected))
        return _day_told(flag.day, value, expected, language)

    return _days_sentence("metric_days", found, told, language, metric=metric.name, variant=variant)


def traffic_days_sentence(found: Anomalies, variant: str, language: Language) -> str:
    """Days on which far fewer units came."""

    def told(flag: Anomaly) -> str:
        return _day_told(flag.day, f"{flag.value:,.0f}", f"{flag.expected:,.0f}", language)

    return _days_sentence("traffic_days", found, told, language, variant=variant)


def effect_shift_sentence(found: Shift, metric: Metric, variant: str, control: str, language: Language) -> str:
    """Whether the effect has shifted for good."""
    return _shift_sentence("effect_shift", found, language, metric=metric.name, variant=variant, control=control)


def split_shift_sentence(found: Shift, variant: str, language: Language) -> str:
    """Whether the split has."""
    return _shift_sentence("split_shift", found, language, variant=variant)


def carry_over_sentence(found: CarryOver, metric: Metric, variant: str, language: Language) -> str:
    """Whether an earlier experiment still shows."""
    key = found.status if found.status != "ok" else "alarm" if found.alarm else "ok"
    return SENTENCES[language][f"carry_over.{key}"].format(
        metric=metric.name,
        variant=variant,
        outcome=pvalue(found.pvalue),
        effect=pvalue(found.interaction.pvalue),
        balance=pvalue(found.balance_pvalue),
    )


def pre_period_sentence(found: PrePeriod, covariate: str, variant: str, control: str, language: Language) -> str:
    """Whether the arms were alike before."""
    tested = np.isfinite(found.comparison.pvalue)
    key = "alarm" if found.alarm else "ok" if tested else "unknown"
    return SENTENCES[language][f"pre_period.{key}"].format(
        covariate=covariate, variant=variant, control=control, pvalue=pvalue(found.comparison.pvalue)
    )


def _day_told(day: int, value: str, expected: str, language: Language) -> str:
    instead = f"{value}, 보통 {expected}" if language == "ko" else f"{value} instead of {expected} or so"
    return f"{date_text(day)} ({instead})"


def _days_sentence(kind: str, found: Anomalies, told: Any, language: Language, **names: str) -> str:
    key = "flags" if found.flags else found.status
    days = ", ".join(told(flag) for flag in found.flags)
    return SENTENCES[language][f"{kind}.{key}"].format(days=days, **names)


def _shift_sentence(kind: str, found: Shift, language: Language, **names: str) -> str:
    chart: Cusum = found.chart
    key = chart.side if chart.status == "ok" else "unknown"
    dates = {"alarm": "", "change": ""}
    if chart.alarm >= 0:
        dates = {"alarm": date_text(int(found.days[chart.alarm])), "change": date_text(int(found.days[chart.change]))}
    return SENTENCES[language][f"{kind}.{key}"].format(**dates, **names)
