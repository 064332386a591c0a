"""Graph files: which may run, and how they are run. The only code that comes out of an artifact.

Only files that we wrote run, told by their hash, whatever an artifact says its graph is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from core.errors import DataError

_FOLDER = Path(__file__).parent / "graphs"

#: SHA-256 of every graph file there ever was, to its task. Of each task the last is the one that new models get.
ALLOWED = {
    "942b57479321e80fbf72d8af66834c47ea6dbc9cbf0df7d925a64920f7a0858d": "explain",
    "830b66f82e71fdb827cc7571cf43317f52dde1467082b76b704792546f2b8de2": "rerank",
}

Messages = list[dict[str, str]]
Write = Callable[[list[str], list[str]], Messages]
Ask = Callable[[Messages], Awaitable[tuple[str, str]]]


def shipped_graph(task: str) -> str:
    """The text of a task's graph file."""
    return (_FOLDER / f"{task}.py").read_text(encoding="utf-8")


def hash_of(code: str) -> str:
    """SHA-256 of a graph file."""
    return hashlib.sha256(code.encode()).hexdigest()


def check_graph(code: str, task: str) -> None:
    """Refuse a file that is none of ours, or one for another task; nothing of it is run.

    Raises:
        DataError: It is one.
    """
    if ALLOWED.get(hash_of(code)) != task:
        raise DataError(
            f"the graph file with SHA-256 {hash_of(code)[:12]} is none of ours for {task!r} and was not run "
            "(wrappers/graph_code.py); make the model again, or install the version of screentest that made it"
        )


def build_graph(code: str, task: str, write: Write, ask: Ask) -> Any:
    """Run a graph file and build its graph.

    Args:
        code: The file's text.
        task: What it must be for.
        write: See ``build`` in the file.
        ask: See there.

    Returns:
        LangGraph's compiled graph.

    Raises:
        DataError: It is none of our graph files, or one for another task; nothing of it was run.
    """
    check_graph(code, task)
    module = ModuleType(f"wrappers.graphs.{task}")
    # As it stands: this file's own __future__ imports would change what its annotations are.
    exec(compile(code, f"<graph {task} {hash_of(code)[:12]}>", "exec", dont_inherit=True), module.__dict__)
    return module.build(write, ask)
