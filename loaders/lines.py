"""The lines of a file as they stand, by their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class RowStarts(NamedTuple):
    """Where rows begin if quoted values may go on over the next line.

    Attributes:
        lines: (n_rows,) int64 line of each row, counted from 0; the header's too.
        open: The last row's quote is never closed.
    """

    lines: npt.NDArray[np.int64]
    open: bool


def row_starts(body: bytes) -> RowStarts | None:
    """Where the rows of some lines begin, a quote anywhere opening a value or closing it.

    Returns:
        None where every line is a row.
    """
    if b'"' not in body:
        return None
    byte = np.frombuffer(body, dtype=np.uint8)
    inside = np.logical_xor.accumulate(byte == ord('"'))
    goes_on = inside[byte == ord("\n")]
    if not goes_on.any():
        return None
    starts = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    # Behind the last line break is no row.
    return RowStarts(starts[:-1] if body.endswith(b"\n") and not goes_on[-1] else starts, bool(inside[-1]))


def line_texts(raw: bytes, lines: npt.NDArray[np.int64]) -> list[str]:
    r"""The text of some lines of a file, bytes that are no UTF-8 written as ``\xe9``.

    Args:
        raw: The file's content.
        lines: 1-based line numbers that the file has.
    """
    if not len(lines):
        return []
    byte = np.frombuffer(raw, dtype=np.uint8)
    # pyarrow ends a line at \n, \r\n and \r alone.
    breaks = np.flatnonzero((byte == ord("\n")) | ((byte == ord("\r")) & (np.append(byte[1:], 0) != ord("\n"))))
    starts = np.concatenate([[0], breaks + 1])[lines - 1]
    ends = np.concatenate([breaks, [len(raw)]])[lines - 1]
    return [
        raw[start:end].rstrip(b"\r").decode(errors="backslashreplace")
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def line_texts_in_blocks(blocks: Iterable[bytes], lines: npt.NDArray[np.int64]) -> list[str]:
    """As :func:`line_texts`, of a file that is read in blocks of whole lines.

    Args:
        blocks: The file's content in order, each block but the last ending with a line break.
        lines: 1-based line numbers that the file has, ascending.
    """
    texts: list[str] = []
    before = 0
    for block in blocks:
        # Only the last block may hold a line that no break ends.
        after = before + block.count(b"\n") + (not block.endswith(b"\n"))
        here = lines[(lines > before) & (lines <= after)]
        texts += line_texts(block, here - before)
        before = after
    return texts
