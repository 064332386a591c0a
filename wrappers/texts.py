"""Many texts in one buffer: titles of ten million items as Python's strings would take gigabytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

#: How a table holds a column of texts in one buffer.
STRINGS = pd.StringDtype("pyarrow")


class Texts:
    """A column of texts, none of them missing, of which a few are looked at.

    Args:
        column: (n,) texts.

    >>> Texts(pd.Series(["a", "", "bé"]))[np.array([2, 0])]
    ['bé', 'a']
    """

    def __init__(self, column: pd.Series[Any]) -> None:
        import pyarrow as pa

        array = pa.array(column, pa.large_string())
        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        _, starts, data = whole.buffers()
        self._starts = np.frombuffer(starts, np.int64)[whole.offset : whole.offset + len(whole) + 1]
        self._data = memoryview(b"" if data is None else data)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: npt.NDArray[np.int64]) -> list[str]:
        starts, stops = self._starts[index].tolist(), self._starts[index + 1].tolist()
        return [str(self._data[start:stop], "utf-8") for start, stop in zip(starts, stops, strict=True)]

    def tolist(self) -> list[str]:
        """All of them."""
        return self[np.arange(len(self))]
