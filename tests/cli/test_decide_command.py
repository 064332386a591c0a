"""``screentest decide``: past looks come out again to the last bit, and a log that has changed since does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import ConfigError, DataError, RolloutError
from events.database import open_database, writing
from events.records import Exposure, Outcome
from events.rollouts import load_rollout, save_rollout
from events.schema import EXPOSURES
from events.store import EventStore
from experiments.spec import Analysis, ExperimentSpec, Rollout, Step, Stopping
from experiments.spec_metrics import EventMetric, GuardrailMetric, Guardrails, Metrics
from serving.controller import begin_rollout
from serving.looks import take_look, take_watch_look
from serving.result_documents import look_document

SPEC = ExperimentSpec(
    name="replayed",
    variants={"champion": "models:/recommender/1", "challenger": "models:/recommender/2"},
    analysis=Analysis(n_star=400),
    metrics=Metrics(
        secondary=(EventMetric(name="session_share", event="share"),),
        guardrails=Guardrails(metrics=(GuardrailMetric(name="likes", event="like", margin=0.9),)),
    ),
    stopping=Stopping(look_every=200, min_challenger_sessions=20),
    rollout=Rollout(steps=(Step(percent=25, sessions=400), Step(percent=50, sessions=400)), watch_sessions=200),
)
LIKE = 0.4
CLICK = {"champion": 0.2, "control": 0.2, "challenger": 0.6}


def visit(number: int, step: int, rng: np.random.Generator) -> tuple[Exposure, Outcome | None, Outcome | None]:
    """The next session, its click and its like, if there are any; users come back."""
    user = int(rng.integers(300))
    variant = ("challenger", "control", "champion", "champion")[user % 4] if step < 2 else "challenger"
    at = 1e9 + number / 3
    seen = Exposure(
        f"d{number}", SPEC.name, f"u{user}", str(user), step, variant, 0.25, [1], at,
        latency_ms=float(rng.gamma(2, 3)), error=bool(rng.random() < 0.005),
    )  # fmt: skip
    clicks = rng.random() < CLICK[variant]
    click = Outcome(str(user), variant, "1", 1.0, at, decision_id=seen.decision_id)
    likes = rng.random() < LIKE
    return seen, click if clicks else None, replace(click, kind="like") if likes else None


def write(folder: Path, *entries: Exposure | Outcome | None) -> None:
    store = EventStore(f"sqlite:///{folder / 'events.db'}")
    waiting = [
        store.record_exposure(entry) if isinstance(entry, Exposure) else store.record_outcome(entry)
        for entry in entries
        if entry is not None
    ]
    for future in waiting:
        future.result(timeout=30)
    store.close()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A rollout of five looks, the last in the watch, and sessions that came after it."""
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    begin_rollout(engine, SPEC)
    rng, seen = np.random.default_rng(3), 0
    for number, step in enumerate((0, 0, 1, 1, 2, 3), start=1):
        write(tmp_path, *(entry for place in range(seen, seen + 200) for entry in visit(place, step, rng)))
        seen += 200
        if step == 3:
            break
        take = {"number": number, "sessions": seen}
        _, look = (
            take_watch_look(engine, SPEC, **take, is_last=True)
            if step == 2
            else take_look(engine, SPEC, **take, step_index=step)
        )
        record = load_rollout(engine, SPEC.name)
        assert record is not None
        changed = {**vars(record), "looks": number, "decision": look.decision, "reasons": look.reasons}
        save_rollout(engine, type(record)(**changed), look=look_document(look))
    engine.dispose()
    return tmp_path


def decide(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["decide", *map(str, arguments)])


def test_every_look_comes_out_again_to_the_last_bit(run: Path, tmp_path: Path) -> None:
    before = (run / "events.db").read_bytes()
    told = decide(run, "--replay")
    assert told.exit_code == 0, told.output
    assert "every look comes out as recorded, to the last bit: 5 in all" in told.output
    assert "– to –" not in told.output
    written = tmp_path / "spec.yaml"
    written.write_text(yaml.safe_dump(SPEC.document()))
    found = json.loads(decide(written, run / "events.db", "--replay", "--json").output)
    assert [one["same"] for one in found] == [True] * 5
    assert found[-1]["replayed"]["step_percent"] == 100
    # Likes came with 40 % of the sessions in both arms, shares with none.
    share, like = found[3]["replayed"]["metrics"]
    assert (share["name"], share["challenger_mean"], share["role"]) == ("session_share", 0.0, "secondary")
    assert (like["name"], like["role"], like["margin"]) == ("likes", "guardrail", 0.9)
    assert abs(like["challenger_mean"] - LIKE) < 0.1
    assert abs(like["control_mean"] - LIKE) < 0.1
    assert like["ci_lower"] < 0 < like["ci_upper"]
    assert (run / "events.db").read_bytes() == before


