"""When a running experiment may end: for an effect, for harm, or because nothing worth having can come of it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from core.errors import ConfigError
from experiments.looks.sequential import Interval

#: Which way the metric is to move: "higher" for clicks, "lower" for latency or churn.
Better = Literal["higher", "lower"]
StopKind = Literal["continue", "effect", "futility", "harm"]
StopReason = Literal[
    "no_interval",
    "practically_equivalent",
    "better",
    "worse",
    "mde_out_of_reach",
    "unlikely_to_succeed",
    "undecided",
]

REASONS: dict[StopReason, StopKind] = {
    # There is nothing to read yet: burn-in, an empty arm, no variance.
    "no_interval": "continue",
    # The whole interval lies within the region of practical equivalence, 0 inside it or not.
    "practically_equivalent": "futility",
    # The interval lies wholly on the good side of 0.
    "better": "effect",
    # It lies wholly on the bad side.
    "worse": "harm",
    # Its good end falls short of the effect the experiment was planned for.
    "mde_out_of_reach": "futility",
    # An effect in the last look has become improbable (conditional power).
    "unlikely_to_succeed": "futility",
    "undecided": "continue",
}
"""Every reason and what it stands for, in the order they are asked."""


class Stop(NamedTuple):
    """Whether to end the experiment.

    Attributes:
        kind: ``continue``, ``effect``, ``futility`` or ``harm``.
        reason: Of ``REASONS``.
    """

    kind: StopKind
    reason: StopReason

    @property
    def stops(self) -> bool:
        """Whether it ends here."""
        return self.kind != "continue"


def early_stop(
    interval: Interval,
    *,
    better: Better = "higher",
    equivalence: float | None = None,
    mde: float | None = None,
    conditional_power: float | None = None,
    least_power: float = 0.1,
) -> Stop:
    """Read an interval of the effect that holds at every look: a confidence sequence or a repeated interval.

    Such an interval holds the truth at all looks at once, so that all these rules together are wrong no oftener than
    it is, however many looks there are; conditional power alone errs towards missing an effect, never towards one. In
    the order of ``REASONS``: what was said to be too small to matter does not count as an effect, nor as harm.

    >>> early_stop(Interval(0.002, 0.02))
    Stop(kind='effect', reason='better')
    >>> early_stop(Interval(0.002, 0.02), better="lower")
    Stop(kind='harm', reason='worse')
    >>> early_stop(Interval(-0.004, 0.003), mde=0.005)
    Stop(kind='futility', reason='mde_out_of_reach')

    Args:
        interval: Of treatment - control, absolute or relative; NaN ends: nothing is known yet. A one-sided one can show
            the one side only.
        better: Which way the metric is to move.
        equivalence: Effects within ± this are as good as none, in the interval's unit, > 0; None for no such region.
        mde: Size of the smallest effect that matters, in the interval's unit, > 0; None for no such rule.
        conditional_power: ``experiments.looks.group_inference.conditional_power`` at this look; None or NaN: not known.
        least_power: Stop where it is below this, 0 … 1.

    Raises:
        ConfigError: better, equivalence, mde or least_power is not allowed, or the interval's ends are not in order.
    """
    _check(interval, better, equivalence, mde, least_power)
    lower, upper = interval if better == "higher" else Interval(-interval.upper, -interval.lower)
    if math.isnan(lower) or math.isnan(upper):
        return _because("no_interval")
    if equivalence is not None and -equivalence < lower and upper < equivalence:
        return _because("practically_equivalent")
    if lower > 0:
        return _because("better")
    if upper < 0:
        return _because("worse")
    if mde is not None and upper < mde:
        return _because("mde_out_of_reach")
    if conditional_power is not None and conditional_power < least_power:
        return _because("unlikely_to_succeed")
    return _because("undecided")


def _because(reason: StopReason) -> Stop:
    return Stop(REASONS[reason], reason)


def _check(
    interval: Interval, better: Better, equivalence: float | None, mde: float | None, least_power: float
) -> None:
    if better not in ("higher", "lower"):
        raise ConfigError(f"better == {better!r}, must be 'higher' or 'lower'")
    for name, size in (("equivalence", equivalence), ("mde", mde)):
        if size is not None and not 0 < size < math.inf:
            raise ConfigError(f"{name} == {size}, must be a size of effect above 0, or None")
    if not 0 <= least_power <= 1:
        raise ConfigError(f"least_power == {least_power}, must be 0 … 1")
    if interval.lower > interval.upper:
        raise ConfigError(f"interval == {tuple(interval)}, its lower end must not be above its upper one")
