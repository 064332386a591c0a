"""The Korean words of reasons. Keys and ``{places}`` are those of every other language.

No particle follows a title, a genre or a term: which one would be right depends on its last sound, and a title may end
in any script. A Korean noun stands behind it, ‘Heat (1995)’ 작품을, and takes the particle.
"""

from __future__ import annotations

SENTENCES = {
    "rated.one": "‘{first}’ 작품을 평가하셔서 추천합니다",
    "rated.two": "‘{first}’, ‘{second}’ 두 작품을 평가하셔서 추천합니다",
    "rated.one.among": "‘{first}’ 등 평가하신 작품을 바탕으로 추천합니다",
    "rated.two.among": "‘{first}’, ‘{second}’ 등 평가하신 작품을 바탕으로 추천합니다",
    "rated.none": "평가하신 작품 전반을 바탕으로 추천하며, 특별히 영향을 준 한두 작품은 없습니다",
    "in_common": "{reason}(공통점: {terms})",
    "popular.none": "아직 평가한 사람이 없는 작품입니다",
    "popular.one": "1명이 평가한 작품입니다",
    "popular.many": "{count}명이 평가한 작품입니다",
    "popular.most": "{count}명이 평가한 작품으로, 가장 인기 있는 작품 중 하나입니다",
    "cold.none": "아직 참고할 평가 기록이 없으며, 이 작품을 평가한 사람도 아직 없습니다",
    "cold.one": "아직 참고할 평가 기록이 없으며, 이 작품은 1명이 평가했습니다",
    "cold.many": "아직 참고할 평가 기록이 없으며, 이 작품은 {count}명이 평가했습니다",
    "cold.most": "아직 참고할 평가 기록이 없어 {count}명이 평가한 인기 작품을 보여 드립니다",
    "new.none": "아직 널리 알려지지 않은 작품입니다. 평가한 사람이 아직 없습니다",
    "new.one": "아직 널리 알려지지 않은 작품입니다. 지금까지 1명이 평가했습니다",
    "new.many": "아직 널리 알려지지 않은 작품입니다. 지금까지 {count}명이 평가했습니다",
    "features.one": "추천 후보 중 돋보이는 점: {first}",
    "features.two": "추천 후보 중 돋보이는 점: {first}, {second}",
    "chance": "비교를 위한 목록이어서 무작위로 배치했습니다",
}

FEATURES = {
    "rated_more": "평가한 사람이 더 많음",
    "rated_less": "평가한 사람이 더 적음",
    "rated_better": "평점이 더 높음",
    "rated_worse": "평점이 더 낮음",
    "opinions_differ": "평가가 더 엇갈림",
    "opinions_agree": "평가가 더 일치함",
    "rated_lately": "최근 평가가 많음",
    "rated_not_lately": "최근 평가가 적음",
    "last_rated_early": "마지막 평가가 더 오래됨",
    "last_rated_late": "더 최근에 평가됨",
    "listed_early": "등록된 지 더 오래됨",
    "listed_late": "더 최근에 등록됨",
    "newer": "더 최근 작품",
    "older": "더 오래된 작품",
    "tagged_more": "태그가 더 많음",
    "tagged_less": "태그가 더 적음",
    "tagged_variously": "태그가 더 다양함",
    "tagged_alike": "태그가 덜 다양함",
    "more_genres": "장르가 더 많음",
    "fewer_genres": "장르가 더 적음",
    "of_genre": "{genre} 장르",
    "not_of_genre": "{genre} 장르가 아님",
    "genres_often": "자주 평가하신 장르에 더 가까움",
    "genres_seldom": "드물게 평가하신 장르에 더 가까움",
    "genres_liked": "높게 평가하신 장르에 더 가까움",
    "genres_other": "높게 평가하신 장르와 거리가 있음",
}

TERMS = {
    "genre": "{value}",
    "tag": "{value}",
    "title": "제목의 ‘{value}’",
    "year": "같은 해({value}년) 작품",
    "decade": "같은 연대({value}년대) 작품",
}

GENRES = {
    "Action": "액션",
    "Adventure": "모험",
    "Animation": "애니메이션",
    "Children": "어린이",
    "Children's": "어린이",
    "Comedy": "코미디",
    "Crime": "범죄",
    "Documentary": "다큐멘터리",
    "Drama": "드라마",
    "Fantasy": "판타지",
    "Film-Noir": "누아르",
    "Horror": "공포",
    "IMAX": "아이맥스",
    "Musical": "뮤지컬",
    "Mystery": "미스터리",
    "Romance": "로맨스",
    "Sci-Fi": "SF",
    "Thriller": "스릴러",
    "War": "전쟁",
    "Western": "서부극",
}
