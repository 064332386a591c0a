"""Whether a worker lives: it touches a file about every second.

python -m monitoring.alive /tmp/worker.alive        exit code 1, and why, where it has not done so for a minute
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

LONGEST_SILENCE_S = 60.0


def trouble(file: Path) -> str:
    """Why a worker counts as dead; empty where it lives."""
    try:
        silent_s = time.time() - file.stat().st_mtime
    except OSError as error:
        return f"{file}: {error.strerror}"
    return f"{file} was touched {silent_s:.0f} s ago" if silent_s > LONGEST_SILENCE_S else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if len(given) != 1:
        print("usage: python -m monitoring.alive FILE", file=sys.stderr)
        return 2
    said = trouble(Path(given[0]))
    if said:
        print(said, file=sys.stderr)
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
