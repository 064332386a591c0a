"""External ids to matrix indexes and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN = -1


class IdIndex:
    """A fixed, ordered set of external ids; position is the matrix index.

    Ids are either all integers (kept as int64) or all strings. Look-ups accept both: ``"17"`` finds the
    integer id 17, because ids arrive as text over HTTP.

    Args:
        ids: (n,) distinct ids, int64 or str, in matrix order.

    Raises:
        ValueError: An id occurs twice.
    """

    def __init__(self, ids: npt.ArrayLike) -> None:
        array = np.asarray(ids)
        self.ids: npt.NDArray[Any] = array.astype(np.int64) if array.dtype.kind in "iu" else array.astype(str)
        if array.size == 0:
            self.ids = array.astype(np.int64)
        self._order = np.argsort(self.ids, kind="stable")
        self._sorted = self.ids[self._order]
        if len(self._sorted) > 1 and bool((self._sorted[1:] == self._sorted[:-1]).any()):
            raise ValueError("ids must be distinct")

    @classmethod
    def of(cls, values: npt.ArrayLike) -> IdIndex:
        """The distinct values, ascending."""
        return cls(np.unique(np.asarray(values)))

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdIndex) and np.array_equal(self.ids, other.ids)

    def index_of(self, ids: Iterable[Any] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """(m,) int64 matrix indexes of the given ids; ``UNKNOWN`` (-1) where an id is not in the set."""
        if isinstance(ids, list) and len(ids) == 1:
            return np.array([self._index_of_one(ids[0])], dtype=np.int64)
        wanted = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids))
        if wanted.size == 0 or len(self.ids) == 0:
            return np.full(wanted.shape, UNKNOWN, dtype=np.int64)
        if self.ids.dtype.kind == "i" and wanted.dtype.kind not in "iu":
            return self._index_of_text(wanted)
        if self.ids.dtype.kind == "U":
            wanted = wanted.astype(str)
        position = np.searchsorted(self._sorted, wanted)
        position[position == len(self._sorted)] = 0
        return np.where(self._sorted[position] == wanted, self._order[position], UNKNOWN)

    def with_new(self, ids: npt.NDArray[Any]) -> IdIndex:
        """These ids in their order, and behind them those of the given ones that are not among them, ascending."""
        new = np.unique(ids[self.index_of(ids) == UNKNOWN])
        return IdIndex(np.concatenate([self.ids, new])) if len(new) else self

    def _index_of_text(self, wanted: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Integer ids given as text, or mixed; what is no 64-bit integer is unknown."""
        numbers = np.zeros(wanted.shape, dtype=np.int64)
        valid = np.zeros(wanted.shape, dtype=bool)
        for place, value in enumerate(wanted.tolist()):
            number = _int64(str(value))
            if number is not None:
                numbers[place], valid[place] = number, True
        return np.where(valid, self.index_of(numbers), UNKNOWN)

    def _index_of_one(self, value: Any) -> int:
        """The same for one id, as a server looks them up: without a dozen arrays of one element."""
        wanted = _int64(str(value)) if self.ids.dtype.kind == "i" else str(value)
        if wanted is None:
            return UNKNOWN
        position = int(self._sorted.searchsorted(wanted))
        found = position < len(self._sorted) and self._sorted[position] == wanted
        return int(self._order[position]) if found else UNKNOWN


def _int64(text: str) -> int | None:
    # isdecimal takes other scripts' digits too, as int() does; 20 characters hold every 64-bit integer.
    if text.removeprefix("-").isdecimal() and len(text) <= 20 and -(2**63) <= int(text) < 2**63:
        return int(text)
    return None
