"""Logging: what a user can act on goes to the terminal, what libraries say goes to a file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_file(path: Path | None) -> None:
    """Send every log record and every Python warning to a file, none to the terminal.

    Args:
        path: The file, appended to; its folder is made. None drops the records (a server whose standard
            error is captured by its parent logs there instead, through its own handler).
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        if isinstance(handler, logging.FileHandler):
            handler.close()
    if path is None:
        root.addHandler(logging.NullHandler())
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
