"""What a server process says: little, on standard error, which its parent or container captures."""

from __future__ import annotations

import logging
import sys
import warnings

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Log warnings and errors to standard error, no line per request, no library start-up chatter."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=level, handlers=[stream], force=True)
    logging.captureWarnings(True)
    # A user of the server cannot act on a library's deprecations.
    warnings.simplefilter("ignore")
    # KServe configures logging itself, a line per request included, unless its logger has a handler already.
    kserve = logging.getLogger("kserve")
    kserve.handlers = [stream]
    kserve.propagate = False
    kserve.setLevel(level)
    access = logging.getLogger("uvicorn.access")
    access.handlers = []
    access.propagate = False
