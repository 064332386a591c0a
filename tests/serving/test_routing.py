import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from core.errors import BadInput, RolloutError, ServerError
from events.database import open_database, writing
from events.rollouts import Route, put_route
from events.schema import ROUTES
from experiments.assignment import buckets, rollout_variants
from experiments.spec import parse_spec
from serving.lanes import DealtRoute
from serving.routing import Assignment, Contestant, RolloutRoute, Routing

SPEC = {"name": "demo", "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
ROUTE = Route("demo", SPEC, 25, 1, "http://a", "1", "http://b", "2", revision=1)


def assigned_by(route: Route, users: list[str], context: dict[str, Any] | None = None) -> list[Assignment]:
    active = RolloutRoute(route, parse_spec(dict(route.spec)))

    async def assign() -> list[Assignment]:
        return [await active.assign(user, context or {}) for user in users]

    return asyncio.run(assign())


def test_every_unit_gets_the_variant_of_its_salted_hash() -> None:
    users = [str(number) for number in range(4000)]
    assigned = assigned_by(ROUTE, users)
    assert [one.variant for one in assigned] == rollout_variants(buckets("demo", users), 25).tolist()
    assert [one.unit_id for one in assigned] == users
    servers = {"challenger": Contestant("http://b", "2"), "control": Contestant("http://a", "1")}
    assert all(one.server == servers.get(one.variant, servers["control"]) for one in assigned)
    assert {(one.variant, one.propensity) for one in assigned} == {
        ("challenger", 0.25),
        ("control", 0.25),
        ("champion", 0.5),
    }


def test_a_salt_of_its_own_moves_the_units() -> None:
    users = [str(number) for number in range(1000)]
    salted = assigned_by(replace(ROUTE, spec={**SPEC, "salt": "another"}), users)
    moved = sum(one.variant != other.variant for one, other in zip(salted, assigned_by(ROUTE, users), strict=True))
    assert moved > 400


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, {"champion"}), (100, {"challenger"}), (50, {"challenger", "control"})]
)
def test_the_ends_of_the_canary(percent: int, expected: set[str]) -> None:
    assigned = assigned_by(replace(ROUTE, percent=percent), [str(number) for number in range(500)])
    assert {one.variant for one in assigned} == expected


def test_the_unit_may_be_a_key_of_the_context() -> None:
    by_visitor = replace(ROUTE, spec={**SPEC, "unit": "visitor_id"})
    same = assigned_by(by_visitor, ["a", "b", "c"], {"visitor_id": 77})
    assert {(one.unit_id, one.variant) for one in same} == {("77", same[0].variant)}
    for context in (
        {},
        {"visitor_id": None},
        {"visitor_id": ""},
        {"visitor_id": True},
        {"visitor_id": [1]},
        {"visitor_id": "v" * 257},
    ):
        with pytest.raises(BadInput, match=r"visitor_id.*'demo' assigns by it"):
            assigned_by(by_visitor, ["a"], context)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'events.db'}")


def test_nothing_is_routed_until_a_row_is_there(engine: Engine) -> None:
    routing = Routing(engine, DealtRoute)
    asyncio.run(routing.refresh())
    with pytest.raises(ServerError, match="no experiment is routed"):
        _ = routing.active
    put_route(engine, ROUTE)
    with pytest.raises(ServerError, match="no experiment is routed"):
        _ = routing.active
    asyncio.run(routing.refresh())
    assert routing.active.route == ROUTE


def test_a_row_that_cannot_be_used_leaves_the_former_in_force(engine: Engine) -> None:
    routing = Routing(engine, DealtRoute)
    put_route(engine, ROUTE)
    asyncio.run(routing.refresh())
    put_route(engine, replace(ROUTE, spec={"name": "demo"}))
    with pytest.raises(RolloutError, match="route revision 2 is not used: experiment spec: variants"):
        asyncio.run(routing.refresh())
    assert routing.active.route == ROUTE
    put_route(engine, ROUTE)
    asyncio.run(routing.refresh())
    assert routing.active.route.revision == 3


def test_an_older_row_never_comes_back(engine: Engine) -> None:
    routing = Routing(engine, DealtRoute)
    for _ in range(2):
        put_route(engine, ROUTE)
    asyncio.run(routing.refresh())
    with writing(engine) as connection:
        connection.execute(update(ROUTES).values(revision=1, percent=50))
    asyncio.run(routing.refresh())
    assert (routing.active.route.revision, routing.active.route.percent) == (2, 25)
