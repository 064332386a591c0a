"""Reasons in words. To add a language: a file of its words, and a line here."""

from __future__ import annotations

from types import ModuleType

from wrappers import reason_words_en, reason_words_ko
from wrappers.causes import Cause

_WORDS: dict[str, ModuleType] = {"en": reason_words_en, "ko": reason_words_ko}

LANGUAGES = tuple(_WORDS)
"""What a request may ask for; the first where it only asks to explain."""


def in_words(cause: Cause, language: str) -> str:
    """A cause as one sentence, without a full stop at its end.

    Args:
        cause: Why an item stands in a list.
        language: One of ``LANGUAGES``.

    >>> in_words(Cause("rated", 0.9, titles=("Heat (1995)", "Casino (1995)")), "en")
    'Because you rated Heat (1995) and Casino (1995)'
    >>> in_words(Cause("new", 1.0, n_raters=1), "ko")
    '아직 널리 알려지지 않은 작품입니다. 지금까지 1명이 평가했습니다'
    """
    words = _WORDS[language]
    if cause.kind == "features":
        named = [words.FEATURES[key].format(genre=words.GENRES.get(genre, genre)) for key, genre in cause.features]
    else:
        named = list(cause.titles)
    places = dict(zip(("first", "second"), named, strict=False))
    sentence: str = words.SENTENCES[_key(cause, len(named))].format(count=f"{cause.n_raters:,}", **places)
    if not cause.terms:
        return sentence
    terms = ", ".join(_term(term, words) for term in cause.terms)
    in_common: str = words.SENTENCES["in_common"].format(reason=sentence, terms=terms)
    return in_common


def _key(cause: Cause, n_named: int) -> str:
    if cause.kind == "chance":
        return "chance"
    if cause.kind in ("rated", "features"):
        number = ("none", "one", "two")[n_named]
        return f"{cause.kind}.{number}{'.among' if cause.is_partial and n_named else ''}"
    if cause.is_top:
        return f"{cause.kind}.most"
    return f"{cause.kind}.{('none', 'one')[cause.n_raters] if cause.n_raters < 2 else 'many'}"


def _term(term: str, words: ModuleType) -> str:
    field, _, value = term.partition(":")
    if field == "genre":
        value = words.GENRES.get(value, value)
    elif field == "decade":
        value = value.removesuffix("s")
    shown: str = words.TERMS[field].format(value=value)
    return shown
