"""What a log says of a policy, for people who have never weighed a row, in English and Korean.

Names of policies stand in brackets after a Korean noun, so that the particle follows the noun and is right for any
name.
"""

from __future__ import annotations

import math

from experiments.figures import Language, count, percent, share
from experiments.metric_figures import effect_text, interval_text, value_text
from experiments.metrics import Metric
from experiments.off_policy.comparison import PolicyUplift
from experiments.off_policy.estimator import PolicyValue
from experiments.off_policy.overlap import PolicyStatus

POLICY_STATUS_WORDS: dict[Language, dict[PolicyStatus, str]] = {
    "en": {
        "ok": "The log holds enough rows to judge this policy.",
        "no_units": "The log holds no row that counts, so there is nothing to judge by.",
        "too_few_units": "All rows belong to a single unit, so nothing can be told from chance. Log more of them.",
        "no_overlap": (
            "There is no overlap: this policy would do things that were never tried where it would do them, and the "
            "log cannot say what would have come of that. Log some random choices, or judge a policy that stays closer "
            "to what was done."
        ),
        "low_ess": (
            "So few rows of the log count for this policy that no interval around the figure could be trusted. Log "
            "more, or judge a policy that stays closer to what was done."
        ),
        "wrong_weights": (
            "The chances written in the log do not fit what was done: either they are wrong, or this policy would act "
            "where the log never went. Any figure would be wrong too. Look into how the chances were logged."
        ),
        "not_uniform": (
            "Replay needs a log in which every action had the same chance, which this one is not. Read another "
            "estimator, such as snips or dr."
        ),
        "no_variance": "Nothing varies in the rows that count, so the figure has no interval.",
        "not_finite": (
            "A figure grows beyond all bounds. Look for chances next to zero and for huge rewards in the log."
        ),
    },
    "ko": {
        "ok": "이 정책을 판단하기에 충분한 행이 로그에 있습니다.",
        "no_units": "셀 수 있는 행이 로그에 없어 판단할 근거가 없습니다.",
        "too_few_units": "모든 행이 한 대상의 것이어서 우연과 가릴 수 없습니다. 더 많은 대상을 기록하십시오.",
        "no_overlap": (
            "겹치는 부분이 없습니다. 이 정책이 하려는 행동 가운데 그 자리에서 한 번도 시도되지 않은 것이 있어, 결과가 "
            "어땠을지 로그로는 알 수 없습니다. 무작위 선택을 일부 기록하거나 실제로 한 행동에 더 가까운 정책을 "
            "평가하십시오."
        ),
        "low_ess": (
            "이 정책에 쓸 수 있는 행이 너무 적어 믿을 만한 구간을 낼 수 없습니다. 기록을 더 모으거나 실제로 한 행동에 "
            "더 가까운 정책을 평가하십시오."
        ),
        "wrong_weights": (
            "로그에 적힌 확률이 실제 행동과 맞지 않습니다. 확률이 틀렸거나, 로그에 없는 곳에서 행동하는 정책입니다. "
            "어떤 수치도 맞을 수 없으므로 확률이 어떻게 기록되었는지 확인하십시오."
        ),
        "not_uniform": (
            "재생 방식(replay)에는 모든 행동의 확률이 같은 로그가 필요하지만 이 로그는 그렇지 않습니다. snips나 dr 등 "
            "다른 추정 방식을 보십시오."
        ),
        "no_variance": "쓸 수 있는 행의 값이 모두 같아 구간을 낼 수 없습니다.",
        "not_finite": "수치가 한없이 커졌습니다. 로그에 0에 가까운 확률이나 지나치게 큰 보상이 있는지 확인하십시오.",
    },
}

