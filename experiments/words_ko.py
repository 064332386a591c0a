"""The Korean words of verdict and report. Keys and ``{figures}`` are those of every other language.

Model names stand in brackets after a Korean noun, 후보 모델(ease)이, so that the particle follows the noun and is
right for any name.
"""

from __future__ import annotations

SENTENCES = {
    "verdict.promote": "승격: 후보 모델({challenger})의 성과가 기존 모델({control})보다 높습니다",
    "verdict.promote.unproven": (
        "승격: 후보 모델({challenger})이 기존 모델({control})을 대체했으나, 성과가 더 높다는 점은 구간으로 "
        "확인되지 않았습니다"
    ),
    "verdict.rollback": "롤백: 후보 모델({challenger})의 성과가 기존 모델({control})보다 낮습니다",
    "verdict.rollback.guardrail": "롤백: 후보 모델({challenger})이 안전 기준을 벗어났습니다({reason})",
    "verdict.rollback.watch": (
        "롤백: 후보 모델({challenger})이 기존 모델({control})을 이겼으나, 전체 트래픽을 맡은 뒤 안전 기준을 "
        "벗어났습니다({reason})"
    ),
    "verdict.rollback.unproven": (
        "롤백: 기존 모델({control})로 되돌렸으나, 후보 모델({challenger})의 성과가 더 낮다는 점은 구간으로 "
        "확인되지 않았습니다"
    ),
    "verdict.keep": "기존 모델 유지: 후보 모델({challenger})과 기존 모델({control})의 우열을 가릴 수 없었습니다",
    "verdict.keep.won": (
        "기존 모델 유지: 후보 모델({challenger})이 앞섰으나 승격 조건을 채우기 전에 배포가 끝나 기존 "
        "모델({control})을 유지합니다"
    ),
    "verdict.keep.guardrail": (
        "기존 모델 유지: 후보 모델({challenger})이 앞섰으나 보호 지표를 확인하지 못해 기존 모델({control})을 "
        "유지합니다({reason})"
    ),
    "verdict.keep.lost": "기존 모델 유지: 후보 모델({challenger})이 기존 모델({control})에 뒤처졌습니다",
    "verdict.keep.unknown": (
        "기존 모델 유지: 후보 모델({challenger})과 기존 모델({control})을 비교하기에는 자료가 부족합니다"
    ),
    "verdict.invalid": "무효({reason}): 후보 모델({challenger})과 기존 모델({control})을 비교할 수 없습니다",
    "verdict.continue": (
        "진행 중: 후보 모델({challenger})과 기존 모델({control})을 비교하고 있으며, 세션 {sessions}건까지 결정이 "
        "나지 않았습니다"
    ),
    "headline": (
        "{verdict} — 클릭이 발생한 세션 비율 {challenger_rate} 대 {control_rate}({points}, 상시 유효 {level} "
        "신뢰구간 {interval})"
    ),
    "outcome.promote": (
        "이제 후보 모델({challenger_model}, 버전 {challenger_version})이 새 챔피언으로서 모든 방문자에게 추천을 "
        "제공합니다."
    ),
    "outcome.rollback": (
        "기존 모델({control_model}, 버전 {control_version})이 챔피언 자리를 지키며, 다시 모든 방문자에게 추천을 "
        "제공합니다."
    ),
    "outcome.keep": (
        "기존 모델({control_model}, 버전 {control_version})이 챔피언으로 남아 모든 방문자에게 추천을 제공합니다."
    ),
    "outcome.invalid": (
        "기존 모델({control_model}, 버전 {control_version})이 챔피언으로 남습니다. 방문자가 고르게 나뉘지 않은 "
        "원인을 먼저 찾은 뒤 배포를 다시 진행하십시오."
    ),
    "outcome.continue": (
        "현재 챔피언은 기존 모델({control_model}, 버전 {control_version})이며, 단계적 배포가 계속 진행됩니다."
    ),
    "exposed": (
        "방문자 {all_units}명 중 {exposed_units}명({exposed})이 후보 모델({challenger})의 추천을 받은 적이 있습니다."
    ),
    "alias": "MLflow의 별칭 ‘champion’은 버전 {champion_after}에 연결되어 있습니다.",
    "size": (
        "클릭이 발생한 세션의 비율은 후보 모델({challenger})에서 {challenger_rate}, 기존 모델({control})에서 "
        "{control_rate}입니다."
    ),
    "size.points": "두 비율의 차이는 {points}이며, 상시 유효 {level} 신뢰구간은 {interval}%p입니다.",
    "size.points.unknown": "한쪽의 방문자가 너무 적거나 클릭이 전혀 없어 차이의 신뢰구간을 구할 수 없습니다.",
    "size.relative": "기존 모델({control}) 대비 상대적인 차이는 {relative}입니다(신뢰구간 {relative_interval}%).",
    "size.relative.unknown": (
        "기존 모델({control})의 세션에서 클릭이 한 번도 발생하지 않아 상대적인 차이로는 나타낼 수 없습니다."
    ),
    "size.won": "구간 전체가 0보다 위에 있으므로 후보 모델({challenger})이 이겼습니다.",
    "size.lost": "구간 전체가 0보다 아래에 있으므로 후보 모델({challenger})이 졌습니다.",
    "size.undecided": "구간에 0이 포함되어 우열을 가릴 수 없으며, 어느 쪽도 승자가 아닙니다.",
    "size.unknown": "어느 모델이 더 나은지는 말할 수 없습니다.",
    "size.invalid": "방문자가 계획대로 나뉘지 않았으므로 두 집단의 차이를 모델의 차이로 볼 수 없습니다.",
    "sequential": (
        "상시 유효 p-값 {pvalue}, {level} 신뢰구간 {interval}%p. 두 값 모두 몇 번을 점검하더라도 "
        "유효하므로(이번에는 {looks}) 자주 들여다보아도 오류가 늘지 않습니다. 결정은 이 해석에 따라 내립니다."
    ),
    "sequential.unknown": (
        "한쪽의 방문자가 너무 적거나 클릭이 전혀 없어 신뢰구간과 p-값을 구할 수 없습니다. 결정은 이 해석에 따라 "
        "내립니다."
    ),
    "sequential.invalid": "방문자가 계획대로 나뉘지 않았으므로 사용할 수 없습니다.",
    "bayesian": (
        "후보 모델({challenger})이 더 나을 확률은 {chance}입니다. 후보 모델을 선택할 때의 기대 손실은 세션 "
        "1,000건당 클릭 세션 {loss}입니다. 균등 사전분포를 사용했고 반복 점검에 대한 보정은 하지 않았습니다. "
        "참고용이며 결정에는 쓰지 않습니다."
    ),
    "bayesian.unknown": "한쪽의 방문자가 너무 적거나 클릭이 전혀 없어 승리 확률과 기대 손실을 구할 수 없습니다.",
    "bayesian.invalid": "방문자가 계획대로 나뉘지 않았으므로 사용할 수 없습니다.",
    "step": (
        "{percent} 단계: 전체 세션 {sessions}건, {looks}. 후보 모델({challenger})은 세션 {challenger_sessions}건 "
        "중 {challenger_rate}, 기존 모델({control})은 세션 {control_sessions}건 중 {control_rate}에서 클릭이 "
        "발생했습니다."
    ),
    "step.continue": "문제가 발견되지 않아 배포를 계속했습니다.",
    "step.promote": "이 단계에서 후보 모델({challenger})을 승격했습니다.",
    "step.rollback": "이 단계에서 후보 모델({challenger})을 롤백했습니다.",
    "step.keep": "마지막 단계까지 승자가 가려지지 않아 기존 모델({control})을 유지했습니다.",
    "step.invalid": "이 단계에서 실험을 무효로 처리했습니다.",
    "watch": (
        "100% 관찰: 세션 {sessions}건 모두에 후보 모델({challenger})이 응답했습니다. 비교할 대조군이 없으므로 안전 "
        "기준만 확인했습니다."
    ),
    "watch.continue": "현재까지 모든 기준을 지키고 있습니다.",
    "watch.promote": "모든 기준을 지켜 승격이 확정되었습니다.",
    "watch.rollback": "기준을 벗어나 기존 모델({control})로 되돌렸습니다.",
    "watch.keep": "기존 모델({control})을 유지했습니다.",
    "watch.invalid": "실험을 무효로 처리했습니다.",
    "means.won": (
        "이 트래픽에서 기존 모델({control}) 대신 후보 모델({challenger})을 쓰면 세션 1,000건당 클릭 세션이 약 "
        "{per_thousand} 늘어납니다(신뢰구간 {per_thousand_interval}건)."
    ),
    "means.lost": (
        "이 트래픽에서 기존 모델({control}) 대신 후보 모델({challenger})을 쓰면 세션 1,000건당 클릭 세션이 약 "
        "{per_thousand} 줄어듭니다(신뢰구간 {per_thousand_interval}건)."
    ),
    "means.undecided": (
        "실제 차이가 {interval}%p 가운데 어느 값이더라도 관측 결과와 모순되지 않습니다. ‘우열을 가릴 수 없음’은 "
        "‘동등함이 입증됨’과 다릅니다."
    ),
    "means.unknown": "방문자가 어느 모델을 선호하는지에 대해서는 아무것도 말해 주지 않습니다.",
    "means.invalid": "두 모델에 대해서는 아무것도 말해 주지 않으며, 측정이 잘못되었다는 사실만 알려 줍니다.",
    "means.guardrail": "이번 롤백은 모델의 응답 품질에 따른 것이며, 추천 내용에 대한 평가가 아닙니다.",
    "means.metric": (
        "이번 롤백은 클릭과 상관없이 나빠져서는 안 되는 지표 때문입니다. 다른 지표와 함께 아래 표에서 확인할 수 "
        "있습니다."
    ),
    "means.error": (
        "실제로 아무런 차이가 없는 모델이 클릭을 이유로 승격되거나 롤백되는 경우는 이러한 배포 가운데 최대 "
        "{alpha}입니다."
    ),
    "limits.population": (
        "방문자 {units}명은 시뮬레이션으로 만들었으며, 각각 평점 데이터의 사용자 한 명을 본떴습니다. 결과는 이 "
        "모집단에 대한 것이며, 실제 서비스 방문자에 대한 것이 아닙니다."
    ),
    "limits.visitors": (
        "실제 방문자 {units}명을 비교했습니다. 결과는 이 기간과 같은 때에 찾아오는 방문자에 대한 것이며, 다른 시기나 "
        "다른 이용자층에 대한 것이 아닙니다."
    ),
    "limits.estimand": (
        "세션마다 클릭이 있었는지 없었는지만 셉니다. 클릭 횟수, 매출, 재방문 여부는 측정하지 않았습니다."
    ),
    "limits.others": (
        "결정은 세션마다 클릭이 있었는지 없었는지만 셉니다. 다른 지표는 참고로 알려 주며 보호 지표일 때만 결정에 "
        "관여합니다. 세션 안에서 일어난 횟수와 매출은 측정하지 않았습니다."
    ),
    "limits.duration": "배포 기간의 세션에 대한 평균이므로, 새로움이 사라진 뒤의 변화는 알 수 없습니다.",
    "method.session": (
        "추천 목록 요청 하나가 세션 한 건입니다. 하나라도 클릭하면 1, 아니면 0이며, 방문자에게 배정된 모델의 세션으로 "
        "셉니다. 아무 모델도 응답하지 못한 세션은 클릭 없음으로, 실패한 후보 모델 대신 기존 모델의 목록을 보여 준 "
        "세션은 실제 클릭대로 셉니다."
    ),
    "method.assignment": (
        "방문자는 ID의 솔트 해시에 따라 같은 단계에서 항상 같은 모델을 봅니다. 후보 모델과 같은 크기의 대조군(기존 "
        "모델)을 같은 기간에 운영하며, 나머지 방문자는 기존 모델을 보고 분석에서 제외됩니다."
    ),
    "method.cluster": (
        "같은 방문자의 세션은 서로 독립이 아니므로 불확실성은 세션이 아니라 방문자(클러스터) 단위로 계산했습니다."
    ),
    "method.strata": "단계별로 따로 비교한 뒤 평균하므로, 시간에 따른 추세가 효과로 잘못 나타나지 않습니다.",
    "method.sequential": (
        "신뢰구간은 {level} 상시 유효 신뢰구간열입니다. 이 신뢰수준으로 모든 점검 시점에서 동시에 실제 차이를 "
        "포함합니다. 평균이 정규분포에 가까울 만큼 방문자가 충분하다고 가정합니다."
    ),
    "method.rule": (
        "마지막 단계({last_step})에서 신뢰구간이 0보다 위에 있으면 승격하고, 어느 단계에서든 0보다 아래에 있거나 "
        "안전 기준을 벗어나면 즉시 롤백하며, 그 밖에는 기존 모델을 유지합니다."
    ),
    "drill.aa": (
        "이번 실행은 정답을 알고 진행한 검증용 실행입니다. 두 버전이 같은 모델이므로, 차이를 찾지 못하고 기존 "
        "모델을 유지하는 것이 올바른 결과입니다."
    ),
    "drill.uplift": (
        "이번 실행은 정답을 알고 진행한 검증용 실행입니다. 후보는 기존 모델과 같은 모델이며, 방문자가 클릭할 "
        "확률을 일부러 1.15배로 높였습니다. 승격하는 것이 올바른 결과입니다."
    ),
    "drill.damage": (
        "이번 실행은 정답을 알고 진행한 검증용 실행입니다. 후보는 기존 모델과 같은 모델이며, 방문자가 클릭할 "
        "확률을 일부러 0.9배로 낮추었습니다. 롤백하는 것이 올바른 결과입니다."
    ),
    "drill.shuffle": (
        "이번 실행은 정답을 알고 진행한 검증용 실행입니다. 후보는 기존 모델의 상위 200개 항목을 무작위 순서로 보여 "
        "줍니다. 롤백하는 것이 올바른 결과입니다."
    ),
    "drill.found": "실제로 그렇게 결정되었습니다.",
    "drill.missed": "실제로는 다르게 결정되었습니다.",
    "drill.open": "아직 결정되지 않았습니다.",
    "foretelling.won": "온라인에서는 후보 모델({challenger})이 이겼습니다.",
    "foretelling.lost": "온라인에서는 후보 모델({challenger})이 졌습니다.",
    "foretelling.undecided": "온라인에서 우열이 가려지지 않았으므로 승자를 예측한 오프라인 지표도 없습니다.",
    "foretelling.no_outcome": "오프라인 지표가 예측했다고 할 만한 온라인 효과가 없습니다.",
    "foretelling.same_model": (
        "기존 모델과 후보 모델이 같은 모델이므로 어떤 오프라인 지표도 결과를 예측할 수 없었습니다."
    ),
    "foretelling.equal": (
        "오프라인에서는 어느 사용자에게도 두 모델의 목록에 우열이 없었으므로 아무것도 예측할 수 없었습니다."
    ),
    "foretelling.foretold": "결과를 예측한 지표는 {metrics}입니다.",
    "foretelling.opposite": "반대로 예측한 지표는 {metrics}입니다.",
    "foretelling.nothing": "아무것도 말해 주지 않은 지표는 {metrics}입니다.",
    "foretelling.untested": "검정할 수 없는 지표는 {metrics}입니다.",
    "foretelling.leaned_same": "온라인 차이와 같은 방향이었던 지표는 {metrics}입니다.",
    "foretelling.leaned_other": "온라인 차이와 반대 방향이었던 지표는 {metrics}입니다.",
    "foretelling.method": (
        "오프라인 차이는 같은 사용자 {users}명의 따로 떼어 둔 평점에서 구한 ‘후보 모델 − 기존 모델’이며, 구간은 "
        "대응 부트스트랩으로 계산했습니다. 지표마다 {each} 수준을 적용하므로 지표 {metrics}개의 구간이 모두 실제 "
        "차이를 포함할 신뢰도는 {level}입니다(본페로니). 커버리지는 모델마다 값이 하나뿐이어서 구간이 없습니다."
    ),
    "foretelling.limits": (
        "이것은 한 번의 배포 결과이므로, 한 번 맞은 지표가 다음에도 맞는다고 할 수 없습니다. 후보 모델을 이 평점에서 "
        "어느 지표로 골랐다면 그 지표는 후보 모델에 유리하게 나타납니다. 또한 방문자는 따로 떼어 둔 평점을 포함한 "
        "같은 평점으로 시뮬레이션했으므로, 오프라인과 온라인은 실제 방문자의 경우보다 더 잘 일치합니다."
    ),
    "foretelling.missing.no_figures": (
        "어느 오프라인 지표가 결과를 예측했는지 알 수 없습니다. 모델({model})의 실행 기록에 사용자별 수치가 없습니다."
    ),
    "foretelling.missing.other_data": (
        "어느 오프라인 지표가 결과를 예측했는지 알 수 없습니다. 모델({model})은 다른 데이터나 다른 분할로 "
        "평가되었습니다."
    ),
    "foretelling.missing.judged_otherwise": (
        "어느 오프라인 지표가 결과를 예측했는지 알 수 없습니다. 모델({model})은 다른 목록 길이나 다른 선호 평점 "
        "기준으로 평가되었습니다."
    ),
    "foretelling.missing.no_common_users": (
        "어느 오프라인 지표가 결과를 예측했는지 알 수 없습니다. 모델({model})과 상대 모델을 함께 평가한 사용자가 "
        "없습니다."
    ),
}

