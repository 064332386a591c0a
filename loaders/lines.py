"""The lines of a file as they stand, by their numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


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
