"""Event logs as versions before Alembic left them, written as those versions wrote them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

#: As the first version made them.
_FIRST = """
CREATE TABLE exposures (decision_id TEXT NOT NULL, experiment TEXT NOT NULL, unit_id TEXT NOT NULL,
    user_id TEXT NOT NULL, session_id TEXT, step INTEGER NOT NULL, variant TEXT NOT NULL, propensity FLOAT NOT NULL,
    items JSON NOT NULL, n_items INTEGER NOT NULL, context JSON NOT NULL, channel TEXT, device TEXT,
    latency_ms FLOAT NOT NULL, error BOOLEAN NOT NULL, ts FLOAT NOT NULL, PRIMARY KEY (decision_id));
CREATE INDEX exposures_by_unit ON exposures (experiment, unit_id, step, variant, decision_id);
CREATE INDEX exposures_by_variant ON exposures (experiment, variant, step, latency_ms, error, n_items);
CREATE INDEX exposures_by_user ON exposures (user_id, ts);
CREATE TABLE outcomes (decision_id TEXT NOT NULL, item_id TEXT NOT NULL, kind TEXT NOT NULL, reward FLOAT NOT NULL,
    user_id TEXT NOT NULL, arm TEXT NOT NULL, ts FLOAT NOT NULL, meta JSON NOT NULL,
    PRIMARY KEY (decision_id, item_id, kind)) WITHOUT ROWID;
CREATE TABLE heartbeats (writer TEXT NOT NULL, pid INTEGER NOT NULL, ts FLOAT NOT NULL, PRIMARY KEY (writer));
CREATE TABLE rollouts (experiment TEXT NOT NULL, spec JSON NOT NULL, state TEXT NOT NULL, decision TEXT NOT NULL,
    reasons JSON NOT NULL, step_index INTEGER NOT NULL, looks INTEGER NOT NULL, champion_uri TEXT NOT NULL,
    champion_version TEXT NOT NULL, challenger_uri TEXT NOT NULL, challenger_version TEXT NOT NULL,
    details JSON NOT NULL, created_at FLOAT NOT NULL, updated_at FLOAT NOT NULL, PRIMARY KEY (experiment));
CREATE TABLE rollout_looks (id INTEGER NOT NULL, experiment TEXT NOT NULL, look INTEGER NOT NULL,
    result JSON NOT NULL, taken_at FLOAT NOT NULL, PRIMARY KEY (id), UNIQUE (experiment, look));
CREATE TABLE routes (experiment TEXT NOT NULL, revision INTEGER NOT NULL, spec JSON NOT NULL,
    percent INTEGER NOT NULL, step_index INTEGER NOT NULL, champion_url TEXT NOT NULL, challenger_url TEXT,
    champion_version TEXT NOT NULL, challenger_version TEXT, updated_at FLOAT NOT NULL,
    PRIMARY KEY (experiment), UNIQUE (revision));
INSERT INTO exposures VALUES
    ('d1', 'demo', 'u1', 'u1', NULL, 0, 'control', 0.25, '[1,"2"]', 2, '{"b":1,"a":2}', NULL, NULL, 1.5, 0, 100.0),
    ('d2', 'demo', 'u2', 'u2', 's2', 0, 'challenger', 0.25, '[]', 0, '{}', 'web', 'phone', 2.5, 1, 101.0);
INSERT INTO outcomes VALUES ('d1', '2', 'click', 1.0, 'u1', 'control', 102.0, '{"z":0,"y":0.1}');
INSERT INTO rollout_looks VALUES (7, 'demo', 1, '{"look":1}', 103.0);
INSERT INTO routes VALUES ('demo', 3, '{}', 25, 0, 'http://a', 'http://b', '1', '2', 104.0);
"""
#: Tables that the second version added.
_COMMITS = """
CREATE TABLE commits (log TEXT NOT NULL, commits INTEGER NOT NULL, PRIMARY KEY (log));
CREATE TABLE superseded_exposures (decision_id TEXT NOT NULL, superseded_by INTEGER NOT NULL, experiment TEXT NOT NULL,
    unit_id TEXT NOT NULL, step INTEGER NOT NULL, variant TEXT NOT NULL, latency_ms FLOAT NOT NULL,
    commit_number INTEGER DEFAULT '0' NOT NULL, PRIMARY KEY (decision_id, superseded_by));
"""
#: And its columns.
_NUMBERS = """
ALTER TABLE exposures ADD COLUMN commit_number INTEGER DEFAULT '0' NOT NULL;
ALTER TABLE outcomes ADD COLUMN commit_number INTEGER DEFAULT '0' NOT NULL;
DROP INDEX exposures_by_unit;
DROP INDEX exposures_by_variant;
CREATE INDEX exposures_by_unit ON exposures (experiment, unit_id, step, variant, decision_id, commit_number);
CREATE INDEX exposures_by_variant ON exposures
    (experiment, variant, step, latency_ms, error, n_items, commit_number);
UPDATE exposures SET commit_number = 4;
UPDATE outcomes SET commit_number = 5;
INSERT INTO commits VALUES ('events', 5);
INSERT INTO superseded_exposures VALUES ('d1', 4, 'demo', 'u1', 0, 'control', 9.0, 2);
"""

#: What each was, and how it came to be: the second version made tables that lacked, but no columns.
OLD = {
    "first version": _FIRST,
    "first version, opened by the second": _FIRST + _COMMITS,
    "second version": _FIRST + _COMMITS + _NUMBERS,
}


def write_old(file: Path, version: str) -> dict[str, list[tuple[object, ...]]]:
    """Make such a log; returns its rows by table."""
    with sqlite3.connect(file) as connection:
        connection.executescript(OLD[version])
        rows = rows_of(connection)
    connection.close()
    return rows


def rows_of(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row there is, by table."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
