"""What a worker checks by itself, and the days it moves away."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text

from core.errors import ConfigError, EventLogError
from core.file_lock import alone
from core.settings import load_settings
from events.audit import AuditEntry, read_audit, write_audit
from events.database import reading
from events.live_traffic import count_new, mark_told, untold
from events.monitoring_results import MonitoringResult, list_results, record_results
from events.worker_jobs import claim_job, load_job, note_round
from monitoring.log_checks import FEWEST_SESSIONS, JOB, WINDOW_S, check_log
from monitoring.retention import keep_audit_days, keep_days
from tests.monitoring.conftest import Shown

START = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
SETTLED = START + WINDOW_S + 60


def found(engine: Engine, name: str) -> dict[tuple[str, float], tuple[float | None, str]]:
    """By subject and window, from the database: value and status."""
    return {(one.subject, one.window_start): (one.value, one.status) for one in list_results(engine, name=name)}


def test_failed_sessions_are_told_by_variant_and_window(engine: Engine, shown: Shown) -> None:
    for number in range(FEWEST_SESSIONS):
        shown(f"a{number}", "challenger", START + number, error=number < 2)
        shown(f"b{number}", "control", START + WINDOW_S - 0.001, error=number < 1)
    shown("c", "champion", START, error=True)
    shown("next", "control", START + WINDOW_S)
    check_log(engine, now=SETTLED)
    assert found(engine, "failed_sessions") == {
        ("demo/challenger", START): (0.1, "alert"),
        ("demo/control", START): (0.05, "ok"),
        ("demo/champion", START): (1.0, "too_few"),
    }
    assert check_log(engine, now=SETTLED) == []
    # Two windows later: the one with a session, and the empty one.
    results = check_log(engine, now=SETTLED + 2 * WINDOW_S)
    assert [(one.name, one.window_start - START) for one in results] == [
        ("failed_sessions", WINDOW_S),
        ("live_traffic_lag", 2 * WINDOW_S),
    ]
    assert load_job(engine, JOB).position == START + 3 * WINDOW_S


def test_after_a_long_pause_an_hour_is_caught_up_on(engine: Engine, shown: Shown) -> None:
    check_log(engine, now=SETTLED)
    shown("old", "control", START + 2 * WINDOW_S)
    shown("new", "control", START + 95 * WINDOW_S)
    results = check_log(engine, now=SETTLED + 100 * WINDOW_S)
    assert [one.window_start - START for one in results] == [95 * WINDOW_S, 100 * WINDOW_S]


def test_the_lag_is_since_when_mlflow_has_not_been_told_everything(engine: Engine, shown: Shown) -> None:
    job = "live-traffic"
    [quiet] = check_log(engine, now=SETTLED)
    assert (quiet.value, quiet.status) == (0.0, "ok")
    shown("d", "control", START)
    [never] = [one for one in check_log(engine, now=SETTLED + WINDOW_S) if one.name == "live_traffic_lag"]
    assert (never.value, never.status, never.details["commits_behind"]) == (None, "alert", 1)
    claim_job(engine, job, "w", lease_s=60)
    count_new(engine)
    mark_told(engine, untold(engine))
    note_round(engine, job, "w")
    ran_at = load_job(engine, job).ran_at
    assert ran_at is not None
    first = ran_at + 2 * WINDOW_S
    assert check_log(engine, now=first)[-1].value == 0.0
    shown("e", "control", START)
    note_round(engine, job, "w", failure="MLflow is down")
    late = check_log(engine, now=first + WINDOW_S)[-1]
    assert late.value == pytest.approx(3 * WINDOW_S)
    assert (late.status, late.details["failure"]) == ("alert", "MLflow is down")


def test_a_window_that_is_checked_again_has_one_result(engine: Engine) -> None:
    first = MonitoringResult("drift", "age", 0.0, 60.0, 0.3, 0.2, "alert", {"n": 5})
    record_results(engine, [first, MonitoringResult("drift", "year", 0.0, 60.0, None, None, "too_few")])
    record_results(engine, [MonitoringResult("drift", "age", 0.0, 60.0, 0.1, 0.2, "ok")])
    record_results(engine, [])
    assert [(one.subject, one.value, one.status, one.details) for one in list_results(engine, name="drift")] == [
        ("age", 0.1, "ok", {}),
        ("year", None, "too_few", {}),
    ]
    assert list_results(engine, name="other") == []
    assert len(list_results(engine, limit=1)) == 1


def test_old_days_go_to_parquet_and_stay_added_up(engine: Engine, shown: Shown, tmp_path: Path) -> None:
    day = 86_400
    for number, days_ago in enumerate((3, 3, 2, 1, 0)):
        shown(f"d{number}", "control", START - days_ago * day, clicks=1)
    record_results(engine, [MonitoringResult("x", "y", START - 3 * day, START - 3 * day + 60, 1.0, None, "ok")])
    today, archive = date(2026, 1, 31), tmp_path / "archive"
    assert keep_days(engine, archive, 0, today=today) is None
    done = keep_days(engine, archive, 1, today=today)
    assert done is not None
    assert (done.deleted_exposures, done.deleted_outcomes) == (3, 3)
    assert sorted(path.name for path in (archive / "exposures").iterdir()) == ["date=2026-01-28", "date=2026-01-29"]
    [file] = (archive / "exposures" / "date=2026-01-28").iterdir()
    assert pq.ParquetFile(file).metadata.num_rows == 2
    assert list_results(engine) == []
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM exposures")) == 2
        # Read before they were deleted.
        assert connection.scalar(text("SELECT sum(clicks) FROM live_traffic")) == 5
    again = keep_days(engine, archive, 1, today=today)
    assert again is not None
    assert again.deleted_exposures == 0


def test_an_archive_that_cannot_be_used_loses_nothing(engine: Engine, shown: Shown, tmp_path: Path) -> None:
    shown("d", "control", START - 5 * 86_400)
    (tmp_path / "file").write_text("")
    with pytest.raises(EventLogError, match=r"archive .* nothing was deleted; .*SCREENTEST_EVENTS_ARCHIVE_DIR"):
        keep_days(engine, tmp_path / "file" / "archive", 1, today=date(2026, 1, 31))
    (tmp_path / "archive").mkdir()
    with (
        alone(tmp_path / "archive" / ".exporting", "an export"),
        pytest.raises(ConfigError, match=r"an export into .* is under way in process"),
    ):
        keep_days(engine, tmp_path / "archive", 1, today=date(2026, 1, 31))
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM exposures")) == 1


NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def noted(engine: Engine, days_ago: int, what: str) -> None:
    ts = NOW.timestamp() - days_ago * 86_400
    write_audit(engine, [AuditEntry(ts, "ops", "operator", "POST", f"/experiments/{what}/stop", what, 200, what)])


def archived(archive: Path) -> dict[str, list[str]]:
    """By day, what was done."""
    files = sorted((archive / "audit_log").glob("date=*/part-0.parquet"))
    return {file.parent.name: pq.ParquetFile(file).read()["subject"].to_pylist() for file in files}


def test_old_days_of_the_audit_log_go_to_parquet_and_that_is_in_it(engine: Engine, tmp_path: Path) -> None:
    for days_ago, what in ((200, "a"), (200, "b"), (91, "c"), (90, "d"), (0, "e")):
        noted(engine, days_ago, what)
    assert keep_audit_days(engine, tmp_path, 0, today=NOW.date()) == 0
    assert keep_audit_days(engine, tmp_path, 90, today=NOW.date()) == 3
    assert archived(tmp_path) == {"date=2025-12-12": ["a", "b"], "date=2026-03-31": ["c"]}
    left = [(entry.method, entry.path, entry.subject) for entry in read_audit(engine)]
    moved = [("command", "audit archive", day) for day in ("2025-12-12", "2026-03-31")]
    assert sorted(left) == sorted([("POST", f"/experiments/{one}/stop", one) for one in "de"] + moved)
    assert keep_audit_days(engine, tmp_path, 90, today=NOW.date()) == 0
    # What comes late, or comes again since a worker died after it wrote the file, joins its day.
    noted(engine, 200, "late")
    noted(engine, 200, "a")
    assert keep_audit_days(engine, tmp_path, 90, today=NOW.date()) == 2
    assert sorted(set(archived(tmp_path)["date=2025-12-12"])) == ["a", "b", "late"]


def test_the_audit_log_of_the_last_months_stays_whatever_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    noted(engine, 89, "young")
    with pytest.raises(ConfigError, match="audit_retention_days == 89, must be at least 90"):
        keep_audit_days(engine, tmp_path, 89, today=NOW.date())
    with pytest.raises(ConfigError, match=r"audit_retention_days.*must be at least 90, or 0"):
        load_settings(audit_retention_days=30)
    assert [entry.subject for entry in read_audit(engine)] == ["young"]


def test_an_audit_log_that_cannot_be_archived_stays(engine: Engine, tmp_path: Path) -> None:
    noted(engine, 200, "old")
    place = tmp_path / "audit_log" / "date=2025-12-12"
    place.mkdir(parents=True)
    (place / "part-0.parquet").write_text("no parquet")
    with pytest.raises(EventLogError, match="is damaged or no export of an audit log"):
        keep_audit_days(engine, tmp_path, 90, today=NOW.date())
    assert [entry.subject for entry in read_audit(engine)] == ["old"]
