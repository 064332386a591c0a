"""FNV-1a, 32 bits: the hash that assignment and namespaces are made of, of one text and of many at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

OFFSET = 0x811C9DC5
"""State before the first byte."""
_PRIME = 0x01000193
# An id from JSON may hold half a surrogate pair; it is a unit like any other.
_ENCODING = ("utf-8", "surrogatepass")


def utf8(text: str) -> bytes:
    """The bytes that are hashed: any text has some."""
    return text.encode(*_ENCODING)


def fnv32a(data: bytes, state: int = OFFSET) -> int:
    """For each byte, exclusive-or then times the prime (Fowler, Noll & Vo).

    >>> hex(fnv32a(b"foobar"))
    '0xbf9cf968'
    """
    for byte in data:
        state = ((state ^ byte) * _PRIME) & 0xFFFFFFFF
    return state


def fnv32a_of_texts(texts: Sequence[str], state: int = OFFSET) -> npt.NDArray[np.uint32]:
    """``fnv32a`` of many texts, byte by byte, all at once.

    >>> fnv32a_of_texts(["foobar", ""]).tolist() == [0xBF9CF968, OFFSET]
    True

    Args:
        texts: n texts.
        state: Before their first bytes.

    Returns:
        (n,) uint32.
    """
    encoded = list(map(str.encode, texts, *map(repeat, _ENCODING)))
    length = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
    text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    start = np.cumsum(length) - length
    states = np.full(len(encoded), state, dtype=np.uint32)
    for position in range(int(length.max(initial=0))):
        reached = np.flatnonzero(length > position)
        states[reached] = (states[reached] ^ text[start[reached] + position]) * np.uint32(_PRIME)
    return states


def fnv32a_continued(states: npt.NDArray[np.uint32], data: bytes) -> npt.NDArray[np.uint32]:
    """Many states after some more bytes, the same for all."""
    for byte in data:
        states = (states ^ np.uint32(byte)) * np.uint32(_PRIME)
    return states


def fnv32a_of_digits(numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """``fnv32a`` of each number's decimal text.

    >>> fnv32a_of_digits(np.array([0, 42], np.uint32)).tolist() == [fnv32a(b"0"), fnv32a(b"42")]
    True
    """
    states = np.full(len(numbers), OFFSET, dtype=np.uint32)
    for power in range(9, -1, -1):
        scale = np.uint32(10**power)
        # Leading zeros are no part of the text; the last digit always is.
        written = (numbers >= scale) | (power == 0)
        digit = numbers // scale % np.uint32(10) + np.uint32(ord("0"))
        states = np.where(written, (states ^ digit) * np.uint32(_PRIME), states)
    return states
