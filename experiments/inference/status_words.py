"""What a status means, for people who have never read a p-value, in English and Korean.

A sentence says what happened, what still can be read, and what to do about it.
"""

from __future__ import annotations

from experiments.figures import Language
from experiments.inference.adjustment import AdjustmentNote
from experiments.inference.estimates import Status
from experiments.inference.non_inferiority import NonInferiorityVerdict
from experiments.inference.post_stratification import StratificationNote

STATUS_WORDS: dict[Language, dict[Status, str]] = {
    "en": {
        "ok": "There are enough data to compare the two variants.",
        "no_units": "One of the variants has nobody in it, so there is nothing to compare yet.",
        "too_few_units": (
            "One of the variants has too few participants to tell a real difference from chance. Wait for more."
        ),
        "no_variance": (
            "Everybody in both variants has exactly the same value, so no difference can be tested. Check that this "
            "metric is recorded as it should be."
        ),
        "no_overlap": (
            "Everybody in one variant lies above everybody in the other. There is no clearer difference, but how often "
            "one would lie above the other with more participants cannot be narrowed down."
        ),
        "not_finite": (
            "The figures of this metric hold a value that is not a number or is endlessly large, so nothing can be "
            "computed from them. Look for errors in the data."
        ),
        "undefined_ratio": (
            "This metric divides by something that adds up to zero in one of the variants (for example, clicks per "
            "view where nobody viewed anything), so it has no value there."
        ),
        "burn_in": (
            "It is too early to judge: this way of looking at results as often as one likes becomes reliable only once "
            "each variant has more participants. Keep the experiment running."
        ),
        "zero_baseline": (
            "The current version scores zero, or too close to it, so a change in per cent has no meaning. The plain "
            "difference between the variants can still be read."
        ),
        "negative_baseline": (
            "The current version scores below zero, where a change in per cent would point the wrong way. The plain "
            "difference between the variants can still be read."
        ),
    },
    "ko": {
        "ok": "두 안을 비교하기에 충분한 자료가 모였습니다.",
        "no_units": "두 안 가운데 하나에 참여자가 한 명도 없어 아직 비교할 수 없습니다.",
        "too_few_units": (
            "두 안 가운데 하나의 참여자가 너무 적어 실제 차이인지 우연인지 가릴 수 없습니다. 참여자가 더 모일 때까지 "
            "기다려 주십시오."
        ),
        "no_variance": (
            "두 안의 모든 참여자가 똑같은 값을 보여 차이를 검정할 수 없습니다. 이 지표가 제대로 기록되고 있는지 "
            "확인하십시오."
        ),
        "no_overlap": (
            "한 안의 모든 참여자가 다른 안의 모든 참여자보다 높습니다. 이보다 뚜렷한 차이는 없지만, 참여자가 더 "
            "많을 때 얼마나 자주 그러할지는 범위로 나타낼 수 없습니다."
        ),
        "not_finite": (
            "이 지표에 숫자가 아니거나 한없이 큰 값이 있어 결과를 계산할 수 없습니다. 자료에 오류가 있는지 "
            "확인하십시오."
        ),
        "undefined_ratio": (
            "이 지표는 나누는 값의 합이 한쪽 안에서 0이어서(예: 아무도 보지 않은 화면의 조회당 클릭 수) 값을 정할 수 "
            "없습니다."
        ),
        "burn_in": (
            "아직 판단하기 이릅니다. 결과를 수시로 확인하는 이 방식은 각 안의 참여자가 더 모여야 믿을 수 있습니다. "
            "실험을 계속 진행하십시오."
        ),
        "zero_baseline": (
            "기존 안의 값이 0이거나 0에 너무 가까워 몇 퍼센트 달라졌는지는 의미가 없습니다. 두 안의 값 차이 자체는 "
            "그대로 볼 수 있습니다."
        ),
        "negative_baseline": (
            "기존 안의 값이 0보다 작아 변화를 퍼센트로 나타내면 방향이 거꾸로 보입니다. 두 안의 값 차이 자체는 그대로 "
            "볼 수 있습니다."
        ),
    },
}