def test_a_log_that_was_changed_is_found_out(run: Path) -> None:
    engine = open_database(f"sqlite:///{run / 'events.db'}")
    with writing(engine) as connection:
        # One session of the third look is given to the other arm.
        controls = (EXPOSURES.c.variant == "control") & EXPOSURES.c.decision_id.between("d400", "d599")
        one = connection.scalar(select(EXPOSURES.c.decision_id).where(controls))
        connection.execute(update(EXPOSURES).where(EXPOSURES.c.decision_id == one).values(variant="challenger"))
    engine.dispose()
    told = decide(run, "--replay")
    assert isinstance(told.exception, RolloutError)
    assert "of 5 looks do not come out as recorded; look 3 differs in" in str(told.exception)
    assert "NO" in told.output


def test_what_came_in_after_a_look_is_no_part_of_it(tmp_path: Path) -> None:
    """A click of long ago sent late, a session sent late, and a failed session that was asked for again."""
    engine = open_database(f"sqlite:///{tmp_path / 'events.db'}")
    begin_rollout(engine, SPEC)
    rng = np.random.default_rng(4)
    visits = [visit(place, 0, rng) for place in range(200)]
    shown = [seen for seen, click, like in visits if click is like is None and seen.variant == "challenger"]
    failed = {seen.decision_id: replace(seen, error=True, items=[]) for seen in shown[:3]}
    early = [(failed.get(seen.decision_id, seen), *acted) for seen, *acted in visits if seen is not shown[3]]
    write(tmp_path, *(entry for all_of_it in early for entry in all_of_it))
    record = load_rollout(engine, SPEC.name)
    assert record is not None
    _, look = take_look(engine, SPEC, number=1, step_index=0, sessions=199)
    save_rollout(engine, replace(record, looks=1), look=look_document(look))
    late = Outcome(shown[4].user_id, "challenger", "1", 1.0, 2e9, decision_id=shown[4].decision_id)
    write(tmp_path, *shown[:4], late)
    _, now = take_look(engine, SPEC, number=1, step_index=0, sessions=200)
    engine.dispose()
    assert now.challenger_sessions == look.challenger_sessions + 1
    assert now.challenger_mean != look.challenger_mean
    assert now.error_rate < look.error_rate
    told = decide(tmp_path, "--replay")
    assert told.exit_code == 0, told.output
    assert "every look comes out as recorded, to the last bit: 1 in all" in told.output


def test_the_newest_of_several_rollouts_is_taken_and_that_is_told(run: Path) -> None:
    engine = open_database(f"sqlite:///{run / 'events.db'}")
    begin_rollout(engine, SPEC.model_copy(update={"name": "later"}))
    write(run, replace(visit(0, 0, np.random.default_rng(1))[0], decision_id="other", experiment="later"))
    engine.dispose()
    told = decide(run)
    assert "holds 2 rollouts; this is later, the newest. Others, by their spec's file: replayed" in told.stderr


def test_it_decides_on_what_there_is(run: Path) -> None:
    found = json.loads(decide(run, "--json").output)
    assert (found["step_percent"], found["sessions"], found["decision"]) == (50, 800, "promote")
    told = decide(run).output
    assert told.startswith("promote: ")


def test_bad_input_is_one_line(run: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.yaml"
    odd.write_text("name: [")
    other_bytes = tmp_path / "bytes.yaml"
    other_bytes.write_bytes(b"name: \xff\xfe")
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**SPEC.document(), "name": "another"}))
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, error, told in (
        ((empty,), ConfigError, "does not exist; name a run's folder or its events.db"),
        ((odd, run), DataError, "is no experiment spec that can be read"),
        ((other_bytes, run), DataError, "is no experiment spec that can be read"),
        ((odd, odd), ConfigError, "is no event log"),
        ((other, run), RolloutError, "no session of 'another' is recorded"),
        ((other, run, "--replay"), RolloutError, "no look of 'another' is recorded"),
    ):
        found = decide(*arguments)
        assert isinstance(found.exception, error), found.output
        assert told in str(found.exception)
