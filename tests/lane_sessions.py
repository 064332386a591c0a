"""Sessions of a bandit experiment with a fixed lane beside it, as an event log, and the same as rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from events.records import Exposure, Outcome
from events.store import EventStore
from experiments.spec_traffic import BANDIT_LANE, FIXED_LANE, OUTSIDE

CLICKS = {"plain": 0.2, "fresh": 0.25, "bold": 0.4}
_LANES = (FIXED_LANE, BANDIT_LANE, OUTSIDE)


def write_lanes(url: str, experiment: str = "three-lists", *, units: int = 480, seed: int = 5) -> pd.DataFrame:
    """Write them; on the fixed lane a unit keeps its variant, on the other it may get another at each session.

    Returns:
        unit, lane, variant, click (0 or 1) of each session, testers left out.
    """
    rng, rows, names = np.random.default_rng(seed), [], list(CLICKS)
    for unit in range(units):
        lane, own = _LANES[unit % 3], names[(unit // 3) % 3]
        for _ in range(int(rng.integers(1, 5))):
            variant = {FIXED_LANE: own, BANDIT_LANE: str(rng.choice(names)), OUTSIDE: "plain"}[lane]
            click = int(rng.random() < CLICKS[variant])
            rows.append({"unit": f"u{unit}", "lane": lane, "variant": variant, "click": click})
    frame = pd.DataFrame(rows)
    _write(url, experiment, [*rows, {"unit": "tester", "lane": FIXED_LANE, "variant": "bold", "click": 1}])
    return frame


def _write(url: str, experiment: str, rows: list[dict[str, Any]]) -> None:
    store = EventStore(url)
    waiting: list[Any] = []
    for number, row in enumerate(rows):
        unit, variant, at = row["unit"], row["variant"], 1e9 + number
        key = f"{experiment}-{number}"
        waiting.append(
            store.record_exposure(Exposure(key, experiment, unit, unit, row["lane"], variant, 0.3, ["a", "b"], at))
        )
        if row["click"]:
            waiting.append(store.record_outcome(Outcome(unit, variant, "a", 1.0, at, decision_id=key)))
    for future in waiting:
        future.result(timeout=60)
    store.close()
