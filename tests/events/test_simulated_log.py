"""The log of simulated traffic: whole parts, in order, with the state behind each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import DataError, EventLogError
from events.simulated_log import COLUMNS, Coded, ServedSessions, SimulatedLog

DAY_US = 86_400_000_000


def sessions(first: int, n: int, *, day: int = 17_000, strategy: str = "fixed", run: int = 0) -> ServedSessions:
    number = np.arange(first, first + n)
    return ServedSessions(
        strategy=strategy,
        run=run,
        session=number,
        unit=Coded(number % 2, ["u0", "ü1"]),
        variant=Coded(number % 3, ["a", "b", "c"]),
        propensity=np.full(n, 0.25),
        reward=(number % 2).astype(float),
        device=Coded(number % 2, ["mobile", "desktop"]),
        channel=Coded(number * 0, ["web"]),
        time=day * DAY_US + number * 1_000_000,
    )


def test_a_part_holds_the_sessions_and_what_was_known_behind_them(tmp_path: Path) -> None:
    log = SimulatedLog(tmp_path / "sessions")
    assert (log.next_session(), log.state(), log.parts()) == (0, {}, [])
    log.append([sessions(0, 4), sessions(0, 4, strategy="ucb1", run=1)], next_session=4, state={"ucb1/1": {"x": 0.1}})
    part = log.append([sessions(4, 2, day=17_001)], next_session=6, state={"ucb1/1": {"x": 0.2}})
    assert part == tmp_path / "sessions" / "date=2016-07-19" / "part-00000001.parquet"
    assert (log.next_session(), log.state()) == (6, {"ucb1/1": {"x": 0.2}})
    rows = pq.read_table(log.parts()[0], partitioning=None).to_pylist()
    assert len(rows) == 8
    assert tuple(rows[0]) == COLUMNS
    assert rows[5]["decision_id"] == "ucb1-1-1"
    assert [rows[5][name] for name in ("strategy", "run", "unit_id", "variant", "reward")] == ["ucb1", 1, "ü1", "b", 1]
    assert str(rows[1]["ts"]) == "2016-07-18 00:00:01"


def test_a_part_of_several_days_or_none_is_refused(tmp_path: Path) -> None:
    log = SimulatedLog(tmp_path)
    for lanes in ([sessions(0, 2), sessions(0, 2, day=17_001)], [sessions(0, 0)], []):
        with pytest.raises(DataError, match="sessions of one day"):
            log.append(lanes, next_session=2, state={})
    assert log.parts() == []


@pytest.mark.parametrize("cause", [OSError("no space left"), pa.ArrowInvalid("broken"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: BaseException
) -> None:
    log = SimulatedLog(tmp_path)
    log.append([sessions(0, 4)], next_session=4, state={"n": 1})
    write = pq.write_table

    def dies_half_way(table: pa.Table, where: Any, **options: Any) -> None:
        write(table, where, **options)
        where.truncate(where.tell() // 2)
        raise cause

    monkeypatch.setattr(pq, "write_table", dies_half_way)
    with pytest.raises(KeyboardInterrupt if isinstance(cause, KeyboardInterrupt) else EventLogError):
        log.append([sessions(4, 4)], next_session=8, state={"n": 2})
    monkeypatch.undo()
    assert (log.next_session(), log.state()) == (4, {"n": 1})
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    log.append([sessions(4, 4)], next_session=8, state={"n": 2})
    assert [pq.read_metadata(part).num_rows for part in log.parts()] == [4, 4]


def test_a_part_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    log = SimulatedLog(tmp_path)
    log.append([sessions(0, 4)], next_session=4, state={})
    stranger = tmp_path / "date=2016-07-20" / "part-00000007.parquet"
    stranger.parent.mkdir()
    pq.write_table(pa.table({"x": [1]}), stranger)
    with pytest.raises(EventLogError, match=r"part-00000007\.parquet is damaged or no part"):
        log.next_session()
    stranger.write_bytes(b"PAR1")
    with pytest.raises(EventLogError, match="part-00000007"):
        log.state()
