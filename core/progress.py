"""Progress of long work, as lines on standard output that a person and a program can both read.

A pipeline step's output is captured by whoever runs it (KFP locally, Kubernetes in a cluster), so progress
is a line: ``[progress] traffic 3000/36000 step 25 %``. The command line turns such lines into a live bar.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE = re.compile(r"^\s*\[progress\] (?P<stage>\S+) (?P<done>\d+)/(?P<total>\d+) ?(?P<text>.*)$")


class Progress(NamedTuple):
    """How far a stage is.

    Attributes:
        stage: One word, e.g. "traffic".
        done: Units done, 0 … total.
        total: Units in all.
        text: A remark for the reader.
    """

    stage: str
    done: int
    total: int
    text: str = ""


def report(stage: str, done: int, total: int, text: str = "") -> None:
    """Print one progress line."""
    print(f"[progress] {stage} {done}/{total} {text}".rstrip(), flush=True)


def parse(line: str) -> Progress | None:
    """The progress a line reports, or None if it is an ordinary line.

    >>> parse("[progress] traffic 30/100 step 5 %")
    Progress(stage='traffic', done=30, total=100, text='step 5 %')
    """
    match = _LINE.match(line)
    if match is None:
        return None
    return Progress(match["stage"], int(match["done"]), int(match["total"]), match["text"].strip())
