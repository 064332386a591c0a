"""The page's own words, English and Korean; those that the report has too are experiments/words.py's."""

from __future__ import annotations

from experiments.figures import Language

LANGUAGES: dict[Language, str] = {"en": "English", "ko": "한국어"}

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "language": "Language",
        "page.experiments": "Experiments",
        "page.lists": "Lists",
        "experiment": "Experiment",
        "so_far": "{sessions} of at most {planned} sessions · {looks}",
        "decided": "{sessions} sessions · {looks}",
        "live": "live",
        "chart.axis": "difference, percentage points",
        "chart.interval": "interval, points",
        "lists.title": "What each model would show",
        "lists.lead": (
            "The lists as they are served now, side by side. Looking at them is not counted as showing them to anybody."
        ),
        "user": "User",
        "user.help": "Users of the latest sessions; any other id may be typed.",
        "role.champion": "champion",
        "role.previous": "previous champion",
        "role.challenger": "challenger",
        "rank": "rank {rank}",
        "shared": "{shared} of {k} films are in both lists; they are marked ◆.",
        "shared.none": "No film is in both lists.",
        "cold": "This model does not know the user and shows what is popular.",
        "features.store": "With the user's own features from the feature store.",
        "features.partial": "With the user's own features; defaults where one was missing.",
        "features.default": "Without the user's own features: the feature store has none, so defaults were used.",
        "features.training": "With the user's features as of training.",
        "list.empty": "An empty list.",
        "list.down": "This model's server does not answer.",
        "one_arm": "Only one model is served, so there is nothing to compare it with.",
        "trouble.down": "The policy server does not answer",
        "trouble.down.hint": "Start everything with `make up`; this page looks again every few seconds.",
        "trouble.refused": "The policy server refused",
        "trouble.none": "No experiment yet",
        "trouble.none.hint": "`make demo` runs one from data to verdict; then `make up` shows it here.",
        "trouble.user": "Choose a user",
        "trouble.user.hint": "Nobody has been shown a list yet; type any user id above.",
    },
    "ko": {
        "language": "언어",
        "page.experiments": "실험",
        "page.lists": "추천 목록",
        "experiment": "실험",
        "so_far": "세션 {sessions}건 진행(최대 {planned}건) · {looks}",
        "decided": "세션 {sessions}건 · {looks}",
        "live": "진행 중",
        "chart.axis": "차이(%p)",
        "chart.interval": "신뢰구간(%p)",
        "lists.title": "모델마다 보여 줄 목록",
        "lists.lead": "지금 제공되는 추천 목록을 나란히 보여 줍니다. 여기서 보는 것은 노출로 집계되지 않습니다.",
        "user": "사용자",
        "user.help": "최근 세션의 사용자이며, 다른 ID를 직접 입력할 수도 있습니다.",
        "role.champion": "챔피언",
        "role.previous": "이전 챔피언",
        "role.challenger": "후보 모델",
        "rank": "{rank}위",
        "shared": "영화 {k}편 중 {shared}편이 두 목록에 모두 있으며 ◆로 표시했습니다.",
        "shared.none": "두 목록에 모두 있는 영화는 없습니다.",
        "cold": "이 모델이 모르는 사용자이므로 인기 목록을 보여 줍니다.",
        "features.store": "피처 저장소의 사용자 피처를 사용했습니다.",
        "features.partial": "사용자 피처를 사용했고, 빠진 값은 기본값으로 채웠습니다.",
        "features.default": "피처 저장소에 사용자 피처가 없어 기본값을 사용했습니다.",
        "features.training": "학습 시점의 사용자 피처를 사용했습니다.",
        "list.empty": "목록이 비어 있습니다.",
        "list.down": "이 모델의 서버가 응답하지 않습니다.",
        "one_arm": "제공 중인 모델이 하나뿐이라 비교할 대상이 없습니다.",
        "trouble.down": "정책 서버가 응답하지 않습니다",
        "trouble.down.hint": "`make up`으로 전체를 시작하십시오. 이 화면은 몇 초마다 다시 확인합니다.",
        "trouble.refused": "정책 서버가 요청을 거절했습니다",
        "trouble.none": "아직 실험이 없습니다",
        "trouble.none.hint": "`make demo`가 데이터부터 판정까지 실험을 진행하고, `make up`을 하면 여기에 표시됩니다.",
        "trouble.user": "사용자를 선택하십시오",
        "trouble.user.hint": "아직 목록을 본 사용자가 없습니다. 위에 아무 사용자 ID나 입력하십시오.",
    },
}


def word(language: Language, key: str, **figures: str) -> str:
    """A word or sentence with its figures filled in.

    Raises:
        KeyError: No such word, or a figure it needs was not given.
    """
    return _WORDS[language][key].format(**figures)


def keys(language: Language) -> set[str]:
    """Every key there is in a language."""
    return set(_WORDS[language])
