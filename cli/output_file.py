"""A file that somebody named on a command line, written whole or refused in one line."""

from __future__ import annotations

from pathlib import Path

from core.errors import ConfigError
from core.files import write_whole


def write_output(target: Path, text: str) -> None:
    """Write a text file, all of it or nothing.

    Raises:
        ConfigError: It cannot be written, e.g. because its folder does not exist.
    """
    try:
        write_whole(target, text)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}; does its folder exist?") from error
