"""Parquet files that are there in whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from core.errors import EventLogError


def write_parquet(table: Any, target: Path) -> None:
    """Write a table, all of it or nothing: a process may be killed, or the machine, while it writes.

    Args:
        table: A pyarrow table; its schema's metadata is kept.
        target: The file; its folder is made, a file of that name replaced.

    Raises:
        EventLogError: It cannot be written; a file that was there is as it was.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # No reader of *.parquet sees it under this name.
    partial = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except (OSError, pa.ArrowException) as error:
        raise EventLogError(f"{target} cannot be written: {error}") from error
