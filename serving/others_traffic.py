"""Sessions that come from elsewhere: a rollout waits until there are enough of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from events.aggregate import RecordedSession, count_exposures

_POLL_S = 1.0


class OthersTraffic:
    """Waits for the sessions of a look, as many as it wants of those that were answered, whoever they were for.

    Args:
        engine: The event log.
        experiment: The spec's name.
        settle_s: How long to wait, once they are there, for what becomes of the last ones.
    """

    def __init__(self, engine: Engine, experiment: str, *, settle_s: float) -> None:
        self._engine = engine
        self._experiment = experiment
        self._settle_s = settle_s

    def drive(
        self, first: int, last: int, *, recorded: Mapping[str, RecordedSession], progress: Callable[[int], None]
    ) -> None:
        """Return when ``last`` sessions are in the log, and have had their time.

        Args:
            first: Sessions that the latest look had.
            last: Sessions that the next one wants.
            recorded: Of no use here: nobody sends what is lost again.
            progress: Told how many of them have come.

        Raises:
            EventLogError: The log cannot be read.
        """
        while (found := count_exposures(self._engine, self._experiment)) < last:
            progress(max(0, found - first))
            time.sleep(_POLL_S)
        progress(last - first)
        time.sleep(self._settle_s)
