"""Bad lines set aside in a file of their own, so that the rest can be used and nothing is lost."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

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
    texts = table.texts(np.array(lines, dtype=np.int64))
    return [(table.file, line, "; ".join(reasons[line]), text) for line, text in zip(lines, texts, strict=True)]
