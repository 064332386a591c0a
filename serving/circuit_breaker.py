"""When a server that fails is left alone: a failure costs its time-out only until the breaker opens.

Closed: every call goes through. Open: none does, for a pause. Half-open: when the pause is over one call tries, and the
others go without until it is known what became of it; an answer closes the breaker, a failure opens it again for twice
as long. The first pause is short, so that a server (or this process) that was held up once is hardly missed; a dead one
is asked every ``LONGEST_PAUSE_S``.

Until the first of its calls has timed out a server that answers nobody is not known to have failed, and each call to it
holds a place that others' lists need: ``Crowd``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

#: So many failures in a row open it, or half of the last ``WINDOW`` calls.
IN_A_ROW = 5
WINDOW = 20
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0

State = Literal["closed", "half-open", "open"]
#: A state as a number, for metrics.
OPENNESS: dict[State, float] = {"closed": 0.0, "half-open": 0.5, "open": 1.0}

_MASK = (1 << WINDOW) - 1


class CircuitBreaker:
    """Of one server. For one thread; after each ``may_call`` that said yes comes one of the three other calls.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._in_a_row = 0
        #: The last calls, a bit each, 1 for a failure; and how many of them there are.
        self._failed = 0
        self._known = 0
        self._pause_s = 0.0
        self._closed_again_at = 0.0
        self._trying = False

    @property
    def state(self) -> State:
        """``half-open`` from the end of the pause until the call that tries has told."""
        if not self._pause_s:
            return "closed"
        return "open" if self._clock() < self._closed_again_at else "half-open"

    @property
    def pause_s(self) -> float:
        """How long it is, or was last, open; 0 while it is closed."""
        return self._pause_s

    def may_call(self) -> bool:
        """Whether a call may go through now; while it is half-open the first that asks, and nobody else."""
        if not self._pause_s:
            return True
        if self._trying or self._clock() < self._closed_again_at:
            return False
        self._trying = True
        return True

    def succeeded(self) -> bool:
        """The server answered; whether that closed the breaker."""
        self._in_a_row = 0
        if self._pause_s:
            # Of a call from before it opened too: the server is there again.
            self._failed = self._known = 0
            self._pause_s, self._trying = 0.0, False
            return True
        self._note(0)
        return False

    def failed(self) -> bool:
        """The server did not answer; whether that opened the breaker, or kept it open for longer."""
        self._in_a_row += 1
        if self._pause_s:
            if not self._trying:
                # A call from before it opened.
                return False
            self._open(min(2 * self._pause_s, LONGEST_PAUSE_S))
            return True
        self._note(1)
        if self._in_a_row < IN_A_ROW and not (self._known == WINDOW and 2 * self._failed.bit_count() >= WINDOW):
            return False
        self._open(FIRST_PAUSE_S)
        return True

    def abandoned(self) -> None:
        """The call told nothing of the server, e.g. because its caller went away: the next one may try."""
        self._trying = False

    def _note(self, failure: int) -> None:
        self._failed = (self._failed << 1 | failure) & _MASK
        self._known = min(self._known + 1, WINDOW)

    def _open(self, pause_s: float) -> None:
        self._pause_s, self._trying = pause_s, False
        self._closed_again_at = self._clock() + pause_s


class Crowd:
    """The calls under way to one server: whether they crowd before one that answers none of them. For one thread.

    Args:
        clock: Seconds that never go back.
        most: So many may wait for a server that is silent.
        silent_s: A server that has answered nobody for so long, while somebody waited, is.
    """

    def __init__(self, clock: Callable[[], float], most: int, silent_s: float) -> None:
        self._clock = clock
        self._most = most
        self._silent_s = silent_s
        self._waiting = 0
        self._heard_at = 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether another one would only wait too."""
        return self._waiting >= self._most and self._clock() - self._heard_at > self._silent_s

    def begin(self) -> None:
        """One more waits."""
        if not self._waiting:
            self._heard_at = self._clock()
        self._waiting += 1

    def end(self, *, answered: bool) -> None:
        """One waits no longer."""
        self._waiting -= 1
        if answered:
            self._heard_at = self._clock()
