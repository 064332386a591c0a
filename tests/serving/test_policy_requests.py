import json
import time
from typing import Any

import pytest

from core.errors import BadInput
from events.records import Outcome
from serving.policy_requests import ChooseRequest, parse_choose, parse_update

UPDATE = {"user_id": 17, "arm": "control", "item_id": 3, "reward": 1, "ts": 5, "meta": {"page": 2}}


def nested(levels: int) -> dict[str, Any]:
    return {} if levels == 1 else {"a": nested(levels - 1)}


def test_a_request_for_a_list_with_everything() -> None:
    context = '{"session_id": 7, "channel": "web", "device": "phone", "visitor_id": "v1"}'
    asked = parse_choose({"user_id": "17", "k": "5", "context": context}, default_k=10)
    document = {"session_id": 7, "channel": "web", "device": "phone", "visitor_id": "v1"}
    assert asked == ChooseRequest("17", 5, document, "7", "web", "phone")


def test_a_request_for_a_list_with_the_least() -> None:
    assert parse_choose({"user_id": "é"}, default_k=10) == ChooseRequest("é", 10, {}, None, None, None)
    assert parse_choose({"user_id": "a", "context": ""}, default_k=10).context == {}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "user_id == None"),
        ({"user_id": ""}, "user_id == ''"),
        ({"user_id": "x" * 257}, "1 … 256 characters"),
        ({"user_id": "1", "k": "0"}, "k == '0', must be an integer 1 … 1000"),
        ({"user_id": "1", "k": "1001"}, "k == '1001'"),
        ({"user_id": "1", "k": "9" * 5000}, "k == '999"),
        ({"user_id": "1", "k": "٣"}, "must be an integer"),
        ({"user_id": "1", "k": "1.0"}, "k == '1.0'"),
        ({"user_id": "1", "context": "{"}, "context is no JSON"),
        ({"user_id": "1", "context": "[]"}, "context is JSON but no object"),
        ({"user_id": "1", "context": '{"session_id": []}'}, "session_id"),
        ({"user_id": "1", "context": '{"device": 1.5}'}, "device"),
        ({"user_id": "1", "context": '{"channel": ""}'}, "channel"),
        ({"user_id": "1", "context": json.dumps(nested(9))}, "context is nested deeper than 8 levels"),
        (
            {"user_id": "1", "context": json.dumps({"a": "x" * 16_384})},
            "context takes 16,392 bytes as JSON, at most 16,384",
        ),
    ],
)
def test_a_bad_request_for_a_list_names_the_parameter(query: dict[str, str], reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_choose(query, default_k=10)
    assert reason in str(refused.value)


def test_an_update_as_the_interface_describes_it() -> None:
    assert parse_update(UPDATE) == Outcome("17", "control", "3", 1.0, 5.0, "click", None, {"page": 2})
    named = parse_update({**UPDATE, "decision_id": "d1", "kind": "purchase", "user_id": "u", "item_id": "i"})
    assert named == Outcome("u", "control", "i", 1.0, 5.0, "purchase", "d1", {"page": 2})


def test_ts_and_meta_may_be_left_out() -> None:
    before = time.time()
    outcome = parse_update({"user_id": 17, "arm": "champion", "item_id": 3, "reward": -0.5, "ts": None})
    assert before <= outcome.ts <= time.time()
    assert (outcome.reward, outcome.meta) == (-0.5, {})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *[({name: None}, f"{name} == None") for name in ("user_id", "arm", "item_id", "reward", "kind")],
        ({"user_id": True}, "user_id == True"),
        ({"user_id": 1.0}, "user_id == 1.0"),
        ({"item_id": {}}, "item_id == {}"),
        ({"arm": ""}, "arm == '', must be an integer or a text of 1 … 256 characters"),
        ({"arm": ["control"]}, "arm == ['control']"),
        ({"reward": "1"}, "reward == '1', must be a finite number"),
        ({"reward": True}, "reward == True"),
        ({"reward": float("nan")}, "reward == nan"),
        ({"reward": float("inf")}, "reward == inf"),
        ({"reward": -1.1e9}, "reward == -1.1e+09, must lie in -1e+09 … 1e+09"),
        ({"ts": "now"}, "ts == 'now'"),
        ({"ts": 1_700_000_000_000}, "ts == 1700000000000, lies in the future; send seconds"),
        ({"ts": float("nan")}, "ts == nan"),
        ({"meta": [1]}, "meta == [1], must be an object"),
        ({"meta": "x" * 500}, "..."),
        ({"meta": nested(9)}, "meta is nested deeper than 8 levels"),
        ({"meta": {"a": "x" * 16_384}}, "meta takes 16,392 bytes as JSON, at most 16,384 are kept"),
        ({"reward": nested(9)}, "reward is nested deeper than 8 levels"),
        ({"decision_id": ""}, "decision_id == ''"),
        ({"kind": "clicks"}, "kind == 'clicks', must be one of add_to_cart, click"),
        ({"rewards": 1}, "unknown field 'rewards'"),
    ],
)
def test_a_bad_update_names_the_field(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_update({**UPDATE, **changes})
    assert reason in str(refused.value)
    assert len(str(refused.value)) < 250


def test_as_deep_and_as_large_as_allowed() -> None:
    largest = {"a": "x" * (16_384 - 8)}
    for document in (nested(8), largest):
        assert parse_update({**UPDATE, "meta": document}).meta == document
        assert parse_choose({"user_id": "1", "context": json.dumps(document)}, default_k=10).context == document


def test_the_callers_own_key_is_taken() -> None:
    assert parse_choose({"user_id": "1", "decision_id": "my-key"}, default_k=10).decision_id == "my-key"
    with pytest.raises(BadInput, match=r"decision_id == ''"):
        parse_choose({"user_id": "1", "decision_id": ""}, default_k=10)
