"""Which variant of an A/B/n experiment a unit gets, why, and with what probability.

The order of the steps, the first that applies decides:

1. ``forced``: the experiment names the unit (testers). Wins over everything; leave such units out of the analysis.
2. ``holdout``: the unit is in no experiment of the layer, whatever was recorded of it.
3. ``blocked``: the unit was recorded under a bucket version older than ``min_bucket_version``: it has seen what must
   not be analysed any more and gets no variant.
4. ``sticky``: it was recorded under the bucket version in force: it keeps its variant, even if namespace, coverage or
   weights have changed since.
5. ``namespace``: the unit belongs to another experiment's part of the namespace.
6. ``assigned`` or ``not_covered``: its bucket lies in the range of a variant, or in none.

It is GrowthBook's order, with the holdout where their prerequisite stands. An empty unit id is a unit like any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, repeat
from operator import attrgetter
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.assignment import BUCKETS, bucket, bucket_ranges, buckets
from experiments.namespaces import Namespace, namespace_bucket, namespace_buckets

Reason = Literal["forced", "holdout", "blocked", "sticky", "namespace", "assigned", "not_covered"]
REASONS: tuple[Reason, ...] = get_args(Reason)

#: Weights are decimal fractions: their sum may miss 1 by rounding, never by a typing error.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Holdout:
    """Units kept out of every experiment of a layer, so that the layer as a whole can be measured.

    Give the same holdout to each experiment of the layer.

    Attributes:
        salt: Salt of its hash; another than any experiment's, or the holdout would cut off that experiment's first
            variant.
        share: Share of units held out, 0 … 1; those whose bucket is below it. It only extends as it rises.

    Raises:
        ConfigError: salt is empty or share outside 0 … 1.
    """

    salt: str
    share: float

    def __post_init__(self) -> None:
        if not self.salt:
            raise ConfigError("holdout.salt == '', must be a text of its own, e.g. the layer's name")
        if not 0 <= self.share <= 1:
            raise ConfigError(f"holdout.share == {self.share}, must lie in 0 … 1")


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a unit when it first came.

    Attributes:
        variant: The variant it got.
        bucket_version: The experiment's ``bucket_version`` at that time.
        propensity: With what probability it got it, above 0, at most 1.

    Raises:
        ConfigError: propensity is no probability, or the version is negative.
    """

    variant: str
    bucket_version: int
    propensity: float

    def __post_init__(self) -> None:
        if not 0 < self.propensity <= 1:
            raise ConfigError(f"recorded.propensity == {self.propensity}, must be above 0 and at most 1")
        if self.bucket_version < 0:
            raise ConfigError(f"recorded.bucket_version == {self.bucket_version}, must be >= 0")