LABELS = {
    "language": "한국어",
    "title": "단계적 배포 보고서",
    "decision.continue": "계속",
    "decision.promote": "승격",
    "decision.rollback": "롤백",
    "decision.keep": "유지",
    "decision.invalid": "무효",
    "champion": "챔피언",
    "challenger": "후보 모델",
    "control": "대조군",
    "version": "버전",
    "click_rate": "클릭이 발생한 세션",
    "against": "후보 모델({challenger}), 기존 모델({control})은 {rate}",
    "difference": "차이",
    "relative": "상대적인 차이",
    "chance_to_win": "승리 확률",
    "expected_loss": "기대 손실은 세션 1,000건당 클릭 세션 {loss}",
    "interval": "상시 유효 {level} 신뢰구간",
    "points": "%p",
    "pvalue": "p-값",
    "sessions": "세션",
    "visitors": "방문자",
    "looks.one": "점검 {looks}회",
    "looks.many": "점검 {looks}회",
    "look": "점검",
    "step": "단계",
    "watch": "관찰",
    "all_sessions": "전체 세션",
    "decision": "결정",
    "reason": "이유",
    "why": "결정 이유",
    "size": "차이의 크기",
    "interval_chart": "신뢰구간이 좁아지는 과정",
    "interval_chart.lead": (
        "클릭률의 차이(후보 모델 − 대조군)를 %p로 나타냅니다. 음영은 점검마다 계산한 상시 유효 {level} "
        "신뢰구간으로, 초반에는 그래프보다 넓을 수 있습니다. 위쪽의 백분율은 배포 단계입니다."
    ),
    "interval_chart.alt": (
        "{looks}에 걸친 클릭률 차이의 선 그래프. 마지막 점검에서 차이는 {points}, 신뢰구간은 {interval}%p입니다."
    ),
    "better": "후보 모델 우세",
    "worse": "후보 모델 열세",
    "no_difference": "차이 없음",
    "nothing_to_draw": "아직 신뢰구간을 구한 점검이 없어 그릴 내용이 없습니다.",
    "no_baseline": "대조군에 클릭이 없어 비교할 수 없음",
    "step_chart": "단계별 관측 결과",
    "step_chart.lead": "각 단계만 따로 본, 클릭이 발생한 세션의 비율과 그 근거가 된 세션 수입니다.",
    "step_chart.alt": "단계별 후보 모델과 대조군의 클릭률 막대 그래프. 아래 표에 같은 수치가 있습니다.",
    "readings": "같은 세션에 대한 두 가지 해석",
    "sequential": "순차 검정",
    "sequential.role": "결정 기준",
    "bayesian": "베이지안",
    "bayesian.role": "참고",
    "guardrails": "안전 기준",
    "guardrail": "항목",
    "limit": "허용 한도",
    "in_test": "비교 시험",
    "in_watch": "100% 관찰",
    "guardrail.srm": "방문자의 균등 배분(p-값)",
    "guardrail.error_rate": "응답 실패 또는 지연",
    "guardrail.empty_rate": "빈 추천 목록",
    "guardrail.latency": "응답 시간(95백분위수)",
    "metrics": "다른 지표",
    "metrics.lead": "해당 행동이 한 번이라도 있었던 세션의 비율입니다. 언제 보아도 유효한 {level} 신뢰구간입니다.",
    "role.secondary": "참고",
    "role.guardrail": "보호",
    "role.guardrail.margin": "보호(허용 손실 {margin})",
    "no_harm": "악화 없음",
    "not_shown": "미확인",
    "at_most": "{limit} 이하",
    "at_least": "{limit} 이상",
    "status": "결과",
    "held": "준수",
    "broken": "위반",
    "unjudged": "판단 보류",
    "means": "이 결과가 뜻하는 것",
    "limits": "이 결과가 뜻하지 않는 것",
    "method": "측정 방법",
    "all_looks": "모든 점검",
    "all_looks.lead": "첫 세션부터 누적한 수치입니다.",
    "leaderboard": "배포 전 오프라인 비교",
    "leaderboard.lead": (
        "따로 떼어 둔 평점으로 측정했습니다. 누가 이겼는지가 아니라 누구를 시험할지를 정한 결과입니다."
    ),
    "foretelling": "오프라인 지표가 결과를 예측했는가",
    "foretelling.lead": "오프라인 지표마다, 그리고 온라인 클릭에서 본 ‘후보 모델 − 기존 모델’의 차이입니다.",
    "foretelling.alt": (
        "기존 모델과 후보 모델의 차이를 나타낸 그래프. 오프라인 지표 {metrics}개와 온라인 클릭률을 구간과 함께 "
        "보여 주며, 아래 표에 같은 수치가 있습니다."
    ),
    "foretelling.online": "온라인 클릭",
    "metric": "지표",
    "interval.plain": "신뢰구간",
    "foretold.foretold": "예측함",
    "foretold.opposite": "반대로 예측함",
    "foretold.nothing": "말해 주지 않음",
    "foretold.leaned_same": "온라인 미결, 같은 방향",
    "foretold.leaned_other": "온라인 미결, 반대 방향",
    "foretold.leaned_neither": "온라인 미결, 방향 없음",
    "foretold.equal": "차이 없음",
    "foretold.untested": "검정 불가",
    "foretold.no_outcome": "온라인 결과 없음",
    "online.won": "후보 모델 승리",
    "online.lost": "후보 모델 패배",
    "online.undecided": "미결",
    "online.unknown": "결과 없음",
    "model": "모델",
    "role": "역할",
    "provenance": "출처",
    "experiment": "실험",
    "data": "데이터",
    "orphans": "세션 없는 결과",
    "seconds": "소요 시간",
    "run_folder": "실행 폴더",
    "hints": "더 살펴보기",
    "switch": "언어",
    "picture": "점검별 차이(%p)",
}
