"""A bad canary is rolled back by itself, whatever is bad about it, and it is told how many users had it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from events.database import reading
from events.rollouts import current_route
from events.schema import EXPOSURES
from experiments.words import tell
from serving.looks import looks_taken
from serving.replay import replay
from serving.rollout_so_far import result_so_far
from tests.rollout_worlds import World, a_spec, deployer, go_on
from tests.rollout_worlds import world as world

WORSE = {"champion": 0.8, "challenger": 0.1}
EQUAL = {"champion": 0.5, "challenger": 0.5}


def sessions(world: World) -> list[tuple[str, str]]:
    """Unit and variant of each session, in order."""
    query = select(EXPOSURES.c.unit_id, EXPOSURES.c.variant).order_by(EXPOSURES.c.ts)
    with reading(world.engine) as connection:
        return [(unit, variant) for unit, variant in connection.execute(query)]


@pytest.mark.parametrize(
    ("badness", "reason"),
    [
        ({"rates": WORSE}, "primary_worse"),
        ({"rates": EQUAL, "fails_from": 0}, "error_rate"),
        ({"rates": EQUAL, "challenger_latency_ms": 900.0}, "latency"),
    ],
)
def test_it_is_rolled_back_and_the_share_of_users_who_had_it_is_told(
    world: Callable[..., World], tmp_path: Path, badness: dict[str, Any], reason: str
) -> None:
    here = world(spec=a_spec(metrics={"guardrails": {"latency_budget_ms": 500}}), **badness)
    record = go_on(here, here.controller(deployer(tmp_path)))
    assert (record.decision, record.reasons[0]) == ("rollback", reason)
    seen = sessions(here)
    exposed, everyone = {unit for unit, variant in seen if variant == "challenger"}, {unit for unit, _ in seen}
    result = result_so_far(here.engine, record)
    assert (result.exposed_units, result.all_units) == (len(exposed), len(everyone))
    assert 0 < len(exposed) < 0.6 * len(everyone)
    told = tell(result, here.spec).outcome
    share = f"{100 * len(exposed) / len(everyone):.1f} %"
    assert f"{len(exposed)} of {len(everyone)} visitors ({share}) had recommender v2 at some time." in told
    # Nobody has it any more.
    here.drive(len(seen) + 60)
    route = current_route(here.engine)
    assert route is not None
    assert route.percent == 0
    assert {variant for _, variant in sessions(here)[len(seen) :]} == {"champion"}


def test_a_champion_that_is_down_makes_no_challenger_look_good(world: Callable[..., World], tmp_path: Path) -> None:
    """Equal models: while the champion's server is down, every comparison favours the challenger."""
    here = world(rates=EQUAL, control_fails=range(100, 400))
    record = go_on(here, here.controller(deployer(tmp_path)))
    assert (record.decision, record.reasons) == ("keep", ("control_failed",))
    looks = looks_taken(here.engine, here.spec.name)
    assert looks[-1].ci_lower > 0, "it would have been promoted"
    told = tell(result_so_far(here.engine, record), here.spec)
    assert "was ahead, but the control's server failed too often" in told.headline
    assert not [look for look in replay(here.engine, here.spec) if look.differing]


@pytest.mark.parametrize("rates", [WORSE, EQUAL, {"champion": 0.2, "challenger": 0.8}])
def test_nobody_moves_back_and_forth(world: Callable[..., World], tmp_path: Path, rates: dict[str, float]) -> None:
    here = world(rates=rates)
    go_on(here, here.controller(deployer(tmp_path)))
    moves: dict[str, list[str]] = defaultdict(list)
    for unit, variant in sessions(here):
        model = "challenger" if variant == "challenger" else "champion"
        if moves[unit][-1:] != [model]:
            moves[unit].append(model)
    # To the challenger once, as the canary grows or is promoted; and back once, when it is rolled back or kept out.
    ways = {" ".join(way) for way in moves.values()}
    ends = {"champion", "champion challenger", "challenger"}
    assert ways <= ends | {"challenger champion", "champion challenger champion"}
    assert len(ways) > 1
