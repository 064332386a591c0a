"""Sessions by idleness, against the library's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError, DataError
from events.sessions import SESSION, with_sessions
from experiments.over_time.session_metrics import session_numbers


@pytest.fixture
def connection() -> Iterator[Any]:
    opened = ibis.duckdb.connect()
    yield opened
    opened.disconnect()


def test_sessions_agree_with_the_library(connection: Any) -> None:
    rng = np.random.default_rng(0)
    # Pauses of exactly the gap, and rows of one second, are among them.
    frame = pd.DataFrame({"user": rng.integers(40, size=3_000), "at": 60 * rng.integers(0, 3_000, 3_000)})
    table = with_sessions(connection.create_table("log", frame), unit="user", time="at", idle_gap=1_800)
    found = table.to_pyarrow().to_pandas()
    assert list(found.columns) == ["user", "at", SESSION]
    expected = session_numbers(found["user"].to_numpy(), found["at"].to_numpy(), idle_gap=1_800)
    pairs = found["user"].astype(str) + "-" + found[SESSION]
    # The same rows are together, whatever sessions are called.
    assert pd.factorize(pairs)[0].tolist() == pd.factorize(expected)[0].tolist()
    assert len(set(expected)) > 500


def test_rows_without_time_are_of_no_session(connection: Any) -> None:
    frame = pd.DataFrame({"user": ["a", "a", "a"], "at": [0.0, np.nan, 5_000.0]})
    table = with_sessions(connection.create_table("log", frame), unit="user", time="at", idle_gap=1_800)
    assert table.order_by("at")[SESSION].to_pyarrow().to_pylist() == ["1", "2", None]


def test_what_is_not_allowed_is_refused(connection: Any) -> None:
    table = connection.create_table("log", pd.DataFrame({"user": [1], "at": [0], "session": ["x"]}))
    with pytest.raises(DataError, match="has a column 'session' already; name it by --session"):
        with_sessions(table, unit="user", time="at", idle_gap=60)
    with pytest.raises(ConfigError, match="idle_gap == 0, must be a number of seconds above 0"):
        with_sessions(table, unit="user", time="at", idle_gap=0)
