"""A verdict in sentences, for people who have never read a p-value and for those who have, in English and Korean.

Names of variants and metrics stand in brackets after a Korean noun, so that the particle follows the noun and is right
for any name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.analysis import Analysis, Finding
from experiments.figures import MISSING, Language, chance, count, percent, pvalue, share
from experiments.metric_figures import effect_text, interval_text, relative_text, value_text
from experiments.metrics import Metric
from experiments.verdict import Verdict

SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "srm": (
            "Invalid: the units did not split as intended ({split}; p {srm}), so something is wrong with the "
            "assignment or the log. Find out what before you read any other figure."
        ),
        "srm.stray": (
            "Invalid: nobody should have had {stray} ({split}), so something is wrong with the assignment or the log. "
            "Find out what before you read any other figure."
        ),
        "guardrail_worse": (
            "Roll back: {metric} must not get worse, and with {variant} it did ({treatment} against {control_value})."
        ),
        "guardrail_open": (
            "Go on: {variant} is better, but it is not shown yet that {metric} loses no more than was agreed "
            "({treatment} against {control_value})."
        ),
        "guardrail_unproven": (
            "Keep {control}: {variant} is better, but it is not shown that {metric} loses no more than was agreed "
            "({treatment} against {control_value})."
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
        "bayesian": "Chance that {variant} is better: {chance} ({prior}); this reading {role}.",
        "bayesian.flat": "nothing expected beforehand",
        "bayesian.prior": "lifts of {mean} ± {sd} expected beforehand",
        "bayesian.decides": "decides",
        "bayesian.informs": "informs and does not decide",
        "numbers.ranks": (
            "{variant} against {control} in {metric}: a unit of {variant} is above one of {control} with a chance of "
            "{effect} (50 %: no difference), {level} interval {interval}, p {pvalue}, corrected for {tests} "
            "comparisons {adjusted}."
        ),
        "numbers.ranks.one": (
            "{variant} against {control} in {metric}: a unit of {variant} is above one of {control} with a chance of "
            "{effect} (50 %: no difference), {level} interval {interval}, p {pvalue}."
        ),
        "reduced": "What was known beforehand took away {reduction} of the variance.",
        "reduced.nothing": "What was known beforehand took away none of the variance.",
        "segments": (
            "{metric}, {variant} against {control}, by segment (do the segments differ at all? p {heterogeneity}):"
        ),
    },
    "ko": {
        "srm": (
            "무효: 대상이 의도한 비율대로 나뉘지 않았습니다({split}, p {srm}). 배정이나 로그에 문제가 있으므로 다른 "
            "수치를 보기 전에 원인을 찾으십시오."
        ),
        "srm.stray": (
            "무효: 아무에게도 배정되지 않아야 할 변형안({stray})에 대상이 있습니다({split}). 배정이나 로그에 문제가 "
            "있으므로 다른 수치를 보기 전에 원인을 찾으십시오."
        ),
        "guardrail_worse": (
            "롤백: 나빠져서는 안 되는 지표({metric})가 변형안({variant})에서 나빠졌습니다({treatment} 대 "
            "{control_value})."
        ),
        "guardrail_open": (
            "계속: 변형안({variant})이 더 좋지만 지표({metric})가 정해 둔 한도 안에서만 나빠진다는 점이 아직 확인되지 "
            "않았습니다({treatment} 대 {control_value})."
        ),
        "guardrail_unproven": (
            "기준안({control}) 유지: 변형안({variant})이 더 좋지만 지표({metric})가 정해 둔 한도 안에서만 나빠진다는 "
            "점이 확인되지 않았습니다({treatment} 대 {control_value})."
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
        "bayesian": "변형안({variant})이 더 좋을 확률: {chance}({prior}). 이 수치는 {role}.",
        "bayesian.flat": "사전에 예상한 것 없음",
        "bayesian.prior": "사전에 예상한 상대 변화 {mean} ± {sd}",
        "bayesian.decides": "결정의 근거입니다",
        "bayesian.informs": "참고용이며 결정하지 않습니다",
        "numbers.ranks": (
            "변형안({variant}) 대 기준안({control}), 지표({metric}): 변형안의 대상이 기준안의 대상보다 높을 확률 "
            "{effect}(50%: 차이 없음), {level} 구간 {interval}, p {pvalue}, 비교 {tests}건을 보정한 값 {adjusted}."
        ),
        "numbers.ranks.one": (
            "변형안({variant}) 대 기준안({control}), 지표({metric}): 변형안의 대상이 기준안의 대상보다 높을 확률 "
            "{effect}(50%: 차이 없음), {level} 구간 {interval}, p {pvalue}."
        ),
        "reduced": "사전에 알고 있던 정보가 분산의 {reduction}를 줄였습니다.",
        "reduced.nothing": "사전에 알고 있던 정보로는 분산이 줄지 않았습니다.",
        "segments": (
            "세그먼트별 지표({metric}), 변형안({variant}) 대 기준안({control})(세그먼트끼리 다르다고 볼 수 있는지: p "
            "{heterogeneity}):"
        ),
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
    treatment, control = _told_apart(
        primary.metric, primary.comparison.treatment_value, primary.comparison.control_value, language
    )
    figures = {
        "split": _split(analysis),
        "stray": ", ".join(sorted(_strays(analysis))),
        "srm": pvalue(analysis.srm.pvalue),
        "metric": primary.metric.name,
        "variant": found.variant,
        "control": analysis.plan.control,
        "treatment": treatment,
        "control_value": control,
        "status": status,
    }
    reason = "srm.stray" if found.reason == "srm" and figures["stray"] else found.reason
    return SENTENCES[language][reason].format(**figures)


def numbers_sentences(analysis: Analysis, finding: Finding, language: Language) -> Sequence[str]:
    """One comparison for people who read p-values: the frequentist reading, the Bayesian one, what a covariate did."""
    words, compared = SENTENCES[language], finding.comparison
    tests = sum(not math.isnan(one.comparison.pvalue) for one in analysis.findings)
    figures = {
        "variant": finding.variant,
        "control": finding.control,
        "metric": finding.metric.name,
        "effect": finding_effect_text(finding, language),
        "relative": relative_text(compared.rel_effect_size, language),
        "level": share(1 - analysis.plan.alpha, language),
        "interval": finding_interval_text(finding, language),
        "pvalue": pvalue(compared.pvalue),
        "tests": count(tests),
        "adjusted": pvalue(finding.pvalue_adjusted),
    }
    corrected = tests > 1 and analysis.plan.correction != "none"
    kind = "numbers.ranks" if finding.effect_kind == "probability_of_superiority" else "numbers"
    told = [words[kind if corrected else f"{kind}.one"].format(**figures)]
    role = words["bayesian.decides" if analysis.plan.method == "bayesian" else "bayesian.informs"]
    if finding.bayesian.status == "ok":
        told.append(
            words["bayesian"].format(
                variant=finding.variant,
                chance=chance(finding.bayesian.chance_to_win, language),
                prior=_prior(analysis, finding, language),
                role=role,
            )
        )
    if not math.isnan(finding.variance_reduction):
        key = "reduced" if finding.variance_reduction > 0 else "reduced.nothing"
        told.append(words[key].format(reduction=percent(finding.variance_reduction, language)))
    return told


def finding_effect_text(finding: Finding, language: Language) -> str:
    """A comparison's effect: a difference, or a chance of superiority in per cent."""
    effect = finding.comparison.effect_size
    if finding.effect_kind == "probability_of_superiority":
        return percent(effect, language)
    return effect_text(finding.metric, effect, language)


