"""Logged decisions of a rollout: every session of the experiment, in order, clicked or not."""

from __future__ import annotations

from sqlalchemy import update

from events.database import open_database, writing
from events.logged_decisions import logged_decisions
from events.schema import EXPOSURES, OUTCOMES
from tests.rollout_examples import SPEC, rolled_back
from tests.written_rollouts import write_rollout


def test_sessions_are_rows_and_only_clicks_count(url: str) -> None:
    engine = open_database(url)
    result = rolled_back()
    write_rollout(engine, result, SPEC)
    found = logged_decisions(engine, SPEC.name)
    assert len(found.variant) == sum(step.sessions for step in result.steps)
    challengers = sum(step.challenger_sessions for step in result.steps)
    assert (found.variant == "challenger").sum() == challengers
    clicked = sum(round(step.challenger_sessions * step.challenger_mean) for step in result.steps)
    assert found.clicked[found.variant == "challenger"].sum() == clicked
    assert [int(name.removeprefix("visitor-")) for name in found.unit_id[:3]] == [0, 1, 2]
    assert set(found.propensity.tolist()) == {0.5}
    with writing(engine) as connection:
        connection.execute(update(OUTCOMES).values(kind="view"))
        connection.execute(update(EXPOSURES).where(EXPOSURES.c.variant == "control").values(experiment="other"))
    left = logged_decisions(engine, SPEC.name)
    assert not left.clicked.any()
    assert "control" not in left.variant
    assert [len(column) for column in logged_decisions(engine, "nobody's")] == [0] * 4
    engine.dispose()
