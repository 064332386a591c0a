"""Random numbers that have an address instead of a place in a sequence.

A number is a pure function of ``(seed, stream, counters…)``: session 17's third coin is the same whether it
is drawn first or last, alone or among a million, in this process or another. The hash is SplitMix64 (Steele,
Lea & Flood 2014, "Fast splittable pseudorandom number generators", figure 17), applied once per counter, in
64-bit integers; so the uniforms are equal on every platform.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1
_ONE_STEP = np.uint64(_GOLDEN)
_MULTIPLY_1, _MULTIPLY_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFT_30, _SHIFT_27, _SHIFT_31, _SHIFT_12 = (np.uint64(bits) for bits in (30, 27, 31, 12))


def _mix(state: Keys) -> Keys:
    state = (state ^ (state >> _SHIFT_30)) * _MULTIPLY_1
    state = (state ^ (state >> _SHIFT_27)) * _MULTIPLY_2
    return state ^ (state >> _SHIFT_31)


def start(seed: int, stream: int) -> Keys:
    """The key that every number of one stream begins from.

    Args:
        seed: Any integer; taken modulo 2^64.
        stream: What the numbers are for; streams of one seed are unrelated.

    Returns:
        (1,) uint64.
    """
    return extend(_mix(np.array([seed & _WORD], dtype=np.uint64)), np.array([stream]))


def extend(keys: Keys, counters: npt.NDArray[np.int64]) -> Keys:
    """Keys one level deeper: each key's own SplitMix64 sequence, read at the counter.

    Args:
        keys: uint64, at least one dimension.
        counters: Integers >= 0 that broadcast against ``keys``.

    Returns:
        uint64 keys of the broadcast shape.
    """
    return _mix(keys + (counters.astype(np.uint64) + np.uint64(1)) * _ONE_STEP)


def uniform(keys: Keys) -> Floats:
    """Uniforms in the open interval (0, 1), 52 bits each.

    52 bits and a half step off the grid: neither 0 nor 1 can come out, so that ``normal`` is always finite.
    """
    return ((keys >> _SHIFT_12).astype(np.float64) + 0.5) * 2.0**-52


def normal(keys: Keys) -> Floats:
    """Standard normals, by the inverse of the distribution function."""
    return np.asarray(ndtri(uniform(keys)), dtype=np.float64)