#: ``no_…``: rows that are left out; ``warn.…``: what a reader should know before believing a figure.
SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "logging": "the policy that made the log",
        "value": "Under {policy} a row would have earned {value} ({level} interval {interval}).",
        "value.alone": "Under {policy} a row would have earned about {value}. {status}",
        "value.none": "{policy}: no figure can be given. {status}",
        "uplift.above": (
            "Against {baseline} that is {effect} ({level} interval {interval}); the interval leaves out 0: better."
        ),
        "uplift.below": (
            "Against {baseline} that is {effect} ({level} interval {interval}); the interval leaves out 0: worse."
        ),
        "uplift.open": (
            "Against {baseline} that is {effect} ({level} interval {interval}); the interval holds 0: no difference is "
            "shown."
        ),
        "uplift.same": "No row of the log tells it apart from {baseline}.",
        "uplift.none": "Against {baseline} ({baseline_value}) no difference can be given.",
        "ess": (
            "The log tells as much about it as {ess} rows of its own would (effective sample size; there are {n} rows)."
        ),
        "by": "{policy} by {estimators}: {status}",
        "between": "{lower} to {upper}",
        "no_action": "{rows} rows name no action; they are left out.",
        "no_propensity": "{rows} rows have no propensity; they are left out.",
        "no_reward": (
            "{rows} rows have no finite reward; they are left out. Write 0 in the file if that is what it means."
        ),
        "no_unit": "{rows} rows name no unit; they are left out.",
        "no_context": "{rows} rows lack a finite number in the context; they are left out.",
        "no_draw": "{rows} sessions were not drawn, everybody was given the same; they are left out.",
        "warn.wrong_weights": "The weights of {policy} average {mean_weight}; they must be near 1.",
        "warn.one_row": "A single row carries {share} of all the weight of {policy}; the figures hang on it.",
        "warn.model_alone": "{policy}: {estimator} rests on its reward model alone; nothing in the log can check it.",
        "warn.disagree": (
            "{policy}: the intervals of {estimators} do not meet: the reward model misses something, weights were cut, "
            "or propensities are wrong."
        ),
        "warn.no_context": (
            "Propensities vary within an action, so something was known of each row. Name it with --context: without "
            "it {estimator} knows no more than each action's mean."
        ),
        "warn.clipped": "Weights above {clip} were cut to it: {rows} rows of {policy}. That pulls its figures off.",
        "warn.several": (
            "{policies} policies were judged, each interval by itself; the one that looks best is flattered by being "
            "chosen."
        ),
    },
    "ko": {
        "logging": "로그를 만든 정책",
        "value": "정책({policy})을 썼다면 얻었을 행당 값: {value}({level} 구간 {interval}).",
        "value.alone": "정책({policy})을 썼다면 얻었을 행당 값: 약 {value}. {status}",
        "value.none": "정책({policy}): 수치를 낼 수 없습니다. {status}",
        "uplift.above": (
            "비교 대상({baseline})과의 차이: {effect}({level} 구간 {interval}). 구간이 0을 포함하지 않으며 더 좋습니다."
        ),
        "uplift.below": (
            "비교 대상({baseline})과의 차이: {effect}({level} 구간 {interval}). 구간이 0을 포함하지 않으며 더 나쁩니다."
        ),
        "uplift.open": (
            "비교 대상({baseline})과의 차이: {effect}({level} 구간 {interval}). 구간이 0을 포함하므로 차이가 확인되지 "
            "않았습니다."
        ),
        "uplift.same": "비교 대상({baseline})과 구별해 주는 행이 로그에 없습니다.",
        "uplift.none": "비교 대상({baseline}, {baseline_value})과의 차이는 낼 수 없습니다.",
        "ess": "이 정책을 직접 {ess}행 써 본 만큼의 정보가 로그에 있습니다(유효 표본 크기, 전체 {n}행).",
        "by": "정책({policy}), 추정 방식({estimators}): {status}",
        "between": "{lower} ~ {upper}",
        "no_action": "행 {rows}개는 행동이 기록되지 않아 제외했습니다.",
        "no_propensity": "행 {rows}개는 확률이 기록되지 않아 제외했습니다.",
        "no_reward": "행 {rows}개는 보상이 유한한 수가 아니어서 제외했습니다. 0을 뜻한다면 파일에 0으로 적으십시오.",
        "no_unit": "행 {rows}개는 대상이 기록되지 않아 제외했습니다.",
        "no_context": "행 {rows}개는 맥락에 유한한 수가 없어 제외했습니다.",
        "no_draw": "세션 {rows}개는 추첨 없이 모두에게 같은 안을 보여 주어 제외했습니다.",
        "warn.wrong_weights": "정책({policy})의 가중치 평균은 {mean_weight}입니다. 1에 가까워야 합니다.",
        "warn.one_row": "행 하나가 정책({policy}) 전체 가중치의 {share}를 차지합니다. 수치가 그 행에 달려 있습니다.",
        "warn.model_alone": (
            "정책({policy}): 추정 방식({estimator})은 보상 모형에만 기대며, 로그로는 확인할 수 없습니다."
        ),
        "warn.disagree": (
            "정책({policy}): 추정 방식({estimators})의 구간이 서로 만나지 않습니다. 보상 모형이 놓친 것이 있거나, "
            "가중치를 잘랐거나, 확률이 틀렸습니다."
        ),
        "warn.no_context": (
            "같은 행동에서도 확률이 달라, 행마다 알려진 것이 있었습니다. --context로 지정하십시오. 지정하지 않으면 "
            "추정 방식({estimator})은 행동별 평균밖에 알지 못합니다."
        ),
        "warn.clipped": (
            "{clip}보다 큰 가중치를 그 값으로 잘랐습니다. 정책({policy})의 행 {rows}개이며, 그만큼 수치가 치우칩니다."
        ),
        "warn.several": (
            "정책 {policies}개를 평가했고 구간은 저마다 따로 성립합니다. 가장 좋아 보이는 것은 골랐다는 이유만으로 "
            "부풀려집니다."
        ),
    },
}


