"""The log of simulated traffic: Parquet parts by day, each whole, each with the state of the strategies behind it.

    sessions/date=2026-01-31/part-00000007.parquet

A part holds consecutive sessions of one day under every strategy, and in its metadata the number of the next session
and what the strategies knew by then. Sessions and state are one file, hence written together or not at all: whoever
goes on needs the last part and nothing else, wherever the process was killed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError, EventLogError
from events.whole_parquet import write_parquet

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

COLUMNS = (
    "decision_id",
    "strategy",
    "run",
    "unit_id",
    "session",
    "variant",
    "propensity",
    "reward",
    "device",
    "channel",
    "ts",
)
_NEXT, _STATE = b"screentest.next_session", b"screentest.state"
_PART = "part-*.parquet"


class Coded(NamedTuple):
    """A column of few texts.

    Attributes:
        place: (n,) int64 index into ``texts``.
        texts: What they stand for.
    """

    place: Integers
    texts: Sequence[str]


class ServedSessions(NamedTuple):
    """Consecutive sessions of one run under one strategy; all of one day.

    Attributes:
        strategy: Its name.
        run: The repetition.
        session: (n,) int64 session numbers.
        unit: Ids of the units.
        variant: The arms shown.
        propensity: (n,) float64, the probability with which each was chosen.
        reward: (n,) float64.
        device: Of the sessions.
        channel: Of the sessions.
        time: (n,) int64 microseconds since 1970, UTC.
    """

    strategy: str
    run: int
    session: Integers
    unit: Coded
    variant: Coded
    propensity: Floats
    reward: Floats
    device: Coded
    channel: Coded
    time: Integers


class SimulatedLog:
    """The parts in a folder.

    Args:
        folder: Made with the first part.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def parts(self) -> list[Path]:
        """The parts in their order."""
        return sorted(self.folder.glob(f"date=*/{_PART}"), key=lambda part: part.name)

    def next_session(self) -> int:
        """Number of the first session that is not in the log; 0 for an empty one.

        Raises:
            EventLogError: The last part is damaged or no part of ours.
        """
        return self._last()[0]

    def state(self) -> dict[str, Any]:
        """What the strategies knew behind the last session; empty for an empty log.

        Raises:
            EventLogError: The last part is damaged or no part of ours.
        """
        return self._last()[1]

    def append(self, lanes: Sequence[ServedSessions], *, next_session: int, state: Mapping[str, Any]) -> Path:
        """Add a part.

        Args:
            lanes: The same sessions under each strategy, of one day; at least one session.
            next_session: Number of the session behind them.
            state: What the strategies know by then; JSON-able.

        Raises:
            DataError: There is no session, or they are of several days.
            EventLogError: It cannot be written; then the log is as it was.
        """
        import pyarrow as pa

        days = {day for lane in lanes for day in np.unique(lane.time // 86_400_000_000).tolist()}
        if len(days) != 1:
            raise DataError(f"a part holds sessions of one day, given {len(days)}")
        metadata = {_NEXT: str(next_session).encode(), _STATE: json.dumps(state, sort_keys=True).encode()}
        table = pa.concat_tables([_table(lane) for lane in lanes]).combine_chunks().replace_schema_metadata(metadata)
        day = date(1970, 1, 1) + timedelta(days=days.pop())
        last = next(reversed(self.parts()), None)
        ordinal = 0 if last is None else _ordinal(last) + 1
        target = self.folder / f"date={day.isoformat()}" / f"part-{ordinal:08d}.parquet"
        write_parquet(table, target)
        return target

    def _last(self) -> tuple[int, dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = self.parts()
        if not parts:
            return 0, {}
        try:
            metadata = pq.read_schema(parts[-1]).metadata or {}
            return int(metadata[_NEXT]), json.loads(metadata[_STATE])
        except (KeyError, ValueError, OSError, pa.ArrowException) as error:
            raise EventLogError(
                f"{parts[-1]} is damaged or no part of a simulation ({error}); remove it to go on from the part before"
            ) from error


def _ordinal(part: Path) -> int:
    number = part.name.removeprefix("part-").removesuffix(".parquet")
    if not number.isdigit():
        raise EventLogError(f"{part} is no part of a simulation; remove it")
    return int(number)


def _table(lane: ServedSessions) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    n = len(lane.session)
    prefix = pa.scalar(f"{lane.strategy}-{lane.run}")
    columns = {
        "decision_id": pc.binary_join_element_wise(prefix, pa.array(lane.session).cast(pa.string()), "-"),
        "strategy": pa.array([lane.strategy]).take(pa.array(np.zeros(n, np.int64))),
        "run": pa.array(np.full(n, lane.run, np.int32)),
        "unit_id": _texts(lane.unit),
        "session": pa.array(lane.session),
        "variant": _texts(lane.variant),
        "propensity": pa.array(lane.propensity),
        "reward": pa.array(lane.reward),
        "device": _texts(lane.device),
        "channel": _texts(lane.channel),
        # Without a zone, so that no reader turns it into its own: it is UTC.
        "ts": pa.array(lane.time).cast(pa.timestamp("us")),
    }
    return pa.table({name: columns[name] for name in COLUMNS})


def _texts(column: Coded) -> Any:
    import pyarrow as pa

    return pa.array(list(column.texts), pa.string()).take(pa.array(column.place))
