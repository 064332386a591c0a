"""What a worker checks of the event log by itself: that live traffic is told in time, and which sessions fail."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from events.aggregate import commits_so_far
from events.database import writing
from events.live_traffic import JOB as LIVE_TRAFFIC
from events.live_traffic import untold
from events.monitoring_results import MonitoringResult, Status, record_results
from events.windows import sessions_between
from events.worker_jobs import NOTHING_READ, advance, load_job

#: The job whose position is the end of the last window that was checked.
JOB = "checks"
WINDOW_S = 300
#: A window is checked that long after its end: what it held is committed by then.
SETTLED_S = 30
#: After a pause no more windows than these are caught up on.
_MOST_WINDOWS = 12
#: Live traffic is to be seen within so many seconds.
LAG_LIMIT_S = 10.0
FAILED_LIMIT = 0.05
#: With fewer sessions a share says nothing.
FEWEST_SESSIONS = 20


def check_log(engine: Engine, *, now: float | None = None) -> list[MonitoringResult]:
    """Check every window that has ended since the last call, and keep the results.

    Args:
        engine: From ``open_database``.
        now: Seconds since 1970; None: the clock's.

    Returns:
        ``failed_sessions`` of each experiment and variant (share of sessions whose server failed) and
        ``live_traffic_lag`` (seconds for which something in the log has not been told to MLflow), in that order;
        empty where no window has ended.

    Raises:
        EventLogError: The database refused.
    """
    now = time.time() if now is None else now
    last = int((now - SETTLED_S) // WINDOW_S) * WINDOW_S
    position = load_job(engine, JOB).position
    first = last - WINDOW_S if position == NOTHING_READ else max(position, last - _MOST_WINDOWS * WINDOW_S)
    results = [
        result for start in range(first, last, WINDOW_S) for result in _failed_sessions(engine, start, start + WINDOW_S)
    ]
    if first < last:
        results.append(_lag(engine, last - WINDOW_S, last, now))
        record_results(engine, results)
        with writing(engine) as connection:
            advance(connection, JOB, since=position, to=last)
    return results


def _failed_sessions(engine: Engine, start: int, end: int) -> list[MonitoringResult]:
    found = []
    for row in sessions_between(engine, start, end):
        share = row.failed / row.sessions
        enough = row.sessions >= FEWEST_SESSIONS
        status: Status = "too_few" if not enough else "alert" if share > FAILED_LIMIT else "ok"
        details = {"sessions": row.sessions, "failed": row.failed}
        subject = f"{row.experiment}/{row.variant}"
        found.append(MonitoringResult("failed_sessions", subject, start, end, share, FAILED_LIMIT, status, details))
    return found


def _lag(engine: Engine, start: int, end: int, now: float) -> MonitoringResult:
    job = load_job(engine, LIVE_TRAFFIC)
    behind = commits_so_far(engine) - max(job.position, 0)
    pending = bool(behind) or bool(untold(engine))
    # What is pending came after the last round that told everything, or is older than any.
    lag = 0.0 if not pending else None if job.ran_at is None else max(0.0, now - job.ran_at)
    status: Status = "alert" if lag is None or lag > LAG_LIMIT_S else "ok"
    details = {"commits_behind": behind, "failure": job.failure}
    return MonitoringResult("live_traffic_lag", "event log", start, end, lag, LAG_LIMIT_S, status, details)
