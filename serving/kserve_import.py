"""Importing KServe where the command line is not its own."""

from __future__ import annotations

import importlib
import sys


def kserve_without_arguments() -> None:
    """Import KServe, which reads ``sys.argv`` as it is imported and ends the process where it misunderstands it.

    It takes ``uvicorn serving.main:app --http h11`` for its own ``--http_port``, for one.
    """
    if "kserve" in sys.modules:
        return
    given, sys.argv = sys.argv, sys.argv[:1]
    try:
        importlib.import_module("kserve")
    finally:
        sys.argv = given