@dataclass(frozen=True)
class Allocation:
    """How one experiment's units are dealt to its variants.

    Attributes:
        name: The experiment.
        variants: Names, at least two, all different; the control first.
        weights: Share of each variant among units covered, >= 0, together 1.
        coverage: Share of units that get a variant at all, 0 … 1. It may only rise while the experiment runs: ``ramp``.
        salt: Salt of the hash; empty: the name.
        namespace: The part of a namespace that the experiment may have; None: it excludes nobody.
        holdouts: Of the layers that it is in.
        forced: Variant by unit id, for testers.
        bucket_version: Raise it to deal all units anew.
        min_bucket_version: Units recorded under an older version get no variant.

    Raises:
        ConfigError: A field that is not allowed; the message names it and how to mend it.
    """

    name: str
    variants: tuple[str, ...]
    weights: tuple[float, ...]
    coverage: float = 1.0
    salt: str = ""
    namespace: Namespace | None = None
    holdouts: tuple[Holdout, ...] = ()
    forced: Mapping[str, str] = field(default_factory=dict)
    bucket_version: int = 0
    min_bucket_version: int = 0

    def __post_init__(self) -> None:
        self._check_variants()
        self._check_weights()
        if not 0 <= self.coverage <= 1:
            raise ConfigError(f"coverage == {self.coverage}, must lie in 0 … 1")
        if not (self.name or self.salt):
            raise ConfigError("name == '', must be a text: the hash needs a salt of its own")
        for holdout in self.holdouts:
            if holdout.salt == self.hash_salt:
                raise ConfigError(
                    f"holdout.salt == {holdout.salt!r} is the experiment's own salt; the holdout would take its first "
                    "variant's units. Give the holdout another salt"
                )
        if not 0 <= self.min_bucket_version <= self.bucket_version:
            raise ConfigError(
                f"min_bucket_version == {self.min_bucket_version}, must be 0 … bucket_version ({self.bucket_version})"
            )

    @property
    def hash_salt(self) -> str:
        """The salt in force."""
        return self.salt or self.name

    @cached_property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Half-open range of buckets of each variant (``assignment.bucket_ranges``)."""
        return tuple(bucket_ranges(self.coverage, self.weights))

    @cached_property
    def propensities(self) -> tuple[float, ...]:
        """Probability of each variant over salts: the buckets that its range really holds, of 10,000.

        >>> Allocation("e", ("a", "b", "c"), (1 / 3, 1 / 3, 1 / 3)).propensities
        (0.3334, 0.3333, 0.3333)
        """
        places = np.arange(BUCKETS) / BUCKETS
        return tuple(int(np.diff(np.searchsorted(places, pair))[0]) / BUCKETS for pair in self.ranges)

    def _check_variants(self) -> None:
        if len(self.variants) < 2 or len(set(self.variants)) < len(self.variants) or not all(self.variants):
            raise ConfigError(f"variants == {list(self.variants)}, must be two or more different names")
        for unit_id, variant in self.forced.items():
            if variant not in self.variants:
                raise ConfigError(
                    f"forced[{unit_id!r}] == {variant!r}, must be one of the variants {', '.join(self.variants)}"
                )

    def _check_weights(self) -> None:
        if len(self.weights) != len(self.variants):
            raise ConfigError(f"{len(self.weights)} weights for {len(self.variants)} variants; give one weight each")
        whole = math.fsum(self.weights)
        if not all(weight >= 0 for weight in self.weights) or not abs(whole - 1) <= _ROUNDING:
            raise ConfigError(
                f"weights == {list(self.weights)}, must be >= 0 and add up to 1, not {whole:g}; "
                "lower coverage to leave units out"
            )


@dataclass(frozen=True)
class Assignment:
    """What one unit gets.

    Attributes:
        variant: Its variant; None: the experiment leaves it alone.
        bucket: Its place in the experiment's hash, [0, 1), whatever the reason.
        propensity: Probability of ``variant`` at the step that decided: of the variant's buckets (``assigned``), of
            those that no variant has (``not_covered``), the recorded one (``sticky``), else 1.
        reason: The step that decided.
    """

    variant: str | None
    bucket: float
    propensity: float
    reason: Reason


@dataclass(frozen=True, eq=False)
class Assignments:
    """What n units get, as arrays.

    Attributes:
        variants: Names of the variants.
        variant_index: (n,) int64 place in ``variants``; -1 = none.
        bucket: (n,) float64.
        propensity: (n,) float64.
        reason_index: (n,) int64 place in ``REASONS``.
    """

    variants: tuple[str, ...]
    variant_index: npt.NDArray[np.int64]
    bucket: npt.NDArray[np.float64]
    propensity: npt.NDArray[np.float64]
    reason_index: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.variant_index)

    def __getitem__(self, unit: int) -> Assignment:
        """One unit's, by its place."""
        index = int(self.variant_index[unit])
        return Assignment(
            self.variants[index] if index >= 0 else None,
            float(self.bucket[unit]),
            float(self.propensity[unit]),
            REASONS[int(self.reason_index[unit])],
        )


def ramp(allocation: Allocation, coverage: float) -> Allocation:
    """The same experiment with more units: each variant's range extends, nobody moves between variants.

    >>> ramp(Allocation("e", ("a", "b"), (0.5, 0.5), coverage=0.1), 0.5).ranges
    ((0.0, 0.25), (0.5, 0.75))

    Args:
        allocation: The experiment as it runs.
        coverage: Its new coverage, at least the present one.

    Raises:
        ConfigError: coverage is lower than now, or above 1.
    """
    if not coverage >= allocation.coverage:
        raise ConfigError(
            f"coverage == {coverage}, must be at least the present {allocation.coverage}: units that have seen a "
            "variant would lose it. Stop the experiment instead"
        )
    return replace(allocation, coverage=coverage)


def check_exclusive(allocations: Sequence[Allocation]) -> None:
    """Refuse experiments that would share units of a namespace.

    >>> one = Allocation("one", ("a", "b"), (0.5, 0.5), namespace=Namespace("home", 0, 0.5))
    >>> check_exclusive([one, replace(one, name="two", namespace=Namespace("home", 0.5, 1))])

    Args:
        allocations: Experiments that run at the same time; those without a namespace exclude nobody.

    Raises:
        ConfigError: Two ranges of one namespace overlap.
    """
    for one, two in combinations(allocations, 2):
        if one.namespace and two.namespace and one.namespace.overlaps(two.namespace):
            raise ConfigError(
                f"namespace {one.namespace.id!r}: {one.name} has [{one.namespace.start}, {one.namespace.end}), "
                f"{two.name} [{two.namespace.start}, {two.namespace.end}); ranges of one namespace must not overlap"
            )


