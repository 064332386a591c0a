"""The aggregate of simulated traffic, against pandas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError
from events.traffic_aggregate import WINDOWS, Window, strategy_traffic
from loaders.experiment_file import open_experiment

PANDAS = {
    "interval": lambda ts: ts.dt.floor("15min"),
    "day": lambda ts: ts.dt.floor("D"),
    "week": lambda ts: ts.dt.floor("D") - pd.to_timedelta(ts.dt.dayofweek, unit="D"),
    "month": lambda ts: ts.dt.to_period("M").dt.start_time,
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """60 days around a year's end, two strategies, two runs, three arms."""
    rng, n = np.random.default_rng(5), 4_000
    seconds = rng.integers(0, 60 * 86_400, n)
    return pd.DataFrame(
        {
            "strategy": rng.choice(["fixed", "ucb1"], n),
            "run": rng.integers(0, 2, n).astype("int32"),
            "variant": rng.choice(["a", "b", "c"], n),
            "propensity": rng.uniform(0.1, 1, n),
            "reward": rng.integers(0, 2, n).astype(float),
            "ts": pd.Timestamp("2025-12-05") + pd.to_timedelta(seconds, unit="s"),
        }
    )


@pytest.fixture
def table(frame: pd.DataFrame, tmp_path: Path) -> Iterator[object]:
    for place, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        frame.iloc[part].to_parquet(tmp_path / f"part-{place}.parquet")
    with open_experiment(tmp_path, columns=frame.columns) as opened:
        yield opened


@pytest.mark.parametrize("window", WINDOWS)
def test_it_equals_pandas(frame: pd.DataFrame, table: object, window: Window) -> None:
    expected = (
        frame.assign(start=PANDAS[window](frame["ts"]))
        .groupby(["strategy", "start", "run", "variant"])
        .agg(impressions=("reward", "size"), clicks=("reward", "sum"), propensity=("propensity", "sum"))
    )
    traffic = strategy_traffic(table, interval=900)
    found = pd.concat(
        {name: pd.DataFrame(traffic[name, window]._asdict()) for name in ("fixed", "ucb1")}, names=["strategy"]
    ).reset_index("strategy")
    found["start"] = pd.to_datetime(found["start"], unit="s")
    found = found.set_index(["strategy", "start", "run", "variant"]).sort_index()
    pd.testing.assert_frame_equal(found, expected.sort_index(), check_index_type=False, check_dtype=False)


def test_no_sessions_no_windows(table: object) -> None:
    assert strategy_traffic(table.filter(table.run == 9), interval=900) == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("interval", [0, -60, 7_000, 90_000])
def test_an_interval_must_divide_a_day(table: object, interval: int) -> None:
    with pytest.raises(ConfigError, match=f"interval == {interval} s, must divide a day"):
        strategy_traffic(table, interval=interval)
