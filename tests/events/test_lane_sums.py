"""Sums by lane and variant are those of the sessions, on both databases and as of an earlier commit."""

from __future__ import annotations

import pytest

from events.aggregate import commits_so_far
from events.database import open_database
from events.lane_sums import ALL_VARIANTS, LaneSums, lane_sums
from events.session_table import Worth
from tests.lane_sessions import write_lanes

CLICKED = Worth("clicked", "click", "any")


def test_they_are_those_of_the_sessions(url: str) -> None:
    frame = write_lanes(url, units=90)
    engine = open_database(url)
    found = lane_sums(engine, "three-lists", CLICKED, lanes=(0, 1), without_units=("tester",))
    parts = [
        ((lane, variant), part)
        for lane in (0, 1)
        for variant in (ALL_VARIANTS, "bold", "fresh", "plain")
        for part in [frame[(frame["lane"] == lane) & ((frame["variant"] == variant) | (variant == ALL_VARIANTS))]]
    ]
    assert [(row.lane, row.variant) for row in found] == [key for key, _ in parts]
    for row, (key, part) in zip(found, parts, strict=True):
        by_unit = part.groupby("unit")["click"].agg(n="size", y="sum")
        n, y = by_unit["n"], by_unit["y"]
        assert row == LaneSums(*key, len(by_unit), n.sum(), y.sum(), (y * y).sum(), (n * n).sum(), (y * n).sum())
    with_tester = lane_sums(engine, "three-lists", CLICKED, lanes=(0,))
    assert with_tester[0].units == found[0].units + 1
    engine.dispose()


def test_what_came_later_is_left_out(url: str) -> None:
    write_lanes(url, units=30)
    engine = open_database(url)
    commits = commits_so_far(engine)
    now = lane_sums(engine, "three-lists", CLICKED, lanes=(0, 1))
    write_lanes(url, "other", units=3)
    assert lane_sums(engine, "three-lists", CLICKED, lanes=(0, 1), as_of=commits) == now
    assert lane_sums(engine, "three-lists", CLICKED, lanes=(0, 1), as_of=0) == []
    assert lane_sums(engine, "nobody", CLICKED, lanes=(0, 1)) == []
    engine.dispose()


@pytest.mark.parametrize(("value", "worth"), [("count", 2.0), ("sum", 3.5)])
def test_a_session_may_be_worth_more_than_a_click(url: str, value: str, worth: float) -> None:
    from events.records import Exposure, Outcome
    from events.store import EventStore

    store = EventStore(url)
    shown = Exposure("d1", "three-lists", "u1", "u1", 0, "bold", 0.5, ["a", "b"], 1.0)
    told = [store.record_exposure(shown)]
    for item, reward in (("a", 1.0), ("b", 2.5)):
        told.append(store.record_outcome(Outcome("u1", "bold", item, reward, 2.0, "purchase", "d1")))
    for future in told:
        future.result(10)
    store.close()
    engine = open_database(url)
    found = lane_sums(engine, "three-lists", Worth("bought", "purchase", value), lanes=(0,))
    assert [(row.worth, row.worth_squared, row.product) for row in found] == [(worth, worth**2, worth)] * 2
    engine.dispose()
