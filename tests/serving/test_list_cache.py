"""Lists of ``/recommendations`` cached in a real Redis: given again as long as nothing happened, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from core.errors import EventLogError
from events.records import Outcome
from serving import decisions
from serving.list_cache import MOST_PER_USER, ListCache
from serving.model_client import Listing
from serving.policy_requests import ChooseRequest
from serving.processes import poll
from tests.policy_servers import Policy, answer_with, metric, running_policy, server_that, user_of
from tests.real_redis import RealRedis, real_redis

LISTING = Listing([{"item_id": 1, "title": "One", "score": 0.5}], [1], "store", False, b"", "ease", "3")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    with real_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def cached(redis: RealRedis, model_urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis.url)
        patch.setenv("SCREENTEST_RECOMMENDATION_CACHE_S", "600")
        with running_policy(tmp_path_factory.mktemp("policy"), model_urls) as policy:
            yield policy


def recommended(policy: Policy, user: str, **fields: Any) -> dict[str, Any]:
    answer = policy.http.post("/recommendations", json={"user_id": user, **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_outcome_that_nobody_waits_for_any_more_ends_the_lists_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COMMIT_S", 0.01)
    forgotten: list[str] = []

    async def forget(user_id: str) -> None:
        forgotten.append(user_id)

    async def acknowledged() -> None:
        slow: Any = SimpleNamespace(failure=None, record_outcome=lambda _: Future())
        nobody: Any = None
        cache: Any = SimpleNamespace(forget=forget)
        made = decisions.Decisions(slow, nobody, nobody, nobody, deadline_s=1, cache=cache)
        await made.acknowledge(Outcome("u", None, "1", 1.0, 1.0))

    with pytest.raises(EventLogError, match="has not committed within"):
        asyncio.run(acknowledged())
    assert forgotten == ["u"]


def test_a_list_is_given_again_and_each_time_is_an_exposure(cached: Policy) -> None:
    route = cached.route()
    user = user_of("challenger", route.experiment)
    first, again = recommended(cached, user), recommended(cached, user)
    assert (first["cached"], again["cached"]) == (False, True)
    different = ("cached", "decision_id")
    assert {key: again[key] for key in again if key not in different} == {
        key: first[key] for key in first if key not in different
    }
    assert first["decision_id"] != again["decision_id"]
    assert cached.exposure(again["decision_id"])["items"] == [item["item_id"] for item in first["items"]]
    item = first["items"][0]["item_id"]
    for asked in ({"num_recommendations": 3}, {"exclude_items": [item]}, {"include_explanation": True}):
        assert recommended(cached, user, **asked)["cached"] is False
        assert recommended(cached, user, **asked)["cached"] is True


@pytest.mark.parametrize("path", ["/feedback", "/update"])
def test_what_a_user_does_ends_her_lists_and_nobody_elses(cached: Policy, path: str) -> None:
    route = cached.route()
    user, other = user_of("challenger", route.experiment), user_of("control", route.experiment)
    shown = recommended(cached, user)
    recommended(cached, other)
    sent = {"user_id": user, "item_id": shown["items"][0]["item_id"], "decision_id": shown["decision_id"]}
    update = {"arm": "challenger", "reward": 1} if path == "/update" else {}
    assert cached.http.post(path, json={**sent, **update}).json()["status"] == "accepted"
    assert recommended(cached, user)["cached"] is False
    assert recommended(cached, user)["cached"] is True
    assert recommended(cached, other)["cached"] is True


def test_another_route_gets_lists_of_its_own(cached: Policy) -> None:
    cached.route()
    recommended(cached, "5")
    cached.route(percent=25)
    assert recommended(cached, "5")["cached"] is False


def test_what_stood_in_is_not_kept(cached: Policy) -> None:
    with server_that(answer_with("500 Internal Server Error", "{}")) as broken:
        route = cached.route(challenger_url=broken)
        user = user_of("challenger", route.experiment)
        assert [recommended(cached, user).get("degraded") for _ in range(2)] == ["control", "control"]
        assert recommended(cached, user)["cached"] is False


def test_choose_makes_its_list_anew(cached: Policy) -> None:
    cached.route()
    recommended(cached, "6")
    before = metric(cached, "screentest_list_cache_total")
    assert "cached" not in cached.choose("6")
    assert metric(cached, "screentest_list_cache_total") == before


def test_a_redis_that_hangs_or_is_gone_is_no_cache_and_no_error(cached: Policy, redis: RealRedis) -> None:
    cached.route()
    recommended(cached, "7")
    redis.freeze()
    try:
        assert [recommended(cached, "7")["cached"] for _ in range(5)] == [False] * 5
        answer = cached.http.post("/feedback", json={"user_id": "7", "item_id": 1})
        assert answer.status_code == 200
    finally:
        redis.thaw()
    redis.kill()
    try:
        assert recommended(cached, "7")["cached"] is False
        assert metric(cached, 'screentest_list_cache_total{outcome="unavailable"}') > 0
    finally:
        redis.start()
    assert poll(lambda: recommended(cached, "7")["cached"], 10)


def test_without_a_redis_the_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.policy_server import main

    monkeypatch.setenv("SCREENTEST_RECOMMENDATION_CACHE_S", "60")
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert main(["--events", f"sqlite:///{tmp_path / 'events.db'}", "--port", "0"]) == 2


def _request(k: int) -> tuple[Any, Any, ChooseRequest]:
    active = SimpleNamespace(route=SimpleNamespace(experiment="e", revision=1))
    assigned = SimpleNamespace(variant="a", server=SimpleNamespace(version="3"))
    return active, assigned, ChooseRequest("ann", k, {}, None, None, None, cacheable=True)


def test_a_list_made_before_feedback_is_not_kept_after_it(redis: RealRedis) -> None:
    async def act() -> list[Listing | None]:
        cache = ListCache(redis.url, ttl_s=60, timeout_s=5, registry=CollectorRegistry())
        looked = await cache.find(*_request(10))
        await cache.forget("ann")
        await cache.keep(looked, LISTING)
        stale = await cache.find(*_request(10))
        await cache.keep(stale, LISTING)
        kept = await cache.find(*_request(10))
        await cache.close()
        return [looked.listing, stale.listing, kept.listing]

    assert asyncio.run(act()) == [None, None, LISTING]


def test_lists_end_in_time_and_are_not_endlessly_many(redis: RealRedis) -> None:
    async def act() -> int:
        cache = ListCache(redis.url, ttl_s=0.3, timeout_s=5, registry=CollectorRegistry())
        for k in range(1, 2 * MOST_PER_USER):
            await cache.keep(await cache.find(*_request(k)), LISTING)
        with redis.client() as client:
            n: Any = client.hlen("screentest:lists:ann")
            assert poll(lambda: not client.exists("screentest:lists:ann"), 10)
        await cache.close()
        return int(n)

    with redis.client() as client:
        client.delete("screentest:lists:ann")
    assert asyncio.run(act()) <= MOST_PER_USER + 1


def test_what_somebody_else_wrote_is_a_miss(redis: RealRedis) -> None:
    async def act() -> Listing | None:
        cache = ListCache(redis.url, ttl_s=60, timeout_s=5, registry=CollectorRegistry())
        looked = await cache.find(*_request(77))
        with redis.client() as client:
            client.hset(looked.key, looked.field, b'{"items": 3}')
        found = (await cache.find(*_request(77))).listing
        await cache.close()
        return found

    assert asyncio.run(act()) is None
