"""Every status has its sentence in every language, without the words of statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

import pytest

from experiments.figures import LANGUAGES, Language
from experiments.inference.adjustment import ADJUSTMENT_NOTES
from experiments.inference.estimates import Status
from experiments.inference.non_inferiority import NON_INFERIORITY_VERDICTS
from experiments.inference.post_stratification import STRATIFICATION_NOTES
from experiments.inference.status_words import (
    ADJUSTMENT_WORDS,
    NON_INFERIORITY_WORDS,
    STATUS_WORDS,
    STRATIFICATION_WORDS,
    status_sentence,
)

TABLES = {
    "status": (STATUS_WORDS, get_args(Status)),
    "adjustment": (ADJUSTMENT_WORDS, ADJUSTMENT_NOTES),
    "stratification": (STRATIFICATION_WORDS, STRATIFICATION_NOTES),
    "non_inferiority": (NON_INFERIORITY_WORDS, NON_INFERIORITY_VERDICTS),
}
#: What the reader has never heard of.
_JARGON = re.compile(
    r"p-?value|variance|covariate|significan|estimate|denominator|confidence|NaN|status|_|유의|분산|공변량|신뢰|추정|p값",
    re.IGNORECASE,
)
_HANGUL = re.compile(r"[가-힣]")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_has_a_sentence_of_its_language(table: str, language: Language) -> None:
    words, known = TABLES[table]
    sentences: Mapping[str, str] = words[language]
    assert set(sentences) == set(known)
    assert len(set(sentences.values())) == len(known)
    for sentence in sentences.values():
        assert sentence.endswith(".")
        assert sentence == " ".join(sentence.split())
        assert bool(_HANGUL.search(sentence)) == (language == "ko")
        assert not _JARGON.search(sentence), sentence


def test_the_sentence_of_a_status() -> None:
    assert status_sentence("burn_in", "en").startswith("It is too early to judge")
    assert status_sentence("burn_in", "ko").startswith("아직 판단하기 이릅니다")
