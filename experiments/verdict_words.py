"""A verdict in sentences, for people who have never read a p-value and for those who have, in English and Korean.

Names of variants and metrics stand in brackets after a Korean noun, so that the particle follows the noun and is right
for any name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.analysis import Analysis, Finding
from experiments.figures import MISSING, Language, chance, count, percent, points, pvalue, relative, share, signed
from experiments.metrics import Metric
from experiments.verdict import Verdict

SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "srm": (
            "Invalid: the units did not split as intended ({split}; p {srm}), so something is wrong with the "
            "assignment or the log. Find out what before you read any other figure."
        ),
        "guardrail_worse": (
            "Roll back: {metric} must not get worse, and with {variant} it did ({treatment} against {control_value})."
        ),
        "primary_worse": (
            "Roll back: {metric} is worse with {variant} than with {control} ({treatment} against {control_value})."
        ),
        "primary_better": (
            "Promote {variant}: {metric} is better than with {control} ({treatment} against {control_value})."
        ),
        "loss_small": (
            "Promote {variant}: {metric} is {treatment} against {control_value} with {control}, and should it be the "
            "worse one after all, choosing it costs less than you said you care about."
        ),
        "control_loss_small": (
            "Keep {control}: should {variant} be the better one after all, keeping {control} costs less than you said "
            "you care about."
        ),
        "primary_undefined": "Invalid: {metric} cannot be compared. {status}",
        "no_difference_shown": (
            "Keep {control}: the data do not show {variant} to be better or worse in {metric} ({treatment} against "
            "{control_value})."
        ),
        "undecided": (
            "Go on: {variant} and {control} cannot be told apart yet in {metric} ({treatment} against {control_value})."
        ),
        "too_few_units": "Go on: too little has been seen to compare the variants in {metric}.",
        "numbers": (
            "{variant} against {control} in {metric}: {effect} ({relative}), {level} interval {interval}, p {pvalue}, "
            "corrected for {tests} comparisons {adjusted}."
        ),
        "numbers.one": (
            "{variant} against {control} in {metric}: {effect} ({relative}), {level} interval {interval}, p {pvalue}."
        ),
        "bayesian": "Chance that {variant} is better: {chance}. Flat or given prior; this reading {role}.",
        "bayesian.decides": "decides",
        "bayesian.informs": "informs and does not decide",
        "reduced": "The covariate took away {reduction} of the variance.",
        "between": "{lower} to {upper}",
        "no_limit": "no limit",
    },
    "ko": {
        "srm": (
            "무효: 대상이 의도한 비율대로 나뉘지 않았습니다({split}, p {srm}). 배정이나 로그에 문제가 있으므로 다른 "
            "수치를 보기 전에 원인을 찾으십시오."
        ),
        "guardrail_worse": (
            "롤백: 나빠져서는 안 되는 지표({metric})가 변형안({variant})에서 나빠졌습니다({treatment} 대 "
            "{control_value})."
        ),
        "primary_worse": (
            "롤백: 지표({metric})가 변형안({variant})에서 기준안({control})보다 나쁩니다({treatment} 대 "
            "{control_value})."
        ),
        "primary_better": (
            "변형안({variant}) 승격: 지표({metric})가 기준안({control})보다 좋습니다({treatment} 대 {control_value})."
        ),
        "loss_small": (
            "변형안({variant}) 승격: 지표({metric})가 기준안({control})의 {control_value}에 비해 {treatment}이며, "
            "실제로는 더 나쁘더라도 이 선택으로 잃는 몫이 정해 둔 한도보다 작습니다."
        ),
        "control_loss_small": (
            "기준안({control}) 유지: 변형안({variant})이 실제로 더 좋더라도 기준안을 유지하여 잃는 몫이 정해 둔 "
            "한도보다 작습니다."
        ),
        "primary_undefined": "무효: 지표({metric})를 비교할 수 없습니다. {status}",
        "no_difference_shown": (
            "기준안({control}) 유지: 변형안({variant})의 지표({metric})가 더 좋거나 나쁘다는 점이 자료로 확인되지 "
            "않았습니다({treatment} 대 {control_value})."
        ),
        "undecided": (
            "계속: 변형안({variant})과 기준안({control})의 지표({metric}) 차이를 아직 가릴 수 없습니다({treatment} 대 "
            "{control_value})."
        ),
        "too_few_units": "계속: 지표({metric})를 비교하기에는 자료가 아직 부족합니다.",
        "numbers": (
            "변형안({variant}) 대 기준안({control}), 지표({metric}): {effect}({relative}), {level} 구간 {interval}, "
            "p {pvalue}, 비교 {tests}건을 보정한 값 {adjusted}."
        ),
        "numbers.one": (
            "변형안({variant}) 대 기준안({control}), 지표({metric}): {effect}({relative}), {level} 구간 {interval}, "
            "p {pvalue}."
        ),
        "bayesian": (
            "변형안({variant})이 더 좋을 확률: {chance}. 사전 분포는 평탄하거나 주어진 것이며, 이 수치는 {role}."
        ),
        "bayesian.decides": "결정의 근거입니다",
        "bayesian.informs": "참고용이며 결정하지 않습니다",
        "reduced": "공변량이 분산의 {reduction}를 줄였습니다.",
        "between": "{lower} ~ {upper}",
        "no_limit": "한계 없음",
    },
}


def verdict_sentence(analysis: Analysis, found: Verdict, language: Language, status: str = "") -> str:
    """What to do and why, in one sentence or two.

    Args:
        analysis: What was found.
        found: Its verdict.
        language: "en" or "ko".
        status: A sentence on why the primary metric cannot be compared, in the same language.
    """
    finding = found.finding
    primary = analysis.primary[0] if finding is None else finding
    figures = {
        "split": _split(analysis),
        "srm": pvalue(analysis.srm.pvalue),
        "metric": primary.metric.name,
        "variant": found.variant,
        "control": analysis.plan.control,
        "treatment": value_text(primary.metric, primary.comparison.treatment_value, language),
        "control_value": value_text(primary.metric, primary.comparison.control_value, language),
        "status": status,
    }
    return SENTENCES[language][found.reason].format(**figures)


def numbers_sentences(analysis: Analysis, finding: Finding, language: Language) -> Sequence[str]:
    """One comparison for people who read p-values: the frequentist reading, the Bayesian one, what a covariate did."""
    words, compared = SENTENCES[language], finding.comparison
    tests = sum(not math.isnan(one.comparison.pvalue) for one in analysis.findings)
    figures = {
        "variant": finding.variant,
        "control": finding.control,
        "metric": finding.metric.name,
        "effect": effect_text(finding.metric, compared.effect_size, language),
        "relative": relative(compared.rel_effect_size, language),
        "level": share(1 - analysis.plan.alpha, language),
        "interval": interval_text(finding.metric, compared.ci_lower, compared.ci_upper, language),
        "pvalue": pvalue(compared.pvalue),
        "tests": count(tests),
        "adjusted": pvalue(finding.pvalue_adjusted),
    }
    corrected = tests > 1 and analysis.plan.correction != "none"
    told = [words["numbers" if corrected else "numbers.one"].format(**figures)]
    role = words["bayesian.decides" if analysis.plan.method == "bayesian" else "bayesian.informs"]
    if finding.bayesian.status == "ok":
        told.append(
            words["bayesian"].format(
                variant=finding.variant, chance=chance(finding.bayesian.chance_to_win, language), role=role
            )
        )
    if not math.isnan(finding.variance_reduction):
        told.append(words["reduced"].format(reduction=percent(finding.variance_reduction, language)))
    return told


def value_text(metric: Metric, value: float, language: Language) -> str:
    """A metric's value: a share in per cent, anything else to four figures.

    >>> value_text(Metric("bought", "proportion", "bought"), 0.123, "en")
    '12.3 %'
    >>> value_text(Metric("paid", "mean", "paid"), 7.0, "ko")
    '7'
    """
    if not math.isfinite(value):
        return MISSING
    return percent(value, language, 2 if value < 0.1 else 1) if metric.kind == "proportion" else f"{value:,.4g}"


def effect_text(metric: Metric, effect: float, language: Language) -> str:
    """A difference with its sign, in points for a share."""
    if metric.kind == "proportion":
        return points(effect, language, 2)
    return signed(effect, _digits(effect))


def interval_text(metric: Metric, lower: float, upper: float, language: Language) -> str:
    """The two ends of an interval, in hundredths for a share; a dash where there is none."""
    if math.isnan(lower) or math.isnan(upper):
        return MISSING
    words = SENTENCES[language]
    ends = []
    for end in (lower, upper):
        if math.isinf(end):
            ends.append(words["no_limit"])
        else:
            ends.append(signed(100 * end, 2) if metric.kind == "proportion" else signed(end, _digits(end)))
    return words["between"].format(lower=ends[0], upper=ends[1])


def _digits(value: float) -> int:
    """Decimals that show four figures of a number."""
    if not math.isfinite(value) or value == 0:
        return 1
    return int(min(max(3 - math.floor(math.log10(abs(value))), 0), 9))


def _split(analysis: Analysis) -> str:
    return ", ".join(f"{variant} {count(units)}" for variant, units in sorted(analysis.units.items()))