ADJUSTMENT_WORDS: dict[Language, dict[AdjustmentNote, str]] = {
    "en": {
        "adjusted": "What was known of the participants beforehand was used to make the result more precise.",
        "no_covariate": "Nothing was known of the participants beforehand, so the result is as it was measured.",
        "covariate_no_variance": (
            "What was known of the participants beforehand is the same for all of them, so it could not make the "
            "result more precise; the result is as it was measured."
        ),
        "covariate_not_finite": (
            "What was known of the participants beforehand holds values that are not numbers, so it was not used; the "
            "result is as it was measured."
        ),
        "too_few_units": (
            "There are too few participants to make use of what was known of them beforehand; the result is as it was "
            "measured."
        ),
        "no_estimate": (
            "The metric itself has no value in one of the variants, so there was nothing to make more precise."
        ),
    },
    "ko": {
        "adjusted": "실험 전에 알고 있던 참여자 정보를 반영해 결과의 정밀도를 높였습니다.",
        "no_covariate": "실험 전에 알고 있던 참여자 정보가 없어 측정한 결과를 그대로 보여 줍니다.",
        "covariate_no_variance": (
            "실험 전에 알고 있던 정보가 모든 참여자에게 똑같아 정밀도를 높이는 데 쓸 수 없었습니다. 측정한 결과를 "
            "그대로 보여 줍니다."
        ),
        "covariate_not_finite": (
            "실험 전에 알고 있던 정보에 숫자가 아닌 값이 있어 쓰지 않았습니다. 측정한 결과를 그대로 보여 줍니다."
        ),
        "too_few_units": (
            "참여자가 너무 적어 실험 전에 알고 있던 정보를 반영할 수 없었습니다. 측정한 결과를 그대로 보여 줍니다."
        ),
        "no_estimate": "두 안 가운데 하나에서 지표의 값 자체를 정할 수 없어 정밀도를 높일 대상이 없습니다.",
    },
}

STRATIFICATION_WORDS: dict[Language, dict[StratificationNote, str]] = {
    "en": {
        "stratified": (
            "Participants were compared within groups of their like; each group counts for as much as it does overall."
        ),
        "collapsed": (
            "Participants were compared within groups of their like; groups that were too small were taken together."
        ),
        "one_stratum": "The groups were too small or there was only one, so everybody was compared together.",
        "no_units": "One of the variants has nobody in it, so there is nothing to compare yet.",
    },
    "ko": {
        "stratified": "비슷한 참여자 집단끼리 비교한 뒤 전체 구성 비율에 맞춰 합쳤습니다.",
        "collapsed": "비슷한 참여자 집단끼리 비교했으며, 너무 작은 집단은 하나로 묶었습니다.",
        "one_stratum": "집단이 하나뿐이거나 너무 작아 전체를 한꺼번에 비교했습니다.",
        "no_units": "두 안 가운데 하나에 참여자가 한 명도 없어 아직 비교할 수 없습니다.",
    },
}

NON_INFERIORITY_WORDS: dict[Language, dict[NonInferiorityVerdict, str]] = {
    "en": {
        "non_inferior": "Safe: if the new version is worse here at all, it is by less than was agreed to be tolerable.",
        "inferior": "Not safe: the new version is worse here by more than was agreed to be tolerable.",
        "inconclusive": (
            "Not known yet: the data neither show that the new version is safe here nor that it does harm. That is no "
            "proof of safety."
        ),
    },
    "ko": {
        "non_inferior": "안전: 새 안이 이 지표에서 나빠졌더라도 미리 정한 허용 범위를 넘지 않습니다.",
        "inferior": "안전하지 않음: 새 안이 이 지표에서 미리 정한 허용 범위를 넘어 나빠졌습니다.",
        "inconclusive": (
            "아직 알 수 없음: 새 안이 이 지표에서 안전한지 해로운지 자료만으로는 가릴 수 없습니다. 안전하다는 뜻이 "
            "아닙니다."
        ),
    },
}


def status_sentence(status: Status, language: Language) -> str:
    """The sentence of a status.

    >>> status_sentence("no_units", "en")
    'One of the variants has nobody in it, so there is nothing to compare yet.'
    """
    return STATUS_WORDS[language][status]
