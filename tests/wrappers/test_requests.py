"""Requests: what is taken, and what a bad one is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import BadInput
from wrappers.requests import DEFAULT_K, MAX_K, parse_requests


def test_defaults() -> None:
    assert parse_requests([{"user_id": "a"}]) == (["a"], [DEFAULT_K], [[]], [], [None])


def test_missing_values_of_a_dataframe_count_as_not_given() -> None:
    frame = pd.DataFrame({"user_id": [1, 2], "k": [3, None], "exclude_items": [np.array([5, 6]), None]})
    assert parse_requests(frame) == ([1, 2], [3, DEFAULT_K], [[5, 6], []], [], [None, None])


@pytest.mark.parametrize(
    ("given", "language"), [(True, "en"), ("en", "en"), ("ko", "ko"), (False, None), (None, None), (np.nan, None)]
)
def test_a_language_of_reasons(given: Any, language: str | None) -> None:
    assert parse_requests([{"user_id": 1, "explain": given}]).languages == [language]
    assert parse_requests(pd.DataFrame({"user_id": [1, 2], "explain": [given, None]})).languages == [language, None]


def test_requests_of_one_length_keep_their_order() -> None:
    requests = parse_requests([{"user_id": user, "k": 3 + user % 2, "exclude_items": [user]} for user in range(5)])
    assert requests.of_length(4) == ([1, 3], ([1, 3], [4, 4], [[1], [3]], [], [None, None]))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"user_id": 1}, "must be a list of requests"),
        ("user 1", "must be a list of requests"),
        (7, "input == 7, must be a list of requests"),
        ([17], "request 0 == 17, must be an object"),
        ([{"user_id": 1}, {}], "request 1: user_id == None, must be an integer or a text"),
        ([{"user_id": ""}], "user_id == '', must be"),
        ([{"user_id": 1.5}], "user_id == 1.5, must be"),
        ([{"user_id": True}], "user_id == True, must be"),
        ([{"user_id": [1]}], r"user_id == \[1\], must be"),
        ([{"user_id": 1, "k": 0}], f"request 0: k == 0, must be an integer 1 … {MAX_K}"),
        ([{"user_id": 1, "k": MAX_K + 1}], f"k == {MAX_K + 1}, must be"),
        ([{"user_id": 1, "k": 2.5}], "k == 2.5, must be"),
        ([{"user_id": 1, "k": True}], "k == True, must be"),
        ([{"user_id": 1, "k": "10"}], "k == '10', must be"),
        ([{"user_id": 1, "exclude_items": 5}], "exclude_items == 5, must be a list of item ids"),
        ([{"user_id": 1, "exclude_items": "5"}], "exclude_items == '5', must be a list"),
        ([{"user_id": 1, "exclude_items": [{}]}], "exclude_items == {}, must be an integer or a text"),
        ([{"user_id": 1, "explain": "fr"}], "request 0: explain == 'fr', must be true, false or one of 'en', 'ko'"),
        ([{"user_id": 1, "explain": 1}], "explain == 1, must be"),
        ([{"user_id": 1, "explain": ["en"]}], r"explain == \['en'\], must be"),
        ([{"user_id": 1, "exclude": [5]}], "unknown field 'exclude'; known: user_id, k, exclude_items"),
    ],
)
def test_a_bad_request_is_named(given: Any, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        parse_requests(given)


def test_a_message_does_not_repeat_a_huge_value() -> None:
    with pytest.raises(BadInput) as caught:
        parse_requests([{"user_id": ["x" * 10_000]}])
    assert len(str(caught.value)) < 200