def finding_interval_text(finding: Finding, language: Language) -> str:
    """The interval of that effect; a dash where there is none."""
    lower, upper = finding.comparison.ci_lower, finding.comparison.ci_upper
    if finding.effect_kind == "difference":
        return interval_text(finding.metric, lower, upper, language)
    if math.isnan(lower + upper):
        return MISSING
    return (" ~ " if language == "ko" else " to ").join(percent(end, language) for end in (lower, upper))


def _told_apart(metric: Metric, one: float, other: float, language: Language) -> tuple[str, str]:
    """Two values with as many figures, up to eight, as it takes to see that they differ."""
    texts = ("", "")
    for figures in range(4, 9):
        texts = value_text(metric, one, language, figures), value_text(metric, other, language, figures)
        if texts[0] != texts[1]:
            break
    return texts


def _prior(analysis: Analysis, finding: Finding, language: Language) -> str:
    words, prior = SENTENCES[language], analysis.plan.prior
    # On a baseline of 0 no relative lift could be expected.
    unusable = finding.bayesian.kind == "absolute" and finding.comparison.control_value >= 0
    if math.isinf(prior.sd) or unusable:
        return words["bayesian.flat"]
    return words["bayesian.prior"].format(
        mean=relative_text(prior.mean, language), sd=relative_text(prior.sd, language).lstrip("+")
    )


def _strays(analysis: Analysis) -> list[str]:
    """Variants that were to have nobody and have somebody."""
    weights = analysis.plan.weights or {}
    return [variant for variant, units in analysis.units.items() if units and weights.get(variant) == 0]


def _split(analysis: Analysis) -> str:
    return ", ".join(f"{variant} {count(units)}" for variant, units in sorted(analysis.units.items()))