def policy_sentence(
    policy: str,
    value: PolicyValue,
    uplift: PolicyUplift,
    baseline: str,
    reward: Metric,
    alpha: float,
    language: Language,
) -> str:
    """What the log says of a policy: its value, the uplift, what that rests on.

    Args:
        policy: Its name.
        value: By the estimator that decides.
        uplift: By the same.
        baseline: What it is held against, by name, or in words.
        reward: How figures are written.
        alpha: Of the intervals.
        language: "en" or "ko".
    """
    words = SENTENCES[language]
    told = {
        "policy": policy,
        "value": value_text(reward, value.value, language),
        "level": share(1 - alpha, language),
        "interval": value_interval(reward, value.ci_lower, value.ci_upper, language),
        "status": POLICY_STATUS_WORDS[language][value.status],
    }
    if not math.isfinite(value.value):
        return words["value.none"].format(**told)
    kind = "value" if value.status == "ok" else "value.alone"
    ess = words["ess"].format(ess=count(round(value.ess)), n=count(value.n))
    return " ".join([words[kind].format(**told), _against(uplift, baseline, reward, alpha, language), ess])


def value_interval(reward: Metric, lower: float, upper: float, language: Language) -> str:
    """The two ends of a value's interval; empty where there is none.

    >>> value_interval(Metric("click", "proportion", "click"), 0.312, 0.32, "en")
    '31.2 % to 32.0 %'
    """
    if math.isnan(lower) or math.isnan(upper):
        return ""
    ends = {"lower": value_text(reward, lower, language), "upper": value_text(reward, upper, language)}
    return SENTENCES[language]["between"].format(**ends)


def _against(uplift: PolicyUplift, baseline: str, reward: Metric, alpha: float, language: Language) -> str:
    reading = "open" if uplift.ci_lower <= 0 <= uplift.ci_upper else "above" if uplift.ci_lower > 0 else "below"
    if uplift.status != "ok":
        reading = "same" if uplift.status == "no_variance" and uplift.effect_size == 0 else "none"
    return SENTENCES[language][f"uplift.{reading}"].format(
        baseline=baseline,
        baseline_value=value_text(reward, uplift.baseline_value, language),
        effect=effect_text(reward, uplift.effect_size, language),
        level=share(1 - alpha, language),
        interval=interval_text(reward, uplift.ci_lower, uplift.ci_upper, language),
    )


def warning_sentence(code: str, figures: dict[str, str | int | float], language: Language) -> str:
    """A warning, or what was left out, in words; shares in per cent, whole numbers in thousands.

    >>> warning_sentence("no_unit", {"rows": 1200}, "en")
    '1,200 rows name no unit; they are left out.'
    """
    written = {
        name: percent(value, language) if name == "share" and isinstance(value, float) else _written(value)
        for name, value in figures.items()
    }
    return SENTENCES[language][code].format(**written)


def _written(value: str | int | float) -> str:
    if isinstance(value, str):
        return value
    return count(value) if isinstance(value, int) else f"{value:.4g}"