def allocate(allocation: Allocation, unit_id: str, recorded: Recorded | None = None) -> Assignment:
    """One unit's variant, by the steps at the head of this file.

    >>> experiment = Allocation("seed", ("control", "treatment"), (0.5, 0.5), coverage=0.5)
    >>> allocate(experiment, "a")
    Assignment(variant='control', bucket=0.0505, propensity=0.25, reason='assigned')

    Args:
        allocation: The experiment.
        unit_id: The unit; any text.
        recorded: What it got when it first came, if it has come before.
    """
    place = bucket(allocation.hash_salt, unit_id)
    if unit_id in allocation.forced:
        return Assignment(allocation.forced[unit_id], place, 1.0, "forced")
    if any(bucket(holdout.salt, unit_id) < holdout.share for holdout in allocation.holdouts):
        return Assignment(None, place, 1.0, "holdout")
    if recorded and recorded.bucket_version < allocation.min_bucket_version:
        return Assignment(None, place, 1.0, "blocked")
    if recorded and recorded.bucket_version == allocation.bucket_version and recorded.variant in allocation.variants:
        return Assignment(recorded.variant, place, recorded.propensity, "sticky")
    namespace = allocation.namespace
    if namespace and not namespace.start <= namespace_bucket(namespace.id, unit_id) < namespace.end:
        return Assignment(None, place, 1.0, "namespace")
    for variant, (start, end), share in zip(
        allocation.variants, allocation.ranges, allocation.propensities, strict=True
    ):
        if start <= place < end:
            return Assignment(variant, place, share, "assigned")
    return Assignment(None, place, _uncovered(allocation), "not_covered")


def allocate_many(
    allocation: Allocation, unit_ids: Sequence[str], recorded: Mapping[str, Recorded] | None = None
) -> Assignments:
    """``allocate`` of many units at once.

    >>> experiment = Allocation("seed", ("control", "treatment"), (0.5, 0.5))
    >>> allocate_many(experiment, ["a", "b"]).variant_index
    array([0, 0])

    Args:
        allocation: The experiment.
        unit_ids: n units.
        recorded: By unit id, what came before; units that are not in it are new.

    Returns:
        n assignments, empty without units.
    """
    n = len(unit_ids)
    place = buckets(allocation.hash_salt, unit_ids)
    result = Assignments(allocation.variants, np.full(n, -1), place, np.ones(n), np.zeros(n, np.int64))
    _deal(allocation, result)
    # From the last step to the first: what comes later here decides.
    if allocation.namespace:
        spot = namespace_buckets(allocation.namespace.id, unit_ids)
        _leave_out(result, (spot < allocation.namespace.start) | (spot >= allocation.namespace.end), "namespace")
    if recorded:
        _recall(allocation, unit_ids, recorded, result)
    for holdout in allocation.holdouts:
        _leave_out(result, buckets(holdout.salt, unit_ids) < holdout.share, "holdout")
    if allocation.forced:
        _force(allocation, unit_ids, result)
    return result


def _deal(allocation: Allocation, result: Assignments) -> None:
    result.reason_index[:] = REASONS.index("not_covered")
    result.propensity[:] = _uncovered(allocation)
    for index, (start, end) in enumerate(allocation.ranges):
        inside = (result.bucket >= start) & (result.bucket < end)
        result.variant_index[inside] = index
        result.propensity[inside] = allocation.propensities[index]
        result.reason_index[inside] = REASONS.index("assigned")


def _leave_out(result: Assignments, units: npt.NDArray[np.bool_], reason: Reason) -> None:
    result.variant_index[units] = -1
    result.propensity[units] = 1.0
    result.reason_index[units] = REASONS.index(reason)


def _recall(
    allocation: Allocation, unit_ids: Sequence[str], recorded: Mapping[str, Recorded], result: Assignments
) -> None:
    before = np.fromiter(map(recorded.get, unit_ids), dtype=object, count=len(unit_ids))
    unit = np.flatnonzero(before != None)  # noqa: E711 (elementwise)
    records = before[unit].tolist()
    place_of = {variant: index for index, variant in enumerate(allocation.variants)}
    version = np.fromiter(map(attrgetter("bucket_version"), records), np.int64, len(records))
    variant = np.fromiter(map(place_of.get, map(attrgetter("variant"), records), repeat(-1)), np.int64, len(records))
    propensity = np.fromiter(map(attrgetter("propensity"), records), np.float64, len(records))
    stays = (version == allocation.bucket_version) & (variant >= 0)
    result.variant_index[unit[stays]] = variant[stays]
    result.propensity[unit[stays]] = propensity[stays]
    result.reason_index[unit[stays]] = REASONS.index("sticky")
    blocked = np.zeros(len(result), np.bool_)
    blocked[unit[version < allocation.min_bucket_version]] = True
    _leave_out(result, blocked, "blocked")


def _force(allocation: Allocation, unit_ids: Sequence[str], result: Assignments) -> None:
    place_of = {unit_id: allocation.variants.index(variant) for unit_id, variant in allocation.forced.items()}
    variant = np.fromiter(map(place_of.get, unit_ids, repeat(-1)), np.int64, len(unit_ids))
    named = variant >= 0
    result.variant_index[named] = variant[named]
    result.propensity[named] = 1.0
    result.reason_index[named] = REASONS.index("forced")


def _uncovered(allocation: Allocation) -> float:
    """Probability that no variant's range holds the unit's bucket."""
    return (BUCKETS - sum(round(share * BUCKETS) for share in allocation.propensities)) / BUCKETS
