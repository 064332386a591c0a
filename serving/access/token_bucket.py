"""Rate limits: a bucket of requests that fills up at a steady rate and holds a second's worth."""

from __future__ import annotations

from collections import OrderedDict


class TokenBucket:
    """Allows ``rate`` requests a second, and ``burst`` at once after a pause.

    Args:
        rate: Requests a second, > 0.
        burst: The most at once, >= 1.
    """

    __slots__ = ("_burst", "_left", "_rate", "_seen")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._seen = 0.0

    def take(self, now: float) -> float:
        """Take one, if there is one.

        Args:
            now: Seconds of a clock that never goes back.

        Returns:
            0 where it was there, else the seconds until it will be.
        """
        left = min(self._burst, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if left < 1.0:
            self._left = left
            return (1.0 - left) / self._rate
        self._left = left - 1.0
        return 0.0


class BucketPerAddress:
    """A bucket for each address that is met; of addresses not met for long none is kept.

    Args:
        rate: See ``TokenBucket``.
        burst: See ``TokenBucket``.
        most: How many are kept, >= 1: whoever has many addresses must not fill the memory.
    """

    def __init__(self, rate: float, burst: float, most: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """See ``TokenBucket.take``."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = TokenBucket(self._rate, self._burst)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(address)
        return bucket.take(now)
