"""The image's health check: asks the server that this container was started as.

    python -m serving.health                          by the command line of the container's first process
    python -m serving.health http://127.0.0.1:8080/readyz

Exits 0 where the server answers 200, and where the container serves nothing (a pipeline step is well as long as it
runs); else 1, with one line that says why. It asks whether the server lives, not whether it has all it needs: what a
restart does not mend is no reason for one.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_TIMEOUT_S = 4.0
_FIRST_PROCESS = Path("/proc/1/cmdline")


class _Role(NamedTuple):
    """A way to start the image.

    Attributes:
        words: What its command line holds, in this order and next to each other.
        port: Where it listens unless its command line says otherwise; 0: the settings' policy_port.
        path: Answers 200 while it lives.
        option: Names the port.
    """

    words: tuple[str, ...]
    port: int
    path: str
    option: str = "--port"


ROLES = (
    _Role(("serve", "policy"), 0, "/healthz"),
    _Role(("serving.policy_server",), 8080, "/healthz"),
    _Role(("serve", "model"), 8081, "/readyz"),
    _Role(("serving.model_server",), 8081, "/readyz"),
    _Role(("serving.transformer",), 8080, "/readyz", "--http_port"),
    _Role(("uvicorn", "serving.main:app"), 8000, "/readyz"),
    _Role(("serve", "page"), 8501, "/_stcore/health"),
    _Role(("streamlit", "run"), 8501, "/_stcore/health", "--server.port"),
    _Role(("mlflow", "server"), 5000, "/health"),
)


def address(command: Sequence[str]) -> str | None:
    """Where a server started by a command line tells that it lives; None where it is no server.

    Args:
        command: The words, e.g. ``["/opt/venv/bin/screentest", "serve", "policy", "--port", "8080"]``.
    """
    names = [Path(word).name for word in command]
    for role in ROLES:
        width = len(role.words)
        if any(tuple(names[at : at + width]) == role.words for at in range(len(names))):
            port = _option(command, role.option) or str(role.port or _policy_port())
            return f"http://127.0.0.1:{port}{role.path}"
    return None


def _policy_port() -> int:
    # Ten times what the rest of the check costs: only where the command line does not say it.
    from core.settings import load_settings

    return load_settings().policy_port


def _option(command: Sequence[str], name: str) -> str:
    """The value of ``--name value`` or ``--name=value``; empty where it is not given."""
    for at, word in enumerate(command):
        if word == name:
            return "".join(command[at + 1 : at + 2])
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def trouble(url: str) -> str:
    """Why a server does not answer 200; empty where it does."""
    # A proxy that the environment names is for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_S):
            return ""
    except (OSError, ValueError) as error:
        # HTTPError and URLError are OSErrors.
        return f"{url}: {error}"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of ``python -m serving.health``; returns the exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    url = given[0] if given else address(_FIRST_PROCESS.read_text(encoding="utf-8", errors="replace").split("\0"))
    said = trouble(url) if url else ""
    if said:
        print(said, file=sys.stderr)
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
