"""Rows in blocks, so that what is made of them densely stays small however many there are."""

from __future__ import annotations

#: Cells held densely at once: 64 MB of float32.
CELLS = 2**24


def row_blocks(n_rows: int, width: int) -> list[tuple[int, int]]:
    """``start, stop`` of consecutive blocks that together cover n_rows rows of the given width.

    >>> row_blocks(5, CELLS // 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    size = max(1, CELLS // max(width, 1))
    return [(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
