"""What a server process says: little, on standard error, which its parent or container captures."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from datetime import UTC, datetime

from serving.traceparent import current_traceparent

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TextLines(logging.Formatter):
    """A line for people; one that a traced request caused ends with its traceparent."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (as the base calls it)
        """The line; a traceback follows on further ones."""
        traceparent = current_traceparent()
        text = super().formatMessage(record)
        return f"{text} [traceparent {traceparent}]" if traceparent else text


class JsonLines(logging.Formatter):
    """One JSON object a line, tracebacks included.

    ``ts`` (UTC, ISO 8601), ``level``, ``logger``, ``message``; where there is one, ``traceparent`` and ``exception``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        document = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        traceparent = current_traceparent()
        if traceparent:
            document["traceparent"] = traceparent
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        # The standard library's: it escapes half a surrogate pair, which orjson refuses.
        return json.dumps(document)


def log_to_stderr(log_format: str = "text", level: int = logging.WARNING, *, access_log: bool = False) -> None:
    """Log warnings and errors to standard error, no line per request, no library start-up chatter.

    Args:
        log_format: ``text`` or ``json``, the setting of that name.
        level: The lowest level that is told.
        access_log: Uvicorn was started by somebody else, who decides what it tells; as JSON it is told as JSON.
    """
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[stream], force=True)
    logging.captureWarnings(True)
    # A user of the server cannot act on a library's deprecations.
    warnings.simplefilter("ignore")
    # KServe configures logging itself, a line per request included, unless its logger has a handler already.
    kserve = logging.getLogger("kserve")
    kserve.handlers = [stream]
    kserve.propagate = False
    kserve.setLevel(level)
    if access_log and log_format == "json":
        for name in ("uvicorn", "uvicorn.access"):
            logging.getLogger(name).handlers = [stream]
    if access_log:
        return
    access = logging.getLogger("uvicorn.access")
    access.handlers = []
    access.propagate = False
