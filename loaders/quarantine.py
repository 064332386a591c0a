"""Bad lines set aside in a file of their own, so that the rest can be used and nothing is lost."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from loaders.delimited import Table

COLUMNS = ("file", "line", "reason", "text")


def write_quarantine(path: Path, tables: Iterable[Table]) -> int:
    """Write every line that has a problem, as it stands in its file, with the reason.

    Args:
        path: The CSV to write: file, line, reason, text; replaced if it exists, a header alone if nothing is bad.
        tables: The tables with their problems.

    Returns:
        Lines set aside; a line with two problems is one line with both reasons.

    Raises:
        ConfigError: The file cannot be written.
    """
    rows = [row for table in tables for row in _bad_lines(table)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    except OSError as error:
        raise ConfigError(f"quarantine {path} cannot be written ({error.strerror}); give a writable file") from error
    return len(rows)


def _bad_lines(table: Table) -> list[tuple[str, int, str, str]]:
    reasons: dict[int, list[str]] = {}
    for problem in (problem for problem in table.problems if not problem.fatal):
        for place, line in enumerate(problem.lines.tolist()):
            reasons.setdefault(line, []).append(problem.reason(place))
    lines = sorted(reasons)
    texts = line_texts(table.raw, np.array(lines, dtype=np.int64))
    return [(table.file, line, "; ".join(reasons[line]), text) for line, text in zip(lines, texts, strict=True)]


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
