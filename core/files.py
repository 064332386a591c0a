"""Files that are there in whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(target: Path, text: str) -> None:
    """Write a text file (UTF-8), all of it or nothing: a process may be killed while it writes.

    Args:
        target: The file, in a folder that exists; replaced where it exists already.
        text: What it shall hold.

    Raises:
        OSError: The file cannot be written; one that was there is as it was.
    """
    partial = target.with_name(target.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
