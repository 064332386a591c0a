"""What a live bandit has learned, as sums: the same whatever the order in which sessions and rewards came in.

A policy rests on sums over rewards alone (``Policy.learn_sums``). Kept apart from it they can be shared between
servers, made again from the event log, and compared: what is added up is rounded to 2⁻¹², so that the sums are exact,
and hence equal to the last bit however they were added up, as long as they stay below 2⁵³ / 2¹², about 2e12.

A request's own segment is one of the first ``MOST_SEGMENTS`` that came; all others are one. So whoever counts sessions
of more segments must do it in the order in which the log has them.

Time is counted in hours since 1970. A bandit with a ``window`` keeps sums for each of its panes, one with a
``discount`` for spans of time in which a reward loses at most 1 % of its weight; one that forgets nothing has one pane.
Panes that no longer count are one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import orjson

from core.errors import ConfigError, DataError
from experiments.bandits.base import Policy
from experiments.bandits.per_segment import PerSegment
from experiments.context import context_vectors
from experiments.spec import ExperimentSpec
from experiments.spec_bandit import Bandit, spec_bandit
from experiments.spec_traffic import BanditTraffic

Floats = npt.NDArray[np.float64]

HOUR_S = 3600.0
#: Raised where the same sessions come to give other sums.
SUMS_VERSION = 2
_STEP = 4096.0
_FADED = 0.99
#: After so many a reward has less than 2⁻⁶⁰ of its weight.
_FADED_PANES = 4_200
#: A pane for all of those, out of reach of any window.
_LONG_AGO = -(2**40)
_LONGEST_SEGMENT = 64
#: All of them are made anew, and shared, several times a second. A key of the context with a value for each user, by
#: mistake or malice, must not take the server's time and memory.
MOST_SEGMENTS = 200


class RewardedSession(NamedTuple):
    """A session on the bandit lane, or what has come to be known of it since.

    Attributes:
        variant: The arm.
        ts: When, seconds since 1970.
        context: As recorded.
        worth: Of the primary metric now.
        before: What it was worth when it was last counted; None for a session that is new.
    """

    variant: str
    ts: float
    context: Mapping[str, Any]
    worth: float
    before: float | None = None


class BanditSums:
    """The sums of one experiment.

    Args:
        spec: A bandit's.

    Raises:
        ConfigError: It is none.
    """

    def __init__(self, spec: ExperimentSpec) -> None:
        if not isinstance(spec.traffic, BanditTraffic):
            raise ConfigError(f"experiment {spec.name!r} has no bandit; its traffic.policy is {spec.traffic.policy!r}")
        self._traffic = spec.traffic
        self._metric = spec.metrics.primary
        self._arms = spec.variant_names
        self._template = _pooled(spec_bandit(spec.traffic, self._arms))
        self._columns = self._template.sum_columns
        self._pane_h = _pane_hours(self._template)
        self._rows: dict[tuple[str, int], Floats] = {}
        self._segments: set[str] = set()

    @property
    def counts_in_order(self) -> bool:
        """Whether the order matters in which sessions come first."""
        return bool(self._traffic.segment)

    def add(self, sessions: Sequence[RewardedSession]) -> set[str]:
        """Add sessions, or what has changed of some.

        Args:
            sessions: Of arms that the spec names, in the order in which they came first.

        Returns:
            Names of the ``fields`` that have changed, those of time that counts no more left out.

        Raises:
            DataError: A variant is none of the spec's.
        """
        if not sessions:
            return set()
        place = {arm: index for index, arm in enumerate(self._arms)}
        try:
            arms = np.array([place[one.variant] for one in sessions])
        except KeyError as error:
            raise DataError(f"variant {error} is not of the spec, whose are {', '.join(self._arms)}") from error
        parts = self._parts(sessions)
        keys = [(self._admitted(one.context), self._pane(one.ts)) for one in sessions]
        different = sorted(set(keys))
        code = {key: number for number, key in enumerate(different)}
        sums = np.zeros((len(different), len(self._arms), self._columns))
        np.add.at(sums, (np.array([code[key] for key in keys]), arms), parts)
        for key, added in zip(different, sums, strict=True):
            self._count(key, added)
        self._put_away()
        return {_field(key) for key in different if key in self._rows}

    def policy(self) -> Bandit:
        """The bandit that has learned all this; it is a new one each time."""
        new = spec_bandit(self._traffic, self._arms)
        order = sorted(self._rows)
        if order:
            _pooled(new).learn_sums(self._arms * len(order), self._stacked(order), at=self._hours(order))
        if isinstance(new, PerSegment):
            for segment, group in groupby(order, key=itemgetter(0)):
                keys = [*group]
                new.learn_sums(segment, self._arms * len(keys), self._stacked(keys), at=self._hours(keys))
        return new

    def totals(self) -> dict[str, tuple[float, float]]:
        """Arm to its sessions and the sum of their rewards, as the bandit counts rewards; nothing forgotten."""
        whole = sum(self._rows.values(), np.zeros((len(self._arms), self._columns)))
        return {arm: (float(row[0]), float(row[1])) for arm, row in zip(self._arms, whole, strict=True)}

    def segment(self, context: Mapping[str, Any]) -> str:
        """A request's segment; empty where it has none, all are taken, or the bandit is one for all."""
        value = context.get(self._traffic.segment) if self._traffic.segment else None
        if not isinstance(value, str | int) or isinstance(value, bool):
            return ""
        name = str(value)
        is_open = len(self._segments) < MOST_SEGMENTS and len(name) <= _LONGEST_SEGMENT
        return name if is_open or name in self._segments else ""

    def vector(self, context: Mapping[str, Any]) -> Floats | None:
        """(d,) what a contextual bandit sees of a request, as it will be learned; None for any other."""
        if not self._template.contextual:
            return None
        row: Floats = _rounded(context_vectors(self._traffic.context, [context]))[0]
        return row

    def fields(self, names: set[str] | None = None) -> dict[str, bytes]:
        """The sums as bytes by field, for whoever keeps them; ``names``: only these."""
        written = ((_field(key), rows) for key, rows in self._rows.items())
        return {name: rows.astype("<f8").tobytes() for name, rows in written if names is None or name in names}

    def copy(self) -> Self:
        """The same sums, to which more may be added."""
        other = type(self).__new__(type(self))
        # Rows are replaced by what is added, never changed.
        other.__dict__.update(self.__dict__, _rows=dict(self._rows), _segments=set(self._segments))
        return other

    def with_fields(self, fields: Mapping[str, bytes]) -> Self:
        """Sums of the same experiment that ``fields`` gave.

        Raises:
            DataError: They are another experiment's, or damaged.
        """
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._rows = {}
        other._segments = set()
        shape = (len(self._arms), self._columns)
        for name, blob in fields.items():
            try:
                segment, pane = orjson.loads(name)
                other._segments |= {str(segment)} - {""}
                other._rows[str(segment), int(pane)] = np.frombuffer(blob, "<f8").reshape(shape).astype(np.float64)
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"sums of a bandit: field {name[:80]!r} is damaged, must hold {shape} numbers"
                ) from error
        return other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BanditSums) and self.fields() == other.fields()

    __hash__ = None  # type: ignore[assignment]

    def _count(self, key: tuple[str, int], added: Floats) -> None:
        self._rows[key] = self._rows[key] + added if key in self._rows else added

    def _put_away(self) -> None:
        """Make one of the panes that count no more, or a bandit that runs for months would have ever more of them."""
        if self._pane_h is None:
            return
        kept = _FADED_PANES if self._template.window is None else self._template.panes
        last = max(pane for _, pane in self._rows) - kept
        for segment, pane in [key for key in self._rows if _LONG_AGO < key[1] <= last]:
            self._count((segment, _LONG_AGO), self._rows.pop((segment, pane)))

    def _parts(self, sessions: Sequence[RewardedSession]) -> Floats:
        """(n, columns) what each session adds."""
        new = np.array([one.before is None for one in sessions], np.float64)
        now = self._rewards([one.worth for one in sessions])
        before = np.where(new > 0, 0.0, self._rewards([one.before or 0.0 for one in sessions]))
        change = now - before
        squares = _rounded(now**2) - _rounded(before**2)
        parts = [new[:, np.newaxis], change[:, np.newaxis], squares[:, np.newaxis]]
        if self._template.contextual:
            x = _rounded(context_vectors(self._traffic.context, [one.context for one in sessions]))
            products = _rounded((x[:, :, np.newaxis] * x[:, np.newaxis, :]).reshape(len(x), -1))
            rewarded = _rounded(now[:, np.newaxis] * x) - _rounded(before[:, np.newaxis] * x)
            parts += [rewarded, new[:, np.newaxis] * products]
        return np.hstack(parts)

    def _admitted(self, context: Mapping[str, Any]) -> str:
        """A session's segment, which has its own sums from now on."""
        segment = self.segment(context)
        if segment:
            self._segments.add(segment)
        return segment

    def _stacked(self, keys: Sequence[tuple[str, int]]) -> Floats:
        """(keys * arms, columns) sums, for one ``learn_sums``: one for each key would take far longer."""
        return np.vstack([self._rows[key] for key in keys])

    def _rewards(self, worths: Sequence[float]) -> Floats:
        worth = _rounded(np.array(worths, np.float64))
        if not self._metric.lower_is_better:
            return worth
        return 1.0 - worth if self._metric.value == "any" else -worth

    def _pane(self, ts: float) -> int:
        return 0 if self._pane_h is None else math.floor(ts / HOUR_S / self._pane_h)

    def _hours(self, keys: Sequence[tuple[str, int]]) -> Floats | None:
        """(keys * arms,) the middle of each pane."""
        if self._pane_h is None:
            return None
        middles = [(pane + 0.5) * self._pane_h for _, pane in keys]
        return np.repeat(np.array(middles, np.float64), len(self._arms))


def _pooled(bandit: Bandit) -> Policy:
    return bandit.pooled if isinstance(bandit, PerSegment) else bandit


def _pane_hours(policy: Policy) -> float | None:
    if policy.window is not None:
        return policy.window / policy.panes
    if policy.discount is not None and policy.discount < 1:
        return math.log(_FADED) / math.log(policy.discount)
    return None if policy.discount is None else 1.0


def _rounded(numbers: Floats) -> Floats:
    return np.round(numbers * _STEP) / _STEP


def _field(key: tuple[str, int]) -> str:
    return orjson.dumps(key).decode()
