"""``/recommendations`` and ``/feedback`` over real policy and model servers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from events.database import open_database, reading
from events.schema import OUTCOMES
from serving.recommendation_requests import FEEDBACK_FIELDS, RECOMMENDATION_FIELDS
from serving.recommendation_schema import Feedback, FeedbackAnswer, RecommendationAnswer, RecommendationRequest
from tests.policy_servers import Policy, answer_with, metric, server_that, user_of


def recommended(policy: Policy, user_id: int | str, **fields: Any) -> dict[str, Any]:
    answer = policy.http.post("/recommendations", json={"user_id": user_id, **fields})
    assert answer.status_code == 200, answer.text
    document = dict(answer.json())
    RecommendationAnswer.model_validate(document)
    return document


def feedback(policy: Policy, **fields: Any) -> httpx.Response:
    return policy.http.post("/feedback", json=fields)


def outcome(policy: Policy, decision_id: str) -> dict[str, Any]:
    with reading(open_database(policy.url)) as connection:
        query = select(OUTCOMES).where(OUTCOMES.c.decision_id == decision_id)
        return dict(connection.execute(query).mappings().one())


def test_the_list_is_that_of_choose_with_ranks_model_and_version(policy: Policy) -> None:
    route = policy.route()
    for variant, model in (("control", "popularity"), ("challenger", "ease")):
        user = user_of(variant, route.experiment)
        found = recommended(policy, user, num_recommendations=4, context={"session_id": "s9", "device": "phone"})
        chosen = policy.choose(user, k=4)
        assert [item["item_id"] for item in found["items"]] == [item["item_id"] for item in chosen["items"]]
        assert [item["score"] for item in found["items"]] == [item["score"] for item in chosen["items"]]
        assert [item["rank"] for item in found["items"]] == [1, 2, 3, 4]
        assert all(item["explanation"] is None and item["confidence"] is None for item in found["items"])
        told = {name: found[name] for name in ("user_id", "model", "model_version", "arm", "experiment", "step")}
        assert told == {
            "user_id": user,
            "model": model,
            "model_version": "unregistered",
            "arm": variant,
            "experiment": route.experiment,
            "step": 0,
        }
        kept = policy.exposure(found["decision_id"])
        assert (kept["variant"], kept["session_id"], kept["device"]) == (variant, "s9", "phone")
        assert kept["items"] == [item["item_id"] for item in found["items"]]


def test_excluded_items_stay_out_and_others_take_their_places(policy: Policy) -> None:
    policy.route()
    first = [item["item_id"] for item in recommended(policy, 3, num_recommendations=5)["items"]]
    without = recommended(policy, 3, num_recommendations=5, exclude_items=[first[0], str(first[2]), 2**64 - 1])
    left = [item["item_id"] for item in without["items"]]
    assert left[:3] == [first[1], first[3], first[4]]
    assert len(left) == 5
    assert not {first[0], first[2]} & set(left)


@pytest.mark.parametrize(("wanted", "korean"), [(True, False), ("en", False), ("ko", True)])
def test_explanations_come_in_the_language_asked_for(policy: Policy, wanted: bool | str, korean: bool) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    items = recommended(policy, user, include_explanation=wanted)["items"]
    assert items
    assert all(item["explanation"] and 0 <= item["confidence"] <= 1 for item in items)
    assert all(any("가" <= letter <= "힣" for letter in item["explanation"]) is korean for item in items)


def test_a_request_sent_again_with_its_key_is_answered_and_recorded_once(policy: Policy) -> None:
    policy.route()
    first = recommended(policy, 8, decision_id="own-key-1", num_recommendations=3)
    assert recommended(policy, 8, decision_id="own-key-1", num_recommendations=3) == first
    assert policy.exposure("own-key-1")["items"] == [item["item_id"] for item in first["items"]]
    other_path = policy.http.get("/choose", params={"user_id": 8, "decision_id": "own-key-1"})
    assert (other_path.status_code, "was used at /recommendations" in other_path.json()["error"]) == (400, True)


def test_feedback_needs_no_arm_and_counts_once(policy: Policy) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    shown = recommended(policy, user)
    item = shown["items"][1]["item_id"]
    sent = {"user_id": user, "item_id": item, "decision_id": shown["decision_id"], "meta": {"page": 2}}
    first = feedback(policy, **sent)
    assert first.json() == {"status": "accepted", "decision_id": shown["decision_id"]}
    FeedbackAnswer.model_validate(first.json())
    assert feedback(policy, **sent).json()["status"] == "duplicate"
    kept = outcome(policy, shown["decision_id"])
    told = (kept["arm"], kept["item_id"], kept["kind"], kept["reward"], kept["meta"])
    assert told == ("challenger", str(item), "click", 1.0, {"page": 2})


def test_feedback_without_decision_is_filed_under_the_latest_list_of_any_arm(policy: Policy) -> None:
    route = policy.route()
    user = user_of("challenger", route.experiment)
    recommended(policy, user)
    later = recommended(policy, user)
    found = feedback(policy, user_id=user, item_id=later["items"][0]["item_id"], kind="rating", reward=4.5)
    assert found.json() == {"status": "accepted", "decision_id": later["decision_id"]}
    assert (outcome(policy, later["decision_id"])["arm"], outcome(policy, later["decision_id"])["reward"]) == (
        "challenger",
        4.5,
    )
    orphan = feedback(policy, user_id="nobody", item_id=1, ts=5.0).json()
    assert orphan["status"] == "orphan"
    assert outcome(policy, orphan["decision_id"])["arm"] == ""
    assert feedback(policy, user_id="nobody", item_id=1, ts=5.0).json() == {**orphan, "status": "duplicate"}


def test_the_control_stands_in_and_the_answer_says_whose_list_it_is(policy: Policy) -> None:
    with server_that(answer_with("500 Internal Server Error", "{}")) as broken:
        route = policy.route(challenger_url=broken)
        user = user_of("challenger", route.experiment)
        found = recommended(policy, user, include_explanation=True)
    assert (found["degraded"], found["arm"], found["model"]) == ("control", "challenger", "popularity")
    assert found["items"][0]["explanation"]
    assert policy.exposure(found["decision_id"])["error"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "user_id == None"),
        ({"user_id": True}, "user_id == True"),
        ({"user_id": "x" * 257}, "1 … 256 characters"),
        ({"user_id": 1, "num_recommendations": 0}, "num_recommendations == 0, must be an integer 1 … 1000"),
        ({"user_id": 1, "num_recommendations": True}, "num_recommendations == True"),
        ({"user_id": 1, "num_recommendations": "10"}, "num_recommendations == '10'"),
        ({"user_id": 1, "context": []}, "context == [], must be an object"),
        ({"user_id": 1, "context": {"session_id": {}}}, "context['session_id']"),
        ({"user_id": 1, "context": {"text": "x" * 20_000}}, "at most 16,384 are kept"),
        ({"user_id": 1, "exclude_items": 5}, "exclude_items == 5, must be a list"),
        ({"user_id": 1, "exclude_items": [None]}, "an item of exclude_items == None"),
        ({"user_id": 1, "exclude_items": [1] * 1001}, "holds 1,001 items, must be at most 1,000"),
        ({"user_id": 1, "include_explanation": "fr"}, "must be true, false or one of 'en', 'ko'"),
        ({"user_id": 1, "include_explanation": 1}, "include_explanation == 1"),
        ({"user_id": 1, "k": 5}, "unknown field 'k'; known: user_id, num_recommendations"),
    ],
)
def test_a_request_that_cannot_be_is_400_with_the_reason(policy: Policy, fields: dict[str, Any], reason: str) -> None:
    policy.route()
    answer = policy.http.post("/recommendations", json=fields)
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True), answer.text


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user_id": 1}, "item_id == None"),
        ({"user_id": 1, "item_id": 1, "kind": "stare"}, "kind == 'stare'"),
        ({"user_id": 1, "item_id": 1, "kind": "rating"}, "a rating needs it; send its stars"),
        ({"user_id": 1, "item_id": 1, "reward": "much"}, "reward == 'much'"),
        ({"user_id": 1, "item_id": 1, "reward": 1e300}, "reward == 1e+300, must lie in"),
        ({"user_id": 1, "item_id": 1, "meta": 3}, "meta == 3, must be an object"),
        ({"user_id": 1, "item_id": 1, "rank": 3}, "unknown field 'rank'"),
    ],
)
def test_feedback_that_cannot_be_is_400_with_the_reason(policy: Policy, fields: dict[str, Any], reason: str) -> None:
    answer = feedback(policy, **fields)
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True), answer.text


def test_other_methods_and_bodies_are_refused(policy: Policy) -> None:
    assert policy.http.get("/recommendations").status_code == 405
    assert policy.http.get("/feedback").status_code == 405
    assert policy.http.post("/recommendations", content=b"[]").status_code == 400
    assert policy.http.post("/feedback", content=b"x" * (2 << 20)).status_code == 413


def test_the_schema_knows_the_fields_that_the_routes_check() -> None:
    assert tuple(RecommendationRequest.model_fields) == RECOMMENDATION_FIELDS
    assert tuple(Feedback.model_fields) == FEEDBACK_FIELDS


def test_lists_of_both_routes_are_counted_by_arm(policy: Policy) -> None:
    policy.route()
    before = metric(policy, "screentest_decisions_total")
    recommended(policy, 1)
    policy.choose(1)
    assert metric(policy, "screentest_decisions_total") == before + 2
