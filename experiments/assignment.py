"""Which variant a unit gets: a salted hash, so that the same unit always gets the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from experiments.fnv import fnv32a, fnv32a_of_digits, fnv32a_of_texts, utf8

RolloutVariant = Literal["challenger", "control", "champion"]

BUCKETS = 10_000


def bucket(seed: str, unit_id: str) -> float:
    """A unit's place on [0, 1), in steps of 1 / 10,000: GrowthBook's hash, version 2.

    fnv32a(str(fnv32a(seed + unit_id))) % 10000 / 10000, FNV-1a of 32 bits. GrowthBook's test cases hash ASCII only, on
    which all its SDKs agree. Beyond ASCII they do not agree with each other: we hash UTF-8 bytes, as FNV is defined on
    bytes and as the Go SDK does; the Python SDK hashes code points, the JavaScript SDK UTF-16 units.

    >>> bucket("seed", "a"), bucket("foo", "def")
    (0.0505, 0.2019)

    Args:
        seed: Salt of the experiment; other salts give independent places.
        unit_id: The unit.
    """
    return fnv32a(str(fnv32a(utf8(seed + unit_id))).encode()) % BUCKETS / BUCKETS


def buckets(seed: str, unit_ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """``bucket`` of many units at once.

    >>> buckets("seed", ["a", "b"])
    array([0.0505, 0.2696])

    Args:
        seed: Salt of the experiment.
        unit_ids: n units.

    Returns:
        (n,) float64 in [0, 1).
    """
    inner = fnv32a_of_texts(unit_ids, fnv32a(utf8(seed)))
    return (fnv32a_of_digits(inner) % np.uint32(BUCKETS)) / BUCKETS


def bucket_ranges(coverage: float, weights: Sequence[float]) -> list[tuple[float, float]]:
    """Half-open ranges of buckets, one per variant, that only ever extend as coverage rises.

    Each variant owns a segment as wide as its weight and gets the first ``coverage`` of it (GrowthBook SDK,
    getBucketRanges).

    >>> bucket_ranges(0.5, [0.5, 0.5])
    [(0.0, 0.25), (0.5, 0.75)]

    Args:
        coverage: Share of every segment in use, 0 … 1.
        weights: Width of the segments, >= 0, together at most 1.

    Raises:
        ConfigError: coverage or weights out of range.
    """
    if not 0 <= coverage <= 1:
        raise ConfigError(f"coverage == {coverage}, must lie in 0 … 1")
    if not (all(weight >= 0 for weight in weights) and sum(weights) <= 1 + 1e-9):
        raise ConfigError(f"weights == {list(weights)}, must be >= 0 and add up to at most 1")
    starts = [float(sum(weights[:place])) for place in range(len(weights))]
    return [(start, start + coverage * weight) for start, weight in zip(starts, weights, strict=True)]


def rollout_variant(place: float, percent: int) -> RolloutVariant:
    """A unit's variant while the challenger has ``percent`` % of units.

    The challenger has the buckets [0, p/100), an equally wide concurrent control [.5, .5 + p/100), the champion all
    others, who are not analysed. Ranges only extend: as p rises to 50 a unit may turn from champion to challenger or to
    control, never between those two, never back. At 0 everybody gets the champion, at 100 the challenger.

    >>> [rollout_variant(place, 25) for place in (0.2499, 0.25, 0.5, 0.75)]
    ['challenger', 'champion', 'control', 'champion']

    Args:
        place: The unit's bucket, 0 <= place < 1.
        percent: 0 … 50, or 100.

    Raises:
        ConfigError: percent is none of these.
    """
    _check_percent(percent)
    if place < percent / 100:
        return "challenger"
    # Not .5 + p/100: that sum is a bit off for some p, and would give the control one bucket more.
    if percent < 100 and 0.5 <= place < (50 + percent) / 100:
        return "control"
    return "champion"


def rollout_variants(places: npt.NDArray[np.float64], percent: int) -> npt.NDArray[np.str_]:
    """``rollout_variant`` of many buckets at once: (n,) str.

    Raises:
        ConfigError: percent is not 0 … 50 or 100.
    """
    _check_percent(percent)
    variants = np.full(len(places), "champion", dtype="U10")
    variants[(places >= 0.5) & (places < (50 + percent) / 100)] = "control"
    variants[places < percent / 100] = "challenger"
    return variants


def propensity(variant: RolloutVariant, percent: int) -> float:
    """Probability, over salts, that a unit gets the variant while the challenger has ``percent`` % of units.

    >>> propensity("control", 25), propensity("champion", 25), propensity("challenger", 100)
    (0.25, 0.5, 1.0)

    Raises:
        ConfigError: percent is not 0 … 50 or 100.
    """
    _check_percent(percent)
    share = {"challenger": percent, "control": percent, "champion": 100 - 2 * percent}
    if percent == 100:
        share = {"challenger": 100, "control": 0, "champion": 0}
    return share[variant] / 100


def _check_percent(percent: int) -> None:
    if not (0 <= percent <= 50 or percent == 100):
        raise ConfigError(
            f"percent == {percent}, must be 0 … 50, or 100 for everybody: above 50 no equal control is left"
        )
